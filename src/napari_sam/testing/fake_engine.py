"""An engine without a network: objects are what is brighter than half, and it can be slow, wrong or stuck."""

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import csr_array

from napari_sam.discover.kinds import ObjectKind, ObjectTraits
from napari_sam.discover.linking import PlaneObject, link
from napari_sam.discover.proposals import OVERLAP, Proposal, ProposalOrigin, Proposals, Region
from napari_sam.discover.volume_proposals import VolumeProposal, VolumeProposals
from napari_sam.errors import UserError
from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.contrast import Contrast
from napari_sam.planes.geometry import Mask, Plane, Window, overlap
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Box, Prompts
from napari_sam.segment.segmentation import Segmentation, Setup
from napari_sam.segment.segmenter import check_prompts
from napari_sam.session.compute.engine import PlaneSegmenter
from napari_sam.volume.carry import PropagatedPlane, kept, planes_to_reach
from napari_sam.volume.evidence import REVISION


def blobs() -> NDArray[np.uint8]:
    """(9, 40, 50) uint8: object A around (12, 12) on planes 1-7, object B around (28, 34) on planes 3-5."""
    stack = np.zeros((9, 40, 50), np.uint8)
    stack[1:8, 8:17, 8:17] = 200
    stack[3:6, 24:33, 30:39] = 200
    return stack


