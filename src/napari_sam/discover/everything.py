"""Everything on a plane: where the network itself sees objects it is asked, and what it answers is proposed."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import csr_array
from skimage.feature import peak_local_max
from skimage.segmentation import watershed
from torch import Tensor

from napari_sam.discover.proposals import Proposal, ProposalOrigin, Proposals, Region, probability
from napari_sam.nn.cancel import CancelToken
from napari_sam.nn.network import EncodedImages
from napari_sam.planes.geometry import Mask, Plane, Window
from napari_sam.segment.level import coarsest_level, pixel_aspect, step_at
from napari_sam.segment.segmenter import Segmenter

MAP_STRIDE = 4
"""Network pixels per cell of the auxiliary maps."""
# Chosen on the training images (docs/log-of-measurements.md, "Everything"), but for what says otherwise.
FOREGROUND, CENTRE = 0.5, 0.4
"""A peak of the centre map counts from this on, where the foreground map has that at least."""
APART = 2
"""Cells that two peaks are apart at least."""
SIDE = 160
"""Network pixels of the windows on which proposals are decoded, the smaller of the two sides of training."""
SUITED = (20.0, 72.0)
"""Network pixels: diameters that an object should have at a level to be asked for there; from the maps."""
FINEST = -2
"""Finest level that is looked at (chosen): pixels magnified four times."""
FINER_SHARE = 0.1
"""Of what is seen at a level: where more of it is too small for it, the next finer one is looked at as well."""
SHARED_MARGIN = 3
"""Cells by which areas look over their common border: what both find is one, what neither does is lost."""
LEAST_CONFIDENCE = 0.2
"""Proposals below are not kept."""
OFFSET = 1.0
"""Logits by which the threshold is moved to see how stable a mask is."""
LOGISTIC = (-3.723, 3.957, 2.786, 0.968, 0.13, 0.194)
"""Of 1, predicted IoU, its square, stability, octaves off the size that the model likes, and their square.

