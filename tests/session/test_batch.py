"""Several objects in one go, and being asked about what they meet."""

import threading

import numpy as np
import pytest

from napari_sam.errors import UserError
from napari_sam.labels.paint import Collides, Collision
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.prompts.prompt import Box, Point, Prompts
from napari_sam.session.batch import BatchObject
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.record.recording import annotation_of
from napari_sam.session.record.replay import replay
from napari_sam.session.status import State

Z4 = Plane((1, 2), (4, 0, 0))
BOX_A, BOX_B = Prompts(box=Box(5, 5, 20, 20)), Prompts(box=Box(20, 26, 36, 44))


def rough(row0, column0, row1, column1) -> Prompts:
    return Prompts(mask=Mask((row0, column0, row1, column1), np.ones((row1 - row0, column1 - column0), bool)))


def test_each_box_becomes_an_object_and_one_undo_takes_all_back(session, main, target) -> None:
    session.batch.segment([BatchObject(Z4, BOX_A), BatchObject(Z4, BOX_B), BatchObject(Z4.at(0, 5), BOX_A)])
    assert session.batch.active
    main.settle(session)
    assert not session.batch.active
    assert [(target.array == label).sum() for label in (1, 2, 3)] == [81, 81, 81]
    assert session.objects.labels == [1, 2, 3]
    assert session.current.label == 4
    assert "3 objects" in session.status.sentence
    session.history.undo()
    assert not target.array.any()
    assert not session.objects.labels
    assert session.current.label == 1
    session.history.redo()
    assert (target.array > 0).sum() == 243


def test_an_object_of_a_batch_can_be_reopened_with_its_prompts(session, main, target) -> None:
    session.batch.segment([BatchObject(Z4, BOX_A), BatchObject(Z4, BOX_B)])
    main.settle(session)
    session.objects.reopen(2)
    assert session.prompts.on(Z4) == BOX_B
    assert session.objects.row(2).area == 81


def test_labels_are_refined_under_their_ids(session, main) -> None:
    target = ArrayTarget(np.zeros((9, 40, 50), np.uint16))
    target.array[4, 5:12, 5:12], target.array[4, 26:38, 30:34], target.array[3, 12, 12] = 8, 3, 8
    session.labels.choose(target)
    session.batch.segment([BatchObject(Z4, rough(5, 5, 12, 12), 8), BatchObject(Z4, rough(26, 30, 38, 34), 3)])
    main.settle(session)
    expected = np.zeros((9, 40, 50), np.uint16)
    expected[4, 8:17, 8:17], expected[4, 24:33, 30:39], expected[3, 12, 12] = 8, 3, 8
    np.testing.assert_array_equal(target.array, expected)
    assert session.objects.labels == [3, 8]
    assert session.objects.row(8).area == 81
    assert session.current.label == 9
    session.history.undo()
    assert target.array[4, 5, 5] == 8
    assert session.current.label == 9


def test_what_is_not_found_is_left_out_and_counted(session, main, target) -> None:
    nothing, outside = Prompts((Point(0, 45),)), Prompts((Point(0, 450),))
    session.batch.segment([BatchObject(Z4, BOX_A), BatchObject(Z4, nothing), BatchObject(Z4, outside)])
    main.settle(session)
    assert session.objects.labels == [1]
    assert "2 were not found" in session.status.sentence
    session.batch.segment([BatchObject(Z4, nothing)])
    main.settle(session)
    assert session.status.state is State.ERROR


def test_progress_and_cancel(session, main, engine, target) -> None:
    gate = engine.gate = threading.Event()
    session.batch.segment([BatchObject(Z4, BOX_A), BatchObject(Z4, BOX_B)])
    main.pump()
    assert session.status.state is State.SEGMENTING
    assert session.status.total == 2
    session.cancel()
    gate.set()
    main.settle(session)
    assert not target.array.any()
    assert "nothing was written" in session.status.sentence
    assert not session.history.journal.can_undo


