"""No test reads or writes what belongs to the user who runs it, or leaves anything running."""

import sys
import threading
from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("napari_sam.testing")


@pytest.fixture(autouse=True)
def _own_settings(tmp_path_factory, monkeypatch) -> None:
    monkeypatch.setenv("NAPARI_SAM_CONFIG", str(tmp_path_factory.mktemp("config")))
    monkeypatch.setenv("NAPARI_SAM_SESSIONS", str(tmp_path_factory.mktemp("sessions")))
    _own_napari_settings(tmp_path_factory.mktemp("napari") / "settings.yaml", monkeypatch)
    # What one test keeps there (how fast the machine is, say) is nothing to the next.
    monkeypatch.setenv("NAPARI_SAM_CACHE", str(tmp_path_factory.mktemp("cache")))
    # It decides how small work is shared out.
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)


def _own_napari_settings(path, monkeypatch) -> None:
    """napari reads the variable when it is imported, which may have been long ago."""
    monkeypatch.setenv("NAPARI_CONFIG", str(path))
    settings = sys.modules.get("napari.settings")
    if settings is not None and hasattr(settings, "get_plugin_settings"):
        monkeypatch.setattr(settings, "_CFG_PATH", str(path))
        settings._clear_plugin_settings_cache()


@pytest.fixture(scope="session", autouse=True)
def _own_downloads_in_wider_fixtures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAPARI_SAM_CACHE", str(tmp_path_factory.mktemp("downloads")))
        yield


@pytest.fixture(autouse=True)
def _no_log_is_written_on() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [
        each for each in threading.enumerate() if each.name.startswith("napari-sam-autosave") and each not in before
    ]
    assert not left, f"{len(left)} threads write the log of a session that is over"
