"""Accepted objects merged, split and reshaped in a session: undone, replayed, restored, and never mixed."""

import threading

import numpy as np
import pytest
from session_deeds import Z4, A, B, accept, crash, stroke

from napari_sam.errors import UserError
from napari_sam.labels.morphology import Reshaping, Treatment
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.spacing import depth_axis, distance_unit
from napari_sam.prompts.prompt import Point
from napari_sam.session.history.entry import EntryKind
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.object_edits import EditScope
from napari_sam.session.record.recording import annotation_of
from napari_sam.session.record.recovery import recover, unfinished_sessions
from napari_sam.session.record.replay import replay
from napari_sam.session.session import Session
from napari_sam.session.status import State


def carry(session, main, point) -> None:
    session.prompts.add_point(Z4, point)
    main.settle(session)
    session.volume.propagate()
    main.settle(session)
    session.current.accept()
    main.settle(session)


def rows(session) -> list[str]:
    return [repr(session.objects.row(label)) for label in session.objects.labels]


@pytest.fixture
def two(session, main, target) -> ArrayTarget:
    """Object 1 on planes 1 to 7, object 2 on planes 3 to 5."""
    carry(session, main, A)
    carry(session, main, B)
    return target


DEEDS = {
    "merge": lambda edits: edits.merge([2, 1]),
    "merge here": lambda edits: edits.merge([2, 1], EditScope.PLANE),
    "split": lambda edits: edits.split(1, [(Z4, Point(9, 9)), (Z4, Point(15, 15))]),
    "split here": lambda edits: edits.split(1, [(Z4, Point(9, 9)), (Z4, Point(15, 15))], EditScope.PLANE),
    "split deep": lambda edits: edits.split(1, [(Z4.at(0, 1), Point(9, 9)), (Z4.at(0, 7), Point(9, 9))]),
    "fill": lambda edits: edits.fill_holes(),
    "largest": lambda edits: edits.keep_largest_part([1]),
    "smooth": lambda edits: edits.smooth(2.0),
    "grow": lambda edits: edits.grow(3.0, [1, 2]),
    "grow here": lambda edits: edits.grow(3.0, None, EditScope.PLANE),
    "shrink": lambda edits: edits.grow(-1.0),
}


def with_faults(session, target) -> None:
    """A hole in object 1, and a crumb of it far away."""
    for row, column, label in ((11, 11, 0), (30, 5, 1)):
        session.labels.painted(target, stroke(target, row, column, label))


@pytest.mark.parametrize("name", DEEDS)
def test_an_edit_is_one_step_back_and_forth_to_the_bit(session, main, two, name) -> None:
    with_faults(session, two)
    before, table, steps = two.array.copy(), rows(session), len(session.history.journal.done)
    DEEDS[name](session.edits)
    main.settle(session)
    after, edited = two.array.copy(), rows(session)
    assert (before != after).any()
    assert len(session.history.journal.done) == steps + 1
    session.history.undo()
    main.settle(session)
    np.testing.assert_array_equal(two.array, before)
    assert rows(session) == table
    session.history.redo()
    main.settle(session)
    np.testing.assert_array_equal(two.array, after)
    assert rows(session) == edited
    for label in session.objects.labels:
        assert session.objects.row(label).area == (after == label).sum()


@pytest.mark.parametrize("name", DEEDS)
def test_an_edit_is_replayed_and_survives_a_crash(session, main, engine, image, autosave, two, tmp_path, name) -> None:
    with_faults(session, two)
    DEEDS[name](session.edits)
    main.settle(session)
    session.objects.reopen(1)
    session.prompts.add_point(Z4, Point(13, 13))
    main.settle(session)
    session.current.accept()
    main.settle(session)
    annotation = annotation_of(two.array, None, session.record.recordings.of(two).done, session.image.number, None)
    np.testing.assert_array_equal(replay(annotation, image, engine), two.array)
    crash(autosave)
    (unfinished,) = unfinished_sessions(tmp_path / "sessions")
    (restored,) = recover(unfinished.path).targets
    np.testing.assert_array_equal(restored.labels, two.array)
    assert sorted(restored.rows) == session.objects.labels
    for label, row in restored.rows.items():
        assert (row.n_planes, row.n_prompts) == (
            session.objects.row(label).n_planes,
            session.objects.row(label).n_prompts,
        )


