"""A log may end after any of its records: what comes back then is exactly what there was when that one was given."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import killed_sessions
import numpy as np
import pytest
from fake_engine import FakeEngine
from scripted_session import Posts, ScriptedUser
from session_deeds import A, B, accept
from stepped_autosave import SteppedSession, SteppedWriter, log_in_steps

from napari_sam.planes.image_source import ImageSource
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.record.log_file import MAGIC, RecordKind, packed_frame, packed_frames
from napari_sam.session.record.recording import annotation_of
from napari_sam.session.record.recovery import Recovered, recover
from napari_sam.session.record.replay import replay
from napari_sam.session.record.restored import accepted_objects
from napari_sam.session.session import Session

DEEDS = 50


@pytest.fixture(params=[False, True], ids=["labels", "no labels"])
def empty(request) -> bool:
    """Whether the labels begin empty."""
    return request.param


@pytest.fixture
def stepped(tmp_path, empty, monkeypatch) -> Iterator[SteppedSession]:
    log_in_steps(monkeypatch)
    stepped = SteppedSession(tmp_path / "sessions", empty)
    yield stepped
    stepped.close()


@dataclass(frozen=True)
class Prefix:
    """What comes back after a record; how often labels were changed in the log by then, and drafts were written."""

    recovered: Recovered
    changes: int
    drafts: int


def prefixes(log: Path, folder: Path) -> list[Prefix]:
    folder.mkdir()
    data, changes, drafts, image, found = MAGIC, 0, 0, False, []
    for kind, body in packed_frames(log):
        data += packed_frame(kind, body)
        changes += kind in (RecordKind.PUT, RecordKind.DROP)
        drafts += kind == RecordKind.DRAFT
        image = image or kind == RecordKind.IMAGE
        if image:
            (folder / "log").write_bytes(data)
            found.append(Prefix(recover(folder), changes, drafts))
    return found


def recovered_state(recovered: Recovered, empty: bool) -> str | None:
    """What `SteppedSession.state` was; None if not all labels of before are there."""
    if not recovered.targets:
        return killed_sessions.digest(killed_sessions.labels_at_first(empty), {})
    (target,) = recovered.targets
    names = {label: record.name for label, record in accepted_objects(target.annotation).items()}
    return killed_sessions.digest(target.labels, names) if target.complete else None


def check_every_prefix(stepped: SteppedSession, folder: Path, empty: bool) -> None:
    after = prefixes(stepped.log, folder)
    for number, each in enumerate(after):
        state = recovered_state(each.recovered, empty)
        assert state in (stepped.states[each.changes], None), f"after record {number}"
        assert state is not None or not empty
        check_objects_in_work(stepped, each, f"after record {number}")
    last = after[-1]
    assert (last.changes, last.drafts) == (len(stepped.states) - 1, len(stepped.drafts))
    (target,) = last.recovered.targets
    assert target.complete
    again = replay(target.annotation, ImageSource(killed_sessions.image()), FakeEngine(ambiguous=True))
    np.testing.assert_array_equal(again, target.labels)
    base = np.zeros_like(again)
    for part in target.annotation.base:
        part.write(base)
    np.testing.assert_array_equal(base, killed_sessions.labels_at_first(empty))


def check_objects_in_work(stepped: SteppedSession, prefix: Prefix, where: str) -> None:
    """The object in work, and the accepted ones that wait but for those that were written since."""
    draft, waiting = stepped.drafts[prefix.drafts - 1] if prefix.drafts else (killed_sessions.said({}), {})
    recovered = prefix.recovered
    assert killed_sessions.said(killed_sessions.prompts_of(recovered.draft)) == draft, where
    found = [killed_sessions.said(killed_sessions.prompts_of(each.record)) for each in recovered.waiting]
    assert found == [said for serial, said in waiting.items() if serial not in stepped.done[prefix.changes]], where
    if found and recovered.targets[0].complete:
        check_waiting_objects_are_finished(recovered)


def check_waiting_objects_are_finished(recovered: Recovered) -> None:
    """As soon as they have their masks; and how they came about is recorded."""
    image, posts = ImageSource(killed_sessions.image()), Posts()
    session = Session(posts.post, engine=FakeEngine(ambiguous=True))
    session.image.choose(image, axes=(1, 2))
    (restored,) = recovered.targets
    target = ArrayTarget(restored.labels.copy())
    session.labels.restore(target, restored)
    for each in recovered.waiting:
        session.current.restore_waiting(each.record, target, each.collision)
    if recovered.draft is not None:
        session.current.restore(recovered.draft)
    posts.settle(session)
    assert not session.record.waiting
    recording = session.record.recordings.of(target)
    annotation = annotation_of(target.array, recording.prior, recording.done, session.image.number, None)
    np.testing.assert_array_equal(replay(annotation, image, FakeEngine(ambiguous=True)), target.array)
    assert session.close()


@pytest.mark.parametrize("seed", range(8))
def test_wherever_the_log_ends_a_state_that_there_was_comes_back(seed, stepped, empty, tmp_path, monkeypatch):
    chance = random.Random(seed)
    user = ScriptedUser(stepped.session, stepped.posts, stepped.target, killed_sessions.PLACES, seed)
    # A hasty user accepts what a slow model has not answered yet.
    hasty = bool(seed % 2)
    stepped.engine.delay = 0.02 if hasty else 0.0
    often = chance.choice([0.1, 0.4] if hasty else [0.03, 0.1, 0.4])

    def perhaps(*_: object) -> None:
        if chance.random() < often:
            stepped.step(whole=chance.random() < 0.5)

    # In the midst of deeds the writing thread may be anywhere.
    monkeypatch.setattr(SteppedWriter, "moment", perhaps)
    for signal in (stepped.session.labels_changed, stepped.session.prompts_changed):
        signal.connect(perhaps)
    for _ in range(DEEDS):
        user.do()
        if chance.random() < often:
            stepped.step(user.do, whole=chance.random() < 0.5)
        if chance.random() < (0.1 if hasty else 0.6):
            stepped.posts.settle(stepped.session)
        stepped.posts.pump()
    stepped.finish()
    check_every_prefix(stepped, tmp_path / "prefix", empty)


def test_labels_of_before_count_once_all_that_was_read_with_them_is_in_the_log(stepped, empty, tmp_path):
    """They were read together with an object of which the log did not tell yet."""
    accept(stepped.session, stepped.posts, A)
    stepped.step(lambda: stepped.session.objects.labels == [10] and accept(stepped.session, stepped.posts, B))
    stepped.finish()
    check_every_prefix(stepped, tmp_path / "prefix", empty)


def test_labels_of_before_may_be_read_in_the_midst_of_a_deed(stepped, empty, tmp_path, monkeypatch):
    """The pixels of the first accept are there, and it is about to be logged."""
    monkeypatch.setattr(SteppedWriter, "moment", SteppedWriter.step)
    accept(stepped.session, stepped.posts, A)
    stepped.finish()
    check_every_prefix(stepped, tmp_path / "prefix", empty)
