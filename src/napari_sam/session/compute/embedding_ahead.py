"""The embedding of the plane in view, then of its neighbours, ahead of the first click."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.geometry import Plane
from napari_sam.session.compute.engine import OpenedImage
from napari_sam.session.compute.scheduler import Priority, Scheduler
from napari_sam.session.status import State

_VIEW_KEY = "view"


class ViewEmbedding:
    """The plane in view, and the progress of its embedding.

    Parameters
    ----------
    scheduler
        Where it is computed.
    on_change
        Called when `state` or `progress` are different.
    on_ready
        Called with the image, the view's center and the expected size when the plane in view is embedded.
    on_error
        Called with what the computation raised.

    Attributes
    ----------
    plane : Plane or None
        The plane in view.
    why_none : str
        Why there is none, in one sentence.
    state : State
        WAITING, EMBEDDING or READY.
    progress : (int, int)
        Areas done, and areas in all; (0, 0) while that is not known.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        on_change: Callable[[], None],
        on_ready: Callable[[OpenedImage, tuple[float, float] | None, float | None], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._scheduler = scheduler
        self._on_change = on_change
        self._on_ready = on_ready
        self._on_error = on_error
        self._center: tuple[float, float] | None = None
        self._put_off = False
        self.plane: Plane | None = None
        self.why_none = ""
        self.state = State.WAITING
        self.progress = (0, 0)

    def look_at(self, plane: Plane, center: tuple[float, float] | None) -> bool | None:
        """Take another view: True if it shows another plane, False for another part of it, None if nothing changed."""
        anew = plane != self.plane
        if not anew and center == self._center:
            return None
        self.plane, self._center, self.why_none = plane, center, ""
        return anew

    def look_away(self, why: str) -> None:
        """Note that no plane is in view, for a reason told in one sentence."""
        self.plane, self._center, self.why_none = None, None, why
        self._scheduler.cancel(_VIEW_KEY)

    def start(self, opened: OpenedImage | None, size: float | None, *, anew: bool) -> None:
        """Embed what is in view.

        Parameters
        ----------
        opened
            The image; None to only stop.
        size
            Expected diameter of objects in plane pixels, or None.
        anew
            Whether nothing of it is embedded yet, so that the user is told of it.
        """
        self._put_off = False
        plane, center = self.plane, self._center
        if opened is None or plane is None:
            self._scheduler.cancel(_VIEW_KEY)
            return
        if anew:
            self.state, self.progress = State.WAITING, (0, 0)

        def steps(token: CancelToken) -> Iterator[tuple[int, int]]:
            return opened.segmenter().prepare(plane, center, size, token)

        def started() -> None:
            if anew:
                self.state = State.EMBEDDING
                self._on_change()

        def done() -> None:
            self.state = State.READY
            self._on_change()
            self._on_ready(opened, center, size)

        self._scheduler.submit_steps(
            _VIEW_KEY,
            steps,
            priority=Priority.VIEW,
            on_start=started,
            on_step=self._step,
            on_done=done,
            on_error=self._on_error,
        )

    def give_way_to(self, plane: Plane) -> None:
        """Stop for a click on another plane, which this would only delay; `resume` goes on."""
        if plane != self.plane and self.state is not State.READY:
            self._scheduler.cancel(_VIEW_KEY)
            self._put_off = True

    def resume(self, opened: OpenedImage | None, size: float | None) -> None:
        """Go on after giving way."""
        if self._put_off:
            self.start(opened, size, anew=True)

    def _step(self, progress: tuple[int, int]) -> None:
        if self.state is not State.READY:
            self.progress = progress
            self._on_change()


AHEAD, BEHIND = 4, 1
"""Planes that are embedded in the direction of scrolling, and against it."""
_NEIGHBOURS_KEY = "prefetch"


class Prefetch:
    """The embedding of what comes next, the way the user goes through the image.

    It gives way to everything else, in the middle of a plane, and goes on when there is nothing else to do again. It
    never embeds more than the store of embeddings holds beside the plane in view.

    Parameters
    ----------
    scheduler
        Where it is computed.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._plane: Plane | None = None
        self._axis: int | None = None
        self._direction = 0
        self._asked: tuple[OpenedImage, Plane, float | None] | None = None

    def look_at(self, plane: Plane) -> None:
        """Stop, as another plane is in view, and remember where the user came from."""
        former, self._plane = self._plane, plane
        if former == plane:
            return
        self.stop()
        if former is None or former.axes != plane.axes or former.ndim != plane.ndim:
            self._axis, self._direction = None, 0
            return
        moved = [axis for axis in range(plane.ndim) if former.index[axis] != plane.index[axis]]
        if len(moved) == 1:
            self._axis = moved[0]
            self._direction = 1 if plane.index[self._axis] > former.index[self._axis] else -1
        else:
            self._direction = 0

    def look_away(self) -> None:
        """Stop, as no plane is in view, and forget where the user came from."""
        self.stop()
        self._plane, self._axis, self._direction = None, None, 0

    def start(self, opened: OpenedImage, center: tuple[float, float] | None, size: float | None) -> None:
        """Embed the neighbours of the plane in view, which is embedded itself.

        Parameters
        ----------
        opened
            The image.
        center
            (row, column) where embedding begins on each plane; None for the middle.
        size
            Expected diameter of objects in plane pixels, or None.
        """
        plane = self._plane
        if plane is None or self._asked == (opened, plane, size):
            return
        self._asked = (opened, plane, size)
        order = neighbours(plane, opened.source.shape, self._axis, self._direction)

        def steps(token: CancelToken) -> Iterator[tuple[int, int]]:
            segmenter = opened.segmenter()
            for neighbour in islice(order, segmenter.room(plane, size)):
                yield from segmenter.prepare(neighbour, center, size, token)

        # A plane that cannot be read is no matter before the user goes there, and is told then.
        self._scheduler.submit_steps(_NEIGHBOURS_KEY, steps, priority=Priority.PREFETCH, preemptible=True)

    def stop(self) -> None:
        """Embed nothing ahead."""
        self._asked = None
        self._scheduler.cancel(_NEIGHBOURS_KEY)


def neighbours(plane: Plane, shape: Sequence[int], axis: int | None, direction: int) -> list[Plane]:
    """Return the planes that are likely to be looked at next, the likeliest first.

    Parameters
    ----------
    plane
        The plane in view.
    shape
        Of the image.
    axis
        The axis that the user goes along; None for the last one that is not displayed.
    direction
        1 or -1 along that axis; 0 where it is not known.
    """
    across = [other for other in range(plane.ndim) if other not in plane.axes]
    if not across:
        return []
    along = across[-1] if axis not in across else axis
    if direction:
        steps = [direction * away for away in range(1, AHEAD + 1)]
        steps[1:1] = [-direction * away for away in range(1, BEHIND + 1)]
    else:
        steps = [sign * away for away in range(1, (AHEAD + BEHIND) // 2 + 1) for sign in (1, -1)]
    at = plane.index[along]
    return [plane.at(along, at + step) for step in steps if 0 <= at + step < shape[along]]
