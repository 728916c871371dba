"""The answering of an object's prompts, by a model, on an image, with the plane in view embedded ahead."""

from collections.abc import Callable
from functools import partial

from napari_sam.planes.contrast import Contrast
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.segment.segmentation import Segmentation
from napari_sam.session.compute.embedding_ahead import Prefetch, ViewEmbedding
from napari_sam.session.compute.engine import Engine, OpenedImage
from napari_sam.session.compute.scheduler import Priority, Scheduler
from napari_sam.session.object.draft import Draft, PromptRequest
from napari_sam.session.object.speculative import SpeculativeAnswers, SpeculativeRequest


class PromptAnswering:
    """The image and the model, and the requests that are on their way to it.

    Parameters
    ----------
    scheduler, engine
        Where it is computed, and by what.
    model
        Name of, or path to, the model.
    on_change
        Called when the state of the embedding, or of a request, is different.
    on_answer
        Called with a request that has its answer now.
    on_failure
        Called with a request and what answering it raised.
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
        on_answer: Callable[[PromptRequest], None],
        on_failure: Callable[[PromptRequest, Exception], None],
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
        self._early = SpeculativeAnswers(scheduler)
        self._prefetch = Prefetch(scheduler)
        self.view = ViewEmbedding(scheduler, on_change, self._prefetch.start, on_error)

    @property
    def expected_size(self) -> float | None:
        """Size that the next object is thought to have: diameter in plane pixels; None where nothing is known."""
        return self.accepted_size if self.object_size is None else self.object_size

    def show(self, source: ImageSource | None, axes: tuple[int, int], contrast: Contrast | None) -> None:
        """Take another image, or none; `open` follows."""
        self.source, self._axes, self.contrast = source, axes, contrast
        self.accepted_size = None
        self.look_away("")

    def open(self) -> None:
        """Open the image with the model, and embed the plane in view anew."""
        self._early.forget()
        self._prefetch.stop()
        self.opened = (
            None
            if self.source is None
            else OpenedImage(self._engine, self.model, self.source, self.contrast, self._axes)
        )
        self.embed(anew=True)

    @property
    def device(self) -> str:
        """Where it is computed, as it was chosen."""
        return self._engine.device

    def compute_on(self, device: str, token: str | None) -> None:
        """Have it computed on another device; `open` follows."""
        self._engine.compute_on(device, token)

    def look_at(self, plane: Plane, center: tuple[float, float] | None) -> None:
        """Embed another plane, or another part of it, that is in view."""
        anew = self.view.look_at(plane, center)
        if anew is not None:
            self._prefetch.look_at(plane)
            self.embed(anew)

    def look_away(self, why: str) -> None:
        """Note that no plane is in view, for a reason told in one sentence."""
        self._prefetch.look_away()
        self.view.look_away(why)

    def embed(self, anew: bool) -> None:
        """Embed what is in view; `anew` if nothing of it is embedded yet."""
        if anew:
            # Another answer may come of what is at hand then.
            self._early.forget()
        self.view.start(self.opened, self.expected_size, anew=anew)
        self._on_change()

    def resume(self) -> None:
        """Go on embedding what is in view, if that gave way to a click."""
        self.view.resume(self.opened, self.expected_size)

    def expect(self, request: PromptRequest | None) -> None:
        """Begin to answer a request that is likely to be made in a moment; None for none."""
        if request is None or self.opened is None:
            self._early.forget()
        else:
            self._early.expect(SpeculativeRequest.of(self.opened, request))

    def suppose(self, request: PromptRequest) -> None:
        """Begin to answer a request that may be made in a moment, when there is nothing else to do."""
        if self.opened is not None:
            self._early.suppose(SpeculativeRequest.of(self.opened, request))

    def ask(self, request: PromptRequest) -> None:
        """Have a request answered."""
        opened = self.opened
        if opened is None:
            return
        self.view.give_way_to(request.plane)
        request.in_flight, request.failed = True, False
        self._scheduler.submit(
            ("segment", request.serial),
            self._early.take(SpeculativeRequest.of(opened, request)),
            priority=Priority.CLICK,
            on_result=partial(self._answered, request, opened),
            on_error=partial(self._failed, request),
        )
        self._on_change()

    def ask_again(self, draft: Draft) -> None:
        """Have all of the draft's prompts answered anew."""
        for plane, request in draft.requests.items():
            self.stop(request)
            draft.renew(plane, self.expected_size)
            self.ask(request)

    def stop(self, request: PromptRequest) -> None:
        """Stop answering a request that needs no answer any more."""
        self._scheduler.cancel(("segment", request.serial))
        request.in_flight = False

    def turn_to(self, draft: Draft, former: Draft, needed: Callable[[PromptRequest], bool]) -> None:
        """Turn to another draft: what only the former one asked is not answered; what has no answer is asked."""
        for plane, request in former.requests.items():
            if request.in_flight and draft.requests.get(plane) is not request and not needed(request):
                self.stop(request)
        for request in draft.requests.values():
            if request.answer is None and not request.in_flight:
                self.ask(request)

    def _answered(self, request: PromptRequest, opened: OpenedImage, answer: Segmentation) -> None:
        request.take(answer, opened.setup)
        self._on_answer(request)

    def _failed(self, request: PromptRequest, error: Exception) -> None:
        request.in_flight, request.failed = False, True
        self._on_failure(request, error)
