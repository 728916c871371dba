"""What was done is done again and gives the same labels, to the last bit."""

from collections import Counter
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.image_identity import ImageIdentity
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.sample import TISSUE, generate_stack
from napari_sam.session.compute.engine import NetworkEngine
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.record.annotation import Accepted, Annotation
from napari_sam.session.record.event_json import Palette, object_form, read_object
from napari_sam.session.record.object_record import ObjectRecord, PlaneRecord, PropagateStep, SegmentStep, record_of
from napari_sam.session.record.recording import annotation_of
from napari_sam.session.record.replay import Recomputing, replay
from napari_sam.session.record.session_file import SessionContent, read_session, write_session
from napari_sam.session.record.session_form import ObjectForm
from napari_sam.session.session import Session
from napari_sam.testing.event_loop import ManualEventLoop
from napari_sam.testing.fake_engine import FakeEngine
from napari_sam.testing.scripted_user import ScriptedUser
from napari_sam.volume.evidence import REVISION


def blobs() -> np.ndarray:
    stack = np.zeros((9, 40, 50), np.uint8)
    stack[1:8, 8:17, 8:17] = 200
    stack[3:6, 24:33, 30:39] = 200
    stack[0:9, 22:30, 6:14] = 180
    stack[2:7, 10:20, 17:26] = 190
    return stack


SOURCE = ImageSource(blobs())

PLACES = [
    (Plane((1, 2), (z, 0, 0)), row, column)
    for z in (3, 4, 5)
    for row, column in ((12, 12), (28, 34), (25, 9), (15, 21), (3, 40))
]


def content_of(session: Session, target: ArrayTarget) -> SessionContent:
    workspace = session._workspace
    recording = workspace.recording.of(target)
    draft = record_of(workspace.draft.state, workspace.draft.label) if workspace.draft else None
    annotation = annotation_of(target.array, recording.prior, recording.done, workspace.image, draft)
    return SessionContent(ImageIdentity.of(session.image.source), annotation)


def worked(engine, source, places, seed: int, deeds: int, labels: np.ndarray) -> tuple[Session, ScriptedUser]:
    posts = ManualEventLoop()
    session = Session(posts.post, engine=engine)
    session.image.choose(source, axes=(1, 2))
    session.image.set_view(places[0][0])
    target = ArrayTarget(labels)
    session.labels.choose(target)
    posts.settle(session)
    user = ScriptedUser(session, posts, target, places, seed)
    user.work(deeds)
    return session, user


@pytest.mark.parametrize("seed", [*range(20), 165, 418])
@pytest.mark.parametrize("empty", [True, False])
def test_replaying_a_saved_session_gives_the_same_labels(seed, empty, tmp_path):
    labels = np.zeros((9, 40, 50), np.uint16)
    if not empty:
        labels[:, 20:28, 3:20] = 3
    source = ImageSource(blobs())
    session, user = worked(FakeEngine(ambiguous=True), source, PLACES, seed, 60, labels)
    content = content_of(session, user.target)
    write_session(tmp_path / "a.session.json", content)
    again = read_session(tmp_path / "a.session.json")
    accepted = [event.record for event in again.annotation.events if isinstance(event, Accepted)]
    assert all(step.setup is not None for record in accepted for step in record.steps)
    made = replay(again.annotation, source, FakeEngine(ambiguous=True))
    assert made.dtype == user.target.array.dtype
    np.testing.assert_array_equal(made, user.target.array, err_msg="\n".join(user.log))
    session.close()


def test_the_scripts_do_what_they_are_for(tmp_path):
    """Guards the test above: every deed takes place, and labels come of it."""
    done: Counter[str] = Counter()
    for seed in range(40):
        session, user = worked(
            FakeEngine(ambiguous=True), ImageSource(blobs()), PLACES, seed, 60, np.zeros((9, 40, 50), np.uint16)
        )
        done.update(each for each in user.log if "refused" not in each)
        session.close()
    assert {deed.__name__ for deed in user.deeds} <= set(done)
    assert min(done.values()) >= 5, done


@pytest.fixture(scope="module")
def stack():
    recipe = replace(TISSUE, shape=(8, 300, 320))
    return generate_stack(recipe, seed=3)


@pytest.fixture(scope="module")
def nano() -> NetworkEngine:
    return NetworkEngine()


