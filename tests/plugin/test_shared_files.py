"""Saving asks before it replaces what another program did; two windows of one process do not disturb each other."""

import numpy as np
import pytest
import tifffile
from closed_window import accept_one, save
from napari.components import ViewerModel
from qtpy.QtWidgets import QFileDialog, QMessageBox
from session_deeds import Z4

from napari_sam.plugin.actions import Action
from napari_sam.prompts.prompt import Point
from napari_sam.session.labels_files import FileConflict
from napari_sam.session.notices import NoticeKind
from napari_sam.testing.fake_engine import FakeEngine, blobs
from napari_sam.testing.plugin_in_viewer import HeadlessPlugin


@pytest.fixture
def asked(monkeypatch):
    """The files that are chosen, one after the other, and what was suggested."""
    answers, suggested = [], []

    def ask(_, __, suggestion, ___):
        suggested.append(suggestion)
        return str(answers.pop(0)), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
    return answers, suggested


def question(desk) -> QMessageBox:
    found = desk.widget.findChildren(QMessageBox)
    assert found, "nothing is asked"
    return found[-1]


def press(desk, text: str) -> None:
    box = question(desk)
    next(each for each in box.buttons() if each.text().replace("&", "") == text).click()
    desk.hand.until(lambda: not desk.widget.findChildren(QMessageBox))


def saved(desk) -> bool:
    return not desk.session.record.saving and not desk.widget.autosave.unsaved


def test_a_file_that_was_changed_meanwhile_is_replaced_only_when_the_user_says_so(desk, asked, tmp_path):
    answers, suggested = asked
    path = tmp_path / "made.ome.tif"
    accept_one(desk)
    save(desk, path)
    tifffile.imwrite(path, np.full((9, 40, 50), 7, np.uint8))
    theirs = path.read_bytes()

    answers.append(path)
    desk.widget.ask_and_save()
    assert "changed by another program" in question(desk).text()
    press(desk, "Cancel")
    assert path.read_bytes() == theirs
    assert suggested == [str(path)]

    answers += [path, tmp_path / "other.ome.tif"]
    desk.widget.ask_and_save()
    press(desk, "Another name…")
    desk.hand.until(lambda: (tmp_path / "other.session.json").exists() and saved(desk))
    assert path.read_bytes() == theirs

    answers.append(path)
    desk.session.files.use(desk.session.labels.target, path)
    path.write_bytes(theirs + b" ")
    desk.widget.ask_and_save()
    press(desk, "Overwrite")
    desk.hand.until(lambda: path.read_bytes()[: len(theirs)] != theirs and saved(desk))
    np.testing.assert_array_equal(tifffile.imread(path), desk.labels)
    # What was there can be gone back to.
    assert 7 in [tifffile.imread(each.labels).max() for each in desk.widget.versions.of(path)]
    assert not desk.widget.findChildren(QMessageBox)


def test_without_a_window_it_is_an_error_or_done_anyway(bench, tmp_path):
    path = tmp_path / "made.tif"
    bench.click(4, 12, 12)
    bench.controller.do(Action.ACCEPT)
    bench.session.record.save(path)
    bench.settle()
    path.write_bytes(b"another program's")
    with pytest.raises(FileConflict):
        bench.session.record.save(path)
    assert path.read_bytes() == b"another program's"
    bench.session.record.save(path, anyway=True)
    bench.settle()
    assert tifffile.imread(path).any()


def test_a_change_while_the_saving_waits_is_seen(bench, tmp_path):
    path = tmp_path / "made.tif"
    bench.click(4, 12, 12)
    bench.controller.do(Action.ACCEPT)
    bench.session.record.save(path)
    bench.settle()
    before = bench.session.scheduler.submit
    bench.session.scheduler.submit = lambda *args, **how: (path.write_bytes(b"theirs"), before(*args, **how))[1]
    bench.session.record.save(path)
    bench.settle()
    assert path.read_bytes() == b"theirs"
    assert "changed by another program just now" in bench.session.status.sentence


def test_labels_that_napari_read_are_known_as_they_were_when_they_came(bench, tmp_path):
    path = tmp_path / "mine.tif"
    tifffile.imwrite(path, np.zeros((9, 40, 50), np.uint16), photometric="minisblack")
    (layer,) = bench.viewer.open(path, plugin="napari", layer_type="labels")
    bench.settle()
    path.write_bytes(path.read_bytes() + b"changed")
    bench.controller.choose_target(layer)
    bench.click(4, 12, 12)
    bench.controller.do(Action.ACCEPT)
    bench.settle()
    with pytest.raises(FileConflict):
        bench.session.record.save(path)


def test_the_second_window_on_a_file_is_told_and_both_go_on(bench, tmp_path):
    path = tmp_path / "mine.tif"
    tifffile.imwrite(path, np.zeros((9, 40, 50), np.uint16), photometric="minisblack")
    second = HeadlessPlugin(ViewerModel(), FakeEngine())
    second.viewer.add_image(blobs(), name="cells", scale=(2.0, 1.0, 1.0))
    second.controller.images.choose_first()
    second.settle()
    try:
        for each in (bench, second):
            (layer,) = each.viewer.open(path, plugin="napari", layer_type="labels", scale=(2, 1, 1))
            each.settle()
            each.controller.choose_target(layer)
        assert bench.session.notices[NoticeKind.FILE] is None
        assert "mine.tif is worked on by another window" in second.session.notices[NoticeKind.FILE].sentence
        for each, at in ((bench, (4, 12, 12)), (second, (4, 28, 34))):
            each.click(*at)
            each.controller.do(Action.ACCEPT)
            each.settle()
        bench.session.record.save(path)
        bench.settle()
        with pytest.raises(FileConflict):
            second.session.record.save(path)
        assert (tifffile.imread(path) == bench.controller.target_layer.data).all()
        bench.viewer.layers.remove(bench.controller.target_layer)
        second.session.files.beat()
        second.settle()
        assert second.session.notices[NoticeKind.FILE] is None
    finally:
        assert second.session.close()


def test_two_windows_work_side_by_side(make_desk):
    # Neither is closed, and no layer removed: napari by itself cannot draw in the other window any more after that.
    first, second = make_desk(), make_desk()
    for desk in (first, second):
        desk.viewer.dims.set_current_step(0, 4)
        desk.hand.until(lambda desk=desk: desk.session.image.plane == Z4)
        desk.ready()
    first.session.prompts.add_point(Z4, Point(12, 12))
    second.session.prompts.add_point(Z4, Point(28, 34))
    for desk in (first, second):
        desk.ready()
        desk.controller.do(Action.ACCEPT)
    assert first.labels[4, 12, 12] == second.labels[4, 28, 34] == 1
    assert first.labels[4, 28, 34] == second.labels[4, 12, 12] == 0
    assert first.widget.autosave.wait_written()
    assert second.widget.autosave.wait_written()
    assert first.widget.autosave.folder != second.widget.autosave.folder
    first.controller.do(Action.UNDO)
    assert not first.labels.any()
    assert second.labels.any()
    # The first session ends; the second one goes on.
    first.widget.autosave.close()
    assert first.session.close()
    second.session.prompts.add_point(Z4, Point(12, 12))
    second.ready()
    second.controller.do(Action.ACCEPT)
    assert second.labels[4, 12, 12] == 2
    for _ in range(4):
        second.controller.do(Action.UNDO)
    assert not second.labels.any()
