"""Everything on a plane: where the network itself sees objects it is asked, and what it answers is proposed."""

import math
from collections.abc import Iterator, Sequence

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


Place = tuple[float, float]
"""(row, column) in plane coordinates."""


def propose_everything(
    segmenter: Segmenter,
    plane: Plane,
    *,
    region: tuple[float, float, float, float] | None = None,
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
        seen = 0
        step, side = step_at(level, aspect), _side(level, shape, aspect, window)
        areas = segmenter.embedder.covering(plane, step)
        total = done + len(areas) + max(level, 0)
        too_small: list[tuple[Window, list[Place]]] = []
        for area in areas:
            features = segmenter.embedder.area(plane, area, cancel)
            if features.maps is None:
                asked = _grid(area, areas, shape, region, [each for _, each in found])
            else:
                peaks, sizes = _peaks(area, areas, features, shape, region)
                # What is too large even for the coarsest level is asked for there.
                largest = math.inf if level == levels[-1] else SUITED[1]
                asked = [peak for peak, size in zip(peaks, sizes, strict=True) if SUITED[0] <= size <= largest]
                small = [peak for peak, size in zip(peaks, sizes, strict=True) if size < SUITED[0]]
                seen += len(peaks)
                too_small.append((area, small))
            prompts += len(asked)
            for some in _decoded(segmenter, area, features, asked, shape, aspect, level, side, cancel):
                found += [(level, each) for each in some]
                # Whoever clicks meanwhile goes first.
                yield done, total
            done += 1
            yield done, max(total, done)
        waiting = sum(len(small) for _, small in too_small)
        if level <= FINEST or (level <= 0 and waiting <= FINER_SHARE * seen):
            break
        level -= 1
    # Too few for a finer level, which takes four times as long: they are asked for at this one.
    for area, small in too_small:
        if small:
            features = segmenter.embedder.area(plane, area, cancel)
            prompts += len(small)
            for some in _decoded(segmenter, area, features, small, shape, aspect, level, side, cancel):
                found += [(level, each) for each in some]
                yield done, done
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
    side = _side(origin.level, shape, aspect, segmenter.model.network.window)
    found = _decoded(segmenter, origin.area, features, [origin.point], shape, aspect, origin.level, side, cancel)
    again = [each for some in found for each in some if each.origin == origin]
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
) -> tuple[list[Place], NDArray[np.float64]]:
    """Return where one area's centre map peaks, and about how large the objects are there, in network pixels."""
    assert features.maps is not None
    foreground, centres, _ = features.maps[0].float().cpu().numpy()
    inside = foreground > FOREGROUND
    cells = peak_local_max(centres * inside, min_distance=APART, threshold_abs=CENTRE, exclude_border=False)  # type: ignore[no-untyped-call]
    markers = np.zeros(centres.shape, np.int32)
    markers[tuple(cells.T)] = np.arange(1, len(cells) + 1)
    areas_of = np.bincount(watershed(-centres, markers, mask=inside).ravel(), minlength=len(cells) + 1)[1:]  # type: ignore[no-untyped-call]
    sizes = 2 * np.sqrt(areas_of / math.pi) * MAP_STRIDE
    places = area.coarsened(MAP_STRIDE).to_plane(cells.astype(float)).reshape(-1, 2)
    kept = _own(places, area, areas, shape, region, SHARED_MARGIN * MAP_STRIDE)
    return _on_plane(places[kept], shape), sizes[kept]


def _grid(
    area: Window,
    areas: Sequence[Window],
    shape: tuple[int, int],
    region: tuple[float, float, float, float] | None,
    found: Sequence[Proposal],
) -> list[Place]:
    """Return places on a grid over one area that no sure proposal covers."""
    along = [(np.arange(GRID) + 0.5) * size / GRID - 0.5 for size in area.shape]
    places = area.to_plane(np.stack(np.meshgrid(*along, indexing="ij"), -1).reshape(-1, 2))
    places = places[_own(places, area, areas, shape, region, 0)]
    for each in found:
        if each.confidence >= COVERING:
            cells = np.rint(each.window.to_window(places)).astype(int)
            within = ((cells >= 0) & (cells < each.window.shape)).all(1)
            covered = np.zeros(len(places), bool)
            covered[within] = each.logits[tuple(cells[within].T)] > 0
            places = places[~covered]
    return _on_plane(places, shape)


