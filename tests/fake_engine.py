"""An engine without a network: objects are what is brighter than half, and it can be slow, wrong or stuck."""

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import ndimage

from napari_sam.errors import UserError
from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Prompts
from napari_sam.segment.segmentation import Segmentation, Setup
from napari_sam.volume.propagate import PropagatedPlane


@dataclass
class FakeEngine:
    """Counts calls; `delay` seconds are spent in every one of them, watching the token.

    If `ambiguous`, a single click gives the object shrunk, as it is, and grown, with IoUs of .5, .9 and .7.
    """

    delay: float = 0.0
    room: int = 0
    error: Exception | None = None
    opened: list[str] = field(default_factory=list)
    prepared: list[tuple] = field(default_factory=list)
    segmented: list[tuple] = field(default_factory=list)
    rehearsed: list[Prompts] = field(default_factory=list)
    taken_in: list[Segmentation] = field(default_factory=list)
    rehearses: bool = True
    threads: set[str] = field(default_factory=set)
    gate: threading.Event | None = None
    working: threading.Event = field(default_factory=threading.Event)
    ambiguous: bool = False

    def open(self, model, source, contrast, axes) -> "FakeSegmenter":
        if model == "unknown":
            raise UserError("There is no model 'unknown'.")
        self.opened.append(model)
        return FakeSegmenter(self, source)

    def open_as(self, setup: Setup, source) -> "FakeSegmenter":
        return self.open(setup.model, source, setup.contrast, (0, 1))

    def propagate(
        self, segmenter, plane, key_masks: Mapping[int, Mask], axis, *, start=None, stop=None, cancel=None, areas=()
    ) -> Iterator[PropagatedPlane]:
        keys = sorted(key_masks)
        for position in range(keys[-1] + 1, stop + 1):
            self.work(cancel)
            yield segmenter.carried(plane.at(axis, position), key_masks[keys[-1]], position)
        for position in range(keys[0] - 1, start - 1, -1):
            self.work(cancel)
            yield segmenter.carried(plane.at(axis, position), key_masks[keys[0]], position)

    def work(self, cancel: CancelToken | None) -> None:
        self.threads.add(threading.current_thread().name)
        self.working.set()
        until = time.monotonic() + self.delay
        while time.monotonic() < until or (self.gate is not None and not self.gate.is_set()):
            if cancel is not None:
                cancel.check()
            time.sleep(0.001)
        if cancel is not None:
            cancel.check()
        if self.error is not None:
            raise self.error


@dataclass
class FakeSegmenter:
    engine: FakeEngine
    source: ImageSource
    setup: Setup = field(default_factory=lambda: Setup("fake"))
    fell_back: str = ""

    def prepare(self, plane, center=None, object_size=None, cancel=None) -> Iterator[tuple[int, int]]:
        self.engine.prepared.append((plane, center, object_size))
        for done in (1, 2):
            self.engine.work(cancel)
            yield done, 2

    def room(self, plane, object_size=None) -> int:
        return self.engine.room

    def segment(
        self, plane, prompts: Prompts, *, object_size=None, previous=None, multimask=None, cancel=None, areas=()
    ) -> Segmentation:
        self.engine.segmented.append((plane, prompts, object_size, previous))
        return self.answer(plane, prompts, previous, cancel)

    @property
    def objects_at_once(self) -> int:
        return 2

    def segment_each(self, asked, *, object_size=None, cancel=None) -> Iterator[Segmentation | UserError | None]:
        for plane, prompts in asked:
            yield None
            try:
                yield self.segment(plane, prompts, object_size=object_size, cancel=cancel)
            except UserError as error:
                yield error

    def rehearse(self, plane, prompts, *, object_size=None, previous=None, cancel=None) -> Segmentation | None:
        self.engine.rehearsed.append(prompts)
        return self.answer(plane, prompts, previous, cancel) if self.engine.rehearses else None

    def take_in(self, plane, answer, cancel=None) -> None:
        self.engine.taken_in.append(answer)

    def answer(self, plane, prompts: Prompts, previous, cancel) -> Segmentation:
        self.engine.work(cancel)
        objects = self.objects(plane)
        taken = np.zeros(objects.shape, bool)
        if prompts.mask is not None:
            for label in np.unique(objects[prompts.mask.painted(objects.shape)]):
                taken |= (objects == label) & (label > 0)
        if prompts.box is not None:
            box = prompts.box
            inside = objects[
                max(round(box.row0), 0) : round(box.row1) + 1, max(round(box.column0), 0) : round(box.column1) + 1
            ]
            for label in np.unique(inside):
                taken |= (objects == label) & (label > 0)
        for point in prompts.points:
            if not (-0.5 <= point.row < objects.shape[0] - 0.5 and -0.5 <= point.column < objects.shape[1] - 0.5):
                raise UserError("A prompt lies outside the image.")
            label = objects[round(point.row), round(point.column)]
            if label:
                taken[objects == label] = point.positive
        for scribble in prompts.scribbles:
            for row, column in scribble.vertices:
                label = objects[round(row), round(column)]
                if label:
                    taken[objects == label] = scribble.positive
        if self.engine.ambiguous and prompts == Prompts(prompts.points[:1]) and previous is None:
            shapes = (ndimage.binary_erosion(taken), taken, ndimage.binary_dilation(taken))
            masks = [
                replace(Mask.from_pixels(at), predicted_iou=iou)
                for at, iou in zip(shapes, (0.5, 0.9, 0.7), strict=True)
            ]
            return Segmentation(tuple(masks), 1)
        mask = Mask.from_pixels(taken)
        return Segmentation((mask,), 0)

    def carried(self, plane: Plane, mask: Mask, position: int) -> PropagatedPlane:
        objects = self.objects(plane)
        under = objects[mask.painted(objects.shape)]
        under = under[under > 0]
        if not under.size:
            return PropagatedPlane(position, None, 0.0)
        label = np.bincount(under).argmax()
        confidence = 0.3 if position % 5 == 0 else 0.9
        return PropagatedPlane(position, Mask.from_pixels(objects == label), confidence)

    def objects(self, plane: Plane) -> np.ndarray:
        rows, columns = plane.shape(self.source.shape)
        pixels = np.asarray(self.source.read(plane, slice(0, rows), slice(0, columns)), float).mean(axis=-1)
        return ndimage.label(pixels > pixels.max() / 2)[0]
