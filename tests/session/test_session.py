"""A session from prompts to labels, headless, with a fake engine."""

import threading

import numpy as np
import pytest
import tifffile
from fake_engine import FakeEngine

from napari_sam.errors import UserError
from napari_sam.labels.paint import Collision
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Box, Point, Prompts
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.session import Session
from napari_sam.session.status import State

Z4 = Plane((1, 2), (4, 0, 0))
Z5 = Plane((1, 2), (5, 0, 0))
A, B = Point(12, 12), Point(28, 34)
NOT_B = Point(28, 34, positive=False)


def area(session: Session, plane: Plane = Z4) -> int:
    mask = session.current.draft.masks.get(plane)
    return 0 if mask is None else mask.area


def test_the_plane_in_view_is_embedded_ahead_of_the_first_click(session, engine) -> None:
    assert engine.prepared == [(Z4, (20.0, 25.0), None)]
    assert session.status.state is State.READY
    assert not engine.segmented


def test_states_are_told_in_order(main, engine, image) -> None:
    session = Session(main.post, engine=engine)
    states = []
    session.status_changed.connect(lambda status: states.append(status.state))
    assert session.status.state is State.NO_IMAGE
    session.image.choose(image, axes=(1, 2))
    session.image.set_view(Z4, None)
    main.settle(session)
    session.prompts.add_point(Z4, A)
    main.settle(session)
    session.volume.propagate()
    main.settle(session)
    distinct = [state for at, state in enumerate(states) if at == 0 or states[at - 1] is not state]
    assert distinct == [
        State.NO_PLANE,
        State.WAITING,
        State.EMBEDDING,
        State.READY,
        State.SEGMENTING,
        State.READY,
        State.PROPAGATING,
        State.READY,
    ]
    assert session.close()


def test_a_click_gives_a_mask_and_an_excluding_click_corrects_it(session, main, engine) -> None:
    session.prompts.add_point(Z4, A)
    main.settle(session)
    assert area(session) == 81
    session.prompts.add_box(Z4, Box(5, 5, 35, 45))
    main.settle(session)
    assert area(session) == 162
    session.prompts.add_point(Z4, NOT_B)
    main.settle(session)
    assert area(session) == 81
    assert engine.threads == {"napari-sam-inference"}


def test_more_clicks_feed_the_former_mask_back_and_moved_ones_do_not(session, main, engine) -> None:
    session.prompts.add_point(Z4, A)
    main.settle(session)
    session.prompts.add_point(Z4, B)
    main.settle(session)
    _, prompts, _, _ = engine.segmented[-1]
    # The fake's masks have no logits, so the former mask comes as a dense prompt.
    assert prompts.mask is not None
    assert prompts.mask.area == 81
    session.prompts.set(Z4, Prompts((Point(12, 13), B)))
    main.settle(session)
    _, prompts, _, previous = engine.segmented[-1]
    assert prompts.mask is None
    assert previous is None


def test_rapid_clicks_are_answered_by_the_newest(session, main, engine) -> None:
    engine.gate = threading.Event()
    engine.working.clear()
    session.prompts.add_point(Z4, A)
    assert engine.working.wait(5)
    for offset in range(10):
        session.prompts.set(Z4, Prompts((Point(12, 10 + offset / 10),)))
    session.prompts.set(Z4, Prompts((B,)))
    engine.gate.set()
    main.settle(session)
    assert len(engine.segmented) == 2
    assert session.current.draft.masks[Z4].box == (24, 30, 33, 39)


def test_clicks_during_embedding_are_answered_when_it_is_done(main, image) -> None:
    engine = FakeEngine(gate=threading.Event())
    session = Session(main.post, engine=engine)
    session.image.choose(image, axes=(1, 2))
    session.image.set_view(Z4, None)
    assert engine.working.wait(5)
    session.prompts.add_point(Z4, A)
    assert session.status.state is State.SEGMENTING
    engine.gate.set()
    main.settle(session)
    assert area(session) == 81
    assert len(engine.prepared) == 1
    assert session.close()


