"""Embedding the neighbours of the plane in view, while there is nothing else to do."""

from collections.abc import Iterator, Sequence
from itertools import islice

from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.plane import Plane
from napari_sam.session.engine import OpenedImage
from napari_sam.session.scheduler import Priority, Scheduler

AHEAD, BEHIND = 4, 1
"""Planes that are embedded in the direction of scrolling, and against it."""
_KEY = "prefetch"


class Prefetch:
    """Knows which way the user goes through the image, and embeds what comes next.

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
        """Another plane is in view: stop, and remember where the user came from."""
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
        """No plane is in view: stop, and forget where the user came from."""
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
        self._scheduler.submit_steps(_KEY, steps, priority=Priority.PREFETCH, preemptible=True)

    def stop(self) -> None:
        """Embed nothing ahead."""
        self._asked = None
        self._scheduler.cancel(_KEY)


def neighbours(plane: Plane, shape: Sequence[int], axis: int | None, direction: int) -> list[Plane]:
    """The planes that are likely to be looked at next, the likeliest first.

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
