"""Whatever is done in whatever order: undo goes back through exactly the states that there were, and redo again."""

import queue
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from napari_sam.errors import UserError
from napari_sam.labels.edits import PixelChange
from napari_sam.labels.morphology import Reshaping, Treatment
from napari_sam.labels.paint import Collision
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Box, Point, Prompts
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.object_edits import EditScope
from napari_sam.session.session import Session
from napari_sam.testing.fake_engine import FakeEngine

SHAPE = (5, 16, 20)
PLANES = [Plane((1, 2), (z, 0, 0)) for z in range(5)] + [Plane((0, 2), (0, 5, 0))]
FOREIGN = 3


def stack() -> np.ndarray:
    """Three blobs, of which two touch on some planes."""
    image = np.zeros(SHAPE, np.uint8)
    image[0:4, 2:8, 2:8] = 200
    image[1:5, 9:14, 3:9] = 200
    image[2:4, 4:12, 12:18] = 200
    return image


planes = st.sampled_from(PLANES)
fractions = st.floats(0, 1, allow_nan=False)
spots = st.tuples(fractions, fractions)
picks = st.integers(0, 10)
labels = st.integers(0, 9)


def pixels_of(mask) -> tuple:
    return None if mask is None else (mask.box, mask.pixels.tobytes())


def what_is(session: Session, target: ArrayTarget) -> dict:
    """Everything that the user can see, bit by bit."""
    draft = session.current.draft
    return {
        "labels": target.array.tobytes(),
        "prompts": {
            plane: (prompts.points, prompts.box, pixels_of(prompts.mask)) for plane, prompts in draft.prompts.items()
        },
        "candidates": {
            plane: (tuple(pixels_of(mask) for mask in answer.candidates), answer.chosen)
            for plane, answer in draft.segmentations.items()
        },
        "proposal": {plane: (pixels_of(reached.mask), reached.confidence) for plane, reached in draft.proposal.items()},
        "masks": {plane: pixels_of(mask) for plane, mask in draft.masks.items()},
        "order": draft.order,
        "carried": draft.carried and (draft.carried.reached, draft.carried.complete),
        "refines": draft.refines,
        "id": session.current.label,
        "own id": draft.label,
        "table": repr([session.objects.row(label) for label in session.objects.labels]),
    }