Fitted with version 9 to the proposals on 36 planes of six training sets, each plane with the same weight.
"""
# Chosen for networks without maps: half of the automatic mask generator's points a side, at every level.
GRID = 16
COVERING = 0.8
"""Where a proposal is as sure as this, the grid of finer levels leaves it alone."""
PROMPTS_PER_WINDOW = 16
"""Prompts of one window that are decoded together."""
SMALLEST_CELLS = 5
"""Cells of the logits that an object has at least (chosen): of fewer no shape is seen."""


Place = tuple[float, float]
"""(row, column) in plane coordinates."""


def propose_everything(
    segmenter: Segmenter,
    plane: Plane,
    *,
    region: Region | None = None,
    cancel: CancelToken | None = None,
) -> Iterator[tuple[int, int] | Proposals]:
    """Propose all objects of a plane.

    From coarse to fine, the auxiliary maps of the network say where objects are: each peak of the centre map, of an
    object whose size suits the level, is prompted with one point, all of an area together. A network without such maps
    is prompted on a grid, at each level where nothing sure was found yet (after the automatic mask generator of
    Kirillov et al., Segment Anything, ICCV 2023, whose grid is blind).

    Parameters
    ----------
    segmenter
        The image and the model.
    plane
        The plane.
    region
        Only objects whose middle lies inside; None for the whole plane.
    cancel
        Checked between prompts and between the encoder's blocks.

    Yields
    ------
    (done, total) or Proposals
        Areas looked at, as far as is known, whenever something more urgent may come in between; at last all proposals.

    Raises
    ------
    Cancelled
        If `cancel` was set.
    """
    search = PlaneSearch(segmenter, plane, region, cancel)
    level, done, prompts = search.coarsest, 0, 0
    found: list[Proposal] = []
    while True:
        seen, too_small = 0, list[tuple[Window, list[Place]]]()
        areas = search.areas(level)
        total = done + len(areas) + max(level, 0)
        for area in areas:
            features = search.features(area)
            maps = features.auxiliary_maps(cancel)
            if maps is None:
                asked = search.grid(area, areas, found)
            else:
                places, sizes = search.peaks(area, areas, maps)
                # What is too large even for the coarsest level is asked for there.
                largest = math.inf if level == search.coarsest else SUITED[1]
                asked = [place for place, size in zip(places, sizes, strict=True) if SUITED[0] <= size <= largest]
                too_small.append((area, [place for place, size in zip(places, sizes, strict=True) if size < SUITED[0]]))
                seen += len(places)
            prompts += len(asked)
            for some in search.asked(area, features, asked, level):
                found += some
                yield done, total
            done += 1
            yield done, max(total, done)
        if level <= FINEST or (level <= 0 and sum(len(small) for _, small in too_small) <= FINER_SHARE * seen):
            break
        level -= 1
    # Too few for a finer level, which takes four times as long: they are asked for at this one.
    for area, small in too_small:
        prompts += len(small)
        for some in search.asked(area, search.features(area), small, level) if small else ():
            found += some
            yield done, done
    yield search.proposals(found, prompts)


def propose_again(
    segmenter: Segmenter, plane: Plane, origin: ProposalOrigin, cancel: CancelToken | None = None
) -> Mask | None:
    """Return the mask of one proposal of an earlier `propose_everything`, up to rounding in float32.

    Parameters
    ----------
    segmenter
        The image and the model, as they were.
    plane
        The plane.
    origin
        Of the proposal.
    cancel
        Checked between the encoder's blocks.

    Returns
    -------
    Mask or None
        None where it is not found again: the image or the model is another one.
    """
    search = PlaneSearch(segmenter, plane, cancel=cancel)
    found = search.asked(origin.area, search.features(origin.area), [origin.point], origin.level)
    again = next((each for some in found for each in some if each.origin == origin), None)
    return None if again is None else again.mask(search.shape)


@dataclass(frozen=True)
class PlaneSearch:
    """The search for objects on one plane; parameters as of `propose_everything`."""

    segmenter: Segmenter
    plane: Plane
    region: Region | None = None
    cancel: CancelToken | None = None

    @cached_property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the plane."""
        return self.plane.shape(self.segmenter.source.shape)

    @cached_property
    def aspect(self) -> tuple[float, float]:
        """See `pixel_aspect`."""
        return pixel_aspect(self.segmenter.source.scale, self.plane.axes)

    @cached_property
    def coarsest(self) -> int:
        """Coarsest level that is looked at: full resolution, or one at which the plane takes half a window or more."""
        return max(math.floor(coarsest_level(self.shape, self.aspect, self.segmenter.model.network.window)), 0)

    def areas(self, level: float) -> list[Window]:
        """Return the areas to encode at a level."""
        return self.segmenter.embedder.covering(self.plane, step_at(level, self.aspect))

    def features(self, area: Window) -> EncodedImages:
        """Encode an area, unless it is at hand."""
        return self.segmenter.embedder.area(self.plane, area, self.cancel)

    def peaks(self, area: Window, areas: Sequence[Window], maps: Tensor) -> tuple[list[Place], NDArray[np.float64]]:
        """Return where one area's centre map peaks, and about how large the objects are there, in network pixels."""
        foreground, centres, _ = maps[0].float().cpu().numpy()
        inside = foreground > FOREGROUND
        cells = peak_local_max(centres * inside, min_distance=APART, threshold_abs=CENTRE, exclude_border=False)  # type: ignore[no-untyped-call]
        markers = np.zeros(centres.shape, np.int32)
        markers[tuple(cells.T)] = np.arange(1, len(cells) + 1)
        pieces = watershed(-centres, markers, mask=inside)  # type: ignore[no-untyped-call]
        sizes = 2 * np.sqrt(np.bincount(pieces.ravel(), minlength=len(cells) + 1)[1:] / math.pi) * MAP_STRIDE
        places = area.coarsened(MAP_STRIDE).to_plane(cells.astype(float)).reshape(-1, 2)
        kept = self.own(places, area, areas, SHARED_MARGIN * MAP_STRIDE)
        return self.on_plane(places[kept]), sizes[kept]

    def grid(self, area: Window, areas: Sequence[Window], found: Sequence[Proposal]) -> list[Place]:
        """Return places on a grid over one area that no sure proposal covers."""
        along = [(np.arange(GRID) + 0.5) * size / GRID - 0.5 for size in area.shape]
        places = area.to_plane(np.stack(np.meshgrid(*along, indexing="ij"), -1).reshape(-1, 2))
        places = places[self.own(places, area, areas)]
        for each in found:
            if each.confidence >= COVERING:
                cells = np.rint(each.window.to_window(places)).astype(int)
                within = ((cells >= 0) & (cells < each.window.shape)).all(1)
                covered = np.zeros(len(places), bool)
                covered[within] = each.logits[tuple(cells[within].T)] > 0
                places = places[~covered]
        return self.on_plane(places)

    def asked(
        self, area: Window, features: EncodedImages, places: Sequence[Place], level: float
    ) -> Iterator[list[Proposal]]:
        """Prompt an area with one point at each place; yields the candidates that are objects, some at a time."""
        model = self.segmenter.model
        network, side = model.network, self._side(level)
        whole = area.shape == (side, side)
        together = PROMPTS_PER_WINDOW if whole else model.prompts_at_once
        for start in range(0, len(places), together):
            if self.cancel is not None:
                self.cancel.check()
            some = places[start : start + together]
            within = area.to_window(some)
            corners = np.rint((within - side / 2) / network.stride).astype(int) * network.stride
            corners = corners.clip(0, np.array(area.shape) - side)
            points = torch.from_numpy((within - corners)[:, None, ::-1].astype(np.float32))
            labels = torch.ones(len(some), 1, dtype=torch.int64)
            if whole:
                prediction = model.decode(features, points, labels, None, True, self.cancel)
            else:
                windows = [features.cut((row, column), side, area.shape[0]) for row, column in corners.tolist()]
                prediction = model.decode_each(windows, points, labels, None, True, self.cancel)
            logits, scores = (each.float().cpu().numpy() for each in prediction)
            found = []
            for at, (place, corner) in enumerate(zip(some, corners.tolist(), strict=True)):
                grid = area.crop(corner[0], corner[1], (side, side)).coarsened(network.mask_stride)
                for candidate in range(logits.shape[1]):
                    origin = ProposalOrigin(place, level, area, candidate)
                    found.append(self._proposal(logits[at, candidate], float(scores[at, candidate]), grid, origin))
            yield [each for each in found if each is not None]

    def own(
        self, places: NDArray[np.float64], area: Window, areas: Sequence[Window], margin: int = 0
    ) -> NDArray[np.bool_]:
        """Tell which (N, 2) places are this area's to ask about, and on the plane and in the region."""
        kept = self.nearest(places, area, areas, margin)
        kept &= ((places >= -0.5) & (places <= np.array(self.shape) - 0.5)).all(1)
        if self.region is not None:
            kept &= ((places >= self.region[:2]) & (places <= self.region[2:])).all(1)
        return np.asarray(kept)

    def nearest(
        self, places: NDArray[np.float64], area: Window, areas: Sequence[Window], margin: int = 0
    ) -> NDArray[np.bool_]:
        """Tell which (N, 2) places lie in this area's own part, or by at most `margin` network pixels beside it."""
        lowest, highest = _own_part(area, areas)
        beyond = np.multiply(area.step, margin)
        return np.asarray(((places >= lowest - beyond) & (places <= highest + beyond)).all(1))

    def cell(self, found: Sequence[Proposal]) -> tuple[float, float]:
        """Return the plane pixels per cell of `Proposals.cells` along (row, column)."""
        return step_at(min((each.origin.level for each in found), default=0.0) + 1, self.aspect)

    def proposals(self, found: Sequence[Proposal], prompts: int) -> Proposals:
        """Return what was found, with the cells of the plane that each covers."""
        return Proposals(self.shape, found, _common_cells(found, self.shape, self.cell(found)), prompts)

    def _side(self, level: float) -> int:
        """Return the side of the windows at a level, in network pixels; at the coarsest, objects may be large."""
        network = self.segmenter.model.network
        if level >= self.coarsest or not network.fully_convolutional:
            return network.window
        return min(SIDE, network.window)

    def _proposal(
        self, logits: NDArray[np.float32], predicted_iou: float, grid: Window, origin: ProposalOrigin
    ) -> Proposal | None:
        """Return one candidate, cropped, or None where there is nothing or it is cut off."""
        if predicted_iou < LEAST_CONFIDENCE:
            return None
        # Beyond the plane the encoder saw reflections: an object there is not one.
        rows, columns = (np.arange(grid.shape[axis]) * grid.step[axis] + grid.origin[axis] for axis in (0, 1))
        on_plane = np.outer(
            (rows > -0.5) & (rows < self.shape[0] - 0.5), (columns > -0.5) & (columns < self.shape[1] - 0.5)
        )
        pieces, count = ndimage.label((logits > 0) & on_plane)
        if not count:
            return None
        row, column = np.rint(grid.to_window(origin.point)).astype(int).clip(0, np.array(logits.shape) - 1)
        held = int(pieces[row, column]) or int(np.bincount(pieces.ravel())[1:].argmax()) + 1
        box = ndimage.find_objects(pieces, held)[held - 1]
        if self._cut_off(box[0], box[1], grid):
            return None
        low = max(box[0].start - 2, 0), max(box[1].start - 2, 0)
        high = min(box[0].stop + 2, logits.shape[0]), min(box[1].stop + 2, logits.shape[1])
        crop = np.s_[low[0] : high[0], low[1] : high[1]]
        own = pieces[crop] == held
        area = int(np.count_nonzero(own))
        if area < SMALLEST_CELLS:
            return None
        # Other pieces are no part of it.
        kept = np.where((logits[crop] > 0) & ~own, np.float32(-1), logits[crop])
        around = ndimage.binary_dilation(own, np.ones((3, 3), bool), iterations=2)
        sure = int(np.count_nonzero((kept > OFFSET) & own))
        perhaps = int(np.count_nonzero((kept > -OFFSET) & around))
        units = grid.step[0] * grid.step[1] / (self.aspect[0] * self.aspect[1])
        diameter = 2 * math.sqrt(area * units / math.pi)
        model = self.segmenter.model
        octaves = math.log2(diameter / 2**origin.level / model.spec.object_size_px)
        learned = model.network.fully_convolutional
        confidence = _confidence(predicted_iou, sure / max(perhaps, 1), octaves, learned=learned)
        if confidence < LEAST_CONFIDENCE:
            return None
        window = grid.crop(low[0], low[1], kept.shape)
        return Proposal(np.ascontiguousarray(kept), window, origin, confidence, predicted_iou, diameter)

    def _cut_off(self, rows: slice, columns: slice, grid: Window) -> bool:
        """Tell whether a mask reaches a border of its window that lies inside the plane."""
        row0, column0, row1, column1 = grid.bounds
        return (
            (rows.start == 0 and row0 > -0.5)
            or (columns.start == 0 and column0 > -0.5)
            or (rows.stop == grid.shape[0] and row1 < self.shape[0] - 0.5)
            or (columns.stop == grid.shape[1] and column1 < self.shape[1] - 0.5)
        )

    def on_plane(self, places: NDArray[np.float64]) -> list[Place]:
        """Return places no further out than the centres of the outermost pixels."""
        return [(float(row), float(column)) for row, column in places.clip(0, np.array(self.shape) - 1)]


