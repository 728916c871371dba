"""Embedding the plane in view ahead of the first click."""

from collections.abc import Callable, Iterator

from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.plane import Plane
from napari_sam.session.engine import OpenedImage
from napari_sam.session.scheduler import Priority, Scheduler
from napari_sam.session.state import State

_KEY = "view"


class ViewEmbedding:
    """Knows which plane is in view and how far its embedding is.

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
        """Another view: True if it shows another plane, False for another part of the same, None if nothing changed."""
        anew = plane != self.plane
        if not anew and center == self._center:
            return None
        self.plane, self._center, self.why_none = plane, center, ""
        return anew

    def look_away(self, why: str) -> None:
        """No plane is in view, for a reason told in one sentence."""
        self.plane, self._center, self.why_none = None, None, why
        self._scheduler.cancel(_KEY)

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
            self._scheduler.cancel(_KEY)
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
            _KEY,
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
            self._scheduler.cancel(_KEY)
            self._put_off = True

    def resume(self, opened: OpenedImage | None, size: float | None) -> None:
        """Go on after giving way."""
        if self._put_off:
            self.start(opened, size, anew=True)

    def _step(self, progress: tuple[int, int]) -> None:
        if self.state is not State.READY:
            self.progress = progress
            self._on_change()