def test_clicks_go_on_meanwhile(session, main, engine, target) -> None:
    gate = engine.gate = threading.Event()
    session.batch.segment([BatchObject(Z4, BOX_A), BatchObject(Z4, BOX_B)])
    session.prompts.add_point(Z4, Point(12, 12))
    gate.set()
    main.settle(session)
    assert session.objects.labels == [1, 2]
    assert session.current.draft.masks[Z4].area == 81
    assert session.current.label == 3


def test_a_batch_asks_once_about_all_that_it_meets(session, main, target) -> None:
    target.array[4, 8:10, 8:10], target.array[4, 30, 30:33] = 20, 21
    session.labels.choose(target)
    asked = []
    session.collided.connect(asked.append)
    for choice in (Collision.KEEP, None, Collision.OVERWRITE):
        session.batch.segment([BatchObject(Z4, BOX_A), BatchObject(Z4, BOX_B)], Collision.ASK)
        main.settle(session)
        assert asked.pop().pixels == {20: 4, 21: 3}
        session.batch.write(choice)
        main.settle(session)
        assert (target.array == 22).sum() == {Collision.KEEP: 77, None: 0, Collision.OVERWRITE: 81}[choice]
        if choice is not None:
            session.history.undo()
    assert (target.array == 20).sum() == 4


def test_without_anything_to_do_or_to_write_into_it_is_refused(session, main, target) -> None:
    with pytest.raises(UserError, match="nothing to segment"):
        session.batch.segment([])
    session.labels.choose(None)
    with pytest.raises(UserError, match="Choose the labels"):
        session.batch.segment([BatchObject(Z4, BOX_A)])


def test_another_image_or_no_labels_end_a_batch(session, main, engine, target, image) -> None:
    gate = engine.gate = threading.Event()
    session.batch.segment([BatchObject(Z4, BOX_A)])
    session.labels.forget(target)
    assert not session.batch.active
    gate.set()
    main.settle(session)
    assert not target.array.any()


def test_accepting_with_a_question(session, main, target) -> None:
    target.array[4, 8:10, 8:10] = 20
    session.labels.choose(target)
    session.prompts.add_point(Z4, Point(12, 12))
    with pytest.raises(UserError, match="not there yet"):
        session.current.accept(Collision.ASK)
    main.settle(session)
    with pytest.raises(Collides, match="4 pixels of label 20"):
        session.current.accept(Collision.ASK)
    assert session.current.draft.masks
    assert session.history.journal.next_undo.kind == "prompt"
    met = []

    def decide(pixels):
        met.append(dict(pixels))
        return Collision.OVERWRITE

    session.current.accept(Collision.ASK, decide)
    assert met == [{20: 4}]
    assert (target.array == 21).sum() == 81
    session.prompts.add_point(Z4, Point(28, 34))
    main.settle(session)
    session.current.accept(Collision.ASK, decide)
    assert len(met) == 1


def test_a_batch_may_take_the_place_of_the_object_in_work(session, main, target) -> None:
    session.prompts.set(Z4, BOX_B)
    main.settle(session)
    session.batch.segment([BatchObject(Z4, BOX_A), BatchObject(Z4, BOX_B)], instead=True)
    assert session.current.draft
    main.settle(session)
    assert not session.current.draft
    session.history.undo()
    assert session.prompts.on(Z4) == BOX_B
    assert not target.array.any()


def test_an_id_given_on_a_second_plane_is_the_same_object_there(session, main, target) -> None:
    for plane in (Z4, Z4.at(0, 5)):
        session.batch.segment([BatchObject(plane, BOX_A, 7)])
        main.settle(session)
    assert (target.array == 7).sum() == 162
    assert session.objects.row(7).n_planes == 2
    assert session.objects.row(7).area == 162
    session.batch.segment([BatchObject(Z4, BOX_B, 7)])
    main.settle(session)
    assert target.array[4, 28, 34] == 7
    assert target.array[4, 12, 12] == 0
    assert session.objects.row(7).area == 162


def test_objects_may_be_read_on_the_inference_thread(session, main, target) -> None:
    session.batch.segment(lambda: iter([[BatchObject(Z4, BOX_A)], [], [BatchObject(Z4, BOX_B)]]))
    main.settle(session)
    assert session.objects.labels == [1, 2]
    session.batch.segment(lambda: iter([[], []]))
    main.settle(session)
    assert "nothing to segment" in session.status.sentence


