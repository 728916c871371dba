"""No test reads or writes what belongs to the user who runs it, or leaves anything running."""

import copy
import functools
import gc
import sys
import threading
from collections.abc import Iterator

import pytest
from hypothesis import settings

# How long an example takes says nothing on a machine that does other work as well.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

pytest.register_assert_rewrite("napari_sam.testing")


SLOW = ("benchmarks", "plugin", "demo", "segment", "training", "session", "batch", "cli", "testing")
"""Folders whose files take long: they come first, so that none is begun when the other process has nothing to do."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: SLOW.index(item.path.parent.name) if item.path.parent.name in SLOW else len(SLOW))


def pytest_collection_finish() -> None:
    _leave_alone_what_is_there()


def _leave_alone_what_is_there() -> None:
    """Have later garbage collections pass over what lives now, which are mostly modules and their functions.

    napari collects garbage with every layer that is removed: half a second each time, with torch and Qt imported.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _leave_alone_what_other_modules_left() -> None:
    _leave_alone_what_is_there()


@pytest.fixture(autouse=True)
def _collections_as_a_user_has_them_where_time_is_measured(request) -> None:
    if request.node.get_closest_marker("alone"):
        gc.unfreeze()


@pytest.fixture(scope="session")
def manifests_parsed_once() -> Iterator[None]:
    """Keep what was parsed of a plugin's manifest: with each viewer, napari reads those of all plugins twice."""
    from npe2.manifest import _bases

    parse = functools.cache(_bases._load_yaml_no_duplicates)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_bases, "_load_yaml_no_duplicates", lambda stream: copy.deepcopy(parse(_text(stream))))
        yield


@pytest.fixture
def make_napari_viewer(manifests_parsed_once, make_napari_viewer):
    return make_napari_viewer


def _text(stream) -> str:
    return stream if isinstance(stream, str) else stream.read()


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
