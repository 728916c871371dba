"""Objects like some that are accepted: found, accepted, undone, recorded and replayed; on other planes and images."""

import numpy as np
import pytest
from session_deeds import Z4

from napari_sam.discover.proposals import Wanted
from napari_sam.errors import UserError
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Point
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.record.recording import annotation_of
from napari_sam.session.record.replay import replay
from napari_sam.testing.fake_engine import FakeEngine

SMALL, LARGE = ((5, 5), (5, 20), (5, 35)), ((25, 8), (25, 35))


@pytest.fixture
def image() -> ImageSource:
    """Three squares of 5 x 5 and two of 13 x 13, on every plane."""
    stack = np.zeros((9, 40, 50), np.uint8)
    for middles, reach in ((SMALL, 2), (LARGE, 6)):
        for row, column in middles:
            stack[:, row - reach : row + reach + 1, column - reach : column + reach + 1] = 200
    return ImageSource(stack)


def alike(session, main, labels=()) -> None:
    session.everything.find_alike(labels)
    main.run_until(lambda: not session.everything.active)


def write(session, main) -> None:
    session.everything.accept()
    main.run_until(lambda: not session.batch.active)


def accepted(session, main, plane, place) -> int:
    session.prompts.add_point(plane, Point(*map(float, place)))
    main.settle(session)
    label = session.current.label or 1
    session.current.accept()
    main.settle(session)
    return label


def test_others_like_an_accepted_object_are_found_and_accepted_as_one_undo(session, main, target) -> None:
    label = accepted(session, main, Z4, SMALL[0])
    before = target.array.copy()
    alike(session, main, [label])
    everything = session.everything
    assert everything.plane == Z4
    assert everything.proposals.likeness is not None
    # Not the example itself, and not the large ones.
    assert everything.at(*SMALL[0]) is None
    assert all(everything.at(*place) in everything.chosen for place in SMALL[1:])
    assert len(everything.chosen) == 2
    assert everything.most == 4
    everything.wanted = Wanted(likeness=0.0)
    assert len(everything.chosen) == 4
    everything.wanted = Wanted()
    write(session, main)
    assert [int(target.array[4][place]) for place in SMALL] == [label, label + 1, label + 2]
    assert not any(target.array[4][place] for place in LARGE)
    session.history.undo()
    np.testing.assert_array_equal(target.array, before)
    session.history.redo()
    assert len(session.objects.labels) == 3


def test_what_was_found_alike_is_recorded_and_replayed(session, main, target, image) -> None:
    alike(session, main, [accepted(session, main, Z4, LARGE[0])])
    session.everything.wanted = Wanted(likeness=0.25)
    write(session, main)
    recording = session.record.recordings.of(target)
    annotation = annotation_of(target.array, None, recording.done, session.image.number, None)
    (step,) = annotation.events[-1].objects[-1].steps
    assert step.found.likeness == pytest.approx(1)
    assert step.found.wanted == Wanted(likeness=0.25)
    np.testing.assert_array_equal(replay(annotation, image, FakeEngine()), target.array)


def test_examples_of_another_plane_and_another_image(session, main, target, image) -> None:
    other = Plane((1, 2), (2, 0, 0))
    session.image.set_view(other, (20.0, 20.0))
    label = accepted(session, main, other, SMALL[1])
    session.image.set_view(Z4, (20.0, 20.0))
    main.settle(session)
    alike(session, main, [label])
    # On this plane none is accepted yet.
    assert len(session.everything.chosen) == 3
    session.everything.discard()

    session.image.choose(ImageSource(image.read(Z4, slice(0, 40), slice(0, 50))[..., 0]), axes=(0, 1))
    session.labels.choose(ArrayTarget(np.zeros((40, 50), np.uint16)), next_label=1)
    session.image.set_view(Plane((0, 1), (0, 0)), (20.0, 20.0))
    main.settle(session)
    alike(session, main)
    assert len(session.everything.chosen) == 3
    assert session.everything.at(*LARGE[0]) not in session.everything.chosen


def test_what_was_found_a_moment_ago_is_not_looked_for_again(session, main, target) -> None:
    label = accepted(session, main, Z4, SMALL[0])
    session.everything.find()
    main.run_until(lambda: not session.everything.active)
    before = session.everything.proposals
    alike(session, main, [label])
    origins = {id(each) for each in before.proposals}
    assert all(id(each) in origins for each in session.everything.proposals.proposals)


def test_without_an_example_it_is_told_what_to_do(session, main, target) -> None:
    with pytest.raises(UserError, match="Choose the accepted object"):
        session.everything.find_alike()
    with pytest.raises(UserError, match="no accepted object 7"):
        session.everything.find_alike([7])
    session.labels.choose(None)
    with pytest.raises(UserError, match="Choose the labels"):
        session.everything.find_alike([1])
