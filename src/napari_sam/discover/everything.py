"""Everything on a plane: where the network itself sees objects it is asked, and what it answers is proposed."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import csr_array
from skimage.feature import peak_local_max
from skimage.segmentation import watershed

from napari_sam.discover.proposals import Proposal, ProposalOrigin, Proposals
from napari_sam.models.model import Model
from napari_sam.nn.cancel import CancelToken
from napari_sam.nn.network import ImageFeatures
from napari_sam.planes.geometry import Mask, Plane, Window
from napari_sam.segment.level import coarsest_level, pixel_aspect, step_at
from napari_sam.segment.segmenter import Segmenter

MAP_STRIDE = 4
"""Network pixels per cell of the auxiliary maps."""
# Chosen on the training images, see `benchmarks.everything`.
FOREGROUND, CENTRE = 0.5, 0.4
APART = 2
"""Cells that two peaks are apart at least."""
SIDE = 160
"""Network pixels of the windows on which proposals are decoded, the smaller of the two sides of training."""
SUITED = (20.0, 72.0)
"""Network pixels: diameters that an object should have at a level to be asked for there; from the maps."""
FINEST = -2
FINER_SHARE = 0.1
"""Of what is seen at a level: where more of it is too small for it, the next finer one is looked at as well."""
SHARED_MARGIN = 3
"""Cells by which areas look over their common border: what both find is one, what neither does is lost."""
LEAST_CONFIDENCE = 0.2
"""Proposals below are not kept."""
OFFSET = 1.0
"""Logits by which the threshold is moved to see how stable a mask is."""
OCTAVES_OFF = 1.5
STABLE = 0.25
"""Power of the stability in the confidence."""
SMALLEST_CELLS = 5


@dataclass(frozen=True, eq=False)
class _Peak:
    """A place that the maps call the middle of an object."""

    point: tuple[float, float]
    cell: tuple[int, int]


def propose_everything(
    segmenter: Segmenter,
    plane: Plane,
    *,
    region: tuple[float, float, float, float] | None = None,
    cancel: CancelToken | None = None,
) -> Iterator[tuple[int, int] | Proposals]:
    """Propose all objects of a plane.

    The auxiliary maps of the network are looked at from coarse to fine: each peak of the centre map, of an object whose
    size suits the level, is prompted with one point, all of an area together.

    Parameters
    ----------
    segmenter
        The image and the model.
    plane
        The plane.
    region
        (row0, column0, row1, column1), borders in plane coordinates: only objects whose middle lies inside. None for
        the whole plane.
    cancel
        Checked between areas.

    Yields
    ------
    (done, total) or Proposals
        Areas looked at, as far as is known; at last all proposals.
    """
    aspect = pixel_aspect(segmenter.source.scale, plane.axes)
    shape = plane.shape(segmenter.source.shape)
    window = segmenter.model.network.window
    coarsest = math.floor(coarsest_level(shape, aspect, window))
    found: list[tuple[float, Proposal]] = []
    levels = list(range(min(0, coarsest), max(coarsest, 0) + 1))
    level, done, prompts = levels[-1], 0, 0
    while True:
        small = seen = 0
        step, side = step_at(level, aspect), _side(level, shape, aspect, window)
        areas = segmenter.embedder.covering(plane, step)
        total = done + len(areas) + max(level, 0)
        for area in areas:
            features = segmenter.embedder.area(plane, area, cancel)
            peaks, sizes = _peaks(area, areas, features, shape, region)
            seen, small = seen + len(peaks), small + int((sizes < SUITED[0]).sum())
            # What is too large even for the coarsest level is asked for there.
            largest = math.inf if level == levels[-1] else SUITED[1]
            asked = [peak for peak, size in zip(peaks, sizes, strict=True) if SUITED[0] <= size <= largest]
            prompts += len(asked)
            found += [
                (level, each) for each in _decoded(segmenter, area, features, asked, shape, aspect, level, side, cancel)
            ]
            done += 1
            yield done, max(total, done)
        level -= 1
        if level < FINEST or (level < 0 and small <= FINER_SHARE * seen):
            break
    proposals = [each for _, each in found]
    finest = min((at for at, _ in found), default=0.0)
    yield Proposals(shape, proposals, _common_cells(proposals, shape, step_at(finest + 1, aspect)), prompts)


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
    """
    shape, aspect = plane.shape(segmenter.source.shape), pixel_aspect(segmenter.source.scale, plane.axes)
    features = segmenter.embedder.area(plane, origin.area, cancel)
    peaks = [_Peak(origin.point, (0, 0))]
    side = _side(origin.level, shape, aspect, segmenter.model.network.window)
    found = _decoded(segmenter, origin.area, features, peaks, shape, aspect, origin.level, side, cancel)
    again = [each for each in found if each.origin == origin]
    return Proposals(shape, again, _common_cells(again, shape, (1.0, 1.0))).mask(0) if again else None


