"""Having an object's prompts answered, by a model, on an image, with the plane in view embedded ahead."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from napari_sam.planes.contrast import Contrast
from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane
from napari_sam.planes.source import ImageSource
from napari_sam.segment.segmentation import Segmentation
from napari_sam.session.draft import Draft
from napari_sam.session.engine import Engine, OpenedImage
from napari_sam.session.scheduler import Priority, Scheduler
from napari_sam.session.view_embedding import ViewEmbedding


class Segmenting:
    """The image and the model, and the questions that are on their way to it.

    Parameters
    ----------
    scheduler, engine
        Where it is computed, and by what.
    model
        Name of, or path to, the model.
    on_change
        Called when the state of the embedding, or of a question, is different.
    on_answer
        Called with a draft, a plane and the answer to the draft's prompts there.
    on_failure
        Called with a draft, a plane and what segmenting raised.
    on_error
        Called with what embedding raised.

    Attributes
    ----------
    source : ImageSource or None
        The image.
    contrast : Contrast or None
        The limits that were given; None where they are measured.
    model : str
        Name of, or path to, the model.
    object_size : float or None
        Diameter of objects in plane pixels that the user set, or None for auto.
    accepted_size : float or None
        Diameter of the object that was accepted last on this image with this model.
    opened : OpenedImage or None
        The image as the model sees it.
    view : ViewEmbedding
        The plane in view.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        engine: Engine,
        model: str,
        *,
        on_change: Callable[[], None],
        on_answer: Callable[[Draft, Plane, Segmentation], None],
        on_failure: Callable[[Draft, Plane, Exception], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._scheduler = scheduler
        self._engine = engine
        self._on_change = on_change
        self._on_answer = on_answer
        self._on_failure = on_failure
        self._axes: tuple[int, int] = (0, 1)
        self.source: ImageSource | None = None
        self.contrast: Contrast | None = None
        self.model = model
        self.object_size: float | None = None
        self.accepted_size: float | None = None
        self.opened: OpenedImage | None = None
        self.view = ViewEmbedding(scheduler, on_change, on_error)

    @property
    def expected_size(self) -> float | None:
        """How large the next object is thought to be: diameter in plane pixels; None where nothing is known."""
        return self.accepted_size if self.object_size is None else self.object_size

    def show(self, source: ImageSource | None, axes: tuple[int, int], contrast: Contrast | None) -> None:
        """Take another image, or none; `open` follows."""
        self.source, self._axes, self.contrast = source, axes, contrast
        self.accepted_size = None
        self.view.look_away("")

    def open(self) -> None:
        """Open the image with the model, and embed the plane in view anew."""
        self.opened = (
            None
            if self.source is None
            else OpenedImage(self._engine, self.model, self.source, self.contrast, self._axes)
        )
        self.embed(anew=True)

    def embed(self, anew: bool) -> None:
        """Embed what is in view; `anew` if nothing of it is embedded yet."""
        self.view.start(self.opened, self.expected_size, anew=anew)
        self._on_change()

    def resume(self) -> None:
        """Go on embedding what is in view, if that gave way to a click."""
        self.view.resume(self.opened, self.expected_size)

    def ask(self, draft: Draft, plane: Plane, previous: Mask | None) -> None:
        """Have the draft's prompts on one plane answered; `previous` is fed back to the model."""
        opened, prompts, size = self.opened, draft.prompts[plane], self.expected_size
        if opened is None:
            return
        if previous is not None and previous.logits is None:
            # A mask without logits cannot be fed back as such: it is a dense prompt.
            prompts = prompts if prompts.mask is not None else replace(prompts, mask=previous)
            previous = None
        self.view.give_way_to(plane)
        draft.in_flight.add(plane)
        self._scheduler.submit(
            ("segment", draft.serial, plane),
            lambda token: opened.segmenter().segment(plane, prompts, object_size=size, previous=previous, cancel=token),
            priority=Priority.CLICK,
            on_result=partial(self._answered, draft, plane),
            on_error=partial(self._failed, draft, plane),
        )
        self._on_change()

    def ask_again(self, draft: Draft) -> None:
        """Have all of the draft's prompts answered anew."""
        for plane in draft.prompts:
            self.ask(draft, plane, None)

    def stop(self, draft: Draft, plane: Plane) -> None:
        """The draft's prompts on one plane need no answer any more."""
        self._scheduler.cancel(("segment", draft.serial, plane))
        draft.in_flight.discard(plane)

    def stop_all(self, draft: Draft) -> None:
        """The draft's prompts need no answers any more."""
        for plane in tuple(draft.in_flight):
            self.stop(draft, plane)

    def _answered(self, draft: Draft, plane: Plane, answer: Segmentation) -> None:
        draft.in_flight.discard(plane)
        self._on_answer(draft, plane, answer)

    def _failed(self, draft: Draft, plane: Plane, error: Exception) -> None:
        draft.in_flight.discard(plane)
        self._on_failure(draft, plane, error)
