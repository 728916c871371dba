"""The journal: bounded by bytes, spilled to disk, and what happens to it when labels or images go."""

import threading

import numpy as np
import pytest
from session_deeds import Z4, A, B, accept, stroke

from napari_sam.errors import UserError
from napari_sam.labels.paint import Collision
from napari_sam.planes.geometry import Mask, Window
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.session.history.entry import Entry
from napari_sam.session.history.spill import Spillable, SpillFolder
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.session import Session
from napari_sam.testing.event_loop import ManualEventLoop
from napari_sam.testing.fake_engine import FakeEngine
from napari_sam.testing.scripted_user import ScriptedUser
from napari_sam.volume.carry import PropagatedPlane


def test_a_parcel_comes_back_from_disk_as_it_was() -> None:
    folder = SpillFolder()
    assert folder.path is None
    logits = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    mask = Mask.from_pixels(logits > 0.5)
    mask = Mask(mask.box, mask.pixels, 0.7, logits, Window((0.5, 1.5), (1.0, 2.0), (64, 64)))
    parcel = Spillable({Z4: mask}, 100)
    parcel.spill(folder)
    assert parcel.spilled
    assert [path.stat().st_size > logits.nbytes for path in folder.path.iterdir()] == [True]
    back = parcel.content()[Z4]
    assert not parcel.spilled
    assert not list(folder.path.iterdir())
    np.testing.assert_array_equal(back.logits, logits)
    np.testing.assert_array_equal(back.pixels, mask.pixels)
    assert (back.box, back.predicted_iou, back.window) == (mask.box, 0.7, mask.window)
    path = folder.path
    folder.close()
    assert not path.exists()


def test_logits_of_propagated_planes_are_left_out_on_disk() -> None:
    folder = SpillFolder()
    logits = np.zeros((256, 256), np.float32)
    mask = Mask.from_pixels(np.eye(9, dtype=bool))
    mask = Mask(mask.box, mask.pixels, 0.7, logits, Window((0.0, 0.0), (1.0, 1.0), (256, 256)))
    parcel = Spillable([PropagatedPlane(3, mask, 0.6), mask], 10**6)
    parcel.spill(folder)
    assert logits.nbytes < parcel.nbytes < 1.1 * logits.nbytes
    reached, kept = parcel.content()
    np.testing.assert_array_equal(reached.mask.pixels, mask.pixels)
    assert (reached.index, reached.confidence, reached.mask.logits) == (3, 0.6, None)
    np.testing.assert_array_equal(kept.logits, logits)
    folder.close()


def test_what_memory_cannot_hold_goes_to_disk_and_comes_back_when_it_is_undone(session, main, target) -> None:
    journal = session.history.journal
    journal.memory_bytes = 20_000
    for _ in range(15):
        accept(session, main, A, Collision.OVERWRITE)
    assert journal.nbytes <= 20_000 + 5_000
    assert journal.spilled_bytes > 0
    assert len(journal.done) > 20
    folder = journal.folder.path
    assert folder.is_dir()
    end = target.array.copy()
    steps = 0
    while journal.can_undo:
        session.history.undo()
        steps += 1
    assert not target.array.any()
    for _ in range(steps):
        session.history.redo()
    np.testing.assert_array_equal(target.array, end)
    session.close()
    assert not folder.exists()


def test_the_oldest_is_forgotten_when_the_disks_share_is_used_up(session, main, target) -> None:
    journal = session.history.journal
    journal.memory_bytes, journal.disk_bytes = 1, 10_000
    for _ in range(30):
        accept(session, main, A, Collision.OVERWRITE)
    assert journal.spilled_bytes <= 10_000
    assert 0 < len(journal.done) < 30
    assert len(list(journal.folder.path.iterdir())) < 60
    before = target.array.copy()
    session.history.undo()
    assert (target.array != before).any()


def test_the_number_of_entries_is_bounded_too(session, target) -> None:
    session.history.journal.most = 50
    for at in range(200):
        session.labels.painted(target, stroke(target, at % 38, 0, at % 7 + 1))
    assert len(session.history.journal.done) == 50


