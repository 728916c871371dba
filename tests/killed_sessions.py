"""Sessions to be killed: started once, it forks a session for every line on its standard input.

A line is: seed, folder for logs, file to report to, whether the labels begin empty. A report line is: the time (see
`clock`), and what the labels, the objects and the prompts were, and those of objects that wait for their masks; and a
dot. Sessions that are left when the input ends are killed.
"""

import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from fake_engine import FakeEngine
from scripted_session import Posts, ScriptedUser

from napari_sam.errors import UserError
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.json_form import plane_to_json, prompts_to_json
from napari_sam.prompts.prompt import Prompts
from napari_sam.session.labels.target import ArrayTarget, ObjectTable
from napari_sam.session.record.autosave import Autosave
from napari_sam.session.record.object_record import ObjectRecord
from napari_sam.session.session import Session

PLACES = [
    (Plane((1, 2), (z, 0, 0)), row, column)
    for z in (3, 4, 5)
    for row, column in ((12, 12), (28, 34), (25, 9), (15, 21), (3, 40))
]


def image() -> np.ndarray:
    stack = np.zeros((9, 40, 50), np.uint8)
    stack[1:8, 8:17, 8:17] = 200
    stack[3:6, 24:33, 30:39] = 200
    stack[0:9, 22:30, 6:14] = 180
    stack[2:7, 10:20, 17:26] = 190
    return stack


def labels_at_first(empty: bool) -> np.ndarray:
    labels = np.zeros((9, 40, 50), np.uint16)
    if not empty:
        labels[:, 20:28, 3:20] = 3
        labels[4, 30:, 40:] = 9
    return labels


def with_owed(table: ObjectTable) -> np.ndarray:
    """Labels as they are when all is written that they are owed."""
    array = np.array(table.target.array)
    for owed in table.unwritten._owed:
        replace(owed, array=array).write()
    return array


def digest(labels: np.ndarray, names: dict[int, str]) -> str:
    about = json.dumps(sorted(names.items())).encode()
    return hashlib.sha1(np.ascontiguousarray(labels).tobytes() + about).hexdigest()


def said(prompts: dict) -> str:
    """The prompts of an object, in words that can be compared."""
    each = [[plane_to_json(plane), prompts_to_json(on)] for plane, on in prompts.items()]
    return hashlib.sha1(json.dumps(sorted(each, key=str)).encode()).hexdigest()


def prompts_of(record: ObjectRecord | None) -> dict[Plane, Prompts]:
    """The prompts of an object that was read back."""
    planes = () if record is None else record.planes
    return {each.plane: record.steps[each.asked].prompts for each in planes if each.asked is not None}


def waiting_in(session: Session) -> dict[int, str]:
    """What was said of each object that was accepted and is yet to be written, by the number of its accept."""
    return {entry.serial: said(each.draft.prompts) for entry, each in session.record.waiting.items()}


def clock(pid: int | str = "self") -> float:
    """Seconds that count for a session: not those in which the machine had no processor for its threads."""
    waited = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            waited += int((thread / "schedstat").read_text().split()[1])
    return time.monotonic() - waited / 1e9


class ToldAutosave(Autosave):
    """Tells how the object in work is before it is given to be logged."""

    def __init__(self, session: Session, parent: Path, post, on_error, tell: Callable[[], None]) -> None:
        self.tell = tell
        super().__init__(session, parent, post, on_error)

    def _collect(self) -> None:
        self.tell()
        super()._collect()


def work(seed: int, parent: Path, report: Path, empty: bool) -> None:
    posts = Posts()
    engine = FakeEngine(ambiguous=True)
    session = Session(posts.post, engine=engine)
    session.image.choose(ImageSource(image()), axes=(1, 2))
    session.image.set_view(PLACES[0][0])
    target = ArrayTarget(labels_at_first(empty))
    session.labels.choose(target)
    posts.settle(session)
    user = ScriptedUser(session, posts, target, PLACES, seed)
    # Every third model is so slow that objects are accepted long before it answers.
    engine.delay = 0.0 if seed % 3 else 1.5
    with report.open("a", buffering=1) as file:

        def tell(*_: object) -> None:
            table = session._workspace.writer.table
            names = {label: row.name for label, row in table.rows.items()}
            labels, draft = digest(with_owed(table), names), said(session.current.draft.prompts)
            waiting = ",".join(f"{serial}:{about}" for serial, about in waiting_in(session).items())
            file.write(f"{clock()} {labels} {draft} {waiting or '-'} .\n")

        def fail(error: UserError) -> None:
            report.with_suffix(".error").write_text(str(error))

        # Connected before the log is: it may be written, and the session killed, before the next line is run.
        session.record.recordings.put.connect(tell)
        session.record.recordings.dropped.connect(tell)
        autosave = ToldAutosave(session, parent, posts.post, fail, tell)
        tell()
        while True:
            user.do()
            tell()
            until = time.monotonic() + 0.01
            while time.monotonic() < until:
                posts.pump()
                time.sleep(0.002)
            tell()
    assert autosave


if __name__ == "__main__":
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    children = set()
    for line in sys.stdin:
        seed, parent, report, empty = json.loads(line)
        child = os.fork()
        if not child:
            try:
                work(seed, Path(parent), Path(report), empty)
            finally:
                os._exit(1)
        children.add(child)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        while ended := os.waitpid(-1, os.WNOHANG)[0]:
            children.remove(ended)
            if not children:
                break
    for child in children:
        os.kill(child, signal.SIGKILL)