def test_accepting_is_one_edit_inside_the_objects_box(session, main, target) -> None:
    session.prompts.add_point(Z4, A)
    main.settle(session)
    changes = []
    session.labels_changed.connect(lambda where, box: changes.append((where, box)))
    edit = session.current.accept()
    assert edit is not None
    assert edit.box == (slice(4, 5), slice(8, 17), slice(8, 17))
    assert changes == [(target, edit.box)]
    assert (target.array == 1).sum() == 81
    assert (target.array[4, 8:17, 8:17] == 1).all()
    assert session.current.label == 2
    assert not session.current.draft


def test_the_next_click_after_accepting_starts_the_next_object(session, main, target) -> None:
    for point in (A, B):
        session.prompts.add_point(Z4, point)
        main.settle(session)
        session.current.accept()
    assert sorted(np.unique(target.array)) == [0, 1, 2]
    assert target.array[4, 28, 34] == 2


def test_accepting_before_the_answer_is_there_writes_it_when_it_comes(session, main, engine, target) -> None:
    engine.gate = threading.Event()
    session.prompts.add_point(Z4, A)
    assert session.current.accept() is None
    session.prompts.add_point(Z4, B)
    assert not target.array.any()
    engine.gate.set()
    main.settle(session)
    assert target.array[4, 12, 12] == 1
    assert target.array[4, 28, 34] == 0
    assert session.current.draft.masks[Z4].box == (24, 30, 33, 39)
    session.current.accept()
    assert target.array[4, 28, 34] == 2


def test_undo_brings_labels_and_prompts_back_and_redo_takes_them_again(session, main, target) -> None:
    session.prompts.add_point(Z4, A)
    main.settle(session)
    session.current.accept()
    after = target.array.copy()
    session.history.undo()
    assert not target.array.any()
    assert session.prompts.on(Z4) == Prompts((A,))
    assert session.current.label == 1
    assert area(session) == 81
    session.history.redo()
    np.testing.assert_array_equal(target.array, after)
    assert not session.current.draft
    assert session.current.label == 2


def test_undo_step_by_step_to_the_start_and_redo_to_the_end(session, main, target) -> None:
    for point in (A, B):
        session.prompts.add_point(Z4, point)
        main.settle(session)
        session.current.accept()
    end = target.array.copy()
    for left in (Prompts((B,)), Prompts(), Prompts((A,)), Prompts()):
        assert session.history.journal.can_undo
        session.history.undo()
        assert session.prompts.on(Z4) == left
    assert not target.array.any()
    assert not session.history.journal.can_undo
    for _ in range(4):
        session.history.redo()
    np.testing.assert_array_equal(target.array, end)
    with pytest.raises(UserError, match="nothing to redo"):
        session.history.redo()


def test_undo_goes_through_clicks_and_accepts_in_the_order_they_were_made(session, main, target) -> None:
    session.prompts.add_point(Z4, A)
    main.settle(session)
    session.current.accept()
    session.prompts.add_point(Z4, B)
    main.settle(session)
    session.history.undo()
    assert (target.array == 1).sum() == 81
    assert not session.current.draft
    session.history.undo()
    assert not target.array.any()
    assert session.prompts.on(Z4) == Prompts((A,))
    session.history.redo()
    session.history.redo()
    assert session.prompts.on(Z4) == Prompts((B,))
    assert area(session) == 81


def test_undo_leaves_alone_what_was_painted_since(session, main, target) -> None:
    session.prompts.add_point(Z4, A)
    main.settle(session)
    session.current.accept()
    target.array[4, 8, 8] = 9
    session.history.undo()
    assert target.array[4, 8, 8] == 9
    assert (target.array == 1).sum() == 0


@pytest.mark.parametrize(("collision", "kept"), [(Collision.KEEP, True), (Collision.OVERWRITE, False)])
def test_what_happens_to_other_objects_is_the_users_choice(session, main, target, collision, kept) -> None:
    target.array[4, 10, 10] = 7
    session.labels.choose(target, next_label=8)
    session.prompts.add_point(Z4, A)
    main.settle(session)
    session.current.accept(collision)
    assert (target.array[4, 10, 10] == 7) is np.bool_(kept)
    assert target.array[4, 12, 12] == 8