def test_one_id_on_several_planes_of_a_batch_is_one_object(session, main, target) -> None:
    planes = [Z4.at(0, z) for z in (3, 4, 5)]
    session.batch.segment([BatchObject(plane, BOX_A, 7) for plane in planes])
    main.settle(session)
    assert [(target.array[z] == 7).sum() for z in (3, 4, 5)] == [81, 81, 81]
    assert session.objects.labels == [7]
    assert session.status.sentence == "1 object was accepted."
    assert session.objects.row(7).n_planes == 3
    assert session.objects.row(7).area == 243
    session.objects.delete(7)
    assert not target.array.any()
    session.history.undo()
    assert (target.array == 7).sum() == 243
    session.history.undo()
    assert not target.array.any()
    assert not session.objects.labels


def test_an_object_without_an_id_does_not_get_one_that_another_brings(session, main, target) -> None:
    session.batch.segment([BatchObject(Z4, BOX_A), BatchObject(Z4, BOX_B, 1)])
    main.settle(session)
    assert session.objects.labels == [1, 2]
    assert (target.array[4, 12, 12], target.array[4, 28, 34]) == (2, 1)


def test_an_id_from_elsewhere_is_known_to_be_on_all_planes_of_a_batch(session, main) -> None:
    target = ArrayTarget(np.zeros((9, 40, 50), np.uint16))
    target.array[3:6, 9:13, 9:13], target.array[0, 0, 0] = 5, 9
    session.labels.choose(target)
    session.batch.segment([BatchObject(Z4.at(0, z), rough(9, 9, 13, 13), 5) for z in (3, 4, 5)])
    main.settle(session)
    assert session.objects.row(5).area == 243
    session.objects.delete(5)
    assert not (target.array == 5).any()


def test_a_batch_asks_once_about_what_it_meets_on_all_planes(session, main, target) -> None:
    target.array[3, 8, 8:10], target.array[4, 9, 8:11], target.array[4, 30, 30] = 20, 20, 21
    session.labels.choose(target)
    before = target.array.copy()
    asked = []
    session.collided.connect(asked.append)
    session.batch.segment([BatchObject(Z4.at(0, z), box) for z in (3, 4) for box in (BOX_A, BOX_B)], Collision.ASK)
    main.settle(session)
    assert [request.pixels for request in asked] == [{20: 5, 21: 1}]
    np.testing.assert_array_equal(target.array, before)
    session.batch.write(Collision.OVERWRITE)
    main.settle(session)
    assert (target.array == 22).sum() == 81
    assert not (target.array == 20).any()
    session.history.undo()
    np.testing.assert_array_equal(target.array, before)


def test_while_labels_are_read_a_click_goes_first_and_cancel_ends_it(session, main, target) -> None:
    clicked = threading.Event()

    def read():
        for z in range(9):
            assert clicked.wait(10)
            yield [BatchObject(Z4.at(0, z), BOX_A)]

    session.batch.segment(read)
    session.prompts.add_point(Z4, Point(12, 12))
    clicked.set()
    session.cancel()
    main.settle(session)
    assert session.current.draft.masks[Z4].area == 81
    assert not target.array.any()


def test_a_batch_on_several_planes_is_replayed(session, main, target, engine, image) -> None:
    session.batch.segment([BatchObject(Z4.at(0, z), BOX_A, 7) for z in (3, 4)] + [BatchObject(Z4.at(0, 5), BOX_B)])
    main.settle(session)
    session.objects.rename(7, "seven")
    annotation = annotation_of(
        target.array, None, session.record.recordings.of(target).done, session.image.number, None
    )
    np.testing.assert_array_equal(replay(annotation, session.image.source, engine), target.array)
    assert (target.array > 0).sum() == 243


def test_a_click_goes_before_the_rest_of_a_batch(session, main, engine, target) -> None:
    engine.gate = threading.Event()
    session.batch.segment([BatchObject(Z4.at(0, at), BOX_A) for at in range(2, 7)])
    main.run_until(lambda: len(engine.segmented) == 1)
    session.prompts.add_point(Z4, Point(28, 34))
    engine.gate.set()
    main.settle(session)
    assert [bool(prompts.points) for _, prompts, _, _ in engine.segmented] == [False, True, False, False, False, False]
    assert session.objects.labels == [1, 2, 3, 4, 5]
    assert session.current.draft.masks[Z4].area == 81


