"""Planes embedded ahead: which ones, how many, and that nothing else waits for them."""

import threading

import pytest
from fake_engine import FakeSegmenter

from napari_sam.planes.geometry import Plane
from napari_sam.prompts.prompt import Point
from napari_sam.session.compute.embedding_ahead import neighbours
from napari_sam.session.status import State


def z(at: int) -> Plane:
    return Plane((1, 2), (at, 0, 0))


def planes(engine) -> list[int]:
    return [plane.index[0] for plane, _, _ in engine.prepared]


@pytest.mark.parametrize(
    ("plane", "axis", "direction", "expected"),
    [
        (z(4), None, 0, [5, 3, 6, 2]),
        (z(4), 0, 1, [5, 3, 6, 7, 8]),
        (z(4), 0, -1, [3, 5, 2, 1, 0]),
        (z(8), 0, 1, [7]),
        (z(0), None, 0, [1, 2]),
    ],
)
def test_the_likeliest_planes_come_first(plane, axis, direction, expected) -> None:
    assert [each.index[0] for each in neighbours(plane, (9, 40, 50), axis, direction)] == expected


def test_the_axis_that_was_scrolled_is_gone_along_else_the_last_one_not_displayed() -> None:
    plane, shape = Plane((2, 3), (5, 2, 0, 0)), (8, 4, 30, 30)
    assert [each.index[:2] for each in neighbours(plane, shape, None, 0)] == [(5, 3), (5, 1), (5, 0)]
    assert [each.index[:2] for each in neighbours(plane, shape, 0, -1)] == [(4, 2), (6, 2), (3, 2), (2, 2), (1, 2)]
    # In the XZ view the last axis that is not displayed is y.
    assert neighbours(Plane((1, 3), (5, 0, 9, 0)), shape, None, 0)[0].index == (5, 0, 10, 0)
    assert neighbours(Plane((0, 1), (0, 0)), (30, 30), None, 0) == []


def test_neighbours_are_embedded_in_scrolling_direction_within_the_room(session, main, engine) -> None:
    engine.room = 3
    session.image.set_view(z(3))
    main.settle(session)
    engine.prepared.clear()
    session.image.set_view(z(4), (10.0, 12.0))
    main.settle(session)
    assert planes(engine) == [4, 5, 3, 6]
    assert {center for _, center, _ in engine.prepared} == {(10.0, 12.0)}
    assert session.status.state is State.READY


def test_nothing_is_embedded_ahead_where_there_is_no_room(session, main, engine) -> None:
    session.image.set_view(z(4))
    main.settle(session)
    assert set(planes(engine)) == {4}


def test_a_click_interrupts_it_at_once_and_it_goes_on_afterwards(session, main, engine) -> None:
    engine.room, engine.gate = 2, threading.Event()
    engine.gate.set()
    session.image.set_view(z(4))
    main.run_until(lambda: session.status.state is State.READY)
    main.settle(session)
    session.image.set_view(z(6))
    main.run_until(lambda: session.status.state is State.READY)
    engine.gate.clear()
    engine.prepared.clear()
    session.image.set_view(z(7))
    engine.gate.set()
    main.run_until(lambda: session.status.state is State.READY)
    engine.gate.clear()
    main.run_until(lambda: 8 in planes(engine))
    # It hangs in plane 8 until it is interrupted.
    session.prompts.add_point(z(7), Point(12, 12))
    main.run_until(lambda: bool(engine.segmented))
    engine.gate.set()
    main.run_until(lambda: z(7) in session.current.draft.segmentations)
    main.settle(session)
    assert planes(engine).count(8) == 2
    assert planes(engine)[-1] == 6


def test_scrolling_on_drops_what_was_to_be_embedded(session, main, engine) -> None:
    engine.room = 4
    session.image.set_view(z(2))
    main.settle(session)
    engine.delay = 0.05
    session.image.set_view(z(3))
    main.run_until(lambda: session.status.state is State.READY)
    engine.prepared.clear()
    session.image.set_view(z(7))
    main.settle(session)
    assert planes(engine) == [7, 8, 6]


def test_a_plane_that_cannot_be_read_ahead_is_no_error(session, main, engine, monkeypatch) -> None:
    read = FakeSegmenter.prepare

    def torn(self, plane, *rest):
        if plane != z(6):
            engine.prepared.append((plane, *rest[:2]))
            raise OSError("torn")
        return read(self, plane, *rest)

    monkeypatch.setattr(FakeSegmenter, "prepare", torn)
    engine.room = 2
    main.settle(session)
    engine.prepared.clear()
    session.image.set_view(z(6))
    main.settle(session)
    assert planes(engine) == [6, 7]
    assert session.status.state is State.READY
    assert not session.status.sentence


def test_leaving_the_plane_view_stops_it(session, main, engine) -> None:
    engine.room = 4
    session.image.set_view(z(2))
    main.settle(session)
    engine.delay = 0.05
    session.image.set_view(z(3))
    main.run_until(lambda: session.status.state is State.READY)
    session.image.clear_view("3-D")
    seen = len(engine.prepared)
    main.settle(session)
    assert len(engine.prepared) <= seen + 1


def test_clicks_on_a_plane_that_is_being_embedded_are_answered_there_after_scrolling_away(
    session, main, engine
) -> None:
    main.settle(session)
    engine.gate = threading.Event()
    session.image.set_view(z(3))
    main.run_until(lambda: session.status.state is State.EMBEDDING)
    session.prompts.add_point(z(3), Point(12, 12))
    session.prompts.add_point(z(3), Point(28, 34))
    session.image.set_view(z(5))
    engine.gate.set()
    main.settle(session)
    assert session.current.draft.segmentations[z(3)].mask.area == 162
    assert set(session.current.draft.masks) == {z(3)}
    assert session.image.plane == z(5)
    assert session.status.state is State.READY
