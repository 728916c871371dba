"""No test reads or writes what belongs to the user who runs it."""

import pytest


@pytest.fixture(autouse=True)
def _own_settings(tmp_path_factory, monkeypatch) -> None:
    monkeypatch.setenv("NAPARI_SAM_CONFIG", str(tmp_path_factory.mktemp("config")))