def _own_part(area: Window, areas: Sequence[Window]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the (row, column) bounds up to which an area is nearer to its middle than its neighbours to theirs."""
    lowest, highest = np.full(2, -np.inf), np.full(2, np.inf)
    own = np.array(area.bounds).reshape(2, 2).mean(0)
    for other in areas:
        middle = np.array(other.bounds).reshape(2, 2).mean(0)
        for axis in (0, 1):
            border = (own[axis] + middle[axis]) / 2
            if middle[axis] < own[axis] - 1e-6:
                lowest[axis] = max(lowest[axis], border)
            elif middle[axis] > own[axis] + 1e-6:
                highest[axis] = min(highest[axis], border)
    return lowest, highest


def _confidence(predicted_iou: float, stability: float, octaves: float, *, learned: bool) -> float:
    """Return the probability that a mask has an IoU of at least .5 with an object.

    By a logistic regression for nano; of other networks the product of what they predict and how stable it is.
    """
    if not learned:
        return float(np.clip(predicted_iou * stability, 0, 1))
    features = (1.0, predicted_iou, predicted_iou**2, stability, octaves, octaves**2)
    return probability(LOGISTIC, features)


def _common_cells(proposals: Sequence[Proposal], shape: tuple[int, int], cell: tuple[float, float]) -> csr_array:
    """Return which cells of the plane each proposal covers, at one resolution for all, as a sparse matrix."""
    size = [math.ceil(along / by) for along, by in zip(shape, cell, strict=True)]
    indices, starts = [], [0]
    for each in proposals:
        found = []
        for axis in (0, 1):
            low, high = each.window.bounds[axis], each.window.bounds[axis + 2]
            first = max(math.ceil((low + 0.5) / cell[axis] - 0.5), 0)
            last = min(math.floor((high + 0.5) / cell[axis] - 0.5), size[axis] - 1)
            at = np.arange(first, max(last, first - 1) + 1)
            places = ((at + 0.5) * cell[axis] - 0.5 - each.window.origin[axis]) / each.window.step[axis]
            found.append((at, np.rint(places).astype(int).clip(0, each.window.shape[axis] - 1)))
        (rows, from_row), (columns, from_column) = found
        inside = each.logits[np.ix_(from_row, from_column)] > 0
        row, column = np.nonzero(inside)
        indices.append(rows[row] * size[1] + columns[column])
        starts.append(starts[-1] + len(row))
    joined = np.concatenate(indices) if indices else np.zeros(0, int)
    return csr_array(
        (np.ones(len(joined), np.int32), joined, np.array(starts)), shape=(len(proposals), size[0] * size[1])
    )
