"""No test reads or writes what belongs to the user who runs it."""

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _own_settings(tmp_path_factory, monkeypatch) -> None:
    monkeypatch.setenv("NAPARI_SAM_CONFIG", str(tmp_path_factory.mktemp("config")))
    monkeypatch.setenv("NAPARI_SAM_SESSIONS", str(tmp_path_factory.mktemp("sessions")))
    # What one test keeps there (how fast the machine is, say) is nothing to the next.
    monkeypatch.setenv("NAPARI_SAM_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session", autouse=True)
def _own_downloads_in_wider_fixtures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAPARI_SAM_CACHE", str(tmp_path_factory.mktemp("downloads")))
        yield
