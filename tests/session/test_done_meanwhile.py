"""What is done while an accepted object waits for its mask is done again on top of it, and meant as it was."""

import threading

import numpy as np
import pytest
from session_deeds import Z4, A, B, accept

from napari_sam.labels.paint import Collision
from napari_sam.prompts.prompt import Box, Prompts
from napari_sam.session.batch import BatchObject
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.record.recording import annotation_of
from napari_sam.session.record.replay import replay


@pytest.fixture
def accept_late(session, main, engine):
    """Accept what is clicked over what is there; what is done inside `meanwhile` comes before its mask."""

    def accept_late(point, meanwhile) -> None:
        engine.gate = threading.Event()
        session.prompts.add_point(Z4, point)
        session.current.accept(Collision.OVERWRITE)
        meanwhile()
        engine.gate.set()
        main.settle(session)

    return accept_late


@pytest.fixture
def check(session, engine, image):
    """Each object has the pixels that it should have, everything known of them is right, and a replay gives them."""

    def check(target, pixels: dict[int, int]) -> None:
        assert session.objects.labels == sorted(pixels)
        for label, count in pixels.items():
            assert np.count_nonzero(target.array == label) == count
            assert session.objects.row(label).area == count
        done = session.record.recordings.of(target).done
        again = replay(annotation_of(target.array, None, done, session.image.number, None), image, engine)
        np.testing.assert_array_equal(again, target.array)

    return check


def test_deleting_an_object_leaves_alone_what_has_its_pixels_by_then(session, main, target, accept_late, check):
    accept(session, main, A)
    accept_late(A, lambda: session.objects.delete(1))
    check(target, {2: 81})
    session.history.undo()
    check(target, {1: 0, 2: 81})
    session.history.undo()
    check(target, {1: 81})
    session.history.redo()
    session.history.redo()
    check(target, {2: 81})


def test_an_object_with_a_new_id_does_not_take_what_has_its_pixels_by_then(session, main, target, accept_late, check):
    accept(session, main, A)
    accept_late(A, lambda: session.objects.relabel(1, 20))
    check(target, {2: 81, 20: 0})
    session.history.undo()
    session.history.undo()
    check(target, {1: 81})


def test_an_id_that_other_labels_might_have_had_is_known_afterwards(session, main, accept_late, check):
    array = np.zeros((9, 40, 50), np.uint16)
    array[4, 0, 0] = 9
    target = ArrayTarget(array)
    session.labels.choose(target)
    main.settle(session)
    accept(session, main, A)
    accept_late(B, lambda: session.objects.relabel(10, 7))
    check(target, {7: 81, 11: 81})


def test_a_label_that_was_there_is_known_after_it_was_segmented_with_others(session, main, accept_late, check):
    array = np.zeros((9, 40, 50), np.uint16)
    array[4, 9:12, 9:12] = 3
    target = ArrayTarget(array)
    session.labels.choose(target)
    main.settle(session)
    session.batch.segment([BatchObject(Z4, Prompts(box=Box(8, 8, 16, 16)), label=3)])
    # All of it is computed, and about to be written.
    assert session.scheduler.wait_idle(5)
    accept_late(B, lambda: None)
    check(target, {3: 81, 4: 81})
