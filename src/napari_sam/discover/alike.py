"""Objects like some that are known: the candidates of a plane, and how alike each is."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import csr_array
from skimage.feature import peak_local_max

from napari_sam.discover.everything import FINEST, Place, PlaneSearch, propose_everything
from napari_sam.discover.kinds import ObjectKind, ObjectTraits, likeness
from napari_sam.discover.proposals import OVERLAP, Proposal, Proposals, Region, Wanted, mask_pixels
from napari_sam.errors import UserError
from napari_sam.models.model import Model
from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.geometry import Mask, Plane, Window
from napari_sam.planes.read_window import read_window
from napari_sam.segment.segmenter import Segmenter

SIMILAR, NEAR_BEST = 0.2, 0.5
"""Cosine between a place and the examples from which on it is asked, at least and as a share of the plane's best."""
MOST_PLACES = 256
"""Such places at most, the most similar first: as many as the grid has that they stand for (chosen)."""
MASK_CELL = (1.0, 1.0)
"""Plane pixels per cell of a mask."""


def describe_kind(
    segmenter: Segmenter, examples: Sequence[tuple[Plane, Mask]], *, cancel: CancelToken | None = None
) -> ObjectKind:
    """Describe the kind of object that some examples are of.

    Parameters
    ----------
    segmenter
        The image and the model.
    examples
        Masks of objects, each with its plane; the order does not matter.
    cancel
        Checked between areas and between the encoder's blocks.

    Returns
    -------
    ObjectKind
        Also for other planes and images, see `propose_alike`.

    Raises
    ------
    UserError
        If no example has a pixel on its plane.
    Cancelled
        If `cancel` was set.
    """
    by_plane: dict[Plane, list[Mask]] = {}
    for plane, mask in examples:
        by_plane.setdefault(plane, []).append(mask)
    pixels = {plane: mask_pixels(masks, plane.shape(segmenter.source.shape)) for plane, masks in by_plane.items()}
    pixels = {plane: found[np.diff(found.indptr) > 0] for plane, found in pixels.items() if found.nnz}
    if not pixels:
        raise UserError("There is no object to find others like: choose one that has pixels on its plane.")
    searches = [PlaneSearch(segmenter, plane, cancel=cancel) for plane in pixels]
    liked = segmenter.model.spec.object_size_px
    diameters = [
        2 * math.sqrt(area / (search.aspect[0] * search.aspect[1]) / math.pi)
        for search, found in zip(searches, pixels.values(), strict=True)
        for area in np.diff(found.indptr).tolist()
    ]
    level = round(math.log2(float(np.median(diameters)) / liked))
    level = min(max(level, FINEST), max(search.coarsest for search in searches))
    traits = [
        _FeatureMaps.of(search, level).traits(found, MASK_CELL)
        for search, found in zip(searches, pixels.values(), strict=True)
    ]
    joined = ObjectTraits(
        np.concatenate([each.embedding for each in traits]), np.concatenate([each.measures for each in traits])
    )
    return ObjectKind(joined, level, _identity(segmenter.model))


def propose_alike(
    segmenter: Segmenter,
    plane: Plane,
    kind: ObjectKind,
    *,
    known: Sequence[Mask] = (),
    everything: Proposals | None = None,
    region: Region | None = None,
    cancel: CancelToken | None = None,
) -> Iterator[tuple[int, int] | Proposals]:
    """Propose the objects of a plane with how alike each is to the examples of a kind.

    Candidates are all proposals of `propose_everything`, also those of which it is not sure. Where it finds nothing,
    and with a network without auxiliary maps, which would be asked blindly, places are prompted instead that the image
    embedding shows as similar to the examples.

    Parameters
    ----------
    segmenter
        The image and the model.
    plane
        The plane.
    kind
        From `describe_kind` with the same model, on any plane of any image.
    known
        Objects on this plane that are there already: what lies on them is not proposed.
    everything
        What `propose_everything` found on this plane and region, to look for it no second time.
    region, cancel
        See `propose_everything`.

    Yields
    ------
    (done, total) or Proposals
        See `propose_everything`; the proposals have their `likeness`.

    Raises
    ------
    UserError
        If the kind was described by another model.
    Cancelled
        If `cancel` was set.
    """
    if kind.model != _identity(segmenter.model):
        raise UserError("The examples were seen by another model: choose that model, or examples on this image.")
    search = PlaneSearch(segmenter, plane, region, cancel)
    found, prompts = list[Proposal](), 0
    done, total = 0, 0
    if everything is not None:
        found, prompts = list(everything.proposals), everything.prompts
    elif segmenter.model.network.fully_convolutional:
        for each in propose_everything(segmenter, plane, region=region, cancel=cancel):
            if isinstance(each, Proposals):
                found, prompts = list(each.proposals), each.prompts
            else:
                done, total = each
                yield done, total + 1
    maps = _FeatureMaps.of(search, kind.level)
    yield done, total + 1
    if not found:
        for area, places in maps.similar(kind):
            prompts += len(places)
            for some in search.asked(area, search.features(area), places, kind.level):
                found += some
                yield done, total + 1
    if known and found:
        taken = _taken(search, found, mask_pixels(known, search.shape))
        found = [each for each, lost in zip(found, taken, strict=True) if not lost]
    proposals = search.proposals(found, prompts)
    if not len(proposals):
        yield replace(proposals, likeness=np.zeros(0))
        return
    traits = maps.traits(proposals.cells, search.cell(proposals.proposals))
    confidence = np.array([each.confidence for each in proposals.proposals])
    alike = likeness(confidence, traits, kind.examples, maps.spread, proposals.chosen(Wanted()))
    yield replace(proposals, likeness=alike)