def test_the_smallest_id_stays_and_the_table_follows(session, main, two) -> None:
    session.objects.rename(2, "soma")
    union = two.array > 0
    session.edits.merge([2, 1])
    main.settle(session)
    assert session.objects.labels == [1]
    np.testing.assert_array_equal(two.array == 1, union)
    row = session.objects.row(1)
    assert (row.name, row.area, row.n_planes, row.span) == ("soma", union.sum(), 7, ((1, 7),))
    assert session.status.sentence == "Objects 1, 2 are object 1 now."
    assert session.history.journal.next_undo.kind is EntryKind.MERGE


def test_the_first_part_keeps_the_id_and_each_part_can_be_gone_on_with(session, main, two) -> None:
    session.edits.split(1, [(Z4, Point(15, 12)), (Z4, Point(9, 12)), (Z4, Point(12, 9))])
    main.settle(session)
    assert session.objects.labels == [1, 2, 3, 4]
    assert [two.array[4, row, column] for row, column in ((15, 12), (9, 12), (12, 9))] == [1, 3, 4]
    assert session.current.label == 5
    session.objects.reopen(3)
    masks = session.current.draft.masks
    assert len(masks) == 7
    for plane, mask in masks.items():
        np.testing.assert_array_equal(mask.painted((40, 50)), two.array[plane.index[0]] == 3)
    before = two.array.copy()
    session.current.accept()
    np.testing.assert_array_equal(two.array, before)


def test_the_model_is_asked_for_each_part_with_the_others_excluded(session, main, engine, target) -> None:
    target.array[3:6, 5:36, 5:42] = 1
    session.labels.choose(target, next_label=2)
    session.edits.split(1, [(Z4, A), (Z4, B)])
    main.settle(session)
    asked = [prompts.points for plane, prompts, _, _ in engine.segmented if plane == Z4]
    assert asked == [(A, Point(28, 34, False)), (B, Point(12, 12, False))]
    # What the model found is theirs to the pixel; what it did not reach goes by the shape.
    assert (target.array[4, 8:17, 8:17] == 1).all()
    assert (target.array[4, 24:33, 30:39] == 2).all()
    assert (target.array[3:6, 5:36, 5:42] > 0).all()
    assert not target.array[:3].any()


def test_without_a_model_an_object_is_split_by_its_shape_and_it_is_told(session, main, engine, two) -> None:
    engine.error = UserError("The weights are not here.")
    session.edits.split(1, [(Z4, Point(9, 12)), (Z4, Point(15, 12))])
    main.settle(session)
    assert session.objects.labels == [1, 2, 3]
    assert "By its shape alone: The weights are not here." in session.status.sentence


def test_an_edited_object_goes_on_as_it_is_now(session, main, two) -> None:
    session.edits.grow(2.0, [1])
    main.settle(session)
    grown = two.array.copy()
    session.objects.reopen(1)
    session.current.accept()
    np.testing.assert_array_equal(two.array, grown)


def test_prompts_stay_where_nothing_changed(session, main, two) -> None:
    session.image.set_view(Z4.at(0, 2))
    session.edits.grow(2.0, [1], EditScope.PLANE)
    main.settle(session)
    session.objects.reopen(1)
    assert session.prompts.on(Z4).points == (A,)
    assert session.prompts.on(Z4.at(0, 2)).mask is not None
    assert sorted(each.index for each in session.current.draft.proposal.values()) == [1, 3, 5, 6, 7]


def test_labels_that_nobody_accepted_are_edited_too(session, main) -> None:
    array = np.zeros((9, 40, 50), np.uint16)
    array[2:6, 5:15, 5:15], array[2:6, 20:30, 5:15] = 40, 7
    array[3:5, 8:10, 8:10] = 0
    target = ArrayTarget(array.copy())
    session.labels.choose(target)
    main.settle(session)
    session.edits.fill_holes()
    main.settle(session)
    assert (target.array == 40).sum() == 400
    session.edits.merge([40, 7])
    main.settle(session)
    assert (target.array == 7).sum() == 800
    session.edits.split(7, [(Z4, Point(7, 7)), (Z4, Point(25, 7))])
    main.settle(session)
    assert session.objects.labels == [7, 41]
    assert [session.objects.row(label).area for label in (7, 41)] == [400, 400]
    for _ in range(3):
        session.history.undo()
    main.settle(session)
    np.testing.assert_array_equal(target.array, array)
    assert not session.objects.labels