@pytest.mark.parametrize("seed", range(4))
def test_what_is_held_is_counted_whatever_is_done(image, seed) -> None:
    posts = ManualEventLoop()
    session = Session(posts.post, engine=FakeEngine(ambiguous=True))
    session.image.choose(image, axes=(1, 2))
    session.image.set_view(Z4)
    target = ArrayTarget(np.zeros(image.shape, np.uint16))
    session.labels.choose(target, next_label=1)
    journal = session.history.journal
    journal.memory_bytes, journal.disk_bytes, journal.most = 12_000, 15_000, 25
    user = ScriptedUser(session, posts, target, [(Z4, 12, 12), (Z4, 28, 34), (Z4, 1, 1)], seed)
    spilled = 0
    for _ in range(60):
        user.do()
        if user.random.random() < 0.5:
            posts.settle(session)
        posts.pump()
        parcels = [each for entry in (*journal.done, *journal._undone) for each in entry._parcels]
        assert journal.nbytes == sum(parcel.nbytes for parcel in parcels if not parcel.spilled)
        assert journal.spilled_bytes == sum(parcel.nbytes for parcel in parcels if parcel.spilled)
        spilled += journal.spilled_bytes > 0
    assert spilled
    session.labels.forget(target)
    session.image.choose(session.image.source)
    assert (journal.nbytes, journal.spilled_bytes) == (0, 0)
    assert session.close()


def test_a_deed_takes_no_longer_the_more_was_done_before(session, target, monkeypatch) -> None:
    looked_at = []
    parcels = Entry._parcels.fget
    monkeypatch.setattr(Entry, "_parcels", property(lambda entry: looked_at.append(entry) or parcels(entry)))
    for at in range(300):
        looked_at.clear()
        session.labels.painted(target, stroke(target, at % 38, 0, at % 7 + 1))
    assert len(session.history.journal.done) == 300
    assert len(looked_at) < 20


def test_strokes_are_undone_in_their_turn(session, main, target) -> None:
    accept(session, main, A)
    session.labels.painted(target, stroke(target, 8, 8, 0))
    session.labels.painted(target, stroke(target, 20, 20, 9))
    assert session.current.label == 10
    assert session.objects.row(1).area == 77
    session.history.undo()
    assert session.current.label == 2
    assert not target.array[4, 20, 20]
    session.history.undo()
    assert session.objects.row(1).area == 81
    assert (target.array == 1).sum() == 81
    session.history.undo()
    assert not target.array.any()
    assert not len(session.objects)


def test_painting_while_an_accepted_object_is_awaited_stays_on_top(session, main, engine, target) -> None:
    engine.gate = threading.Event()
    session.prompts.add_point(Z4, A)
    session.current.accept(Collision.OVERWRITE)
    session.labels.painted(target, stroke(target, 10, 10, 7))
    engine.gate.set()
    main.settle(session)
    assert (target.array == 1).sum() == 77
    assert (target.array == 7).sum() == 4
    session.history.undo()
    assert (target.array == 1).sum() == 81
    session.history.undo()
    assert not target.array.any()
    session.history.redo()
    session.history.redo()
    assert (target.array == 7).sum() == 4


def test_undoing_an_accept_that_waits_calls_it_off_and_redoing_asks_for_it_again(session, main, engine, target) -> None:
    engine.gate = threading.Event()
    session.prompts.add_point(Z4, A)
    session.current.accept()
    session.history.undo()
    assert session.prompts.on(Z4) == Prompts((A,))
    session.history.redo()
    assert not session.current.draft
    engine.gate.set()
    main.settle(session)
    assert (target.array == 1).sum() == 81
    assert session.objects.labels == [1]
    assert session.current.label == 2


def test_an_accept_that_fails_later_loses_nothing(session, main, engine, target) -> None:
    engine.gate = threading.Event()
    session.prompts.add_point(Z4, Point(1, 1))
    session.current.accept()
    session.prompts.add_point(Z4, B)
    engine.gate.set()
    main.settle(session)
    assert "no object was found" in session.status.sentence
    assert session.prompts.on(Z4) == Prompts((B,))
    session.history.undo()
    session.history.undo()
    assert session.prompts.on(Z4) == Prompts((Point(1, 1),))