@dataclass(frozen=True, eq=False)
class _FeatureMaps:
    """What the network and the camera see of a plane at one level, area by area.

    Parameters
    ----------
    search
        The plane.
    areas
        The areas.
    middle, spread
        (C,) mean and standard deviation of the image embedding over the plane.
    """

    search: PlaneSearch
    areas: Sequence[Window]
    middle: NDArray[np.float64]
    spread: NDArray[np.float64]

    @classmethod
    def of(cls, search: PlaneSearch, level: int) -> "_FeatureMaps":
        """Encode a plane at a level, unless it is at hand."""
        areas = search.areas(level)
        moments = [search.features(area).moments(search.cancel).numpy() for area in areas]
        first, second = np.mean(moments, axis=0)
        return cls(search, areas, first, np.sqrt(np.maximum(second - first**2, 1e-9)))

    def traits(self, cells: csr_array, cell: tuple[float, float]) -> ObjectTraits:
        """Return the traits of objects given by the cells of the plane that each covers.

        Parameters
        ----------
        cells
            (N, cells of the plane) 1 where an object lies.
        cell
            Plane pixels per cell along (row, column).
        """
        columns = math.ceil(self.search.shape[1] / cell[1])
        counts = np.maximum(np.diff(cells.indptr), 1)
        where = np.repeat(np.arange(cells.shape[0]), np.diff(cells.indptr))
        # In units, so that shapes are those of the object, not of the pixels.
        rows, along = (
            at * (size / unit)
            for at, size, unit in zip(np.divmod(cells.indices, columns), cell, self.search.aspect, strict=True)
        )
        row, column = (np.bincount(where, at, cells.shape[0]) / counts for at in (rows, along))
        moments = [
            np.bincount(where, each, cells.shape[0]) / counts
            for each in (
                (rows - row[where]) ** 2,
                (along - column[where]) ** 2,
                (rows - row[where]) * (along - column[where]),
            )
        ]
        embedding = np.zeros((cells.shape[0], len(self.middle)))
        light = np.zeros((cells.shape[0], 2))
        middles = np.stack([row * self.search.aspect[0], column * self.search.aspect[1]], 1)
        middles += np.multiply(cell, 0.5) - 0.5
        for area in self.areas:
            own = np.flatnonzero(self.search.nearest(middles, area, self.areas))
            if not len(own):
                continue
            some, stride = cells[own], self.search.segmenter.model.network.stride
            sizes = np.maximum(np.diff(some.indptr), 1)[:, None]
            at = _cells_of(some, cell, columns, area, (area.shape[0] // stride, area.shape[1] // stride))
            ends = torch.from_numpy(some.indptr.astype(np.int64))
            sums = self.search.features(area).sums(torch.from_numpy(at), ends, self.search.cancel)
            embedding[own] = sums.numpy() / sizes
            seen = self._light(area)
            at = _cells_of(some, cell, columns, area, (seen.shape[1], seen.shape[2]))
            weights = csr_array((np.ones(len(at), np.float32), at, some.indptr), shape=(len(own), seen[0].size))
            light[own] = weights @ seen.reshape(len(seen), -1).T / sizes
        unit = cell[0] * cell[1] / (self.search.aspect[0] * self.search.aspect[1])
        contrast = np.log2(np.maximum(light[:, 1] - light[:, 0] ** 2, 1e-6)) / 2
        diameters = np.log2(2 * np.sqrt(counts * unit / math.pi))
        return ObjectTraits(embedding, np.stack([light[:, 0], contrast, diameters, _elongation(*moments)], 1))

    def similar(self, kind: ObjectKind) -> Iterator[tuple[Window, list[Place]]]:
        """Find the places of each area that look like the examples."""
        stride = self.search.segmenter.model.network.stride
        toward = ((kind.examples.embedding - self.middle) / self.spread).mean(0)
        toward = toward / max(float(np.linalg.norm(toward)), 1e-9)
        cells = kind.diameter / 2.0**kind.level / stride
        given = torch.from_numpy(np.stack([toward, self.middle, self.spread]))
        for area in self.areas:
            alike = self.search.features(area).similarity(given, self.search.cancel).numpy()
            alike = ndimage.gaussian_filter(alike, cells / 4)
            peaks = peak_local_max(  # type: ignore[no-untyped-call]
                alike,
                min_distance=max(round(cells / 3), 1),
                threshold_abs=max(SIMILAR, NEAR_BEST * float(alike.max())),
                exclude_border=False,
                num_peaks=MOST_PLACES,
            )
            places = area.coarsened(stride).to_plane(peaks.astype(float)).reshape(-1, 2)
            yield area, self.search.on_plane(places[self.search.own(places, area, self.areas)])

    def _light(self, area: Window) -> NDArray[np.float32]:
        """Return the brightness and its square, (2, h / 2, w / 2)."""
        embedder = self.search.segmenter.embedder
        pixels = read_window(embedder.source, self.search.plane, area, embedder.contrast, embedder.channels)
        # What the encoder does not see does not count.
        light = np.nan_to_num(pixels.mean(0), nan=0.0, posinf=1.5, neginf=-0.5).clip(-0.5, 1.5)
        halves = light.shape[0] // 2, 2, light.shape[1] // 2, 2
        return np.stack([each.reshape(halves).mean((1, 3)) for each in (light, light**2)])


def _cells_of(
    cells: csr_array, cell: tuple[float, float], columns: int, area: Window, shape: tuple[int, int]
) -> NDArray[np.int64]:
    """Return which cells of an area's (h, w) features hold the cells of a plane that objects cover, in their order."""
    grid = area.coarsened(area.shape[0] // shape[0])
    from_cell = [
        np.rint(((at + 0.5) * cell[axis] - 0.5 - grid.origin[axis]) / grid.step[axis])
        .astype(int)
        .clip(0, shape[axis] - 1)
        for axis, at in enumerate(np.divmod(cells.indices, columns))
    ]
    return np.asarray(from_cell[0] * shape[1] + from_cell[1], np.int64)


def _elongation(
    across: NDArray[np.float64], along: NDArray[np.float64], both: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return log2 of the ratio of the axes of the ellipses with these second moments."""
    # A single cell has an extent too.
    middle = (across + along) / 2 + 1 / 12
    apart = np.hypot((across - along) / 2, both)
    return np.asarray(np.log2((middle + apart) / np.maximum(middle - apart, 1 / 12)) / 2)


def _taken(search: PlaneSearch, found: Sequence[Proposal], known: csr_array) -> NDArray[np.bool_]:
    """Tell which proposals share more with something known (its pixels) than two objects may."""
    cells, cell = search.proposals(found, 0).cells, search.cell(found)
    columns = math.ceil(search.shape[1] / cell[1])
    row, column = np.divmod(known.indices, search.shape[1])
    # A pixel is a part of a cell, or several of them.
    at = ((row + 0.5) / cell[0]).astype(int) * columns + ((column + 0.5) / cell[1]).astype(int)
    share = np.full(len(at), 1 / (cell[0] * cell[1]))
    coarse = csr_array((share, at, known.indptr), shape=(known.shape[0], cells.shape[1]))
    own = np.asarray(cells.sum(axis=1), float).reshape(-1, 1)
    theirs = np.asarray(coarse.sum(axis=1), float).reshape(1, -1)
    return np.asarray(((cells @ coarse.T).toarray() > OVERLAP * np.minimum(own, theirs)).any(axis=1))


def _identity(model: Model) -> tuple[str, str]:
    return model.name, model.digest