def test_ids_continue_in_labels_that_have_some(session, main) -> None:
    labels = np.zeros((9, 40, 50), np.uint16)
    labels[0, 0, 0] = 41
    session.labels.choose(ArrayTarget(labels))
    session.prompts.add_point(Z4, A)
    main.settle(session)
    session.current.accept()
    assert labels[4, 12, 12] == 42


def test_accepting_while_the_ids_are_looked_up_waits_for_them(session, main, engine) -> None:
    session.prompts.add_point(Z4, A)
    main.settle(session)
    engine.gate = threading.Event()
    session.image.set_view(Z5, None)
    labels = np.zeros((9, 40, 50), np.uint16)
    labels[0, 0, 0] = 3
    session.labels.choose(ArrayTarget(labels))
    assert session.current.accept() is None
    engine.gate.set()
    main.settle(session)
    assert labels[4, 12, 12] == 4


def test_an_id_that_does_not_fit_is_refused_and_the_object_kept(session, main) -> None:
    labels = np.full((9, 40, 50), 255, np.uint8)
    session.labels.choose(ArrayTarget(labels))
    session.prompts.add_point(Z4, A)
    main.settle(session)
    with pytest.raises(UserError, match="256"):
        session.current.accept(Collision.OVERWRITE)
    assert area(session) == 81
    assert (labels == 255).all()


def test_an_object_that_others_cover_wholly_is_refused_and_kept(session, main, target) -> None:
    target.array[...] = 5
    session.labels.choose(target, next_label=6)
    session.prompts.add_point(Z4, A)
    main.settle(session)
    with pytest.raises(UserError, match="Nothing would change"):
        session.current.accept(Collision.KEEP)
    assert area(session) == 81
    assert not len(session.objects)


def test_nothing_is_accepted_without_a_mask_or_without_labels(session, main) -> None:
    with pytest.raises(UserError, match="nothing to accept"):
        session.current.accept()
    session.prompts.add_point(Z4, A)
    main.settle(session)
    with pytest.raises(UserError, match="Choose the labels"):
        session.current.accept()
    assert area(session) == 81


def test_labels_of_another_shape_are_refused(session) -> None:
    with pytest.raises(UserError, match="shape"):
        session.labels.choose(ArrayTarget(np.zeros((3, 3), np.uint16)))


def test_remove_last_takes_prompts_back_in_the_order_they_came(session, main) -> None:
    session.prompts.add_point(Z4, A)
    session.prompts.add_box(Z5, Box(24, 30, 32, 38))
    session.prompts.add_point(Z4, NOT_B)
    main.settle(session)
    session.prompts.remove_last()
    assert session.prompts.on(Z4) == Prompts((A,))
    session.prompts.remove_last()
    assert not session.prompts.on(Z5)
    assert area(session, Z5) == 0
    session.prompts.remove_last()
    main.settle(session)
    assert not session.current.draft
    with pytest.raises(UserError, match="no click"):
        session.prompts.remove_last()


def test_clear_empties_this_plane_only(session, main) -> None:
    session.prompts.add_point(Z4, A)
    session.prompts.add_point(Z5, A)
    main.settle(session)
    session.prompts.clear()
    assert not session.prompts.on(Z4)
    assert session.prompts.on(Z5) == Prompts((A,))
    with pytest.raises(UserError, match="no prompts"):
        session.prompts.clear()


def test_propagation_is_a_proposal_until_accepted_and_then_one_edit(session, main, target) -> None:
    session.prompts.add_point(Z4, A)
    main.settle(session)
    progress = []
    session.status_changed.connect(lambda status: progress.append((status.done, status.total)))
    session.volume.propagate()
    assert session.volume.active
    main.settle(session)
    assert not session.volume.active
    assert (8, 8) in progress
    assert {plane.index[0] for plane in session.current.draft.masks} == set(range(1, 8))
    assert not target.array.any()
    assert "doubtful: 5" in session.status.sentence
    session.current.accept()
    np.testing.assert_array_equal(target.array > 0, target.array == 1)
    assert (target.array == 1).sum() == 7 * 81
    session.history.undo()
    assert not target.array.any()