class Annotating(RuleBasedStateMachine):
    memory_bytes = 64 * 2**20

    @initialize(foreign=st.booleans())
    def begin(self, foreign: bool) -> None:
        self.posted: queue.Queue = queue.Queue()
        self.engine = FakeEngine(ambiguous=True)
        self.session = Session(self.posted.put, engine=self.engine)
        self.session.history.journal.memory_bytes = self.memory_bytes
        self.session.image.choose(ImageSource(stack(), scale=(2, 1, 1), units=("um",) * 3), axes=(1, 2))
        self.session.image.set_view(PLANES[2])
        self.target = ArrayTarget(np.zeros(SHAPE, np.uint16))
        self.foreign = FOREIGN if foreign else 0
        if foreign:
            self.target.array[3, 0:4, 0:4] = FOREIGN
        self.session.labels.choose(self.target)
        self.settle()
        # The states that there were, by what was done up to then.
        self.states = {(): what_is(self.session, self.target)}
        self.names = {}
        self.tables = {(): {}}

    def teardown(self) -> None:
        if not hasattr(self, "session"):
            return
        end = what_is(self.session, self.target)
        times = 0
        while self.session.history.journal.can_undo:
            self.session.history.undo()
            self.settle()
            self.look()
            times += 1
        assert what_is(self.session, self.target) == self.states[()]
        for _ in range(times):
            self.session.history.redo()
            self.settle()
            self.look()
        assert what_is(self.session, self.target) == end
        folder = self.session.history.journal.folder.path
        assert self.session.close()
        assert folder is None or not folder.exists()

    # Doing things

    @property
    def draft(self):
        return self.session.current.draft

    @property
    def done(self) -> tuple[int, ...]:
        return tuple(entry.serial for entry in self.session.history.journal.done)

    def settle(self) -> None:
        for _ in range(4):
            assert self.session.scheduler.wait_idle(5)
            while not self.posted.empty():
                self.posted.get()()

    def attempt(self, deed, *arguments, table=None) -> bool:
        """Do something; `table` changes the expected table. Whether it was accepted."""
        try:
            deed(*arguments)
        except UserError:
            return False
        if table is not None:
            table()
        return True

    def position(self, plane: Plane, spot) -> tuple[int, int]:
        rows, columns = plane.shape(SHAPE)
        return round(spot[0] * (rows - 1)), round(spot[1] * (columns - 1))

    @rule(plane=planes, spot=spots, positive=st.booleans())
    def click(self, plane, spot, positive) -> None:
        self.session.prompts.add_point(plane, Point(*self.position(plane, spot), positive))
        self.settle()

    @rule(plane=planes, spot=spots)
    def draw_a_box(self, plane, spot) -> None:
        row, column = self.position(plane, spot)
        rows, columns = plane.shape(SHAPE)
        self.session.prompts.add_box(plane, Box(row, column, min(row + 3, rows - 1), min(column + 3, columns - 1)))
        self.settle()

    @precondition(lambda self: self.draft.prompts)
    @rule(pick=picks, spot=spots)
    def move_a_point(self, pick, spot) -> None:
        plane = list(self.draft.prompts)[pick % len(self.draft.prompts)]
        points = list(self.session.prompts.on(plane).points)
        if points:
            points[pick % len(points)] = Point(*self.position(plane, spot))
            self.session.prompts.set(plane, Prompts(tuple(points), self.session.prompts.on(plane).box))
            self.settle()

    @precondition(lambda self: self.draft.prompts)
    @rule(pick=picks)
    def delete_prompts(self, pick) -> None:
        plane = list(self.draft.prompts)[pick % len(self.draft.prompts)]
        prompts = self.session.prompts.on(plane)
        self.session.prompts.set_all({plane: Prompts(prompts.points[1:], None), PLANES[0]: Prompts()})
        self.settle()

    @rule(last=st.booleans())
    def remove_last_or_clear(self, last) -> None:
        self.attempt(self.session.prompts.remove_last if last else self.session.prompts.clear)
        self.settle()

    @precondition(lambda self: self.draft.segmentations)
    @rule(pick=picks)
    def cycle_candidates(self, pick) -> None:
        self.session.prompts.choose_candidate(
            pick, list(self.draft.segmentations)[pick % len(self.draft.segmentations)]
        )

    @rule(plane=planes)
    def switch_plane(self, plane) -> None:
        self.session.image.set_view(plane)
        self.settle()

    @precondition(lambda self: self.draft.masks)
    @rule()
    def propagate(self) -> None:
        self.attempt(self.session.volume.propagate)
        self.settle()

    @precondition(lambda self: self.draft)
    @rule()
    def reject(self) -> None:
        self.session.current.reject()

    @precondition(lambda self: self.draft.masks)
    @rule(collision=st.sampled_from(Collision))
    def accept(self, collision) -> None:
        label = self.session.current.label
        self.attempt(
            self.session.current.accept, collision, table=lambda: self.names.setdefault(label, "") if label else None
        )

    @rule(label=labels)
    def choose_the_next_id(self, label) -> None:
        self.attempt(self.session.current.set_label, label or None)

    @rule(z=st.integers(0, 4), spot=spots, label=labels)
    def paint(self, z, spot, label) -> None:
        row, column = self.position(PLANES[z], spot)
        box = (slice(z, z + 1), slice(row, row + 5), slice(column, column + 4))
        box = tuple(slice(part.start, min(part.stop, size)) for part, size in zip(box, SHAPE, strict=True))
        before = self.target.array[box].copy()
        where = before != label
        change = PixelChange.of(box, where, before[where], np.uint16(label))
        self.target.array[box] = label
        self.session.labels.painted(self.target, change)

    @precondition(lambda self: len(self.session.objects))
    @rule(pick=picks, deed=st.sampled_from(["reopen", "delete", "rename", "relabel"]), new=st.integers(1, 12))
    def do_to_an_object(self, pick, deed, new) -> None:
        objects = self.session.objects
        label = objects.labels[pick % len(objects)]
        name = f"cell {new}"
        if deed == "reopen":
            self.attempt(objects.reopen, label)
        elif deed == "delete":
            self.attempt(objects.delete, label, table=lambda: self.names.pop(label))
        elif deed == "rename":
            self.attempt(objects.rename, label, name, table=lambda: self.names.update({label: name}))
        elif self.attempt(objects.relabel, label, new):
            self.names[new] = self.names.pop(label)
        self.settle()

    @rule(
        plane=planes,
        pick=picks,
        deed=st.sampled_from(Treatment),
        distance=st.sampled_from([1.0, 2.0, 3.5]),
        everything=st.booleans(),
        scope=st.sampled_from(EditScope),
    )
    def reshape_objects(self, plane, pick, deed, distance, everything, scope) -> None:
        self.session.image.set_view(plane)
        known = self.session.objects.labels
        labels = None if everything or not known else [known[pick % len(known)]]
        self.attempt(self.session.edits.reshape, Reshaping(deed, distance), labels, scope, self.depth(plane))
        self.settle()
        self.names = None

    @rule(plane=planes, several=st.booleans(), computed=st.booleans())
    def undo_while_objects_are_edited(self, plane, several, computed) -> None:
        """It stops the edits, however far they have come, and undoes nothing else."""
        self.session.image.set_view(plane)
        if self.session.volume.active:
            return
        before = self.target.array.copy()
        asked = [
            self.attempt(self.session.edits.reshape, Reshaping(Treatment.GROW, 1.0), None, EditScope.PLANE)
            for _ in range(1 + several)
        ]
        if computed:
            assert self.session.scheduler.wait_idle(10)
        if any(asked):
            steps = self.session.history.journal.done
            self.session.history.undo()
            assert not self.session.edits.active
            assert self.session.history.journal.done == steps
        self.settle()
        np.testing.assert_array_equal(self.target.array, before)

    @precondition(lambda self: len(self.session.objects) > 1)
    @rule(plane=planes, picked=st.sets(picks, min_size=2, max_size=3), scope=st.sampled_from(EditScope))
    def merge_objects(self, plane, picked, scope) -> None:
        self.session.image.set_view(plane)
        known = self.session.objects.labels
        self.attempt(self.session.edits.merge, [known[pick % len(known)] for pick in picked], scope)
        self.settle()
        self.names = None

    @rule(plane=planes, picked=st.lists(st.integers(0, 1000), min_size=2, max_size=3), scope=st.sampled_from(EditScope))
    def split_an_object(self, plane, picked, scope) -> None:
        self.session.image.set_view(plane)
        axis = self.depth(plane)
        at = tuple(slice(None) if each in (*plane.axes, axis) else plane.index[each] for each in range(3))
        pixels = np.argwhere(self.target.array == self.target.array[at].max(initial=0))
        clicks = []
        for pick in picked:
            pixel = tuple(pixels[pick % len(pixels)].tolist())
            clicks.append((Plane(plane.axes, pixel), Point(*(float(pixel[each]) for each in plane.axes))))
        label = int(self.target.array[tuple(pixels[0])])
        self.attempt(self.session.edits.split, label, clicks, scope, axis)
        self.settle()
        self.names = None

    @staticmethod
    def depth(plane: Plane) -> int:
        """The axis that is not displayed; short ones without a name are taken only if they are chosen."""
        (axis,) = {0, 1, 2} - set(plane.axes)
        return axis

    @rule(
        plane=planes, pick=picks, drop=st.booleans(), collision=st.sampled_from([Collision.KEEP, Collision.OVERWRITE])
    )
    def accept_everything(self, plane, pick, drop, collision) -> None:
        self.session.image.set_view(plane)
        everything = self.session.everything
        everything.find()
        self.settle()
        if drop and everything.chosen:
            everything.drop(everything.chosen[pick % len(everything.chosen)])
        self.attempt(everything.accept, collision)
        self.settle()
        self.names = None

    @rule(
        plane=planes,
        spot=spots,
        back=st.integers(0, 4),
        again=st.booleans(),
        paint=st.booleans(),
        collision=st.sampled_from(Collision),
    )
    def rush(self, plane, spot, back, again, paint, collision) -> None:
        """Click, accept, paint, click, undo and redo while nothing is answered yet."""
        self.engine.gate = threading.Event()
        self.session.prompts.add_point(plane, Point(*self.position(plane, spot)))
        self.attempt(self.session.current.accept, collision)
        if paint:
            self.paint(2, spot, 8)
        self.session.prompts.add_point(PLANES[1], Point(4, 4))
        for _ in range(back):
            self.attempt(self.session.history.undo)
        for _ in range(back if again else 0):
            self.attempt(self.session.history.redo)
        self.engine.gate.set()
        self.settle()
        self.names = None

    @rule(times=st.integers(1, 4))
    def undo(self, times) -> None:
        for _ in range(times):
            if self.attempt(self.session.history.undo):
                self.settle()
                self.look()
        self.names = self.tables.get(self.done)

    @rule(times=st.integers(1, 4))
    def redo(self, times) -> None:
        for _ in range(times):
            if self.attempt(self.session.history.redo):
                self.settle()
                self.look()
        self.names = self.tables.get(self.done)

    # What is always so

    def look(self) -> None:
        """The state is the one that there was when just this had been done."""
        state = what_is(self.session, self.target)
        before = self.states.setdefault(self.done, state)
        for part, value in state.items():
            assert before[part] == value, part

    @invariant()
    def states_come_again(self) -> None:
        if hasattr(self, "session"):
            self.look()

    @invariant()
    def the_table_is_what_was_done(self) -> None:
        if not hasattr(self, "session"):
            return
        objects = self.session.objects
        table = {label: objects.row(label).name for label in objects.labels}
        if self.names is None:
            self.names = dict(table)
        assert table == self.names
        self.names = dict(self.names)
        self.tables[self.done] = dict(self.names)

    @invariant()
    def the_table_agrees_with_the_labels(self) -> None:
        if not hasattr(self, "session"):
            return
        for label in self.session.objects.labels:
            row = self.session.objects.row(label)
            if label <= self.foreign:
                # What came with the labels, or might have, is counted on the object's own planes only.
                continue
            where = np.argwhere(self.target.array == label)
            assert row.area == len(where)
            assert row.size is None or row.unit in ("µm²", "µm³")
            if len(where):
                (axis,) = {0, 1, 2} - set(self.session.objects.place(label)[0].axes)
                ((first, last),) = row.span
                assert first <= where[:, axis].min()
                assert where[:, axis].max() <= last

    @invariant()
    def every_prompt_is_answered(self) -> None:
        if not hasattr(self, "session"):
            return
        assert not self.draft.in_flight
        assert self.draft.prompts.keys() == self.draft.segmentations.keys()
        assert set(self.draft.masks) <= {*self.draft.prompts, *self.draft.proposal}
        assert len(self.draft.order) == sum(
            len(prompts.points) + (prompts.box is not None) + (prompts.mask is not None)
            for prompts in self.draft.prompts.values()
        )


class AnnotatingFromDisk(Annotating):
    """The same while hardly anything of the journal is kept in memory."""

    memory_bytes = 1


@pytest.mark.parametrize("machine", [Annotating, AnnotatingFromDisk])
def test_undoing_everything_restores_the_start_and_redoing_the_end(machine) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
