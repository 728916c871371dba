"""Everything in a stack: found, linked, chosen, accepted together, undone, recorded and replayed."""

import numpy as np
import pytest
from session_deeds import Z4

from napari_sam.discover.proposals import Wanted
from napari_sam.errors import UserError
from napari_sam.labels.paint import Collision
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Point
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.record.recording import annotation_of
from napari_sam.session.record.replay import replay
from napari_sam.session.record.session_file import content_from_json, content_to_json, read_session
from napari_sam.session.status import State
from napari_sam.testing.fake_engine import FakeEngine, blobs


def found(session, main, **how) -> None:
    session.everything.find_volumes(**how)
    main.run_until(lambda: not session.everything.active)


def write(session, main, collision=Collision.KEEP) -> None:
    session.everything.accept(collision)
    main.run_until(lambda: not session.batch.active)


def test_a_stack_is_found_proposed_and_accepted_as_one_undo(session, main, target) -> None:
    seen = []
    session.status_changed.connect(lambda status: seen.append((status.state, status.done, status.total)))
    found(session, main)
    assert (State.FINDING, 3, 9) in seen
    everything = session.everything
    assert (len(everything.chosen), everything.most, everything.plane) == (2, 2, Z4)
    assert {len(everything.masks_on(Z4.at(0, z))) for z in (3, 4, 5)} == {2}
    assert len(everything.masks_on(Z4.at(0, 1))) == 1
    assert everything.masks_on(Z4.at(0, 0)) == {}
    assert everything.covers(Z4.at(0, 0))
    assert not everything.covers(Plane((0, 2), (0, 4, 0)))
    write(session, main)
    assert session.status.sentence == "2 objects were accepted."
    np.testing.assert_array_equal(target.array > 0, blobs() > 0)
    assert len(np.unique(target.array[1:8, 12, 12])) == 1
    assert len(np.unique(target.array[3:6, 28, 34])) == 1
    assert everything.proposals is None
    assert session.objects.labels == [1, 2]
    rows = [session.objects.row(label) for label in (1, 2)]
    assert sorted(row.n_planes for row in rows) == [3, 7]
    assert [row.confidence for row in rows] == pytest.approx([200 / 255] * 2)
    session.history.undo()
    assert not target.array.any()
    assert not session.objects.labels
    session.history.redo()
    np.testing.assert_array_equal(target.array > 0, blobs() > 0)


def test_the_range_and_the_region_hold(session, main, target) -> None:
    found(session, main, start=4, stop=6)
    write(session, main)
    assert np.flatnonzero(target.array.any(axis=(1, 2))).tolist() == [4, 5, 6]
    session.history.undo()
    found(session, main, region=(0.0, 0.0, 20.0, 20.0))
    write(session, main)
    assert not target.array[:, 28, 34].any()
    assert target.array[1:8, 12, 12].all()


def test_single_ones_are_dropped_on_any_plane(session, main, target) -> None:
    found(session, main)
    at = session.everything.at(12.2, 11.7, Z4.at(0, 1))
    assert at is not None
    assert session.everything.at(28, 34, Z4.at(0, 1)) is None
    assert session.everything.at(12, 12) == at
    session.everything.toggle(at)
    write(session, main)
    assert not target.array[:, 12, 12].any()
    assert (target.array[3:6, 28, 34] == 1).all()


def test_sizes_are_those_of_volumes(session, main, engine, target) -> None:
    found(session, main)
    calls = len(engine.threads)
    large, small = ((6 * 81 * planes / np.pi) ** (1 / 3) for planes in (7, 3))
    session.everything.wanted = Wanted(smallest=(small + large) / 2)
    assert len(session.everything.chosen) == 1
    session.everything.wanted = Wanted(largest=small - 0.1)
    assert session.everything.chosen == []
    assert session.everything.most == 2
    assert len(engine.threads) == calls


def test_labels_that_are_there_stay_and_are_not_doubled(session, main) -> None:
    labels = np.zeros((9, 40, 50), np.uint16)
    labels[1:6, 8:17, 8:17] = 7
    labels[3, 24:33, 30:39] = 3
    target = ArrayTarget(labels)
    session.labels.choose(target)
    main.settle(session)
    found(session, main)
    write(session, main)
    # Five of the seven planes of the first are there already; of the other one a third is.
    assert not target.array[6:8].any()
    assert (target.array[3, 24:33, 30:39] == 3).all()
    assert (target.array[4:6, 24:33, 30:39] == 8).all()
    assert session.objects.labels == [8]
    assert session.status.sentence.startswith("1 object was accepted. 1 lie on labels")


def test_it_is_saved_replayed_and_corrected(session, main, target, image, tmp_path) -> None:
    found(session, main)
    write(session, main)
    path = tmp_path / "labels.tif"
    session.record.save(path)
    main.settle(session)
    content = content_from_json(content_to_json(read_session(tmp_path / "labels.session.json")))
    np.testing.assert_array_equal(replay(content.annotation, image, FakeEngine()), target.array)
    label = int(target.array[3, 28, 34])
    session.objects.reopen(label)
    assert len(session.current.draft.masks) == 3
    ((plane, request),) = session.current.draft.requests.items()
    assert request.asked.found is not None
    session.image.set_view(plane)
    session.prompts.add_point(plane, Point(12, 12))
    main.settle(session)
    session.current.accept()
    main.settle(session)
    assert (target.array[plane.index[0]] == label).sum() == 81
    recording = session.record.recordings.of(target)
    annotation = annotation_of(target.array, None, recording.done, session.image.number, None)
    np.testing.assert_array_equal(replay(annotation, image, FakeEngine()), target.array)


def test_finding_what_is_alike_looks_anew_after_a_stack(session, main, target) -> None:
    found(session, main)
    write(session, main)
    found(session, main)
    session.everything.find_alike([1])
    main.run_until(lambda: not session.everything.active)
    assert session.status.state is not State.ERROR


def test_a_picture_has_no_stack(session, main) -> None:
    session.image.choose(ImageSource(blobs()[4]), axes=(0, 1))
    session.image.set_view(Plane((0, 1), (0, 0)))
    main.settle(session)
    with pytest.raises(UserError, match="single plane"):
        session.everything.find_volumes()


def test_what_is_no_axis_or_range_is_refused(session, main) -> None:
    for how, sentence in (({"axis": 1}, "displayed"), ({"axis": 7}, "does not exist"), ({"stop": 9}, "do not exist")):
        with pytest.raises(UserError, match=sentence):
            session.everything.find_volumes(**how)


def test_it_goes_with_the_image(session, main, target) -> None:
    found(session, main)
    session.image.choose(ImageSource(blobs()), axes=(1, 2))
    assert session.everything.proposals is None
    assert session.everything.masks_on(Z4) == {}
