"""A log may end after any of its records: what comes back then is exactly what there was when that one was given."""

import random
from collections.abc import Iterator
from pathlib import Path

import killed_sessions
import numpy as np
import pytest
from fake_engine import FakeEngine
from scripted_session import ScriptedUser
from session_deeds import A, B, accept
from stepped_autosave import SteppedSession, SteppedWriter, log_in_steps

from napari_sam.planes.source import ImageSource
from napari_sam.session.autosave.frames import MAGIC, Kind, packed_frame, packed_frames
from napari_sam.session.autosave.recovery import Recovered, recover
from napari_sam.session.replay import replay
from napari_sam.session.restored import objects_of

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


def prefixes(log: Path, folder: Path) -> list[tuple[int, Recovered]]:
    """What comes back after each record, and how often labels were changed in the log by then."""
    folder.mkdir()
    data, changes, image, found = MAGIC, 0, False, []
    for kind, body in packed_frames(log):
        data += packed_frame(kind, body)
        changes += kind in (Kind.PUT, Kind.DROP)
        image = image or kind == Kind.IMAGE
        if image:
            (folder / "log").write_bytes(data)
            found.append((changes, recover(folder)))
    return found


def recovered_state(recovered: Recovered, empty: bool) -> str | None:
    """What `SteppedSession.state` was; None if not all labels of before are there."""
    if not recovered.targets:
        return killed_sessions.digest(killed_sessions.labels_at_first(empty), {})
    (target,) = recovered.targets
    names = {label: record.name for label, record in objects_of(target.annotation).items()}
    return killed_sessions.digest(target.labels, names) if target.complete else None


def check_every_prefix(stepped: SteppedSession, folder: Path, empty: bool) -> None:
    after = prefixes(stepped.log, folder)
    for number, (changes, recovered) in enumerate(after):
        state = recovered_state(recovered, empty)
        assert state in (stepped.states[changes], None), f"after record {number}"
        assert state is not None or not empty
    changes, recovered = after[-1]
    assert changes == len(stepped.states) - 1
    (target,) = recovered.targets
    assert target.complete
    again = replay(target.annotation, ImageSource(killed_sessions.image()), FakeEngine(ambiguous=True))
    np.testing.assert_array_equal(again, target.labels)
    base = np.zeros_like(again)
    for part in target.annotation.base:
        part.write(base)
    np.testing.assert_array_equal(base, killed_sessions.labels_at_first(empty))


@pytest.mark.parametrize("seed", range(8))
def test_wherever_the_log_ends_a_state_that_there_was_comes_back(seed, stepped, empty, tmp_path, monkeypatch):
    chance = random.Random(seed)
    user = ScriptedUser(stepped.session, stepped.posts, stepped.target, killed_sessions.PLACES, seed)
    often = chance.choice([0.03, 0.1, 0.4])

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
        if chance.random() < 0.6:
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
