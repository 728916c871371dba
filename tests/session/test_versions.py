"""Saved labels can be gone back to: the last ten states are kept, within a bound on bytes, whatever happens."""

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam.errors import UserError
from napari_sam.export.save_labels import save_labels
from napari_sam.planes.image_source import ImageSource
from napari_sam.session.record import versions
from napari_sam.session.record.label_picture import SIDE, picture_of
from napari_sam.session.record.versions import KEPT, VersionStore, keep_version, versions_folder


def write(path: Path, *ids: int) -> np.ndarray:
    """A stack of labels with one square for each id."""
    labels = np.zeros((3, 40, 60), np.uint16)
    for at, label in enumerate(ids):
        labels[at % 3, 5:15, 6 * at : 6 * at + 5] = label
    save_labels(path, labels)
    return labels


@pytest.fixture
def store(tmp_path) -> VersionStore:
    return VersionStore(tmp_path / "versions")


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "made.ome.tif"


def test_they_lie_where_the_logs_do(monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SAM_SESSIONS", str(tmp_path))
    assert versions_folder() == tmp_path / "versions"


def test_what_was_saved_is_kept_with_time_objects_and_a_picture(store, path):
    labels = write(path, 1, 2, 7)
    kept = store.keep(path)
    write(path, 9)
    assert store.of(path) == store.all() == [kept]
    assert kept.n_objects == 3
    assert abs(kept.written - path.stat().st_mtime) < 60
    np.testing.assert_array_equal(tifffile.imread(kept.labels), labels)
    assert kept.session is None
    with Image.open(kept.picture) as picture:
        assert max(picture.size) <= SIDE
        assert len(picture.convert("RGB").getcolors()) == 4


def test_the_session_beside_it_is_kept_too(store, path):
    write(path, 1)
    path.with_name("made.session.json").write_text("first")
    kept = store.keep(path)
    path.with_name("made.session.json").write_text("second")
    assert kept.session.read_text() == "first"
    # The labels are the same, the session is not.
    assert store.keep(path).folder != kept.folder


def test_what_did_not_change_is_kept_once(store, path):
    write(path, 1)
    kept = store.keep(path)
    assert store.keep(path) == kept
    # As a copying program leaves it: another time, the same bytes.
    os.utime(path, (1, 1))
    assert store.keep(path) == kept
    assert len(store.of(path)) == 1


def test_the_last_ten_of_each_file_are_kept(store, path, tmp_path):
    for label in range(1, KEPT + 4):
        write(path, label)
        store.keep(path)
    other = tmp_path / "other.tif"
    write(other, 1, 2)
    store.keep(other)
    found = store.of(path)
    assert len(found) == KEPT
    assert [tifffile.imread(each.labels).max() for each in found] == list(range(KEPT + 3, 3, -1))
    assert [each.path for each in store.all()] == [other, *[path] * KEPT]
    assert len(list(found[0].folder.parent.iterdir())) == KEPT


def test_their_bytes_are_bounded_over_all_files(store, path, tmp_path):
    for name in ("a.tif", "b.tif", "c.tif"):
        write(tmp_path / name, 1)
        kept = store.keep(tmp_path / name)
    each = sum(file.stat().st_size for file in kept.folder.iterdir())
    small = VersionStore(store.parent, 3 * each + each // 2)
    write(path, 1, 2)
    small.keep(path)
    assert [version.path.name for version in small.all()] == ["made.ome.tif", "c.tif", "b.tif"]
    assert VersionStore(store.parent, 10).keep(path) is None
    assert keep_version(VersionStore(tmp_path / "none", 0), path) == ""
    assert not (tmp_path / "none").exists()


def test_a_file_that_is_not_there_or_holds_no_labels(store, path, tmp_path):
    assert store.keep(path) is None
    text = tmp_path / "text.tif"
    text.write_text("no labels")
    kept = store.keep(text)
    assert kept.n_objects is kept.picture is None
    assert kept.labels.read_text() == "no labels"


def test_a_process_that_is_killed_meanwhile_leaves_no_half_version(store, path, monkeypatch):
    write(path, 1)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(versions, "_summarise", killed)
    # As if nothing had time to tidy up.
    monkeypatch.setattr(versions.shutil, "rmtree", lambda *_, **__: None)
    with pytest.raises(KeyboardInterrupt):
        store.keep(path)
    assert store.all() == store.of(path) == []
    (unfinished,) = store.parent.glob("*/*")
    monkeypatch.undo()
    os.utime(unfinished, (1, 1))
    store.keep(path)
    assert len(store.all()) == 1
    assert not unfinished.exists()


def test_a_full_disk_is_told_and_leaves_nothing(store, path, monkeypatch):
    write(path, 1)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(versions.shutil, "copyfile", full)
    assert keep_version(store, path) == " No earlier version could be kept: No space left on device."
    assert list(store.parent.glob("*/*")) == []


def test_what_the_disk_lost_is_not_offered(store, path):
    write(path, 1)
    kept = store.keep(path)
    (kept.folder / "about.json").write_text("")
    assert store.all() == []
    assert store.keep(path) is not None


def test_labels_without_a_session_are_read_as_labels(store, path):
    labels = write(path, 3, 5)
    kept = store.keep(path)
    restored, draft = kept.read(ImageSource(np.zeros(labels.shape, np.uint8)))
    np.testing.assert_array_equal(restored.labels, labels)
    assert (restored.name, restored.next_label, restored.rows, draft) == ("made", 6, {}, None)
    with pytest.raises(UserError, match="shape"):
        kept.read(ImageSource(np.zeros((3, 40, 61), np.uint8)))


@pytest.mark.parametrize("shape", [(7, 500), (1, 1), (2, 3, 301, 200)])
def test_pictures_of_any_shape(shape, path):
    labels = np.zeros(shape, np.int32)
    labels[..., 0, 0] = 70_000
    save_labels(path, labels)
    count, picture = picture_of(path)
    assert count == 1
    assert 1 <= min(picture.size) <= max(picture.size) <= SIDE
    assert picture.getpixel((0, 0)) != (0, 0, 0)