def test_cancelling_midway_keeps_the_planes_that_were_reached(session, main, engine) -> None:
    session.prompts.add_point(Z4, A)
    main.settle(session)
    engine.delay = 0.02
    session.volume.propagate()
    main.run_until(lambda: len(session.current.draft.proposal) >= 2)
    session.cancel()
    reached = set(session.current.draft.proposal)
    main.settle(session)
    assert set(session.current.draft.proposal) == reached
    assert 2 <= len(reached) < 8
    assert not session.volume.active
    with pytest.raises(UserError, match="Nothing is being"):
        session.cancel()


def test_reject_drops_the_proposal_first_then_the_object(session, main) -> None:
    session.prompts.add_point(Z4, A)
    main.settle(session)
    session.volume.propagate()
    main.settle(session)
    session.current.reject()
    assert set(session.current.draft.masks) == {Z4}
    session.current.reject()
    assert not session.current.draft
    with pytest.raises(UserError, match="nothing to reject"):
        session.current.reject()


def test_planes_that_are_reached_quickly_are_told_together_and_the_last_one_always(session, main, target) -> None:
    session.prompts.add_point(Z4, A)
    main.settle(session)
    told = []
    session.masks_changed.connect(lambda: told.append(len(session.current.draft.masks)))
    session.volume.propagate()
    assert session.scheduler.wait_idle(5)
    main.pump()
    assert told[-1] == len(session.current.draft.masks) == 7
    assert len(told) <= 4


def test_a_click_in_the_middle_of_a_propagation_is_answered_before_it_ends(session, main, engine) -> None:
    session.prompts.add_point(Z4, A)
    main.settle(session)
    engine.delay = 0.03
    session.volume.propagate()
    main.run_until(lambda: len(session.current.draft.proposal) >= 1)
    session.prompts.add_point(Z4, B)
    main.run_until(lambda: area(session) == 162)
    assert len(session.current.draft.proposal) < 8
    main.settle(session)
    assert len(session.current.draft.proposal) == 8


def test_propagating_before_the_answer_is_there_starts_when_it_comes(session, main, engine) -> None:
    engine.gate = threading.Event()
    session.prompts.add_point(Z4, A)
    session.volume.propagate()
    assert session.volume.active
    engine.gate.set()
    main.settle(session)
    assert len(session.current.draft.masks) == 7


def test_a_click_on_a_propagated_plane_corrects_what_was_proposed(session, main, engine) -> None:
    session.prompts.add_point(Z4, A)
    main.settle(session)
    session.volume.propagate()
    main.settle(session)
    session.prompts.add_point(Z5, B)
    main.settle(session)
    plane, prompts, _, _ = engine.segmented[-1]
    assert plane == Z5
    assert prompts.mask is not None
    assert area(session, Z5) == 162


def test_there_is_nothing_to_propagate_along_in_a_single_plane(main, engine) -> None:
    session = Session(main.post, engine=engine)
    session.image.choose(ImageSource(np.eye(20, dtype=np.uint8)))
    session.image.set_view(Plane((0, 1), (0, 0)), None)
    session.prompts.add_point(Plane((0, 1), (0, 0)), Point(3, 3))
    main.settle(session)
    with pytest.raises(UserError, match="single plane"):
        session.volume.propagate()
    assert session.close()


def test_a_label_as_prompt_is_refined_under_its_own_id(session, main, target) -> None:
    target.array[4, 10:14, 10:14] = 5
    session.labels.choose(target, next_label=6)
    session.prompts.refine_label(Z4, target.array, 5, own=True)
    main.settle(session)
    assert session.current.label == 5
    assert area(session) == 81
    session.current.accept()
    assert (target.array == 5).sum() == 81
    assert session.current.label == 6
    session.history.undo()
    assert (target.array == 5).sum() == 16


def test_a_label_of_another_layer_becomes_a_new_object(session, main, target) -> None:
    others = np.zeros((9, 40, 50), np.int32)
    others[4, 10:14, 10:14] = 99
    session.prompts.refine_label(Z4, others, 99, own=False)
    main.settle(session)
    session.current.accept()
    assert sorted(np.unique(target.array)) == [0, 1]
    assert (target.array == 1).sum() == 81


