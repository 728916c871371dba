"""Unfinished sessions are offered and come back; saved ones are opened again."""

import threading
import time

import numpy as np
import pytest
import tifffile
from closed_window import accept_one, save
from session_deeds import Z4

from napari_sam.planes.image_identity import ImageIdentity
from napari_sam.planes.image_source import ImageSource
from napari_sam.plugin.actions import Action
from napari_sam.plugin.panel.restore_row import offer_sentence
from napari_sam.plugin.session_restorer import SessionRestorer
from napari_sam.prompts.prompt import Point
from napari_sam.session.record.autosave import Autosave
from napari_sam.session.record.recovery import Unfinished
from napari_sam.session.record.session_file import read_session
from napari_sam.testing.fake_engine import blobs
from napari_sam.testing.plugin_in_viewer import HeadlessPlugin
from scripts.unfinished_session import leave_unfinished

A, B = (4, 12, 12), (4, 28, 34)


class LoggedBench(HeadlessPlugin):
    """A bench whose session has a log."""

    def log(self, folder) -> None:
        self.errors = []
        self.autosave = Autosave(self.session, folder, self.posted.append, self.errors.append)
        self.restoring = SessionRestorer(self.controller, self.autosave, folder)
        self.offers = []
        self.restoring.offered.connect(self.offers.append)

    def crash(self) -> None:
        """As if the process had been killed, everything written."""
        assert self.autosave.wait_written()
        self.autosave._writer.close()
        self.autosave._folder.release()
        self.autosave._failed, self.autosave._writer = True, None

    def finish_logging(self) -> None:
        assert self.autosave.wait_written()
        self.settle()


@pytest.fixture
def make(engine, tmp_path):
    from napari.components import ViewerModel

    benches = []

    def make(image: np.ndarray | None = None) -> LoggedBench:
        viewer = ViewerModel()
        bench = LoggedBench(viewer, engine)
        bench.log(tmp_path / "logs")
        if image is not None:
            viewer.add_image(image, name="cells", scale=(2.0, 1.0, 1.0))
            bench.controller.images.choose_first()
            viewer.dims.set_current_step(0, 4)
            bench.controller.update_view()
            bench.settle()
        benches.append(bench)
        return bench

    yield make
    for bench in benches:
        bench.autosave.close()
        assert bench.session.close()


def work(bench: LoggedBench) -> None:
    """One object accepted and named, another one in work."""
    bench.click(*A)
    bench.controller.do(Action.PROPAGATE)
    bench.settle()
    bench.controller.do(Action.ACCEPT)
    bench.session.objects.rename(1, "first")
    bench.click(*B)


def test_an_unfinished_session_is_offered_and_comes_back(make, tmp_path):
    first = make(blobs())
    work(first)
    labels = first.controller.target_layer.data.copy()
    first.crash()

    second = make(blobs())
    second.restoring.look()
    second.settle()
    assert second.restoring.offer.deeds == 2
    second.restoring.restore()
    second.settle()
    layer = second.controller.target_layer
    np.testing.assert_array_equal(layer.data, labels)
    assert layer.name == first.controller.target_layer.name
    np.testing.assert_array_equal(layer.scale, (2, 1, 1))
    assert second.session.objects.row(1).name == "first"
    assert second.session.objects.row(1).n_planes == 7
    assert second.session.current.draft.masks[Z4].area == 81
    assert second.restoring.offer is None
    # All of it is in the new session's log; the old one is gone.
    second.finish_logging()
    assert [path.name for path in (tmp_path / "logs").iterdir()] == [second.autosave.folder.name]
    second.crash()

    third = make(blobs())
    third.restoring.look()
    third.settle()
    third.restoring.restore()
    third.settle()
    np.testing.assert_array_equal(third.controller.target_layer.data, labels)


