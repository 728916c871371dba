"""Answers that are begun before the question is asked."""

import threading

import pytest

from napari_sam.errors import UserError
from napari_sam.planes.plane import Plane
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.session.state import State

PLANE = Plane((1, 2), (4, 0, 0))
A, B = Point(12.0, 12.0), Point(28.0, 34.0)


def asked(engine) -> list[Prompts]:
    return [prompts for _, prompts, _, _ in engine.segmented]


def test_what_was_expected_is_there_when_it_is_asked(session, main, engine) -> None:
    session.expect_point(PLANE, A)
    main.settle(session)
    assert asked(engine) == [Prompts((A,))]
    assert not session.draft
    assert session.status.state is State.READY
    session.add_point(PLANE, A)
    main.settle(session)
    assert asked(engine) == [Prompts((A,))]
    assert session.draft.masks[PLANE].area == 81
    assert session.draft.questions[PLANE].asked.prompts == Prompts((A,))


def test_an_answer_that_is_asked_for_while_it_is_begun_is_waited_for(session, main, engine) -> None:
    engine.gate = threading.Event()
    session.expect_point(PLANE, A)
    main.run_until(lambda: bool(engine.segmented))
    session.add_point(PLANE, A)
    assert session.status.state is not State.READY
    engine.gate.set()
    main.settle(session)
    assert asked(engine) == [Prompts((A,))]
    assert session.draft.masks[PLANE].area == 81


def test_a_correction_is_expected_with_the_mask_that_it_corrects(session, main, engine) -> None:
    session.add_point(PLANE, A)
    main.settle(session)
    session.expect_point(PLANE, B)
    main.settle(session)
    session.add_point(PLANE, B)
    main.settle(session)
    # A fake mask has no logits: it is fed back as a prompt.
    assert [prompts.points for prompts in asked(engine)] == [(A,), (A, B)]
    assert asked(engine)[1].mask is not None
    assert session.draft.masks[PLANE].area == 162


@pytest.mark.parametrize("busy", [False, True])
def test_another_question_than_expected_is_answered_as_if_nothing_had_been(session, main, engine, busy) -> None:
    if busy:
        engine.gate = threading.Event()
    session.expect_point(PLANE, A)
    main.run_until(lambda: bool(engine.segmented))
    session.add_point(PLANE, B)
    if busy:
        main.run_until(lambda: len(engine.segmented) == 2)  # The first one gave up.
        engine.gate.set()
    main.settle(session)
    assert asked(engine) == [Prompts((A,)), Prompts((B,))]
    assert session.draft.masks[PLANE].box == (24, 30, 33, 39)


def test_what_is_not_to_be_expected_any_more_is_given_up(session, main, engine) -> None:
    engine.gate = threading.Event()
    session.expect_point(PLANE, A)
    main.run_until(lambda: bool(engine.segmented))
    session.expect_nothing()
    main.settle(session)
    engine.gate.set()
    session.add_point(PLANE, A)
    main.settle(session)
    assert asked(engine) == [Prompts((A,))] * 2


@pytest.mark.parametrize("change", ["model", "size", "image"])
def test_an_answer_of_something_else_is_not_taken(session, main, engine, image, change) -> None:
    session.expect_point(PLANE, A)
    main.settle(session)
    if change == "model":
        session.set_model("other")
    elif change == "size":
        session.set_object_size(9.0)
    else:
        session.set_image(image, axes=(1, 2))
    session.add_point(PLANE, A)
    main.settle(session)
    assert asked(engine) == [Prompts((A,))] * 2
    assert session.draft.masks[PLANE].area == 81


def test_what_goes_wrong_early_is_told_only_when_it_is_asked(session, main, engine) -> None:
    engine.error = UserError("It cannot be.")
    session.expect_point(PLANE, A)
    main.settle(session)
    assert session.status.sentence != "It cannot be."
    session.add_point(PLANE, A)
    main.settle(session)
    assert "It cannot be." in session.status.sentence
    assert len(engine.segmented) == 2


def test_without_an_image_nothing_is_expected(session, main, engine) -> None:
    session.set_image(None)
    session.expect_point(PLANE, A)
    main.settle(session)
    assert not engine.segmented
