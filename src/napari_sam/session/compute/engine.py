"""The engine that a session computes with; tests put a fake in its place."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from napari_sam.discover.kinds import ObjectKind
from napari_sam.discover.proposals import OVERLAP, ProposalOrigin, Proposals, Region
from napari_sam.discover.volume_proposals import VolumeProposals
from napari_sam.errors import UserError
from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.contrast import Contrast, measure_contrast
from napari_sam.planes.geometry import Mask, Plane, Window
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Prompts
from napari_sam.segment.segmentation import Segmentation, Setup
from napari_sam.volume.carry import PropagatedPlane
from napari_sam.volume.evidence import REVISION

if TYPE_CHECKING:
    from napari_sam.embedding.store import EmbeddingStore
    from napari_sam.models.model import Model
    from napari_sam.segment.segmenter import Segmenter


def let_idle_threads_sleep() -> None:
    """Have OpenMP's threads sleep, not spin, while they wait for each other; the user's own setting goes first.

    The network shares the processor with the window. When the window draws (or another program works) while OpenMP's
    threads spin at the end of each small operation, every operation can take a whole time slice of the operating
    system. It counts only before torch is loaded, and does nothing afterwards.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")


class PlaneSegmenter(Protocol):
    """The part of a `Segmenter` that a session needs."""

    @property
    def setup(self) -> Setup:
        """Setup that it computes with."""
        ...

    @property
    def fell_back(self) -> str:
        """Sentence that says why it no longer computes where it began to; empty where it does."""
        ...

    @property
    def waiting(self) -> str:
        """Sentence that says that it waits for another machine, which does not answer; empty otherwise."""
        ...

    def prepare(
        self,
        plane: Plane,
        center: tuple[float, float] | None = None,
        object_size: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[tuple[int, int]]:
        """Embed a plane ahead of the first click; yields (done, total)."""
        ...

    def room(self, plane: Plane, object_size: float | None = None) -> int:
        """Return how many planes like this one, which is embedded, may be embedded besides without dropping it."""
        ...

    def segment(
        self,
        plane: Plane,
        prompts: Prompts,
        *,
        object_size: float | None = None,
        previous: Mask | None = None,
        multimask: bool | None = None,
        cancel: CancelToken | None = None,
        areas: Sequence[Window] = (),
    ) -> Segmentation:
        """Segment one object on one plane."""
        ...

    @property
    def objects_at_once(self) -> int:
        """Number of objects to give to `segment_each` at once."""
        ...

    def segment_each(
        self,
        asked: Sequence[tuple[Plane, Prompts]],
        *,
        object_size: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[Segmentation | UserError | None]:
        """Segment several objects; yields what came of each, and None where something else may come in between."""
        ...

    def rehearse(
        self,
        plane: Plane,
        prompts: Prompts,
        *,
        object_size: float | None = None,
        previous: Mask | None = None,
        cancel: CancelToken | None = None,
    ) -> Segmentation | None:
        """Segment what may be asked for in a moment, without a trace; None where that takes long."""
        ...

    def take_in(self, plane: Plane, answer: Segmentation, cancel: CancelToken | None = None) -> None:
        """Be as if `segment` had answered: what was rehearsed was asked for indeed."""
        ...


class Engine(Protocol):
    """An engine that opens images with models and computes with them, on the inference thread but for what is said."""

    @property
    def device(self) -> str:
        """Where it computes: "auto", what `torch.device` takes, or the address of another machine. On any thread."""
        ...

    def compute_on(self, device: str, token: str | None = None) -> None:
        """Compute on another device: images are to be opened anew. What waits for a machine ends; on any thread."""
        ...

    def watch_waiting(self, changed: Callable[[], None]) -> None:
        """Have `changed` called, on the inference thread, when `waiting` of a segmenter is different."""
        ...

    def open(self, model: str, source: ImageSource, contrast: Contrast | None, axes: tuple[int, int]) -> PlaneSegmenter:
        """Load a model and measure the contrast of an image (shown in `axes`) unless it is given."""
        ...

    def open_as(self, setup: Setup, source: ImageSource) -> PlaneSegmenter:
        """Open an image with what answered before."""
        ...

    def propagate(
        self,
        segmenter: PlaneSegmenter,
        plane: Plane,
        key_masks: Mapping[int, Mask],
        axis: int,
        *,
        start: int | None = None,
        stop: int | None = None,
        views: bool = False,
        cancel: CancelToken | None = None,
        areas: Sequence[Window] = (),
        revision: int = REVISION,
    ) -> Iterator[PropagatedPlane]:
        """Carry an object along an axis from its key planes, in three views if asked."""
        ...

    def propagate_each(
        self,
        segmenter: PlaneSegmenter,
        plane: Plane,
        objects: Mapping[int, Mapping[int, Mask]],
        axis: int,
        *,
        start: int | None = None,
        stop: int | None = None,
        views: bool = False,
        taken: Callable[[Plane], NDArray[np.bool_]] | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[tuple[int, PropagatedPlane]]:
        """Carry several objects along an axis, which compete for pixels; what comes last for a plane holds."""
        ...

    def everything(
        self,
        segmenter: PlaneSegmenter,
        plane: Plane,
        region: Region | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[tuple[int, int] | Proposals]:
        """Propose all objects of a plane, or of a region of it; yields (done, total) and at last the proposals."""
        ...

    def volumes(
        self,
        segmenter: PlaneSegmenter,
        plane: Plane,
        axis: int,
        *,
        start: int | None = None,
        stop: int | None = None,
        overlap: float = OVERLAP,
        region: Region | None = None,
        movement: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[tuple[int, int] | VolumeProposals]:
        """Propose all objects of a stack; yields (done, total) and at last the proposals."""
        ...

    def describe_kind(
        self,
        segmenter: PlaneSegmenter,
        examples: Sequence[tuple[Plane, Mask]],
        cancel: CancelToken | None = None,
    ) -> ObjectKind:
        """Describe the kind of object that masks are examples of, each with its plane."""
        ...

    def alike(
        self,
        segmenter: PlaneSegmenter,
        plane: Plane,
        kind: ObjectKind,
        known: Sequence[Mask] = (),
        everything: Proposals | None = None,
        region: Region | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[tuple[int, int] | Proposals]:
        """Propose the objects of a plane with their likeness to a kind, but for those that are known there."""
        ...

    def propose_again(
        self, segmenter: PlaneSegmenter, plane: Plane, origin: ProposalOrigin, cancel: CancelToken | None = None
    ) -> Mask | None:
        """Return the mask of one proposal of before; None where it is not found again."""
        ...


def _channels_of(setup: Setup, source: ImageSource) -> tuple[int, ...] | None:
    """Return the channels that a setup was made with, whichever are chosen now."""
    if setup.channels is None and source.shown is not None:
        return tuple(range(min(source.n_channels, 3)))
    return setup.channels


class NetworkEngine:
    """The real engine: the project's models and segmenter; models stay loaded.

    What needs torch is imported on first use, on the inference thread: it takes a second or two, during which the
    window would stand still.

    Parameters
    ----------
    device
        Where to compute: "auto", what `torch.device` takes, or the address of a machine that runs `napari-sam serve`.
    embedding_bytes
        Bound on the memory that the embeddings of an image take; None for the store's own.
    token
        What another machine knows us by.
    """

    def __init__(self, device: str = "auto", embedding_bytes: int | None = None, token: str | None = None) -> None:
        self._place = (device, token)
        self._embedding_bytes = embedding_bytes
        self._models: dict[tuple[tuple[str, str | None], str, str], Model] = {}
        self._changed: Callable[[], None] | None = None

    @property
    def device(self) -> str:
        """Where it computes."""
        return self._place[0]

    def compute_on(self, device: str, token: str | None = None) -> None:
        """Compute on another device: images are to be opened anew. What waits for a machine ends."""
        self._place = (device, token)
        for key, model in tuple(self._models.items()):
            model.close()
            self._models.pop(key, None)

    def watch_waiting(self, changed: Callable[[], None]) -> None:
        """Have `changed` called, on the inference thread, when `waiting` of a segmenter is different."""
        self._changed = changed

    def open(self, model: str, source: ImageSource, contrast: Contrast | None, axes: tuple[int, int]) -> PlaneSegmenter:
        """Load a model and measure the contrast of an image (shown in `axes`) unless it is given.

        Raises
        ------
        UserError
            If the model is unknown or cannot be loaded, or there is no such device.
        """
        let_idle_threads_sleep()
        from napari_sam.models.advice import measured_speed
        from napari_sam.segment.segmenter import Segmenter

        loaded = self._model(model, "auto")
        # While nobody waits for a click yet: the panel tells from it how long other models would take.
        measured_speed()
        return Segmenter(loaded, source, contrast or measure_contrast(source, axes), store=self._store())

    def open_as(self, setup: Setup, source: ImageSource) -> PlaneSegmenter:
        """Open an image with what answered before.

        Raises
        ------
        UserError
            If the model is missing, or its weights are other ones now.
        """
        let_idle_threads_sleep()
        from napari_sam.segment.segmenter import Segmenter

        model = self._model(setup.model, setup.precision)
        if setup.digest and model.digest != setup.digest:
            raise UserError(
                f"The model {setup.model} is not the one that the session was made with: its weights are others "
                f"(SHA-256 {setup.digest[:12]} then, {model.digest[:12]} now); use the version of then."
            )
        contrast = setup.contrast or measure_contrast(source, (source.ndim - 2, source.ndim - 1))
        return Segmenter(
            model,
            source,
            contrast,
            store=self._store(),
            channels=_channels_of(setup, source),
            local_corrections=setup.local_corrections,
        )

    def _model(self, name: str, precision: str) -> "Model":
        """Return a loaded model."""
        from napari_sam.models.load import load_model

        place = self._place
        key = (place, name, precision)
        model = self._models.get(key)
        if model is None:
            device, token = place
            model = self._models[key] = load_model(name, device, precision, token=token, on_waiting=self._changed)
            if place != self._place:
                # Another one was chosen meanwhile.
                model.close()
        return model

    def _store(self) -> "EmbeddingStore | None":
        """Make a store for the embeddings of one image; None leaves that to the segmenter."""
        from napari_sam.embedding.store import EmbeddingStore

        return None if self._embedding_bytes is None else EmbeddingStore(self._embedding_bytes)

    def propagate(
        self,
        segmenter: PlaneSegmenter,
        plane: Plane,
        key_masks: Mapping[int, Mask],
        axis: int,
        *,
        start: int | None = None,
        stop: int | None = None,
        views: bool = False,
        cancel: CancelToken | None = None,
        areas: Sequence[Window] = (),
        revision: int = REVISION,
    ) -> Iterator[PropagatedPlane]:
        """Carry an object along an axis from its key planes; see `napari_sam.volume.propagate`."""
        from napari_sam.volume.propagate import propagate

        return propagate(
            cast("Segmenter", segmenter),
            plane,
            key_masks,
            axis,
            start=start,
            stop=stop,
            views=views,
            cancel=cancel,
            areas=areas,
            revision=revision,
        )

    def propagate_each(
        self,
        segmenter: PlaneSegmenter,
        plane: Plane,
        objects: Mapping[int, Mapping[int, Mask]],
        axis: int,
        *,
        start: int | None = None,
        stop: int | None = None,
        views: bool = False,
        taken: Callable[[Plane], NDArray[np.bool_]] | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[tuple[int, PropagatedPlane]]:
        """Carry several objects along an axis; see `napari_sam.volume.propagate`."""
        from napari_sam.volume.propagate import propagate_each

        return propagate_each(
            cast("Segmenter", segmenter),
            plane,
            objects,
            axis,
            start=start,
            stop=stop,
            views=views,
            taken=taken,
            cancel=cancel,
        )

    def everything(
        self,
        segmenter: PlaneSegmenter,
        plane: Plane,
        region: Region | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[tuple[int, int] | Proposals]:
        """Propose all objects of a plane; see `napari_sam.discover.everything`."""
        from napari_sam.discover.everything import propose_everything

        return propose_everything(cast("Segmenter", segmenter), plane, region=region, cancel=cancel)

    def volumes(
        self,
        segmenter: PlaneSegmenter,
        plane: Plane,
        axis: int,
        *,
        start: int | None = None,
        stop: int | None = None,
        overlap: float = OVERLAP,
        region: Region | None = None,
        movement: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[tuple[int, int] | VolumeProposals]:
        """Propose all objects of a stack; see `napari_sam.discover.volumes`."""
        from napari_sam.discover.volumes import propose_volumes

        return propose_volumes(
            cast("Segmenter", segmenter),
            plane,
            axis,
            start=start,
            stop=stop,
            overlap=overlap,
            region=region,
            movement=movement,
            cancel=cancel,
        )

    def describe_kind(
        self,
        segmenter: PlaneSegmenter,
        examples: Sequence[tuple[Plane, Mask]],
        cancel: CancelToken | None = None,
    ) -> ObjectKind:
        """Describe the kind of object that some examples are of; see `napari_sam.discover.alike`."""
        from napari_sam.discover.alike import describe_kind

        return describe_kind(cast("Segmenter", segmenter), examples, cancel=cancel)

    def alike(
        self,
        segmenter: PlaneSegmenter,
        plane: Plane,
        kind: ObjectKind,
        known: Sequence[Mask] = (),
        everything: Proposals | None = None,
        region: Region | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[tuple[int, int] | Proposals]:
        """Propose the objects of a plane with how alike each is; see `napari_sam.discover.alike`."""
        from napari_sam.discover.alike import propose_alike

        return propose_alike(
            cast("Segmenter", segmenter),
            plane,
            kind,
            known=known,
            everything=everything,
            region=region,
            cancel=cancel,
        )

    def propose_again(
        self, segmenter: PlaneSegmenter, plane: Plane, origin: ProposalOrigin, cancel: CancelToken | None = None
    ) -> Mask | None:
        """Return the mask of one proposal of before; None where it is not found again."""
        from napari_sam.discover.everything import propose_again

        return propose_again(cast("Segmenter", segmenter), plane, origin, cancel)


class OpenedImage:
    """An image that is opened on first use, by whichever request needs it first.

    Only the inference thread may call `segmenter`.

    Parameters
    ----------
    engine, model, source, contrast, axes
        See `Engine.open`.
    """

    def __init__(
        self, engine: Engine, model: str, source: ImageSource, contrast: Contrast | None, axes: tuple[int, int]
    ) -> None:
        self.source = source
        self.model = model
        self._open = partial(engine.open, model, source, contrast, axes)
        self._segmenter: PlaneSegmenter | None = None

    def segmenter(self) -> PlaneSegmenter:
        """Return the segmenter; open it if need be."""
        if self._segmenter is None:
            self._segmenter = self._open()
        return self._segmenter

    @property
    def setup(self) -> Setup | None:
        """Setup that computes its answers; None while it was not opened. Any thread may ask."""
        # The model as it was asked for: a path, where it is a file of the user's.
        return None if self._segmenter is None else replace(self._segmenter.setup, model=self.model)

    @property
    def fell_back(self) -> str:
        """Sentence that says why it is no longer computed where it began; empty where it is. Any thread may ask."""
        return "" if self._segmenter is None else self._segmenter.fell_back

    @property
    def waiting(self) -> str:
        """Sentence that says that another machine does not answer; empty otherwise. Any thread may ask."""
        return "" if self._segmenter is None else self._segmenter.waiting