def test_distances_are_in_the_unit_of_the_image(session, main, two) -> None:
    assert session.edits.unit() == (1.0, "µm")
    before = two.array == 1
    session.edits.grow(2.0, [1])
    main.settle(session)
    planes = np.flatnonzero((two.array == 1).any(axis=(1, 2)))
    # 2 µm are one plane.
    assert (planes[0], planes[-1]) == (0, 8)
    assert (two.array[4, 12] == 1).sum() == before[4, 12].sum() + 4
    assert session.status.sentence == "Grow by 2 µm: 1 object done."


def test_time_and_channels_are_never_mixed(main, engine) -> None:
    image = np.zeros((3, 6, 40, 50), np.uint8)
    image[:, 1:5, 8:17, 8:17] = 200
    source = ImageSource(image, axis_labels=("t", "z", "y", "x"))
    session = Session(main.post, engine=engine)
    session.image.choose(source, axes=(2, 3))
    plane = Plane((2, 3), (1, 3, 0, 0))
    session.image.set_view(plane)
    target = ArrayTarget(np.zeros(image.shape, np.uint16))
    target.array[:, 2:4, 10:20, 10:20] = 5
    session.labels.choose(target)
    main.settle(session)
    session.edits.grow(1.0, [5])
    main.settle(session)
    assert (target.array[1] == 5).sum() == 200 + 2 * 100 + 2 * 40
    assert (target.array[[0, 2]] == 5).sum() == 2 * 200
    session.history.undo()
    main.settle(session)
    session.edits.grow(1.0)
    main.settle(session)
    for volume in target.array:
        np.testing.assert_array_equal(volume, target.array[1])
    with pytest.raises(UserError, match="no depth"):
        session.edits.reshape(Reshaping(Treatment.FILL_HOLES), axis=0)
    assert session.close()
    assert depth_axis(ImageSource(image[:, 0], axis_labels=("t", "y", "x")), Plane((1, 2), (0, 0, 0))) is None
    assert depth_axis(ImageSource(image[:, 0]), Plane((1, 2), (0, 0, 0))) is None
    assert depth_axis(ImageSource(image[:, 0]), Plane((1, 2), (0, 0, 0)), 0) == 0


@pytest.mark.parametrize(
    ("scale", "units", "expected"),
    [
        (None, None, ((1.0, 1.0), "px")),
        ((2, 0.5, 0.5), ("um",) * 3, ((2.0, 0.5), "µm")),
        ((2, 0.5, 0.5), None, ((4.0, 1.0), "px")),
        ((2, 0.5, 0.5), ("pixel",) * 3, ((4.0, 1.0), "px")),
        ((2, 0.5, 0.5), ("s", "um", "um"), ((1.0, 1.0), "px")),
        ((0.75, 250, 250), ("um", "nm", "nm"), ((750.0, 250.0), "nm")),
    ],
)
def test_without_a_unit_distances_are_pixels(scale, units, expected) -> None:
    sizes, unit = distance_unit(ImageSource(np.zeros((3, 4, 5)), scale=scale, units=units), (0, 1))
    assert (sizes, unit) == (pytest.approx(expected[0]), expected[1])


def test_planes_that_lie_otherwise_are_edited_as_they_are_seen(session, main, two) -> None:
    session.image.set_view(Plane((2, 0), (0, 12, 0)))
    main.settle(session)
    session.edits.grow(2.0, [1], EditScope.PLANE)
    main.settle(session)
    changed = np.flatnonzero((two.array == 1).sum(axis=(0, 2)) != [0] * 8 + [63] * 9 + [0] * 23)
    assert changed.tolist() == [12]


def test_what_would_be_gone_is_left_and_told(session, main, two) -> None:
    session.edits.grow(-6.0, [1, 2])
    main.settle(session)
    assert session.status.state is State.READY
    assert session.status.sentence == "Nothing was done: 2 objects would be gone."
    session.labels.painted(two, stroke(two, 35, 45, 9))
    session.edits.grow(-1.0)
    main.settle(session)
    assert (two.array == 9).sum() == 4
    assert "1 would be gone, and is left as before." in session.status.sentence


