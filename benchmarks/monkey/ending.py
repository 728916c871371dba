"""The end of a run: everything undone and done again, saved and replayed; or killed, and brought back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.monkey.desk import Desk
from benchmarks.monkey.facts import digest
from benchmarks.monkey.rules import Fault
from napari_sam.planes.image_source import ImageSource
from napari_sam.session.record.recovery import recover, unfinished_sessions
from napari_sam.session.record.replay import replay
from napari_sam.session.record.session_file import read_session, session_path

MOST_UNDONE = 3000


class Beginnings:
    """What each Labels layer held before the session wrote into it, where that is known."""

    def __init__(self) -> None:
        self.of: dict[Any, Any] = {}
        self._written: set[Any] = set()
        self._reading: Any = None

    def look(self, desk: Desk) -> None:
        """Follow the layers: one that was not chosen yet may become whatever it likes."""
        reading = desk.open
        if reading is not self._reading:
            # What was done before a panel was closed cannot be undone any more.
            self.of, self._written, self._reading = {}, set(), reading
        if reading is None:
            return
        for layer in desk.viewer.layers:
            if not reading.is_labels(layer) or layer in self._written:
                continue
            if not reading.knows(layer):
                self.of[layer] = np.array(layer.data)
                continue
            self._written.add(layer)
            if layer not in self.of and reading.began_empty(layer):
                self.of[layer] = np.zeros_like(np.asarray(layer.data))


def undo_and_redo(desk: Desk, beginnings: Beginnings) -> Fault | None:
    """Undo everything: the labels are what they were, to the bit; and redo it: they are what they became."""
    reading = desk.open
    if reading is None or not desk.settle():
        return None
    end = reading.facts()
    undone = _go(desk, lambda: reading.can_undo, reading.undo, MOST_UNDONE)
    if not desk.settle():
        return Fault("undo", f"nothing settles after {undone} steps were undone: {reading.state()}")
    for layer, labels in beginnings.of.items():
        if layer in desk.viewer.layers and not np.array_equal(layer.data, labels):
            different = int((np.asarray(layer.data) != labels).sum())
            return Fault("undo", f"{different} pixels of '{layer.name}' are not what they were before {undone} steps")
    # What had been undone before the end stays so.
    redone = _go(desk, lambda: reading.can_redo, reading.redo, undone)
    if not desk.settle():
        return Fault("redo", f"nothing settles after {redone} steps were done again: {reading.state()}")
    if redone != undone:
        return Fault("redo", f"{undone} steps were undone, and {redone} done again")
    again = reading.facts()
    for name in vars(end):
        if getattr(end, name) != getattr(again, name):
            return Fault("redo", f"{name} {getattr(end, name)} became {getattr(again, name)}")
    return None


def _go(desk: Desk, may: Callable[[], bool], step: Callable[[], None], most: int) -> int:
    """Go through the journal as far as it goes, or so many steps; return how many those were."""
    gone = 0
    while may() and gone < most:
        step()
        gone += 1
        if gone % 20 == 0:
            desk.wait(1)
    return gone


def save_and_replay(desk: Desk) -> Fault | None:
    """Save, and compute the labels again from the session file, without a window."""
    reading = desk.open
    if reading is None or reading.target_layer is None or reading.image is None or not desk.settle():
        return None
    layer = reading.target_layer
    known = len(desk.saved)
    desk.pointer.press(desk.widget.save_button)
    if len(desk.saved) == known:
        return Fault("save", f"the button did nothing: {reading.state()}")
    if not desk.settle():
        return Fault("save", f"it does not end: {reading.state()}")
    labels, saved = np.array(layer.data), desk.saved[-1]
    if not saved.exists():
        return Fault("save", f"no file was written: {reading.state()}")
    image = reading.image
    source = ImageSource(list(image.data) if image.multiscale else image.data, rgb=bool(image.rgb))
    again = replay(read_session(session_path(saved)).annotation, source, desk.new_engine())
    different = int((np.asarray(again) != labels).sum())
    return Fault("replay", f"{different} pixels differ from those that were saved") if different else None


def brought_back(folder: Path, reports: Path, killed_at: float, lost_s: float) -> Fault | None:
    """Whether the labels come back as they were at one moment of the last seconds before a kill."""
    states = [json.loads(line) for line in reports.read_text().splitlines() if line.endswith("}")]
    found = unfinished_sessions(folder)
    if not found or not states:
        return None
    recovered = recover(found[0].path)
    old = [at for at, state in enumerate(states) if state["at"] < killed_at - lost_s]
    for target in recovered.targets:
        if not target.complete:
            continue
        labels = digest(target.labels)
        alike = [at for at, state in enumerate(states) if labels in state["labels"].values()]
        if not alike:
            return Fault("restore", f"the labels '{target.name}' were never like that")
        # Nothing that was so until the last seconds, and had changed since, may come back instead.
        if max(alike) < max(old, default=0):
            lost = states[max(old)]["at"] - states[max(alike)]["at"]
            return Fault("restore", f"'{target.name}' comes back as it was {lost:.1f} s before the last seconds")
    return None