@pytest.mark.parametrize("seed", range(2))
def test_replaying_with_the_bundled_model_gives_the_same_labels(seed, stack, nano, tmp_path):
    places, volumes = [], []
    for z in (3, 4):
        for label in np.unique(stack.nucleus_labels[z])[1:12]:
            row, column = np.argwhere(stack.nucleus_labels[z] == label).mean(0).round().astype(int)
            places.append((Plane((1, 2), (z, 0, 0)), int(row), int(column)))
            volumes.append(int((stack.nucleus_labels == label).sum()))
    source = ImageSource(stack.nuclei, scale=stack.scale)
    session, user = worked(nano, source, places, seed, 16, np.zeros(source.shape, np.uint16))
    if session.current.draft:
        session.current.reject()
    # The largest go on for planes enough to be carried to, whatever candidate is chosen.
    carry_and_correct(user, places[np.argsort(volumes)[-1 - seed]])
    steps = [
        step
        for event in content_of(session, user.target).annotation.events
        if isinstance(event, Accepted)
        for step in event.record.steps
    ]
    write_session(tmp_path / "a.session.json", content_of(session, user.target))
    session.close()
    again = read_session(tmp_path / "a.session.json")
    made = replay(again.annotation, ImageSource(stack.nuclei, scale=stack.scale), NetworkEngine())
    np.testing.assert_array_equal(made, user.target.array, err_msg="\n".join(user.log))
    assert made.any()
    corrected = {step.corrects for step in steps if isinstance(step, SegmentStep)}
    assert any(isinstance(step, PropagateStep) for step in steps)
    assert corrected - {None}


def carry_and_correct(user: ScriptedUser, place) -> None:
    """An object is carried along, corrected on a plane that it was carried to, and carried along again."""
    session, settle = user.session, user.loop.settle
    plane, row, column = place
    session.image.set_view(plane)
    session.prompts.add_point(plane, Point(row, column))
    settle(session)
    session.prompts.choose_candidate(0)
    session.volume.propagate()
    settle(session)
    session.prompts.choose_candidate(2)
    reached = next(plane for plane, each in session.current.draft.proposal.items() if each.mask is not None)
    session.image.set_view(reached)
    session.prompts.add_point(reached, Point(row + 4, column))
    settle(session)
    session.volume.propagate()
    settle(session)
    session.current.accept()
    settle(session)


def test_an_object_of_unknown_origin_is_taken_as_it_was_recorded():
    plane = Plane((1, 2), (4, 0, 0))
    mask = Mask.from_pixels(np.ones((3, 4), bool), (2, 5))
    step = SegmentStep(plane, Prompts((Point(3, 6),)))
    record = ObjectRecord(7, "", (step,), (PlaneRecord(plane, 0, 0, (mask,)),))
    made = replay(Annotation((9, 40, 50), "uint16", (), (Accepted(record),)), ImageSource(blobs()), FakeEngine())
    assert (made == 7).sum() == 12
    assert made[4, 2:5, 5:9].all()


@pytest.mark.parametrize(("revision", "written"), [(1, False), (REVISION, True)])
def test_an_object_is_carried_again_in_the_way_that_is_recorded(revision, written, monkeypatch):
    there = Plane((1, 2), (3, 0, 0))
    clicked = SegmentStep(there, Prompts((Point(12, 12),)), setup=FakeEngine().open("nano", SOURCE, None, (1, 2)).setup)
    step = PropagateStep(there, 0, 0, 8, ((3, 0),), setup=clicked.setup, revision=revision)
    reached = PlaneRecord(there.at(0, 4), None, 1, (Mask.from_pixels(np.ones((2, 2), bool)),), 0, 0.5)
    palette = Palette()
    written_as = msgspec.json.encode(object_form(ObjectRecord(1, "", (clicked, step), (reached,), ()), palette))
    assert (b"revision" in written_as) is written
    ways, carry = [], FakeEngine.propagate
    monkeypatch.setattr(
        FakeEngine, "propagate", lambda *args, **how: ways.append(how["revision"]) or carry(*args, **how)
    )
    Recomputing(SOURCE, FakeEngine()).masks(read_object(msgspec.json.decode(written_as, type=ObjectForm), palette))
    assert ways == [revision]
