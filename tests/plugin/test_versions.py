"""What was saved can be gone back to: from the panel, from the palette, and whichever way it was saved."""

import numpy as np
import pytest
import tifffile
from closed_window import accept_one, save
from session_deeds import Z4

from napari_sam.plugin.actions import Action
from napari_sam.plugin.commands import open_version_command
from napari_sam.plugin.ome_tiff_writer import write_ome_tiff
from napari_sam.plugin.preferences import preferences
from napari_sam.plugin.settings import remember
from napari_sam.plugin.version_dialog import VersionDialog
from napari_sam.prompts.prompt import Point
from napari_sam.session.record.versions import VersionStore


def dialog_of(widget) -> VersionDialog:
    found = widget.findChildren(VersionDialog)
    assert found, "no dialog was opened"
    return found[-1]


def test_a_state_of_before_comes_back_with_its_objects(desk, tmp_path):
    path = tmp_path / "made.ome.tif"
    accept_one(desk)
    save(desk, path)
    first = desk.labels.copy()
    desk.session.prompts.add_point(Z4, Point(28, 34))
    desk.ready()
    desk.controller.do(Action.ACCEPT)
    desk.session.objects.delete(1)
    save(desk, path)
    on_disk = path.read_bytes()

    desk.widget.versions_button.click()
    dialog = dialog_of(desk.widget)
    assert dialog.files.currentData() == path
    texts = [dialog.list.item(at).text() for at in range(dialog.list.count())]
    assert [text.split("\n")[1] for text in texts] == ["1 object", "1 object"]
    assert not dialog.list.item(1).icon().isNull()
    dialog.list.setCurrentRow(1)
    dialog.restore_button.click()
    desk.hand.until(lambda: desk.session.objects.labels == [1])
    np.testing.assert_array_equal(desk.labels, first)
    desk.controller.reopen(1)
    assert desk.session.prompts.on(Z4).points == (Point(12, 12),)
    # The file is as it was saved last.
    assert path.read_bytes() == on_disk


def test_the_palette_shows_them_and_nothing_saved_is_said(desk, tmp_path):
    open_version_command(desk.viewer)
    assert "Nothing was saved yet" in desk.widget.status.message.text()
    accept_one(desk)
    save(desk, tmp_path / "made.tif")
    open_version_command(desk.viewer)
    dialog = dialog_of(desk.widget)
    assert dialog.list.count() == 1
    dialog.reject()


def test_what_another_program_left_there_is_kept_before_it_is_overwritten(bench, tmp_path):
    path = tmp_path / "made.tif"
    theirs = np.full((9, 40, 50), 3, np.uint8)
    tifffile.imwrite(path, theirs)
    bench.session.record.versions = store = VersionStore(tmp_path / "versions")
    bench.click(4, 12, 12)
    bench.controller.do(Action.ACCEPT)
    bench.settle()
    bench.session.record.save(path)
    bench.settle()
    ours, former = store.of(path)
    assert (ours.n_objects, former.n_objects) == (1, 1)
    np.testing.assert_array_equal(tifffile.imread(former.labels), theirs)
    assert ours.session is not None
    assert former.session is None


def test_labels_are_saved_where_no_version_can_be_kept(bench, tmp_path):
    (tmp_path / "versions").write_text("no folder")
    bench.session.record.versions = VersionStore(tmp_path / "versions")
    bench.click(4, 12, 12)
    bench.controller.do(Action.ACCEPT)
    bench.session.record.save(tmp_path / "made.tif")
    bench.settle()
    assert tifffile.imread(tmp_path / "made.tif").any()
    assert bench.session.status.sentence.startswith("Saved made.tif. No earlier version could be kept: ")


def test_napari_saving_a_layer_keeps_them_too(tmp_path):
    path = tmp_path / "made.ome.tif"
    for label in (1, 2):
        write_ome_tiff(str(path), np.full((4, 5), label, np.uint8), {})
    found = preferences().versions.of(path)
    assert [int(tifffile.imread(each.labels).max()) for each in found] == [2, 1]


@pytest.mark.parametrize(("megabytes", "kept"), [(0, 0), (7, 1)])
def test_the_preference_bounds_them(npe2pm, megabytes, kept, tmp_path):
    remember("preferences", {"versions_megabytes": megabytes})
    path = tmp_path / "made.ome.tif"
    write_ome_tiff(str(path), np.ones((4, 5), np.uint8), {})
    store = preferences().versions
    assert store.most_bytes == megabytes * 2**20
    assert len(store.of(path)) == kept