def _side(level: float, shape: tuple[int, int], aspect: tuple[float, float], window: int) -> int:
    """Return the side of the windows at a level, in network pixels; at the coarsest, objects may be large."""
    coarsest = max(math.floor(coarsest_level(shape, aspect, window)), 0)
    return window if level >= coarsest else min(SIDE, window)


def _peaks(
    area: Window,
    areas: Sequence[Window],
    features: ImageFeatures,
    shape: tuple[int, int],
    region: tuple[float, float, float, float] | None,
) -> tuple[list[_Peak], NDArray[np.float64]]:
    """Return the peaks of one area's centre map, and about how large their objects are, in network pixels."""
    assert features.maps is not None
    foreground, centres, _ = features.maps[0].float().cpu().numpy()
    inside = foreground > FOREGROUND
    cells = peak_local_max(centres * inside, min_distance=APART, threshold_abs=CENTRE, exclude_border=False)  # type: ignore[no-untyped-call]
    markers = np.zeros(centres.shape, np.int32)
    markers[tuple(cells.T)] = np.arange(1, len(cells) + 1)
    areas_of = np.bincount(watershed(-centres, markers, mask=inside).ravel(), minlength=len(cells) + 1)[1:]  # type: ignore[no-untyped-call]
    sizes = 2 * np.sqrt(areas_of / math.pi) * MAP_STRIDE
    grid = area.coarsened(MAP_STRIDE)
    places = grid.to_plane(cells.astype(float)).reshape(-1, 2)
    lowest, highest = _own_part(area, areas)
    margin = np.multiply(grid.step, SHARED_MARGIN)
    kept = ((places >= lowest - margin) & (places <= highest + margin)).all(1)
    kept &= ((places >= -0.5) & (places <= np.array(shape) - 0.5)).all(1)
    if region is not None:
        kept &= ((places >= region[:2]) & (places <= region[2:])).all(1)
    at = np.flatnonzero(kept)
    limits = np.array(shape) - 1
    peaks = [
        _Peak(
            (float(np.clip(places[i, 0], 0, limits[0])), float(np.clip(places[i, 1], 0, limits[1]))),
            (int(cells[i, 0]), int(cells[i, 1])),
        )
        for i in at
    ]
    return peaks, sizes[at]


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


def _decoded(
    segmenter: Segmenter,
    area: Window,
    features: ImageFeatures,
    peaks: Sequence[_Peak],
    shape: tuple[int, int],
    aspect: tuple[float, float],
    level: float,
    side: int,
    cancel: CancelToken | None,
) -> Iterator[Proposal]:
    """Prompt every peak of an area with one point, and yield what candidates are objects."""
    model = segmenter.model
    network, together = model.network, model.prompts_at_once
    for start in range(0, len(peaks), together):
        if cancel is not None:
            cancel.check()
        some = peaks[start : start + together]
        corners, windows, points = [], [], []
        for peak in some:
            place = area.to_window(peak.point)
            corner = [
                int(np.clip(round((place[axis] - side / 2) / network.stride) * network.stride, 0, limit - side))
                for axis, limit in enumerate(area.shape)
            ]
            corners.append(corner)
            windows.append(_cut(features, area, corner, side))
            points.append([[place[1] - corner[1], place[0] - corner[0]]])
        prediction = model.decode_each(
            windows,
            torch.tensor(np.array(points), dtype=torch.float32),
            torch.ones(len(some), 1, dtype=torch.int64),
            None,
            True,
        )
        logits, scores = (each.float().cpu().numpy() for each in prediction)
        for at, (peak, corner) in enumerate(zip(some, corners, strict=True)):
            grid = area.crop(corner[0], corner[1], (side, side)).coarsened(network.mask_stride)
            for candidate in range(logits.shape[1]):
                origin = ProposalOrigin(peak.point, level, area, candidate)
                proposal = _proposal(
                    logits[at, candidate], float(scores[at, candidate]), grid, origin, shape, aspect, model
                )
                if proposal is not None:
                    yield proposal


