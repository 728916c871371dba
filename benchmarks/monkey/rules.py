"""What must hold after every deed. A new rule is one more function here, and its name in `RULES`.

A rule gets the moment after a deed and returns what is wrong, in words; nothing if all is well. Words that differ from
run to run (numbers, names) are left out where a fault is recognised (`Fault.kind`).
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.monkey.deeds import Deed
from benchmarks.monkey.desk import Desk
from benchmarks.monkey.facts import Facts

MEANT = (
    # napari's own, where the monkey adds an image without units beside one that has them.
    r"Inconsistent units across layers",
    # And where the monkey paints on a plane that these labels do not have.
    r"Coordinate .* for non-painted dimension",
    # And for each rotated or sheared image, whether a plugin is open or not, once the axes are rolled.
    r"Non-orthogonal slicing is being requested",
    # And for any Shapes layer whose slice lies between two planes, where another layer is half a plane away: what is
    # drawn there is not in view, and napari looks for its box.
    r"in _set_drag_start\n\s*center = layer\._selected_box",
)
"""Notifications that are meant."""
STALL_S = 1.0
"""Seconds that the event loop may stand still where nothing else is said: far more than the promise (0.05 s beside
napari alone, docs/benchmarks.md), which belongs to a quiet machine and to gestures measured one by one."""


@dataclass(frozen=True)
class Fault:
    """A rule that did not hold, and what it says."""

    rule: str
    text: str

    @property
    def kind(self) -> str:
        """What stays the same when the same fault is met again."""
        lines = [line.strip() for line in self.text.strip().splitlines() if line.strip()] or [""]
        # Of a traceback what counts is the exception at its end.
        said = lines[-1] if "Traceback" in self.text else lines[0]
        return f"{self.rule}: {re.sub(r'[-+.0-9]+', '#', said)[:60]}"


@dataclass(frozen=True)
class Moment:
    """The moment after a deed.

    Parameters
    ----------
    desk
        The window.
    deed
        What was done.
    before, after
        The facts, where all was settled then; else None.
    stall_s
        Seconds that the event loop may stand still.
    """

    desk: Desk
    deed: Deed
    before: Facts | None
    after: Facts | None
    stall_s: float = STALL_S


def nothing_is_shown_or_raised(moment: Moment) -> str:
    """No notification of a warning or worse, no exception on any thread."""
    return "\n".join(str(each) for each in moment.desk.notices.unexpected)


def no_stall(moment: Moment) -> str:
    stall = moment.desk.stall
    # Threads of our own that other work keeps from a processor keep the main thread waiting, too.
    busy = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)) if hasattr(os, "getloadavg") else 1.0
    if moment.deed.slow or moment.desk.viewer.dims.ndisplay == 3 or stall.held <= moment.stall_s * busy:
        return ""
    return f"the event loop stood still for {stall.held:.2f} s, in {stall.own:.2f} s of which the main thread computed"


def prompts_agree(moment: Moment) -> str:
    reading = moment.desk.open
    return "" if reading is None else reading.prompts_differ()


def all_agree_at_rest(moment: Moment) -> str:
    reading = moment.desk.open
    if reading is None or moment.after is None:
        return ""
    return reading.preview_differs() or reading.table_differs() or reading.panel_differs()


def looking_changes_nothing(moment: Moment) -> str:
    """Neither labels, prompts nor ids change by themselves, nor by what only looks."""
    if moment.deed.changes or moment.before is None or moment.after is None or moment.before == moment.after:
        return ""
    before, after = vars(moment.before), vars(moment.after)
    changed = [name for name in before if before[name] != after[name]]
    return "; ".join(f"{name} changed from {before[name]} to {after[name]}" for name in changed)


RULES: tuple[Callable[[Moment], str], ...] = (
    nothing_is_shown_or_raised,
    no_stall,
    prompts_agree,
    all_agree_at_rest,
    looking_changes_nothing,
)


def broken(moment: Moment) -> Fault | None:
    """The first rule that does not hold."""
    for rule in RULES:
        said = rule(moment)
        if said:
            return Fault(rule.__name__, said)
    return None
