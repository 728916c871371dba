"""A user who does anything: random but repeatable deeds on a headless session."""

import queue
import random
import time
from collections.abc import Callable

import numpy as np

from napari_sam.errors import UserError
from napari_sam.labels.edits import PixelChange
from napari_sam.labels.paint import Collision
from napari_sam.planes.geometry import Plane
from napari_sam.prompts.prompt import Box, Point, Prompts, Scribble
from napari_sam.session.batch import BatchObject
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.session import Session


class Posts:
    """What stands in for Qt's event loop."""

    def __init__(self) -> None:
        self._posted: queue.Queue = queue.Queue()

    def post(self, run: Callable[[], None]) -> None:
        self._posted.put(run)

    def pump(self) -> None:
        while not self._posted.empty():
            self._posted.get()()

    def settle(self, session: Session) -> None:
        for _ in range(4):
            assert session.scheduler.wait_idle(60)
            self.pump()


class ScriptedUser:
    """Does random deeds; the same seed does the same ones.

    Parameters
    ----------
    session, posts
        The session and what it posts to.
    target
        Its labels.
    places
        (plane, row, column) worth clicking.
    seed
        Of the deeds.
    """

    def __init__(self, session: Session, posts: Posts, target: ArrayTarget, places, seed: int) -> None:
        self.session, self.posts, self.target, self.places = session, posts, target, places
        self.random = random.Random(seed)
        self.log: list[str] = []
        self.deeds = {
            self.click: 6,
            self.exclude: 2,
            self.box: 2,
            self.scribble: 1,
            self.choose: 2,
            self.propagate: 2,
            self.propagate_some: 2,
            self.accept: 6,
            self.accept_over: 2,
            self.refine: 1,
            self.delete: 1,
            self.relabel: 1,
            self.rename: 1,
            self.reopen: 2,
            self.stroke: 3,
            self.several: 1,
            self.undo: 3,
            self.redo: 1,
            self.reject: 1,
            self.remove_last: 1,
            self.look: 2,
        }

    def do(self, deed: Callable[[], None] | None = None) -> str:
        """One deed; what it was, with "refused" where the session did not let the user."""
        deed = deed or self.random.choices(list(self.deeds), list(self.deeds.values()))[0]
        try:
            deed()
            done = deed.__name__
        except UserError as error:
            done = f"{deed.__name__} refused: {error}"
        self.log.append(done)
        return done

    def work(self, deeds: int) -> None:
        for _ in range(deeds):
            self.do()
            if self.random.random() < 0.7:
                self.posts.settle(self.session)
        self.posts.settle(self.session)

    @property
    def plane(self) -> Plane:
        plane = self.session.image.plane
        assert plane is not None
        return plane

    def spot(self) -> tuple[int, int]:
        here = [place for place in self.places if place[0] == self.plane] or self.places
        _, row, column = self.random.choice(here)
        return row, column

    def look(self) -> None:
        plane, row, column = self.random.choice(self.places)
        self.session.image.set_view(plane, (float(row), float(column)))

    def click(self) -> None:
        self.session.prompts.add_point(self.plane, Point(*self.spot()))

    def exclude(self) -> None:
        self.session.prompts.add_point(self.plane, Point(*self.spot(), positive=False))

    def box(self) -> None:
        row, column = self.spot()
        self.session.prompts.add_box(self.plane, Box(max(row - 8, 0), max(column - 8, 0), row + 7, column + 7))

    def scribble(self) -> None:
        row, column = self.spot()
        prompts = self.session.prompts.on(self.plane)
        stroke = Scribble(((row, column), (row + 2.0, column + 3.5)))
        self.session.prompts.set(self.plane, type(prompts)(prompts.points, prompts.box, prompts.mask, (stroke,)))

    def choose(self) -> None:
        self.session.prompts.choose_candidate(self.random.randrange(3))

    def propagate(self) -> None:
        self.session.volume.propagate()

    def propagate_some(self) -> None:
        """As if the user had stopped it on the way."""
        self.session.volume.propagate()
        until = self.session.volume.progress[0] + self.random.randrange(1, 4)
        patience = time.monotonic() + 60
        while self.session.volume.active and time.monotonic() < patience:
            if not self.session._propagation.active or self.session.volume.progress[0] >= until:
                break
            time.sleep(0.001)
            if not self.posts._posted.empty():
                self.posts._posted.get()()
        self.session.cancel()

    def accept(self) -> None:
        self.session.current.accept(Collision.KEEP)

    def accept_over(self) -> None:
        self.session.current.accept(Collision.OVERWRITE)

    def any_object(self) -> int:
        if not self.session.objects.labels:
            raise UserError("There is no object yet.")
        return self.random.choice(self.session.objects.labels)

    def refine(self) -> None:
        label = self.any_object()
        self.session.prompts.refine_label(self.plane, self.target.array, label, own=True)

    def delete(self) -> None:
        self.session.objects.delete(self.any_object())

    def relabel(self) -> None:
        self.session.objects.relabel(self.any_object(), self.random.randrange(1, 60))

    def rename(self) -> None:
        self.session.objects.rename(self.any_object(), self.random.choice(["", "nucleus", "Zelle ü"]))

    def reopen(self) -> None:
        self.session.objects.reopen(self.any_object())

    def stroke(self) -> None:
        row, column = self.spot()
        plane, array = self.plane, self.target.array
        box = [slice(at, at + 1) for at in plane.index]
        for axis, at in zip(plane.axes, (row, column), strict=True):
            box[axis] = slice(max(at - 2, 0), at + 3)
        region = array[tuple(box)]
        new = region.dtype.type(self.random.choice([0, *self.session.objects.labels, 7]))
        where = (region != new) & (np.indices(region.shape).sum(0) % 3 > 0)
        if where.any():
            change = PixelChange.of(tuple(box), where, region[where], new)
            change.apply(array)
            self.session.labels.painted(self.target, change)

    def several(self) -> None:
        """Several objects in one go, some of which may be there already."""
        spots = [self.spot() for _ in range(2)]
        boxes = [Box(max(row - 8, 0), max(column - 8, 0), row + 7, column + 7) for row, column in spots]
        self.session.batch.segment([BatchObject(self.plane, Prompts(box=box)) for box in boxes])

    def undo(self) -> None:
        self.session.history.undo()

    def redo(self) -> None:
        self.session.history.redo()

    def reject(self) -> None:
        self.session.current.reject()

    def remove_last(self) -> None:
        self.session.prompts.remove_last()