def test_an_object_that_cannot_be_segmented_is_left_out_of_its_group(session, main, target) -> None:
    outside = Prompts((Point(900, 900),))
    session.batch.segment([BatchObject(Z4, BOX_A), BatchObject(Z4, outside), BatchObject(Z4, BOX_B)])
    main.settle(session)
    assert session.objects.labels == [1, 2]
    assert "1 was not found" in session.status.sentence
    assert (target.array == 2).sum() == 81


def both_accepted(session, main) -> None:
    session.batch.segment([BatchObject(Z4, BOX_A), BatchObject(Z4, BOX_B)])
    main.settle(session)


def test_all_objects_of_the_plane_are_carried_and_one_undo_takes_them_back(session, main, target) -> None:
    both_accepted(session, main)
    before = target.array.copy()
    session.batch.propagate()
    assert session.batch.active
    main.settle(session)
    carried = target.array.copy()
    assert [(carried == label).any(axis=(1, 2)).nonzero()[0].tolist() for label in (1, 2)] == [
        list(range(1, 8)),
        [3, 4, 5],
    ]
    np.testing.assert_array_equal(carried[4], before[4])
    assert session.objects.labels == [1, 2]
    assert "2 objects carried to 8 planes more in all." in session.status.sentence
    session.history.undo()
    np.testing.assert_array_equal(target.array, before)
    session.history.redo()
    np.testing.assert_array_equal(target.array, carried)


def test_where_no_object_goes_on_that_is_told_and_nothing_is_done(session, main, target) -> None:
    both_accepted(session, main)
    session.batch.propagate()
    main.settle(session)
    carried = target.array.copy()
    session.batch.propagate()
    main.settle(session)
    assert session.status.sentence == "No object goes on beyond the planes that it has."
    assert not session.batch.active
    np.testing.assert_array_equal(target.array, carried)


def test_objects_are_carried_to_the_planes_asked_for_only(session, main, target) -> None:
    both_accepted(session, main)
    session.batch.propagate(0, 3, 5)
    main.settle(session)
    assert (target.array > 0).any(axis=(1, 2)).nonzero()[0].tolist() == [3, 4, 5]


def test_pixels_of_other_labels_stay_theirs_when_all_are_carried(session, main, target) -> None:
    target.array[2, 8:12, 8:17] = 9
    both_accepted(session, main)
    session.batch.propagate()
    main.settle(session)
    assert (target.array[2, 8:12, 8:17] == 9).all()
    assert (target.array[2, 12:17, 8:17] == 1).all()


def test_planes_that_an_object_has_are_its_key_planes(session, main, target) -> None:
    both_accepted(session, main)
    target.array[6, 0:3, 0:3] = 1
    session.batch.propagate(0, 4, 8)
    main.settle(session)
    # The plane is as the user left it, and what follows is carried from there.
    assert (target.array[6] == 1).sum() == 9


def test_carrying_all_can_be_cancelled_and_nothing_is_written(session, main, engine, target) -> None:
    both_accepted(session, main)
    before = target.array.copy()
    engine.gate = threading.Event()
    session.batch.propagate()
    session.batch.cancel()
    engine.gate.set()
    main.settle(session)
    np.testing.assert_array_equal(target.array, before)
    assert not session.batch.active


def test_carrying_all_needs_an_object_on_the_plane(session, main, target) -> None:
    session.batch.propagate()
    main.settle(session)
    assert "accept objects on the plane in view first" in session.status.sentence
    assert not session.batch.active


def test_objects_carried_at_once_are_replayed(session, main, target, engine, image) -> None:
    both_accepted(session, main)
    session.batch.propagate()
    main.settle(session)
    annotation = annotation_of(
        target.array, None, session.record.recordings.of(target).done, session.image.number, None
    )
    np.testing.assert_array_equal(replay(annotation, session.image.source, engine), target.array)
