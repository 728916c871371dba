"""A user who does anything: random but repeatable deeds on a headless session."""

import random
import time
from collections.abc import Callable, Sequence

import numpy as np

from napari_sam.errors import UserError
from napari_sam.labels.edits import PixelChange
from napari_sam.labels.morphology import Reshaping, Treatment
from napari_sam.labels.paint import Collision
from napari_sam.planes.geometry import Plane
from napari_sam.prompts.prompt import Box, Point, Prompts, Scribble
from napari_sam.session.batch import BatchObject
from napari_sam.session.labels.target import Target
from napari_sam.session.object_edits import EditScope
from napari_sam.session.session import Session
from napari_sam.testing.event_loop import ManualEventLoop


class ScriptedUser:
    """A user who does random deeds; the same seed does the same ones.

    Parameters
    ----------
    session, loop
        The session and the event loop that it posts to.
    target
        Its labels.
    places
        (plane, row, column) worth clicking; the planes have three axes or more.
    seed
        Of the deeds.

    Attributes
    ----------
    deeds : dict
        How often each deed is done, relative to the others.
    log : list of str
        What was done, in order.
    """

    def __init__(
        self,
        session: Session,
        loop: ManualEventLoop,
        target: Target,
        places: Sequence[tuple[Plane, int, int]],
        seed: int,
    ) -> None:
        self.session, self.loop, self.target, self.places = session, loop, target, places
        self.random = random.Random(seed)
        self.log: list[str] = []
        self.deeds: dict[Callable[[], None], int] = {
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
            self.merge: 1,
            self.split: 1,
            self.reshape: 1,
            self.reopen: 2,
            self.stroke: 3,
            self.several: 1,
            self.everything: 1,
            self.undo: 3,
            self.redo: 4,
            self.reject: 1,
            self.remove_last: 1,
            self.look: 2,
        }

    def do(self, deed: Callable[[], None] | None = None) -> str:
        """Do one deed; return what it was, with "refused" where the session did not let the user."""
        deed = deed or self.random.choices(list(self.deeds), list(self.deeds.values()))[0]
        try:
            deed()
            done = deed.__name__
        except UserError as error:
            done = f"{deed.__name__} refused: {error}"
        self.log.append(done)
        return done

    def work(self, deeds: int) -> None:
        """Do so many deeds; let the session answer after most of them, and in the end."""
        for _ in range(deeds):
            self.do()
            if self.random.random() < 0.7:
                self.loop.settle(self.session)
        self.loop.settle(self.session)

    @property
    def plane(self) -> Plane:
        """Plane in view."""
        plane = self.session.image.plane
        assert plane is not None
        return plane

    def spot(self) -> tuple[int, int]:
        """Choose (row, column) of a place on the plane in view, or of any."""
        here = [place for place in self.places if place[0] == self.plane] or self.places
        _, row, column = self.random.choice(here)
        return row, column

    def look(self) -> None:
        """Look at the plane of some place."""
        plane, row, column = self.random.choice(self.places)
        self.session.image.set_view(plane, (float(row), float(column)))

    def click(self) -> None:
        """Click a place."""
        self.session.prompts.add_point(self.plane, Point(*self.spot()))

    def exclude(self) -> None:
        """Click a place that is not on the object."""
        self.session.prompts.add_point(self.plane, Point(*self.spot(), positive=False))

    def box(self) -> None:
        """Draw a box around a place."""
        row, column = self.spot()
        self.session.prompts.add_box(self.plane, Box(max(row - 8, 0), max(column - 8, 0), row + 7, column + 7))

    def scribble(self) -> None:
        """Draw a short stroke at a place."""
        row, column = self.spot()
        prompts = self.session.prompts.on(self.plane)
        stroke = Scribble(((row, column), (row + 2.0, column + 3.5)))
        self.session.prompts.set(self.plane, type(prompts)(prompts.points, prompts.box, prompts.mask, (stroke,)))

    def choose(self) -> None:
        """Take another candidate."""
        self.session.prompts.choose_candidate(self.random.randrange(3))

    def propagate(self) -> None:
        """Propagate the object."""
        self.session.volume.propagate()

    def propagate_some(self) -> None:
        """Propagate, and stop it on the way."""
        self.session.volume.propagate()
        until = self.session.volume.progress[0] + self.random.randrange(1, 4)
        patience = time.monotonic() + 60
        while self.session.volume.active and time.monotonic() < patience:
            if not self.session.volume.active or self.session.volume.progress[0] >= until:
                break
            time.sleep(0.001)
            if not self.loop.posted.empty():
                self.loop.posted.get()()
        self.session.cancel()

    def accept(self) -> None:
        """Accept the object; other labels keep their pixels."""
        self.session.current.accept(Collision.KEEP)

    def accept_over(self) -> None:
        """Accept the object over other labels."""
        self.session.current.accept(Collision.OVERWRITE)

    def any_object(self) -> int:
        """Choose the id of an accepted object."""
        if not self.session.objects.labels:
            raise UserError("There is no object yet.")
        return self.random.choice(self.session.objects.labels)

    def refine(self) -> None:
        """Take an accepted object's label as prompt."""
        label = self.any_object()
        self.session.prompts.refine_label(self.plane, self.target.array, label, own=True)

    def delete(self) -> None:
        """Delete an accepted object."""
        self.session.objects.delete(self.any_object())

    def relabel(self) -> None:
        """Give an accepted object another id."""
        self.session.objects.relabel(self.any_object(), self.random.randrange(1, 60))

    def rename(self) -> None:
        """Give an accepted object another name."""
        self.session.objects.rename(self.any_object(), self.random.choice(["", "nucleus", "Zelle ü"]))

    def merge(self) -> None:
        """Merge two accepted objects."""
        labels = self.session.objects.labels
        if len(labels) < 2:
            raise UserError("There are not two objects yet.")
        self.session.edits.merge(self.random.sample(labels, 2))

    def split(self) -> None:
        """Split an accepted object by clicks on two of its pixels, on one plane or on two."""
        label = self.any_object()
        plane, _ = self.session.objects.place(label)
        pixels = np.argwhere(np.asarray(self.target.array) == label)
        if len(pixels) < 2:
            raise UserError("It is too small.")
        clicks = []
        for at in self.random.sample(range(len(pixels)), 2):
            row, column = (float(pixels[at][axis]) for axis in plane.axes)
            clicks.append((Plane(plane.axes, tuple(int(each) for each in pixels[at])), Point(row, column)))
        self.session.edits.split(label, clicks)

    def reshape(self) -> None:
        """Fill, smooth, grow or shrink an accepted object, or all."""
        treatment, scope = self.random.choice(list(Treatment)), self.random.choice(list(EditScope))
        labels = None if self.random.random() < 0.3 else [self.any_object()]
        self.session.edits.reshape(Reshaping(treatment, self.random.choice([1.0, 2.5])), labels, scope)

    def reopen(self) -> None:
        """Go on with an accepted object."""
        self.session.objects.reopen(self.any_object())

    def stroke(self) -> None:
        """Paint a square of stripes in the labels, as another tool would."""
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
        """Segment several objects in one go, some of which may be there already."""
        spots = [self.spot() for _ in range(2)]
        boxes = [Box(max(row - 8, 0), max(column - 8, 0), row + 7, column + 7) for row, column in spots]
        self.session.batch.segment([BatchObject(self.plane, Prompts(box=box)) for box in boxes])

    def everything(self) -> None:
        """Find everything; or accept what was found but for one object."""
        everything = self.session.everything
        if everything.chosen:
            everything.drop(self.random.choice(everything.chosen))
            everything.accept()
        else:
            everything.find()

    def undo(self) -> None:
        """Undo."""
        self.session.history.undo()

    def redo(self) -> None:
        """Redo."""
        self.session.history.redo()

    def reject(self) -> None:
        """Reject."""
        self.session.current.reject()

    def remove_last(self) -> None:
        """Take back the last prompt."""
        self.session.prompts.remove_last()
