"""A session is killed at any moment, and comes back but for the last second."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import killed_sessions
import numpy as np
import pytest
from fake_engine import FakeEngine

from napari_sam.planes.image_source import ImageSource
from napari_sam.session.record.recovery import recover, unfinished_sessions
from napari_sam.session.record.replay import replay
from napari_sam.session.record.restored import accepted_objects

KILLS, TOGETHER = 50, 5
LOST_SECONDS = 1.0

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs fork and /proc")


@pytest.fixture(scope="module")
def sessions():
    """(when it was killed, folder of logs, what it reported) of every session."""
    path = Path(killed_sessions.__file__)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as forker:
        assert forker.stdout is not None
        assert forker.stdin is not None
        assert forker.stdout.readline() == "ready\n"

        def start(seed: int, folder: Path, report: Path, empty: bool) -> int:
            print(json.dumps([seed, str(folder), str(report), empty]), file=forker.stdin, flush=True)
            return int(forker.stdout.readline())

        yield start
        forker.stdin.close()


def wait_for_the_end_of(pid: int) -> None:
    """A lock is let go only when the last thread of the process is gone."""
    stat, threads = Path(f"/proc/{pid}/stat"), Path(f"/proc/{pid}/task")
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            if stat.read_text().rpartition(")")[2].split()[0] == "Z" and len(list(threads.iterdir())) < 2:
                return
        except FileNotFoundError:
            return
        time.sleep(0.001)
    raise AssertionError("a killed process goes on")


def reported(report: Path) -> list[tuple[float, str, str, dict[str, str]]]:
    lines = report.read_text().splitlines() if report.exists() else []
    whole = [line.split() for line in lines if line.endswith(" .")]
    return [
        (float(at), labels, prompts, {} if waiting == "-" else dict(each.split(":") for each in waiting.split(",")))
        for at, labels, prompts, waiting, _ in whole
    ]


def test_a_killed_session_comes_back_but_for_the_last_second(sessions, tmp_path):
    chance = random.Random(7)
    restored = with_draft = with_waiting = 0
    for group in range(KILLS // TOGETHER):
        running = {}
        for each in range(TOGETHER):
            number = group * TOGETHER + each
            folder, report = tmp_path / f"{number}", tmp_path / f"{number}.txt"
            empty = bool(number % 2)
            pid = sessions(number, folder, report, empty)
            running[number] = (pid, folder, report, empty, time.monotonic() + chance.uniform(0.05, 2.5))
        for number, (pid, folder, report, empty, moment) in sorted(running.items(), key=lambda each: each[1][-1]):
            time.sleep(max(moment - time.monotonic(), 0))
            at = killed_sessions.clock(pid)
            os.kill(pid, signal.SIGKILL)
            wait_for_the_end_of(pid)
            states = reported(report)
            assert not report.with_suffix(".error").exists()
            old = [index for index, state in enumerate(states) if state[0] < at - LOST_SECONDS]
            found = unfinished_sessions(folder)
            if not found:
                # Nothing to bring back: nothing worth it had been done by then.
                first = states[0] if states else None
                assert all(states[index][1:] == first[1:] for index in old), f"session {number} was lost"
                continue
            recovered = recover(found[0].path)
            check_labels(number, recovered, states, old, empty)
            with_draft += check_draft(number, recovered, states, old)
            with_waiting += check_waiting(number, recovered, states, old)
            restored += 1
    assert restored > KILLS // 2
    assert with_draft > KILLS // 8
    assert with_waiting > KILLS // 16


def check_labels(number, recovered, states, old, empty) -> None:
    """The labels, and the objects in them, are as they were at one moment of the last second; a replay gives them."""
    if recovered.targets:
        (target,) = recovered.targets
        assert target.complete or not empty
        if not target.complete:
            # It was killed while the labels of before were being read, which is soon after the first deed.
            assert not [index for index in old if states[index][1] != states[0][1]]
            return
        names = {label: record.name for label, record in accepted_objects(target.annotation).items()}
        digest = killed_sessions.digest(target.labels, names)
        again = replay(target.annotation, ImageSource(killed_sessions.image()), FakeEngine(ambiguous=True))
        np.testing.assert_array_equal(again, target.labels)
    else:
        digest = killed_sessions.digest(killed_sessions.labels_at_first(empty), {})
    at_that_moment = [index for index, state in enumerate(states) if state[1] == digest]
    assert at_that_moment, f"session {number}: the labels were never like that"
    assert max(at_that_moment) >= max(old, default=0), f"session {number}: more than the last second is lost"


def check_draft(number, recovered, states, old) -> bool:
    """The prompts of the object in work are as they were at one moment of the last second."""
    prompts = killed_sessions.prompts_of(recovered.draft)
    at_that_moment = [index for index, state in enumerate(states) if state[2] == killed_sessions.said(prompts)]
    assert at_that_moment, f"session {number}: the object in work was never like that"
    assert max(at_that_moment) >= max(old, default=0), f"session {number}: prompts older than a second are lost"
    return bool(prompts)


def check_waiting(number, recovered, states, old) -> bool:
    """Accepted objects that waited for their masks all of the last second wait again, and none that never did."""
    last_second = [state[3] for state in states[max(old, default=0) :]]
    found = {killed_sessions.said(killed_sessions.prompts_of(each.record)) for each in recovered.waiting}
    all_along = {serial: said for serial, said in last_second[-1].items() if all(serial in at for at in last_second)}
    assert found.issuperset(all_along.values()), f"session {number}: an accepted object is lost"
    assert found <= {said for at in last_second for said in at.values()}, f"session {number}: it never waited"
    return bool(found)