@pytest.mark.parametrize(("label", "sentence"), [(0, "background"), (3, "no pixels")])
def test_labels_that_cannot_be_prompts_are_refused(session, main, label, sentence) -> None:
    labels = np.zeros((9, 40, 50), np.int32)
    if label == 0:
        with pytest.raises(UserError, match=sentence):
            session.prompts.refine_label(Z4, labels, label, own=False)
    else:
        session.prompts.refine_label(Z4, labels, label, own=False)
        main.settle(session)
        assert session.status.state is State.ERROR
        assert sentence in session.status.sentence


def test_leaving_an_object_accepts_what_it_has(session, main, target) -> None:
    session.prompts.add_point(Z4, A)
    main.settle(session)
    session.current.next()
    assert (target.array == 1).sum() == 81
    session.current.next()
    assert session.current.label == 2


def test_a_user_error_is_told_and_the_prompts_are_kept(session, main, engine) -> None:
    engine.error = UserError("The weights are gone.")
    session.prompts.add_point(Z4, A)
    main.settle(session)
    assert session.status.state is State.ERROR
    assert session.status.sentence == "The weights are gone."
    assert session.prompts.on(Z4) == Prompts((A,))
    engine.error = None
    session.prompts.add_point(Z4, NOT_B)
    main.settle(session)
    assert session.status.state is State.READY
    assert area(session) == 81


def test_an_unexpected_error_is_told_and_handed_on(session, main, engine) -> None:
    crashes = []
    session.crashed.connect(crashes.append)
    engine.error = RuntimeError("boom")
    session.prompts.add_point(Z4, A)
    main.settle(session)
    assert [str(error) for error in crashes] == ["boom"]
    assert "boom" in session.status.sentence


def test_an_unknown_model_is_told(session, main) -> None:
    session.model.choose("unknown")
    main.settle(session)
    assert session.status.state is State.ERROR
    assert "no model" in session.status.sentence


def test_another_model_answers_the_same_prompts_again(session, main, engine) -> None:
    session.prompts.add_point(Z4, A)
    main.settle(session)
    session.model.choose("other")
    main.settle(session)
    assert engine.opened == ["nano", "other"]
    assert len(engine.segmented) == 2
    assert session.status.state is State.READY


def test_scrolling_on_cancels_the_embedding_of_the_plane_left(session, main, engine) -> None:
    engine.gate = threading.Event()
    for z in range(5, 9):
        session.image.set_view(Plane((1, 2), (z, 0, 0)), None)
    engine.gate.set()
    main.settle(session)
    assert session.status.state is State.READY
    assert engine.prepared[-1][0].index[0] == 8
    assert len(engine.prepared) <= 3


def test_sizes_come_from_the_user_else_from_the_last_accepted_object(session, main, engine, target) -> None:
    session.prompts.add_point(Z4, A)
    main.settle(session)
    assert engine.segmented[-1][2] is None
    session.current.accept()
    session.prompts.add_point(Z4, B)
    main.settle(session)
    assert engine.segmented[-1][2] == pytest.approx((4 * 81 / np.pi) ** 0.5)
    session.model.set_object_size(30)
    main.settle(session)
    assert engine.segmented[-1][2] == 30
    assert engine.prepared[-1][2] == 30


def test_another_image_drops_the_object_but_not_the_labels(session, main, target) -> None:
    session.prompts.add_point(Z4, A)
    main.settle(session)
    session.current.accept()
    session.prompts.add_point(Z4, B)
    main.settle(session)
    session.image.choose(ImageSource(np.eye(20, dtype=np.uint8)))
    assert not session.current.draft
    assert session.labels.target is None
    session.history.undo()
    assert not session.history.journal.can_undo
    assert not target.array.any()
    assert not session.current.draft


def test_forgotten_labels_are_neither_written_nor_undone(session, main, engine, target) -> None:
    session.prompts.add_point(Z4, A)
    main.settle(session)
    session.current.accept()
    before = target.array.copy()
    engine.gate = threading.Event()
    session.prompts.add_point(Z4, B)
    session.current.accept()
    session.labels.forget(target)
    engine.gate.set()
    main.settle(session)
    np.testing.assert_array_equal(target.array, before)
    session.history.undo()
    np.testing.assert_array_equal(target.array, before)
    assert session.prompts.on(Z4) == Prompts((B,))


