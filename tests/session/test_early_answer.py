"""Answers that are begun before the question is asked."""

import threading

import pytest

from napari_sam.errors import UserError
from napari_sam.planes.geometry import Plane
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.session.compute.scheduler import Priority
from napari_sam.session.status import State

PLANE = Plane((1, 2), (4, 0, 0))
A, B = Point(12.0, 12.0), Point(28.0, 34.0)


def asked(engine) -> list[Prompts]:
    return [prompts for _, prompts, _, _ in engine.segmented]


def test_what_was_expected_is_there_when_it_is_asked(session, main, engine) -> None:
    session.prompts.expect_point(PLANE, A)
    main.settle(session)
    assert asked(engine) == [Prompts((A,))]
    assert not session.current.draft
    assert session.status.state is State.READY
    session.prompts.add_point(PLANE, A)
    main.settle(session)
    assert asked(engine) == [Prompts((A,))]
    assert session.current.draft.masks[PLANE].area == 81
    assert session.current.draft.requests[PLANE].asked.prompts == Prompts((A,))


def test_an_answer_that_is_asked_for_while_it_is_begun_is_waited_for(session, main, engine) -> None:
    engine.gate = threading.Event()
    session.prompts.expect_point(PLANE, A)
    main.run_until(lambda: bool(engine.segmented))
    session.prompts.add_point(PLANE, A)
    assert session.status.state is not State.READY
    engine.gate.set()
    main.settle(session)
    assert asked(engine) == [Prompts((A,))]
    assert session.current.draft.masks[PLANE].area == 81


def test_a_correction_is_expected_with_the_mask_that_it_corrects(session, main, engine) -> None:
    session.prompts.add_point(PLANE, A)
    main.settle(session)
    session.prompts.expect_point(PLANE, B)
    main.settle(session)
    session.prompts.add_point(PLANE, B)
    main.settle(session)
    # A fake mask has no logits: it is fed back as a prompt.
    assert [prompts.points for prompts in asked(engine)] == [(A,), (A, B)]
    assert asked(engine)[1].mask is not None
    assert session.current.draft.masks[PLANE].area == 162


@pytest.mark.parametrize("busy", [False, True])
def test_another_question_than_expected_is_answered_as_if_nothing_had_been(session, main, engine, busy) -> None:
    if busy:
        engine.gate = threading.Event()
    session.prompts.expect_point(PLANE, A)
    main.run_until(lambda: bool(engine.segmented))
    session.prompts.add_point(PLANE, B)
    if busy:
        main.run_until(lambda: len(engine.segmented) == 2)  # The first one gave up.
        engine.gate.set()
    main.settle(session)
    assert asked(engine) == [Prompts((A,)), Prompts((B,))]
    assert session.current.draft.masks[PLANE].box == (24, 30, 33, 39)


def test_what_is_not_to_be_expected_any_more_is_given_up(session, main, engine) -> None:
    engine.gate = threading.Event()
    session.prompts.expect_point(PLANE, A)
    main.run_until(lambda: bool(engine.segmented))
    session.prompts.expect_nothing()
    main.settle(session)
    engine.gate.set()
    session.prompts.add_point(PLANE, A)
    main.settle(session)
    assert asked(engine) == [Prompts((A,))] * 2


@pytest.mark.parametrize("change", ["model", "size", "image"])
def test_an_answer_of_something_else_is_not_taken(session, main, engine, image, change) -> None:
    session.prompts.expect_point(PLANE, A)
    main.settle(session)
    if change == "model":
        session.model.choose("other")
    elif change == "size":
        session.model.set_object_size(9.0)
    else:
        session.image.choose(image, axes=(1, 2))
    session.prompts.add_point(PLANE, A)
    main.settle(session)
    assert asked(engine) == [Prompts((A,))] * 2
    assert session.current.draft.masks[PLANE].area == 81


def test_what_goes_wrong_early_is_told_only_when_it_is_asked(session, main, engine) -> None:
    engine.error = UserError("It cannot be.")
    session.prompts.expect_point(PLANE, A)
    main.settle(session)
    assert session.status.sentence != "It cannot be."
    session.prompts.add_point(PLANE, A)
    main.settle(session)
    assert "It cannot be." in session.status.sentence
    assert len(engine.segmented) == 2


def test_without_an_image_nothing_is_expected(session, main, engine) -> None:
    session.image.choose(None)
    session.prompts.expect_point(PLANE, A)
    main.settle(session)
    assert not engine.segmented


# Where the pointer rests