def test_a_session_on_several_channels_comes_back_on_them(make):
    def with_channels() -> LoggedBench:
        bench = make(blobs())
        bench.viewer.add_image(blobs() // 2, name="second", scale=(2.0, 1.0, 1.0))
        bench.settle()
        return bench

    first = with_channels()
    first.controller.images.choose_channels([first.viewer.layers["second"], first.viewer.layers["cells"]])
    first.settle()
    work(first)
    labels = first.controller.target_layer.data.copy()
    first.crash()

    alone = make(blobs())
    alone.restoring.restore_latest()
    alone.settle()
    assert "with a layer for each of its 2 channels, first" in alone.told[-1]

    second = with_channels()
    second.restoring.restore_latest()
    second.settle()
    np.testing.assert_array_equal(second.controller.target_layer.data, labels)
    assert second.session.image.source.shown == (1, 0)
    assert [layer.name for layer in second.controller.images.shown] == ["second", "cells"]


def test_a_restored_object_is_reopened_and_corrected(make):
    first = make(blobs())
    work(first)
    first.crash()
    second = make(blobs())
    second.restoring.look()
    second.settle()
    second.restoring.restore()
    second.settle()
    second.controller.do(Action.ACCEPT)
    assert second.session.objects.labels == [1, 2]
    second.controller.reopen(1)
    assert second.session.prompts.on(Z4).points == (Point(12, 12),)
    second.click(*B)
    second.controller.do(Action.ACCEPT)
    second.settle()
    assert (second.controller.target_layer.data[4] == 1).sum() == 81
    assert not second.errors


def test_a_session_on_another_image_is_not_restored_and_not_lost(make, tmp_path):
    first = make(blobs())
    work(first)
    first.crash()
    second = make(blobs()[:, ::-1].copy())
    second.restoring.look()
    second.settle()
    second.restoring.restore()
    second.settle()
    assert "other pixels" in second.told[-1]
    assert second.controller.target_layer is None
    third = make(blobs()[:5])
    third.restoring.look()
    third.settle()
    third.controller.try_to(third.restoring.restore)
    assert third.told[-1].startswith("Open the image")
    assert len(list((tmp_path / "logs").iterdir())) == 1


@pytest.mark.parametrize("shape", [(9, 40, 50), (40, 50)])
def test_an_image_that_is_chosen_while_a_session_is_read_gets_none_of_it(make, shape):
    first = make(blobs())
    work(first)
    first.crash()
    second = make(blobs())
    second.restoring.look()
    second.settle()
    second.restoring.restore()
    other = second.viewer.add_image(np.zeros(shape, np.uint8), name="other")
    second.controller.images.choose(other)
    second.settle()
    assert second.controller.target_layer is None
    assert "Another image was chosen meanwhile" in " ".join(second.told)
    # Nothing is lost: with its image it comes back.
    second.controller.images.choose(second.viewer.layers["cells"])
    second.restoring.restore()
    second.settle()
    assert second.session.objects.labels == [1]


def test_a_discarded_session_is_gone_and_one_put_off_is_not(make, tmp_path):
    first = make(blobs())
    work(first)
    first.crash()
    second = make(blobs())
    second.restoring.look()
    second.settle()
    second.restoring.later()
    assert second.offers[-1] is None
    second.restoring.look()
    second.settle()
    second.restoring.discard()
    assert second.offers[-1] is None
    assert list((tmp_path / "logs").iterdir()) == []


def test_saving_writes_the_session_beside_the_labels_and_it_is_opened_again(make, tmp_path):
    first = make(blobs())
    work(first)
    first.session.record.save(tmp_path / "made.ome.tif")
    first.settle()
    saved = tifffile.imread(tmp_path / "made.ome.tif")
    np.testing.assert_array_equal(saved, first.controller.target_layer.data)
    content = read_session(tmp_path / "made.session.json")
    assert content.labels_file == "made.ome.tif"
    assert len(content.annotation.events) == 2
    assert not first.autosave.unsaved

    second = make(blobs())
    second.restoring.open(tmp_path / "made.session.json")
    second.settle()
    np.testing.assert_array_equal(second.controller.target_layer.data, saved)
    assert second.session.objects.row(1).name == "first"
    assert second.session.current.draft.masks[Z4].area == 81
    second.controller.do(Action.ACCEPT)
    second.settle()
    second.session.record.save(tmp_path / "again.tif")
    second.settle()
    again = read_session(tmp_path / "again.session.json").annotation
    assert [type(event).__name__ for event in again.events] == ["Accepted", "Renamed", "Accepted"]


def test_opening_what_does_not_fit_is_told(make, tmp_path):
    first = make(blobs())
    work(first)
    first.session.record.save(tmp_path / "made.tif")
    first.settle()
    other = make(blobs()[:, :, ::-1].copy())
    other.restoring.open(tmp_path / "made.session.json")
    other.settle()
    assert "not the image" in other.told[-1]
    (tmp_path / "made.tif").unlink()
    again = make(blobs())
    again.restoring.open(tmp_path / "made.session.json")
    again.settle()
    assert "not beside" in again.told[-1]


def test_a_removed_layer_that_was_not_saved_is_kept_in_the_log(make):
    bench = make(blobs())
    work(bench)
    bench.viewer.layers.remove(bench.controller.target_layer)
    assert bench.autosave.unsaved


@pytest.mark.parametrize(
    ("seconds", "said"), [(5, "just now"), (61, "1 minute ago"), (7300, "2 hours ago"), (200_000, "2 days ago")]
)
def test_the_offer_says_what_it_is_about(seconds, said, tmp_path):
    offer = Unfinished(tmp_path, ImageIdentity((9, 40, 50), "uint8", path="/data/cells.tif"), 1000.0, 3)
    sentence = offer_sentence(offer, 1000.0 + seconds)
    assert sentence == f"A session on cells.tif was not finished: 3 changes to labels, the last {said}."


def test_the_row_appears_in_the_window_and_its_button_restores(make_desk, make, monkeypatch, tmp_path):
    first = make(blobs())
    work(first)
    labels = first.controller.target_layer.data.copy()
    first.crash()
    monkeypatch.setenv("NAPARI_SAM_SESSIONS", str(tmp_path / "logs"))
    desk = make_desk(scale=(2.0, 1.0, 1.0))
    row = desk.widget.restore_row
    desk.hand.until(lambda: row.isVisible())
    assert "was not finished" in row.sentence.text()
    row.restore.click()
    desk.hand.until(lambda: desk.session.labels.target is not None and desk.session.current.draft.masks)
    np.testing.assert_array_equal(desk.labels, labels)
    assert not row.isVisible()
    assert not desk.widget.autosave._failed


def test_an_object_that_was_accepted_before_its_mask_was_there_survives_two_crashes(make, engine, tmp_path):
    first = make(blobs())
    engine.gate = threading.Event()
    first.session.prompts.add_point(Z4, Point(12, 12))
    first.controller.do(Action.ACCEPT)
    first.session.prompts.add_point(Z4, Point(28, 34))
    first.crash()

    engine.gate.set()
    second = make(blobs())
    engine.gate.clear()
    restore(second)
    assert second.session.prompts.on(Z4).points == (Point(28, 34),)
    assert not second.controller.target_layer.data.any()
    # It is in the new log before the old one goes.
    until(second, lambda: len(list((tmp_path / "logs").iterdir())) == 1)
    assert list((tmp_path / "logs").iterdir()) == [second.autosave.folder]
    second.crash()

    engine.gate.set()
    third = make(blobs())
    restore(third)
    third.settle()
    assert (third.controller.target_layer.data == 1).sum() == 81
    assert third.session.objects.labels == [1]
    assert third.session.current.draft.masks[Z4].area == 81
    assert third.session.current.label == 2


def restore(bench: LoggedBench) -> None:
    bench.restoring.look()
    until(bench, lambda: bench.restoring.offer is not None)
    bench.restoring.restore()
    until(bench, lambda: bench.session.current.draft)


def until(bench: LoggedBench, condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        while bench.posted:
            bench.posted.pop(0)()
        time.sleep(0.005)


def test_closing_the_window_after_saving_leaves_no_log(make_desk, monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SAM_SESSIONS", str(tmp_path / "logs"))
    desk = make_desk()
    accept_one(desk)
    assert list((tmp_path / "logs").iterdir())
    save(desk, tmp_path / "made.tif")
    desk.widget._on_closed(False)
    # Earlier versions are no log.
    assert [each.name for each in (tmp_path / "logs").iterdir()] == ["versions"]


def test_the_session_that_is_left_for_the_pictures_is_offered(make, tmp_path):
    leave_unfinished(ImageSource(blobs(), path="/data/cells.tif"), tmp_path / "logs", 3)
    bench = make()
    bench.restoring.look()
    bench.settle()
    assert bench.restoring.offer.deeds == 3
    assert "A session on cells.tif" in offer_sentence(bench.restoring.offer, bench.restoring.offer.changed)