def test_undoing_a_click_brings_the_former_mask_back_without_computing(session, main, engine, target) -> None:
    session.prompts.add_point(Z4, A)
    main.settle(session)
    session.prompts.add_point(Z4, B)
    main.settle(session)
    asked = len(engine.segmented)
    session.history.undo()
    assert session.current.draft.masks[Z4].area == 81
    session.history.redo()
    assert session.current.draft.masks[Z4].area == 162
    main.settle(session)
    assert len(engine.segmented) == asked


def test_undoing_to_a_click_that_was_never_answered_asks_for_it(session, main, engine, target) -> None:
    engine.gate = threading.Event()
    session.prompts.add_point(Z4, A)
    session.prompts.add_point(Z4, B)
    session.history.undo()
    engine.gate.set()
    main.settle(session)
    assert session.prompts.on(Z4) == Prompts((A,))
    assert session.current.draft.masks[Z4].area == 81


def test_undo_while_propagating_stops_it_and_drops_what_was_reached(session, main, engine, target) -> None:
    session.prompts.add_point(Z4, A)
    main.settle(session)
    engine.delay = 0.02
    session.volume.propagate()
    main.run_until(lambda: len(session.current.draft.proposal) >= 2)
    session.history.undo()
    assert not session.volume.active
    assert set(session.current.draft.masks) == {Z4}
    session.history.redo()
    assert len(session.current.draft.masks) >= 3


def test_rejecting_is_undone(session, main, target) -> None:
    session.prompts.add_point(Z4, A)
    main.settle(session)
    session.volume.propagate()
    main.settle(session)
    planes = set(session.current.draft.masks)
    session.current.reject()
    session.current.reject()
    assert not session.current.draft
    session.history.undo()
    session.history.undo()
    assert set(session.current.draft.masks) == planes


def test_prompts_on_several_planes_are_one_step(session, main, target) -> None:
    z5 = Z4.at(0, 5)
    session.prompts.set_all({Z4: Prompts((A,)), z5: Prompts((A,))})
    main.settle(session)
    session.prompts.set_all({Z4: Prompts(), z5: Prompts((B,))})
    main.settle(session)
    session.history.undo()
    assert session.current.draft.prompts == {Z4: Prompts((A,)), z5: Prompts((A,))}
    session.history.undo()
    assert not session.current.draft
    assert not session.history.journal.can_undo


def test_forgotten_labels_are_not_written_when_their_deeds_are_undone(session, main, target) -> None:
    accept(session, main, A)
    session.labels.painted(target, stroke(target, 0, 0, 5))
    session.objects.rename(1, "soma")
    session.labels.forget(target)
    before = target.array.copy()
    assert not len(session.objects)
    steps = len(session.history.journal.done)
    assert steps == 2
    for _ in range(steps):
        session.history.undo()
    np.testing.assert_array_equal(target.array, before)
    for _ in range(steps):
        session.history.redo()
    np.testing.assert_array_equal(target.array, before)


def test_strokes_on_another_image_are_still_undone(session, main, target) -> None:
    session.labels.painted(target, stroke(target, 0, 0, 5))
    session.prompts.add_point(Z4, A)
    session.image.choose(ImageSource(np.eye(20, dtype=np.uint8)))
    session.history.undo()
    assert not target.array.any()
    with pytest.raises(UserError, match="nothing to undo"):
        session.history.undo()


def test_the_order_of_what_happened_is_told(session, main, target) -> None:
    told = []
    journal = session.history.journal
    journal.recorded.connect(lambda entry: told.append(("did", str(entry.kind))))
    journal.undone.connect(lambda entry: told.append(("undid", str(entry.kind))))
    journal.redone.connect(lambda entry: told.append(("redid", str(entry.kind))))
    accept(session, main, A)
    session.history.undo()
    session.history.redo()
    session.objects.rename(1, "soma")
    assert told == [
        ("did", "prompt"),
        ("did", "accepted object"),
        ("undid", "accepted object"),
        ("redid", "accepted object"),
        ("did", "new name"),
    ]