def test_an_object_in_work_is_not_edited_behind_its_back(session, main, two) -> None:
    session.objects.reopen(1)
    session.edits.grow(1.0, [1])
    main.settle(session)
    assert not session.current.draft
    session.history.undo()
    assert session.current.draft.label == 1
    session.prompts.add_point(Z4, Point(13, 13))
    main.settle(session)
    for deed in (lambda: session.edits.grow(1.0, [1]), lambda: session.edits.fill_holes()):
        with pytest.raises(UserError, match="Object 1 is in work"):
            deed()
    session.edits.grow(1.0, [2])
    main.settle(session)
    assert session.current.draft.label == 1


def test_what_is_painted_meanwhile_is_seen(session, main, two) -> None:
    session.edits.grow(2.0, [1])
    session.labels.painted(two, stroke(two, 18, 12, 7))
    main.settle(session)
    assert (two.array[4, 18:20, 12:14] == 7).all()
    session.history.undo()
    main.settle(session)
    assert (two.array[4, 18:20, 12:14] == 7).all()
    session.history.undo()
    main.settle(session)
    assert not (two.array == 7).any()


def test_it_can_be_stopped(session, main, two) -> None:
    before = two.array.copy()
    session.edits.grow(2.0, [1])
    assert session.status.state is State.EDITING
    session.cancel()
    main.settle(session)
    np.testing.assert_array_equal(two.array, before)
    assert not session.edits.active