@dataclass
class FakeEngine:
    """An engine that answers at once, and counts what it was asked.

    Parameters
    ----------
    delay
        Seconds that are spent in every call, watching the token.
    room
        Answer of `PlaneSegmenter.room`.
    error
        Raised by every call, where given.
    rehearses
        Whether `PlaneSegmenter.rehearse` answers.
    gate
        Every call waits until it is set, watching the token; None never waits.
    ambiguous
        Whether a single click gives the object shrunk, as it is, and grown, with predicted IoUs of .5, .9 and .7.

    Attributes
    ----------
    opened, prepared, segmented, rehearsed, taken_in : list
        What each method was called with, in order.
    threads : set of str
        Names of the threads that computed.
    working : threading.Event
        Set once a computation began.
    """

    delay: float = 0.0
    room: int = 0
    error: Exception | None = None
    opened: list[str] = field(default_factory=list)
    prepared: list[tuple[Plane, tuple[float, float] | None, float | None]] = field(default_factory=list)
    segmented: list[tuple[Plane, Prompts, float | None, Mask | None]] = field(default_factory=list)
    rehearsed: list[Prompts] = field(default_factory=list)
    taken_in: list[Segmentation] = field(default_factory=list)
    rehearses: bool = True
    threads: set[str] = field(default_factory=set)
    gate: threading.Event | None = None
    working: threading.Event = field(default_factory=threading.Event)
    ambiguous: bool = False
    device: str = "auto"
    waiting_changed: Callable[[], None] = field(default=lambda: None)

    def compute_on(self, device: str, token: str | None = None) -> None:
        """Note the device."""
        del token
        self.device = device

    def watch_waiting(self, changed: Callable[[], None]) -> None:
        """Note what is to be called; tests call it."""
        self.waiting_changed = changed

    def open(
        self, model: str, source: ImageSource, contrast: Contrast | None, axes: tuple[int, int]
    ) -> "FakeSegmenter":
        """Open an image; there is any model but "unknown"."""
        del contrast, axes
        if model == "unknown":
            raise UserError("There is no model 'unknown'.")
        self.opened.append(model)
        return FakeSegmenter(self, source)

    def open_as(self, setup: Setup, source: ImageSource) -> "FakeSegmenter":
        """Open an image with what answered before."""
        return self.open(setup.model, source, setup.contrast, (0, 1))

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
        """Yield on each plane the object that lies below the nearest key plane's mask; .3 sure on every fifth."""
        del areas, views, revision
        assert isinstance(segmenter, FakeSegmenter)
        first, last = planes_to_reach(segmenter.source.shape, plane, axis, start, stop)
        keys = sorted(position for position, mask in key_masks.items() if mask.area)
        if not keys:
            raise UserError("There is nothing to propagate: segment the object on one plane first.")
        for position in range(keys[-1] + 1, last + 1):
            self.work(cancel)
            yield segmenter.carried(plane.at(axis, position), key_masks[keys[-1]], position)
        for position in range(keys[0] - 1, first - 1, -1):
            self.work(cancel)
            yield segmenter.carried(plane.at(axis, position), key_masks[keys[0]], position)

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
        """Carry each as `propagate` does; what belongs to something else already is left out."""
        del views
        for name, keys in sorted(objects.items()):
            for each in self.propagate(segmenter, plane, keys, axis, start=start, stop=stop, cancel=cancel):
                if each.mask is not None and taken is not None:
                    free = ~taken(plane.at(axis, each.index))[each.mask.slices]
                    each = replace(each, mask=kept(each.mask, free))
                yield name, each

    def everything(
        self,
        segmenter: PlaneSegmenter,
        plane: Plane,
        region: Region | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[tuple[int, int] | Proposals]:
        """Propose the objects of a plane, as sure as they are bright, in two steps."""
        assert isinstance(segmenter, FakeSegmenter)
        for done in (1, 2):
            self.work(cancel)
            yield done, 2
        yield segmenter.proposals(plane, region)

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
        """Propose the objects of all planes, linked by overlap; as sure as the brightest plane, a step a plane."""
        assert isinstance(segmenter, FakeSegmenter)
        del overlap
        shape = segmenter.source.shape
        first, last = planes_to_reach(shape, plane, axis, start, stop)
        objects: list[PlaneObject] = []
        for done, position in enumerate(range(first, last + 1), 1):
            self.work(cancel)
            found = segmenter.proposals(plane.at(axis, position), region)
            objects += [PlaneObject.of(each, found.mask(at), position) for at, each in enumerate(found.proposals)]
            yield done, last - first + 1
        volumes = []
        for volume in link(objects, plane.shape(shape), movement=movement):
            parts = [objects[at] for at in volume]
            key = max(parts, key=lambda each: each.confidence)
            planes = {each.position: PropagatedPlane(each.position, each.mask, each.confidence) for each in parts}
            size = (6 * sum(each.mask.area for each in parts) / math.pi) ** (1 / 3)
            volumes.append(VolumeProposal(planes, len(parts), key.position, key.origin, key.confidence, size))
        yield VolumeProposals(plane, axis, shape, sorted(volumes, key=lambda each: -each.confidence))

    def describe_kind(
        self,
        segmenter: PlaneSegmenter,
        examples: Sequence[tuple[Plane, Mask]],
        cancel: CancelToken | None = None,
    ) -> ObjectKind:
        """Describe the examples by their sizes."""
        assert isinstance(segmenter, FakeSegmenter)
        self.work(cancel)
        if not any(mask.area for _, mask in examples):
            raise UserError("There is no object to find others like: choose one that has pixels on its plane.")
        measures = np.zeros((len(examples), 4))
        measures[:, 2] = [math.log2(2 * math.sqrt(mask.area / math.pi)) for _, mask in examples]
        return ObjectKind(ObjectTraits(np.zeros((len(examples), 1)), measures), 0, ("fake", ""))

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
        """Propose the objects of a plane, as alike as their sizes are, in two steps."""
        assert isinstance(segmenter, FakeSegmenter)
        for done in (1, 2):
            self.work(cancel)
            yield done, 2
        proposals = segmenter.proposals(plane, region) if everything is None else everything
        free = [at for at in range(len(proposals)) if all(overlap(proposals.mask(at), mask) < 0.5 for mask in known)]
        kept = [proposals.proposals[at] for at in free]
        ratios = np.array([each.diameter / kind.diameter for each in kept])
        yield Proposals(
            proposals.plane_shape, kept, proposals.cells[free], proposals.prompts, np.minimum(ratios, 1 / ratios) ** 2
        )

    def propose_again(
        self, segmenter: PlaneSegmenter, plane: Plane, origin: ProposalOrigin, cancel: CancelToken | None = None
    ) -> Mask | None:
        """Return the mask of one proposal of before."""
        assert isinstance(segmenter, FakeSegmenter)
        self.work(cancel)
        proposals = segmenter.proposals(plane, None)
        found = [at for at, each in enumerate(proposals.proposals) if each.origin == origin]
        return proposals.mask(found[0]) if found else None

    def work(self, cancel: CancelToken | None) -> None:
        """Spend the time that an answer takes.

        Raises
        ------
        Cancelled
            If `cancel` was set.
        Exception
            The engine's `error`.
        """
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
    """A segmenter of a `FakeEngine`: an object is a connected piece of what is brighter than half on its plane."""

    engine: FakeEngine
    source: ImageSource
    setup: Setup = field(default_factory=lambda: Setup("fake"))
    fell_back: str = ""
    waiting: str = ""

    def prepare(
        self,
        plane: Plane,
        center: tuple[float, float] | None = None,
        object_size: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[tuple[int, int]]:
        """Pass for embedding a plane, in two steps."""
        self.engine.prepared.append((plane, center, object_size))
        for done in (1, 2):
            self.engine.work(cancel)
            yield done, 2

    def room(self, plane: Plane, object_size: float | None = None) -> int:
        """Return the engine's `room`."""
        del plane, object_size
        return self.engine.room

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
        """Return the objects that positive prompts lie on, without those that negative ones lie on."""
        del areas
        self.engine.segmented.append((plane, prompts, object_size, previous))
        return self.answer(plane, prompts, previous, cancel, multimask)

    @property
    def objects_at_once(self) -> int:
        """Two."""
        return 2

    def segment_each(
        self,
        asked: Sequence[tuple[Plane, Prompts]],
        *,
        object_size: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[Segmentation | UserError | None]:
        """Segment several objects; something else may come in before each."""
        for plane, prompts in asked:
            yield None
            try:
                yield self.segment(plane, prompts, object_size=object_size, cancel=cancel)
            except UserError as error:
                yield error

    def rehearse(
        self,
        plane: Plane,
        prompts: Prompts,
        *,
        object_size: float | None = None,
        previous: Mask | None = None,
        cancel: CancelToken | None = None,
    ) -> Segmentation | None:
        """Answer like `segment` if the engine `rehearses`."""
        del object_size
        self.engine.rehearsed.append(prompts)
        return self.answer(plane, prompts, previous, cancel) if self.engine.rehearses else None

    def take_in(self, plane: Plane, answer: Segmentation, cancel: CancelToken | None = None) -> None:
        """Note that a rehearsed answer was asked for."""
        del plane, cancel
        self.engine.taken_in.append(answer)

    def answer(
        self,
        plane: Plane,
        prompts: Prompts,
        previous: Mask | None,
        cancel: CancelToken | None,
        multimask: bool | None = None,
    ) -> Segmentation:
        """Find what is prompted, without taking note."""
        self.engine.work(cancel)
        objects = self.objects(plane)
        check_prompts(prompts, objects.shape)
        taken = np.zeros(objects.shape, bool)
        if prompts.mask is not None:
            for label in np.unique(objects[prompts.mask.painted(objects.shape)]):
                taken |= (objects == label) & (label > 0)
        if prompts.box is not None:
            for label in np.unique(objects[_inside(prompts.box)]):
                taken |= (objects == label) & (label > 0)
        for point in prompts.points:
            label = objects[_pixel(point.row, point.column, objects.shape)]
            if label:
                taken[objects == label] = point.positive
        for scribble in prompts.scribbles:
            for row, column in scribble.vertices:
                label = objects[_pixel(row, column, objects.shape)]
                if label:
                    taken[objects == label] = scribble.positive
        single = prompts == Prompts(prompts.points[:1]) and previous is None
        if self.engine.ambiguous and single and multimask is not False:
            shapes = (ndimage.binary_erosion(taken), taken, ndimage.binary_dilation(taken))
            masks = [
                replace(Mask.from_pixels(at), predicted_iou=iou)
                for at, iou in zip(shapes, (0.5, 0.9, 0.7), strict=True)
            ]
            return Segmentation(tuple(masks), 1)
        mask = Mask.from_pixels(taken)
        return Segmentation((mask,), 0)

    def carried(self, plane: Plane, mask: Mask, position: int) -> PropagatedPlane:
        """Find the object that most of a neighbour's mask lies on."""
        objects = self.objects(plane)
        under = objects[mask.painted(objects.shape)]
        under = under[under > 0]
        if not under.size:
            return PropagatedPlane(position, None, 0.0)
        label = np.bincount(under).argmax()
        confidence = 0.3 if position % 5 == 0 else 0.9
        return PropagatedPlane(position, Mask.from_pixels(objects == label), confidence)

    def proposals(self, plane: Plane, region: Region | None) -> Proposals:
        """Return the objects of a plane, of those whose middle lies in a region; all of it if None."""
        objects = self.objects(plane)
        pixels = self._pixels(plane)
        found, cells, starts = [], [], [0]
        for label, box in enumerate(ndimage.find_objects(objects), 1):
            inside = objects[box] == label
            rows, columns = (at + part.start for at, part in zip(np.nonzero(inside), box, strict=True))
            middle = float(rows.mean()), float(columns.mean())
            if region is not None and not all(
                low <= at <= high for low, at, high in zip(region[:2], middle, region[2:], strict=True)
            ):
                continue
            # With room around it, so that what lies between is as far from the border on both sides.
            logits = np.pad(np.where(inside, 6, -6).astype(np.float32), 1, constant_values=-6)
            window = Window((box[0].start - 1, box[1].start - 1), (1.0, 1.0), logits.shape)
            area = Window((0.0, 0.0), (1.0, 1.0), objects.shape)
            confidence = float(pixels[rows, columns].mean() / 255)
            origin = ProposalOrigin((round(middle[0]), round(middle[1])), 0.0, area, label)
            diameter = 2 * math.sqrt(len(rows) / math.pi)
            found.append(Proposal(logits, window, origin, confidence, 0.9, diameter))
            cells.append(rows * objects.shape[1] + columns)
            starts.append(starts[-1] + len(rows))
        joined = np.concatenate(cells) if cells else np.zeros(0, int)
        matrix = csr_array((np.ones(len(joined), np.int32), joined, np.array(starts)), shape=(len(found), objects.size))
        return Proposals(objects.shape, found, matrix, len(found))

    def objects(self, plane: Plane) -> NDArray[np.int32]:
        """(rows, columns) int32: the objects of a plane, numbered from 1."""
        pixels = self._pixels(plane)
        numbered: NDArray[np.int32] = ndimage.label(pixels > pixels.max() / 2)[0]
        return numbered

    def _pixels(self, plane: Plane) -> NDArray[np.float64]:
        rows, columns = plane.shape(self.source.shape)
        pixels: NDArray[np.float64] = np.asarray(
            self.source.read(plane, slice(0, rows), slice(0, columns)), float
        ).mean(axis=-1)
        return pixels


def _pixel(row: float, column: float, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the pixel nearest to a place; half a pixel beyond the outermost ones is still on the plane."""
    return min(max(round(row), 0), shape[0] - 1), min(max(round(column), 0), shape[1] - 1)


def _inside(box: Box) -> tuple[slice, slice]:
    return (
        slice(max(round(box.row0), 0), round(box.row1) + 1),
        slice(max(round(box.column0), 0), round(box.column1) + 1),
    )