def test_an_empty_answer_is_told(session, main, target) -> None:
    session.prompts.add_point(Z4, Point(1, 1))
    main.settle(session)
    assert "No object was found" in session.status.sentence
    with pytest.raises(UserError, match="nothing to accept"):
        session.current.accept()


def test_saving_writes_axes_scale_and_every_id(session, main, target, tmp_path) -> None:
    session.prompts.add_point(Z4, A)
    main.settle(session)
    session.current.accept()
    session.record.save(tmp_path / "labels.ome.tif")
    main.settle(session)
    assert "labels.ome.tif" in session.status.sentence
    with tifffile.TiffFile(tmp_path / "labels.ome.tif") as file:
        series = file.series[0]
        assert series.axes == "ZYX"
        assert series.dtype == np.uint16
        np.testing.assert_array_equal(series.asarray(), target.array)
        assert 'PhysicalSizeZ="2.0"' in file.ome_metadata


def test_closing_while_it_works_leaves_no_thread(main, image) -> None:
    engine = FakeEngine(gate=threading.Event())
    session = Session(main.post, engine=engine)
    session.image.choose(image, axes=(1, 2))
    session.image.set_view(Z4, None)
    session.prompts.add_point(Z4, A)
    assert engine.working.wait(5)
    assert session.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "napari-sam-inference"]
    main.pump()
    assert not session.current.draft.segmentations


def test_a_mask_given_as_prompt_is_kept_when_a_point_follows(session, main, engine) -> None:
    mask = Mask.from_pixels(np.ones((3, 3), bool), (11, 11))
    session.prompts.set_mask(Z4, mask)
    session.prompts.add_point(Z4, B)
    main.settle(session)
    assert session.prompts.on(Z4).mask is mask
    assert area(session) == 162


@pytest.mark.parametrize("ids_known", [True, False])
def test_an_accept_on_its_way_survives_a_change_of_image(session, main, engine, ids_known) -> None:
    target = ArrayTarget(np.zeros((9, 40, 50), np.uint16))
    target.array[0, 0, 0] = 6
    engine.gate = threading.Event()
    session.prompts.add_point(Z4, A)
    session.labels.choose(target, next_label=7 if ids_known else None)
    assert session.current.accept() is None
    session.image.choose(ImageSource(np.eye(20, dtype=np.uint8)))
    engine.gate.set()
    main.settle(session)
    assert target.array[4, 12, 12] == 7
    assert session.status.state is State.NO_PLANE


def test_an_accept_whose_answer_fails_gives_the_object_back(session, main, engine, target) -> None:
    engine.gate = threading.Event()
    engine.error = UserError("Out of memory.")
    session.prompts.add_point(Z4, A)
    assert session.current.accept() is None
    engine.gate.set()
    main.settle(session)
    assert session.prompts.on(Z4) == Prompts((A,))
    assert session.status.sentence == "Out of memory."
    assert not target.array.any()


def test_removing_the_last_click_brings_the_former_mask_back_without_computing(session, main, engine) -> None:
    session.prompts.add_point(Z4, Point(12, 12))
    main.settle(session)
    session.prompts.add_point(Z4, Point(13, 13))
    main.settle(session)
    former, asked = session.current.draft.masks[Z4], len(engine.segmented)
    session.prompts.add_point(Z4, Point(28, 34))
    main.settle(session)
    told = []
    session.masks_changed.connect(lambda: told.append(session.current.draft.masks[Z4].area))
    session.prompts.remove_last()
    main.settle(session)
    assert session.current.draft.masks[Z4] is former
    assert told == [81]
    assert len(engine.segmented) == asked + 1
    session.history.undo()
    assert session.current.draft.masks[Z4].area == 162
    session.history.redo()
    assert session.current.draft.masks[Z4] is former


def test_a_mask_that_another_size_would_change_is_not_brought_back(session, main, engine) -> None:
    session.prompts.add_point(Z4, Point(12, 12))
    main.settle(session)
    session.prompts.add_point(Z4, Point(28, 34))
    main.settle(session)
    session.model.set_object_size(40.0)
    main.settle(session)
    asked = len(engine.segmented)
    session.prompts.remove_last()
    main.settle(session)
    assert len(engine.segmented) == asked + 1
    assert session.current.draft.masks[Z4].area == 81