def test_what_was_supposed_is_there_when_it_is_asked(session, main, engine) -> None:
    session.prompts.suppose_point(PLANE, A)
    main.settle(session)
    assert engine.rehearsed == [Prompts((A,))]
    assert not session.current.draft
    assert not engine.taken_in
    session.prompts.expect_point(PLANE, A)
    session.prompts.add_point(PLANE, A)
    main.settle(session)
    assert not engine.segmented
    assert len(engine.taken_in) == 1
    assert session.current.draft.masks[PLANE].area == 81


@pytest.mark.parametrize("pressed", [False, True])
def test_what_is_supposed_goes_on_when_it_is_asked_and_gives_way_no_more(session, main, engine, pressed) -> None:
    engine.gate = threading.Event()
    session.prompts.suppose_point(PLANE, A)
    main.run_until(lambda: bool(engine.rehearsed))
    if pressed:
        session.prompts.expect_point(PLANE, A)
    session.prompts.add_point(PLANE, A)
    session.scheduler.submit("view of another plane", lambda _: None, priority=Priority.VIEW)
    engine.gate.set()
    main.settle(session)
    assert engine.rehearsed == [Prompts((A,))]
    assert not engine.segmented
    assert session.current.draft.masks[PLANE].area == 81


@pytest.mark.parametrize("pressed", [False, True])
def test_what_is_supposed_is_given_up_for_another_question(session, main, engine, pressed) -> None:
    engine.gate = threading.Event()
    session.prompts.suppose_point(PLANE, A)
    main.run_until(lambda: bool(engine.rehearsed))
    if pressed:
        session.prompts.expect_point(PLANE, B)
        main.run_until(lambda: bool(engine.segmented))
    session.prompts.add_point(PLANE, B)
    main.run_until(lambda: bool(engine.segmented))
    engine.gate.set()
    main.settle(session)
    assert asked(engine) == [Prompts((B,))]
    assert not engine.taken_in
    assert session.current.draft.masks[PLANE].box == (24, 30, 33, 39)


def test_everything_else_goes_before_what_is_supposed(session, main, engine) -> None:
    engine.gate = threading.Event()
    session.prompts.suppose_point(PLANE, A)
    main.run_until(lambda: bool(engine.rehearsed))
    done: list[str] = []
    session.scheduler.submit("other", lambda _: done.append("other"), priority=Priority.PROPAGATION)
    main.run_until(lambda: bool(done))
    main.run_until(lambda: len(engine.rehearsed) == 2)  # It began again.
    engine.gate.set()
    main.settle(session)


def test_planes_are_embedded_ahead_only_where_nothing_is_supposed(session, main, engine) -> None:
    engine.room, engine.gate = 2, threading.Event()
    other = PLANE.at(0, 5)
    session.image.set_view(other)
    main.run_until(lambda: (other, None, None) in engine.prepared)
    engine.gate.set()
    main.run_until(lambda: session.status.state is State.READY)
    engine.gate.clear()
    main.run_until(lambda: len({plane for plane, _, _ in engine.prepared}) > 2)
    session.prompts.suppose_point(other, A)
    main.run_until(lambda: bool(engine.rehearsed))
    engine.gate.set()
    main.settle(session)


def test_nothing_is_supposed_where_a_first_click_is_quick_or_would_be_answered_otherwise(session, main, engine):
    session.prompts.suppose_point(PLANE.at(0, 3), A)  # Another plane than that in view.
    session.model.set_object_size(9.0)
    main.settle(session)
    session.prompts.suppose_point(PLANE, A)
    session.model.set_object_size(None)
    session.prompts.suppose_point(PLANE, A)  # It is not embedded yet.
    main.settle(session)
    session.prompts.add_point(PLANE, B)
    main.settle(session)
    session.prompts.suppose_point(PLANE, A)  # It would be a correction.
    main.settle(session)
    assert not engine.rehearsed


def test_what_was_supposed_before_the_plane_was_embedded_anew_is_not_taken(session, main, engine) -> None:
    session.prompts.suppose_point(PLANE, A)
    main.settle(session)
    session.model.set_object_size(9.0)
    session.model.set_object_size(None)
    main.settle(session)
    session.prompts.add_point(PLANE, A)
    main.settle(session)
    assert asked(engine) == [Prompts((A,))]
    assert not engine.taken_in


def test_what_a_model_does_not_suppose_it_answers_when_it_is_asked(session, main, engine) -> None:
    engine.rehearses = False
    session.prompts.suppose_point(PLANE, A)
    main.settle(session)
    session.prompts.add_point(PLANE, A)
    main.settle(session)
    assert asked(engine) == [Prompts((A,))]
    assert session.current.draft.masks[PLANE].area == 81


def test_what_goes_wrong_where_the_pointer_rests_is_not_told(session, main, engine) -> None:
    engine.error = UserError("It cannot be.")
    session.prompts.suppose_point(PLANE, A)
    main.settle(session)
    assert engine.rehearsed
    assert session.status.sentence != "It cannot be."