@pytest.mark.parametrize(
    ("deed", "says"),
    [
        (lambda edits: edits.merge([1]), "two objects at least"),
        (lambda edits: edits.split(1, [(Z4, A)]), "two parts"),
        (lambda edits: edits.grow(1.0, []), "Select the objects first"),
        (lambda edits: edits.grow(0.0), "distance above 0"),
        (lambda edits: edits.fill_holes([0]), "background"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(session, two, deed, says) -> None:
    with pytest.raises(UserError, match=says):
        deed(session.edits)


@pytest.mark.parametrize(
    ("deed", "says"),
    [
        (lambda edits: edits.merge([1, 77]), "Object 77 has no pixels there"),
        (lambda edits: edits.split(1, [(Z4, A), (Z4, Point(0, 0))]), "not on object 1"),
        (lambda edits: edits.fill_holes([1]), "nothing to do (fill holes)"),
        (lambda edits: edits.keep_largest_part([5]), "Object 5 has no pixels there"),
    ],
)
def test_what_is_not_there_is_told_and_nothing_changes(session, main, two, deed, says) -> None:
    before, steps = two.array.copy(), len(session.history.journal.done)
    deed(session.edits)
    main.settle(session)
    assert says in session.status.sentence
    np.testing.assert_array_equal(two.array, before)
    assert len(session.history.journal.done) == steps


def test_ids_that_do_not_fit_are_refused(session, main) -> None:
    target = ArrayTarget(np.zeros((9, 40, 50), np.uint8))
    target.array[4, 8:17, 8:17] = 255
    session.labels.choose(target, next_label=256)
    session.edits.split(255, [(Z4, Point(9, 9)), (Z4, Point(15, 15))])
    main.settle(session)
    assert "does not fit" in session.status.sentence


def test_several_objects_are_deleted_as_one_step(session, main, two, autosave) -> None:
    before = two.array.copy()
    session.objects.delete(1, 2)
    assert not two.array.any()
    assert not session.objects.labels
    session.history.undo()
    np.testing.assert_array_equal(two.array, before)


def test_an_object_that_is_still_being_finished_is_not_edited(session, main, engine, target) -> None:
    accept(session, main, A)
    engine.gate = threading.Event()
    session.prompts.add_point(Z4, B)
    session.current.accept()
    with pytest.raises(UserError, match="still being finished"):
        session.edits.grow(1.0, [2])
    engine.gate.set()
    main.settle(session)
    session.edits.grow(1.0, [2])
    main.settle(session)
    assert (target.array == 2).sum() > 81


def test_what_a_split_was_asked_is_recorded_and_its_pixels_are_enough(session, main, two) -> None:
    session.edits.split(1, [(Z4, Point(9, 9)), (Z4, Point(15, 15))])
    main.settle(session)
    done = session.record.recordings.of(two).done[-1:]
    (event,) = done[0].events(session.image.number)
    assert event.edit.clicks == ((Z4, 9, 9), (Z4, 15, 15))
    assert event.edit.labels == (1, 3)
    labels = two.array.copy()
    session.history.undo()
    main.settle(session)
    again = two.array.copy()
    for part in event.after:
        part.write(again)
    np.testing.assert_array_equal(again, labels)


def test_another_image_ends_an_edit_that_was_on_its_way(session, main, two) -> None:
    before = two.array.copy()
    session.edits.grow(2.0, [1])
    session.image.choose(ImageSource(np.zeros((9, 40, 50))), axes=(1, 2))
    main.settle(session)
    np.testing.assert_array_equal(two.array, before)
    assert not session.edits.active
    assert session.status.state is not State.EDITING


def test_undo_while_an_edit_is_made_stops_it_and_undoes_nothing_else(session, main, two) -> None:
    before, steps = two.array.copy(), session.history.journal.done
    session.edits.grow(2.0, [1])
    session.edits.grow(2.0, [2])
    session.history.undo()
    assert session.status.sentence == "2 edits were stopped; nothing was changed."
    main.settle(session)
    np.testing.assert_array_equal(two.array, before)
    assert session.history.journal.done == steps
    session.history.undo()
    session.edits.grow(2.0, [1])
    session.history.undo()
    assert session.status.sentence == "The edit was stopped; nothing was changed."
    session.history.redo()
    main.settle(session)
    np.testing.assert_array_equal(two.array, before)
    assert session.history.journal.done == steps


def test_undo_takes_back_a_propagation_that_began_after_an_edit_first(session, main, two) -> None:
    session.prompts.add_point(Z4, Point(13, 13))
    main.settle(session)
    session.edits.grow(2.0, [2])
    session.volume.propagate()
    session.history.undo()
    assert not session.volume.active
    assert session.edits.active
    session.history.undo()
    assert not session.edits.active


def test_what_is_asked_for_meanwhile_waits_and_is_told_by_itself(session, main, two) -> None:
    before, steps = (two.array > 0).sum(), len(session.history.journal.done)
    session.edits.grow(2.0, [1])
    assert session.status.sentence == ""
    session.edits.grow(1.0, [2])
    assert session.status.sentence == "Waits for the edit that is being made."
    told = []
    session.status_changed.connect(told.append)
    main.settle(session)
    assert session.status.state is State.READY
    assert session.status.sentence == "Grow by 2 µm: 1 object done. Grow by 1 µm: 1 object done."
    assert {each.total for each in told} <= {0, 1}
    assert len(session.history.journal.done) == steps + 2
    for _ in range(2):
        session.history.undo()
        main.settle(session)
    assert (two.array > 0).sum() == before


def test_objects_are_counted_once_though_the_edit_is_planned_anew(session, main, two) -> None:
    session.edits.grow(2.0, [1])
    assert session.scheduler.wait_idle(10)
    session.labels.painted(two, stroke(two, 30, 5, 7))
    main.settle(session)
    assert session.status.sentence == "Grow by 2 µm: 1 object done."


def test_what_was_not_done_is_told_after_what_followed(session, main, two) -> None:
    session.edits.grow(-20.0, [1])
    session.edits.grow(1.0, [2])
    session.edits.grow(1.0, [2])
    main.settle(session)
    assert session.status.state is State.READY
    assert session.status.sentence == "Nothing was done: object 1 would be gone. Grow by 1 µm: 1 object done."
    session.edits.merge([1, 77])
    session.edits.grow(1.0, [2])
    main.settle(session)
    assert session.status.state is State.ERROR
    assert "Object 77 has no pixels there" in session.status.sentence
    assert "1 object done" in session.status.sentence
    session.edits.grow(1.0, [2])
    main.settle(session)
    assert session.status.sentence == "Grow by 1 µm: 1 object done."


def test_an_edit_whose_turn_comes_too_late_is_told(session, main, two) -> None:
    session.edits.merge([1, 2])
    session.edits.grow(1.0, [2])
    main.settle(session)
    assert session.objects.labels == [1]
    assert "Object 2 has no pixels there" in session.status.sentence
    assert not session.edits.active


def test_that_nothing_is_to_be_done_is_no_error(session, main, two) -> None:
    session.edits.fill_holes([1])
    main.settle(session)
    assert session.status.state is State.READY
    assert "nothing to do" in session.status.sentence


def test_edits_that_wait_for_labels_that_are_gone_go_with_them(session, main, two) -> None:
    before = two.array.copy()
    session.edits.grow(2.0, [1])
    session.edits.grow(2.0, [2])
    session.labels.forget(two)
    assert not session.edits.active
    main.settle(session)
    np.testing.assert_array_equal(two.array, before)