def _own(
    places: NDArray[np.float64],
    area: Window,
    areas: Sequence[Window],
    shape: tuple[int, int],
    region: tuple[float, float, float, float] | None,
    margin: int,
) -> NDArray[np.bool_]:
    """Tell which places are this area's to ask about, and on the plane and in the region."""
    lowest, highest = _own_part(area, areas)
    beyond = np.multiply(area.step, margin)
    kept = ((places >= lowest - beyond) & (places <= highest + beyond)).all(1)
    kept &= ((places >= -0.5) & (places <= np.array(shape) - 0.5)).all(1)
    if region is not None:
        kept &= ((places >= region[:2]) & (places <= region[2:])).all(1)
    return np.asarray(kept)


def _on_plane(places: NDArray[np.float64], shape: tuple[int, int]) -> list[Place]:
    """Return places no further out than the centres of the outermost pixels."""
    return [(float(row), float(column)) for row, column in places.clip(0, np.array(shape) - 1)]


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
    places: Sequence[Place],
    shape: tuple[int, int],
    aspect: tuple[float, float],
    level: float,
    side: int,
    cancel: CancelToken | None,
) -> Iterator[list[Proposal]]:
    """Prompt an area with one point at each place; yields the candidates that are objects, a few places at a time."""
    model = segmenter.model
    network, together = model.network, model.prompts_at_once
    whole = area.shape == (side, side)
    if whole:
        # One window for all of them.
        together = PROMPTS_PER_WINDOW
    for start in range(0, len(places), together):
        if cancel is not None:
            cancel.check()
        some = places[start : start + together]
        within = area.to_window(some)
        corners = np.rint((within - side / 2) / network.stride).astype(int) * network.stride
        corners = corners.clip(0, np.array(area.shape) - side)
        points = torch.from_numpy((within - corners)[:, None, ::-1].astype(np.float32))
        labels = torch.ones(len(some), 1, dtype=torch.int64)
        if whole:
            prediction = model.decode(features, points, labels, None, True)
        else:
            windows = [_cut(features, area, corner, side) for corner in corners.tolist()]
            prediction = model.decode_each(windows, points, labels, None, True)
        logits, scores = (each.float().cpu().numpy() for each in prediction)
        found = []
        for at, (place, corner) in enumerate(zip(some, corners.tolist(), strict=True)):
            grid = area.crop(corner[0], corner[1], (side, side)).coarsened(network.mask_stride)
            for candidate in range(logits.shape[1]):
                origin = ProposalOrigin(place, level, area, candidate)
                proposal = _proposal(
                    logits[at, candidate], float(scores[at, candidate]), grid, origin, shape, aspect, model
                )
                if proposal is not None:
                    found.append(proposal)
        yield found


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
    diameter = 2 * math.sqrt(area * grid.step[0] * grid.step[1] / (aspect[0] * aspect[1]) / math.pi)
    octaves = math.log2(diameter / 2**origin.level / model.spec.object_size_px)
    confidence = _confidence(predicted_iou, sure / max(perhaps, 1), octaves, learned=model.network.fully_convolutional)
    if confidence < LEAST_CONFIDENCE:
        return None
    window = grid.crop(low[0], low[1], kept.shape)
    return Proposal(np.ascontiguousarray(kept), window, origin, confidence, predicted_iou, diameter)


def _confidence(predicted_iou: float, stability: float, octaves: float, *, learned: bool) -> float:
    """Return the probability that a mask has an IoU of at least .5 with an object.

    By a logistic regression for nano; of other networks the product of what they predict and how stable it is.
    """
    if not learned:
        return float(np.clip(predicted_iou * stability, 0, 1))
    features = (1.0, predicted_iou, predicted_iou**2, stability, octaves, octaves**2)
    return 1 / (1 + math.exp(-sum(weight * feature for weight, feature in zip(LOGISTIC, features, strict=True))))


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