def _cut(features: ImageFeatures, area: Window, corner: Sequence[int], side: int) -> ImageFeatures:
    def part(tensor: torch.Tensor) -> torch.Tensor:
        stride = area.shape[0] // tensor.shape[-2]
        top, left, cells = corner[0] // stride, corner[1] // stride, side // stride
        return tensor[..., top : top + cells, left : left + cells]

    return ImageFeatures(part(features.embedding), tuple(part(each) for each in features.high_res))


def _proposal(
    logits: NDArray[np.float32],
    predicted_iou: float,
    grid: Window,
    origin: ProposalOrigin,
    shape: tuple[int, int],
    aspect: tuple[float, float],
    model: Model,
) -> Proposal | None:
    """Return one candidate, cropped, or None where there is nothing or it is cut off."""
    if predicted_iou < LEAST_CONFIDENCE:
        return None
    positive = logits > 0
    pieces, count = ndimage.label(positive)
    if not count:
        return None
    row, column = np.rint(grid.to_window(origin.point)).astype(int).clip(0, np.array(logits.shape) - 1)
    held = int(pieces[row, column])
    if not held:
        held = int(np.bincount(pieces.ravel())[1:].argmax()) + 1
    rows, columns = ndimage.find_objects(pieces, held)[held - 1]
    if _cut_off(rows, columns, grid, shape):
        return None
    low = max(rows.start - 2, 0), max(columns.start - 2, 0)
    high = min(rows.stop + 2, logits.shape[0]), min(columns.stop + 2, logits.shape[1])
    crop = np.s_[low[0] : high[0], low[1] : high[1]]
    own = pieces[crop] == held
    around = ndimage.binary_dilation(own, np.ones((3, 3), bool), iterations=2)
    # Other pieces are no part of it.
    kept = np.where((pieces[crop] > 0) & ~own, np.float32(-1), logits[crop])
    area = int(np.count_nonzero(own))
    if area < SMALLEST_CELLS:
        return None
    sure = int(np.count_nonzero((kept > OFFSET) & own))
    perhaps = int(np.count_nonzero((kept > -OFFSET) & around))
    stability = sure / max(perhaps, 1)
    diameter = 2 * math.sqrt(area * grid.step[0] * grid.step[1] / (aspect[0] * aspect[1]) / math.pi)
    off = math.log2(diameter / 2**origin.level / model.spec.object_size_px)
    confidence = min(predicted_iou, 1.0) * stability**STABLE * math.exp(-0.5 * (off / OCTAVES_OFF) ** 2)
    if confidence < LEAST_CONFIDENCE:
        return None
    window = grid.crop(low[0], low[1], kept.shape)
    return Proposal(np.ascontiguousarray(kept), window, origin, confidence, predicted_iou, diameter)


def _cut_off(rows: slice, columns: slice, grid: Window, shape: tuple[int, int]) -> bool:
    """Tell whether a mask reaches a border of its window that lies inside the plane."""
    row0, column0, row1, column1 = grid.bounds
    return (
        (rows.start == 0 and row0 > -0.5)
        or (columns.start == 0 and column0 > -0.5)
        or (rows.stop == grid.shape[0] and row1 < shape[0] - 0.5)
        or (columns.stop == grid.shape[1] and column1 < shape[1] - 0.5)
    )


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
