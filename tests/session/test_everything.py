"""Everything on a plane: found, chosen, accepted together, undone, recorded and replayed."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from session_deeds import Z4, crash
from squares import squares

from napari_sam.discover.proposals import Wanted
from napari_sam.errors import UserError
from napari_sam.labels.paint import Collides, Collision
from napari_sam.planes.contrast import Contrast
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.record.annotation import Annotation
from napari_sam.session.record.log_folder import abandoned
from napari_sam.session.record.recording import annotation_of
from napari_sam.session.record.recovery import recover
from napari_sam.session.record.replay import replay
from napari_sam.session.record.session_file import content_from_json, content_to_json, read_session
from napari_sam.session.status import State
from napari_sam.testing.fake_engine import FakeEngine, FakeSegmenter, blobs


def found(session, main, region=None) -> None:
    session.everything.find(region)
    main.run_until(lambda: not session.everything.active)


def write(session, main, collision=Collision.KEEP) -> None:
    session.everything.accept(collision)
    main.run_until(lambda: not session.batch.active)


def done_to(session, target) -> Annotation:
    """What was done to labels."""
    recording = session.record.recordings.of(target)
    return annotation_of(target.array, None, recording.done, session.image.number, None)


def test_everything_is_found_proposed_and_accepted_as_one_undo(session, main, target) -> None:
    seen = []
    session.status_changed.connect(lambda status: seen.append((status.state, status.done, status.total)))
    session.everything.find()
    assert session.everything.active
    main.run_until(lambda: not session.everything.active)
    assert (State.FINDING, 1, 2) in seen
    everything = session.everything
    assert (everything.plane, len(everything.chosen), everything.most) == (Z4, 2, 2)
    assert session.status.sentence.startswith("Objects are proposed")
    session.everything.discard()
    assert session.status.sentence == "What was proposed is dropped."
    found(session, main)
    assert not target.array.any()

    write(session, main)
    np.testing.assert_array_equal(target.array[4] > 0, blobs()[4] > 0)
    assert sorted(np.unique(target.array)) == [0, 1, 2]
    assert not target.array[3].any()
    assert everything.proposals is None
    assert session.objects.labels == [1, 2]
    assert session.objects.row(1).confidence == pytest.approx(200 / 255)
    assert session.current.label == 3
    session.history.undo()
    assert not target.array.any()
    assert not session.objects.labels
    assert session.current.label == 1
    session.history.redo()
    assert (target.array > 0).sum() == 162


def test_single_ones_are_dropped_and_kept_by_place(session, main, target) -> None:
    found(session, main)
    everything = session.everything
    changes = []
    session.proposals_changed.connect(lambda: changes.append(everything.chosen))
    at = everything.at(12.4, 12)
    assert at is not None
    assert everything.at(0, 0) is None
    everything.drop(at)
    everything.drop(at)
    assert len(changes) == 1
    # It is still there to be taken in again.
    assert everything.at(12, 12) == at
    assert at in everything.selected
    everything.wanted = Wanted(confidence=0.4)
    assert at not in everything.chosen
    everything.toggle(at)
    assert at in everything.chosen
    everything.toggle(at)
    write(session, main)
    assert not target.array[4, 12, 12]
    assert target.array[4, 28, 34] == 1
    assert session.objects.labels == [1]


def test_what_is_wanted_chooses_without_computing(session, main, engine, target) -> None:
    found(session, main)
    everything, calls = session.everything, len(engine.threads)
    everything.wanted = Wanted(confidence=0.9)
    assert everything.chosen == []
    assert everything.most == 2
    with pytest.raises(UserError, match="None of"):
        everything.accept()
    everything.wanted = Wanted(largest=5)
    assert everything.chosen == []
    everything.wanted = Wanted(smallest=5)
    assert len(everything.chosen) == 2
    assert len(engine.threads) == calls
    # It holds for the next time too.
    everything.wanted = Wanted(confidence=0.9)
    found(session, main)
    assert everything.chosen == []


def test_only_a_region_is_looked_at(session, main, target) -> None:
    found(session, main, (0.0, 0.0, 20.0, 20.0))
    assert len(session.everything.chosen) == 1
    assert session.everything.at(12, 12) is not None
    found(session, main, (0.0, 40.0, 3.0, 45.0))
    assert session.everything.proposals is None
    assert "Nothing was found" in session.status.sentence


def test_labels_that_are_there_stay_and_are_not_doubled(session, main) -> None:
    labels = np.zeros((9, 40, 50), np.uint16)
    labels[4, 8:17, 8:17] = 7
    labels[4, 24:26, 30:39] = 3
    target = ArrayTarget(labels)
    session.labels.choose(target)
    main.settle(session)
    found(session, main)
    write(session, main)
    # The first is there already, the second meets another one a little.
    assert (target.array[4, 8:17, 8:17] == 7).all()
    assert (target.array[4, 24:26, 30:39] == 3).all()
    assert (target.array[4, 26:33, 30:39] == 8).all()
    assert session.objects.labels == [8]
    assert "1 object was accepted. 1 lie" in session.status.sentence
    session.history.undo()
    found(session, main)
    session.everything.accept(Collision.OVERWRITE)
    main.settle(session)
    assert sorted(np.unique(target.array)) == [0, 8, 9]


def test_all_there_already_is_told_and_the_proposal_stays(session, main) -> None:
    target = ArrayTarget((blobs() > 0).astype(np.uint16))
    session.labels.choose(target)
    main.settle(session)
    found(session, main)
    write(session, main)
    assert session.status.state is State.ERROR
    assert session.everything.proposals is not None
    assert not session.history.journal.can_undo


def test_the_user_is_asked_about_other_labels(session, main) -> None:
    target = ArrayTarget((blobs() > 0).astype(np.uint16) * 5)
    session.labels.choose(target)
    main.settle(session)
    questions: list[Collides] = []
    session.collided.connect(questions.append)
    found(session, main)
    session.everything.accept(Collision.ASK)
    main.settle(session)
    assert len(questions) == 1
    session.batch.write(None)
    assert session.everything.proposals is not None
    session.everything.accept(Collision.ASK)
    main.settle(session)
    session.batch.write(Collision.OVERWRITE)
    main.settle(session)
    assert session.everything.proposals is None
    assert (target.array[4][blobs()[4] > 0] > 5).all()


def test_finding_is_cancelled_and_what_was_proposed_stays(session, main, engine, target) -> None:
    found(session, main)
    before = session.everything.proposals
    gate = engine.gate = threading.Event()
    session.everything.find()
    assert session.status.state is State.FINDING
    session.cancel()
    assert not session.everything.active
    assert "nothing new" in session.status.sentence
    gate.set()
    main.settle(session)
    assert session.everything.proposals is before
    session.everything.discard()
    assert session.everything.proposals is None
    with pytest.raises(UserError, match="find everything"):
        session.everything.accept()
    with pytest.raises(UserError):
        session.cancel()


def test_a_click_is_answered_while_everything_is_found(session, main, engine, target) -> None:
    engine.delay = 0.05
    session.everything.find()
    session.prompts.add_point(Z4, Point(12, 12))
    main.run_until(lambda: Z4 in session.current.draft.masks)
    main.run_until(lambda: not session.everything.active)
    assert len(session.everything.chosen) == 2
    assert session.current.draft.masks


def test_it_stays_with_its_plane(session, main, target) -> None:
    found(session, main)
    session.image.set_view(Z4.at(0, 1))
    main.settle(session)
    session.labels.choose(ArrayTarget(np.zeros((9, 40, 50), np.uint8)), next_label=1)
    assert session.everything.plane == Z4
    write(session, main)
    assert not target.array.any()
    assert session.labels.target.array[4].any()
    assert not session.labels.target.array[1].any()


@pytest.mark.parametrize("change", ["image", "model", "contrast"])
def test_it_goes_with_what_it_was_found_by(session, main, engine, target, image, change) -> None:
    def do() -> None:
        if change == "image":
            session.image.choose(ImageSource(blobs()), axes=(1, 2))
            session.image.set_view(Z4)
        elif change == "model":
            session.model.choose("another")
        else:
            session.image.set_contrast(Contrast(((0.0, 100.0),)))

    found(session, main)
    changes = []
    session.proposals_changed.connect(lambda: changes.append(session.everything.proposals))
    do()
    assert changes == [None]
    main.settle(session)
    assert "is gone" in session.status.sentence
    # In the middle of it as well.
    session.image.choose(image, axes=(1, 2))
    session.image.set_view(Z4)
    main.settle(session)
    gate = engine.gate = threading.Event()
    session.everything.find()
    if change == "model":
        session.model.choose("a third")
    else:
        do()
    gate.set()
    main.settle(session)
    assert not session.everything.active
    assert session.everything.proposals is None


def test_without_an_image_or_labels_it_is_refused(session, main, engine) -> None:
    found(session, main)
    with pytest.raises(UserError, match="labels"):
        session.everything.accept()
    session.image.choose(None)
    with pytest.raises(UserError, match="image"):
        session.everything.find()


def test_what_fails_is_told(session, main, engine, target) -> None:
    engine.error = UserError("This model cannot.")
    session.everything.find()
    main.settle(session)
    assert session.status.sentence == "This model cannot."
    assert not session.everything.active


def test_it_is_saved_and_replayed(session, main, target, image, tmp_path) -> None:
    session.everything.wanted = Wanted(confidence=0.4, smallest=3.0)
    found(session, main)
    write(session, main)
    path = tmp_path / "labels.tif"
    session.record.save(path)
    main.settle(session)
    content = read_session(tmp_path / "labels.session.json")
    np.testing.assert_array_equal(replay(content.annotation, image, FakeEngine()), target.array)
    records = [record for event in content.annotation.events for record in event.objects]
    assert [record.label for record in records] == [1, 2]
    for record in records:
        (step,) = record.steps
        assert step.found.wanted == Wanted(confidence=0.4, smallest=3.0)
        assert step.found.confidence == pytest.approx(200 / 255)
        assert step.prompts == Prompts((Point(*step.found.origin.point),))
        assert step.areas == (step.found.origin.area,)
    again = content_from_json(content_to_json(content))
    assert [each.steps for each in again.annotation.events[-1].objects] == [each.steps for each in records]


def test_a_found_object_is_corrected_and_that_is_replayed(session, main, engine, target, image) -> None:
    found(session, main)
    write(session, main)
    label = int(target.array[4, 12, 12])
    session.objects.reopen(label)
    session.prompts.add_point(Z4, Point(28, 34))
    main.settle(session)
    session.current.accept()
    assert (target.array[4] == label).sum() == 81
    annotation = done_to(session, target)
    np.testing.assert_array_equal(replay(annotation, image, FakeEngine()), target.array)
    steps = annotation.events[-1].record.steps
    assert steps[0].found is not None
    assert (steps[1].found, steps[1].corrects) == (None, 0)


def test_a_proposal_that_is_not_found_again_cannot_be_replayed(session, main, target, image, monkeypatch) -> None:
    found(session, main)
    write(session, main)
    session.objects.reopen(1)
    session.prompts.add_point(Z4, Point(28, 34))
    main.settle(session)
    session.current.accept()
    annotation = done_to(session, target)
    monkeypatch.setattr(FakeEngine, "propose_again", lambda *_: None)
    with pytest.raises(UserError, match="does not find"):
        replay(annotation, image, FakeEngine())


def test_it_comes_back_after_a_crash(session, main, target, autosave, image, tmp_path) -> None:
    found(session, main)
    write(session, main)
    session.everything.find()
    main.run_until(lambda: not session.everything.active)
    main.settle(session)
    crash(autosave)
    # What is only proposed is in no file.
    (restored,) = recover(abandoned(tmp_path / "sessions")[0]).targets
    np.testing.assert_array_equal(restored.labels, target.array)
    assert sorted(restored.rows) == [1, 2]
    assert restored.rows[1].confidence == pytest.approx(200 / 255)
    assert restored.rows[1].state().requests[Z4].asked.found is not None


def test_another_choice_of_500_objects_takes_no_time() -> None:
    proposals = FakeSegmenter(FakeEngine(), ImageSource(squares())).proposals(Plane((0, 1), (0, 0)), None)
    assert len(proposals) == 500
    proposals.chosen(Wanted())
    proposals.labels(proposals.chosen(Wanted()))
    began = time.perf_counter()
    for confidence in np.linspace(0.5, 1, 20):
        proposals.labels(proposals.chosen(Wanted(confidence=float(confidence))))
    assert (time.perf_counter() - began) / 20 < 0.5


PROPOSALS = FakeSegmenter(FakeEngine(), ImageSource(squares(4, 5))).proposals(Plane((0, 1), (0, 0)), None)


@settings(max_examples=60, deadline=None)
@given(
    confidence=st.floats(0, 1),
    smallest=st.floats(0, 20),
    largest=st.floats(0, 20),
    more=st.floats(0, 0.5),
)
def test_wanting_less_chooses_no_more_where_nothing_overlaps(confidence, smallest, largest, more) -> None:
    wanted = Wanted(confidence, smallest, largest)
    chosen = set(PROPOSALS.chosen(wanted))
    for stricter in (
        replace(wanted, confidence=confidence + more),
        replace(wanted, smallest=smallest + more),
        replace(wanted, largest=largest - more),
    ):
        assert set(PROPOSALS.chosen(stricter)) <= chosen
    assert chosen <= set(PROPOSALS.chosen(Wanted(0.0)))
    labels = PROPOSALS.labels(PROPOSALS.chosen(wanted))
    assert int(labels.max()) == len(chosen)
