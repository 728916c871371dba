"""The objects of a label array, measured: size, shape, place, intensity and neighbours, in physical units."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import pi
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from napari_sam.errors import UserError
from napari_sam.export.crofton import crossing_weights
from napari_sam.export.object_sums import ObjectSums, sum_block
from napari_sam.labels.label_array import BLOCK_ELEMENTS, as_labels, blocks
from napari_sam.planes.file_axes import is_unnamed
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource, chunk_shape
from napari_sam.planes.spacing import depth_axis, distance_unit

Columns = dict[str, NDArray[Any]]
# Of all that is held of a pixel while it is summed up, numbers of 64 bits are most: 8 times 16 MB and more (chosen).
_BLOCK = BLOCK_ELEMENTS // 8


def measure_objects(
    labels: Any,
    image: Any = None,
    *,
    axes: str | None = None,
    scale: Sequence[float] | None = None,
    units: Sequence[str] | None = None,
    by_plane: bool = False,
    confidences: Mapping[int, float] | None = None,
    origins: Mapping[int, str] | None = None,
    prompts: Mapping[int, int] | None = None,
) -> Columns:
    """Measure the objects of a label array.

    Volumes are the last two axes and the axis of depth; every position along other axes (time, say) has rows of its
    own. What time and channels are is known by the names of the axes; a short axis without a name counts as channels.

    Parameters
    ----------
    labels
        Integer array (numpy, zarr, dask, ...) of two axes at least, or an `ImageSource` of one. Read block by block.
    image
        The image that the labels are of, for intensities: an array of the labels' shape, perhaps with one axis more
        for channels, or an `ImageSource`. None for none.
    axes
        One letter per axis of the labels; None to take them from the labels or the image, where these are sources.
    scale, units
        Size of a pixel along every axis of the labels and its unit; None as for `axes`. Without a common unit of length
        sizes are in pixels.
    by_plane
        Measure each plane by itself instead of volumes.
    confidences, origins, prompts
        By object: how sure a model is of it, who made it, and by how many prompts; None for no such column.

    Returns
    -------
    dict
        Columns of equal length with one row per object, or per plane and object:

        - ``label``, and the positions along other axes (``t``, ``z``)
        - ``n_pixels``; ``area`` or ``volume``; ``perimeter`` or ``surface`` (Crofton's formula, see
          `crossing_weights`); ``circularity`` (4 pi area / perimeter ** 2) or ``sphericity`` (surface of the ball of
          its volume / surface)
        - ``centroid_z``, ``_y``, ``_x``; ``first_z``, ... and ``last_z``, ... (of pixels, inclusive)
        - ``equivalent_diameter``; ``axis_major_length``, ``axis_minor_length`` of the ellipse or ellipsoid of the same
          second moments; ``solidity`` (share of its convex hull, in planes)
        - ``intensity_mean``, ``_std``, ``_min``, ``_max``, with ``-0``, ``-1``, ... for several channels; pixels that
          are no number are left out
        - ``touches_edge`` (of the image); ``contact`` (how much of its border other objects touch, by a side, an edge
          or a corner), ``contact_share`` (0..1), ``n_neighbours``, ``neighbours`` (their ids)
        - ``confidence``, ``made_by``, ``n_prompts``, where these were given
        - ``unit`` of lengths; areas are in its square, volumes in its cube.

    Raises
    ------
    UserError
        If these are no labels, an id is negative, or the image is of another shape.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> labels = np.zeros((40, 50), np.uint8)
    >>> labels[5:15, 5:25] = 3
    >>> table = napari_sam.measure_objects(labels, scale=(0.5, 0.5), units=("um", "um"))
    >>> table["label"].tolist(), table["area"].tolist(), table["unit"].tolist()
    ([3], [50.0], ['µm'])
    """
    steps = measure_steps(
        labels,
        image,
        axes=axes,
        scale=scale,
        units=units,
        by_plane=by_plane,
        confidences=confidences,
        origins=origins,
        prompts=prompts,
    )
    while True:
        try:
            next(steps)
        except StopIteration as end:
            columns: Columns = end.value
            return columns


def measure_steps(
    labels: Any,
    image: Any = None,
    *,
    axes: str | None = None,
    scale: Sequence[float] | None = None,
    units: Sequence[str] | None = None,
    by_plane: bool = False,
    confidences: Mapping[int, float] | None = None,
    origins: Mapping[int, str] | None = None,
    prompts: Mapping[int, int] | None = None,
) -> Generator[tuple[int, int], None, Columns]:
    """Measure the objects block by block, for those who have other things to do between; see `measure_objects`.

    Yields
    ------
    (int, int)
        How many blocks are done, and how many there are.

    Returns
    -------
    dict
        The columns.
    """
    pictured = None if image is None else _as_image(image, _shape(labels))
    source = labels_source(labels, axes, scale, units, pictured)
    space = _Space.of(source, by_plane)
    tables = []
    for done, total, complete in _sums_by_block(source, pictured, space):
        tables += [_rows(source, space, index, sums) for index, sums in complete]
        yield done, total
    if not tables:
        empty = ObjectSums.empty(np.zeros(0, np.int64), len(space.axes), 0 if pictured is None else pictured.n_channels)
        tables = [_rows(source, space, (0,) * len(space.others), empty)]
    columns = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    known = columns["label"].tolist()
    if confidences is not None:
        columns["confidence"] = np.array([confidences.get(label, np.nan) for label in known], float)
    if origins is not None:
        columns["made_by"] = _texts([origins.get(label, "") for label in known])
    if prompts is not None:
        columns["n_prompts"] = np.array([prompts.get(label, 0) for label in known], int)
    columns["unit"] = _texts([space.unit] * len(known))
    return columns


def axis_columns(source: ImageSource, by_plane: bool = False) -> tuple[str, ...]:
    """Return by what each axis of labels is called in the names of columns, as "z" in ``first_z``."""
    return _Space.of(source, by_plane).names


_LENGTHS = ("perimeter", "equivalent_diameter", "axis_major_length", "axis_minor_length")


def column_title(name: str, columns: Mapping[str, NDArray[Any]]) -> str:
    """Return what a column of measurements is called, with its unit."""
    units = columns["unit"].tolist()
    unit = units[0] if units else ""
    areas = ("area", "surface", *(("contact",) if "volume" in columns else ()))
    power = 3 if name == "volume" else 2 if name in areas else 0
    power = power or int(name in (*_LENGTHS, "contact") or name.startswith("centroid_"))
    shown = name.replace("_", " ")
    return f"{shown} ({unit}{('', '', '²', '³')[power]})" if unit and power else shown


def labels_source(
    labels: Any,
    axes: str | None = None,
    scale: Sequence[float] | None = None,
    units: Sequence[str] | None = None,
    like: ImageSource | None = None,
) -> ImageSource:
    """Take labels for what they are, with their axes, scale and units.

    Parameters
    ----------
    labels
        Integer array, or an `ImageSource` of one.
    axes, scale, units
        As of `measure_objects`; what is None is taken from the labels' own source, else from `like`.
    like
        An image of the labels' shape.

    Raises
    ------
    UserError
        If these are no labels, or something has another number of axes.
    """
    own = labels if isinstance(labels, ImageSource) else ImageSource(as_labels(labels))
    if own.dtype.kind not in "iu" or own.n_channels != 1:
        raise UserError("Labels are whole numbers in one channel; convert them first.")
    if like is not None and like.shape != own.shape:
        like = None
    names = tuple(axes.lower()) if axes else own.axis_labels or (None if like is None else like.axis_labels)
    return ImageSource(
        own.array(),
        channel_axis=own.channel_axis,
        axis_labels=names,
        scale=scale or own.scale or (None if like is None else like.scale),
        units=units or own.units or (None if like is None else like.units),
        path=own.path,
    )


def _shape(labels: Any) -> tuple[int, ...]:
    return labels.shape if isinstance(labels, ImageSource) else tuple(as_labels(labels).shape)


def _as_image(image: Any, shape: tuple[int, ...]) -> ImageSource:
    """Return an image of the shape of the labels; of an array with one axis more, that is the channels'."""
    if not isinstance(image, ImageSource):
        array = image if hasattr(image, "dtype") and hasattr(image, "shape") else np.asarray(image)
        longer = tuple(array.shape)
        at = None
        if len(longer) == len(shape) + 1:
            fitting = (each for each in reversed(range(len(longer))) if longer[:each] + longer[each + 1 :] == shape)
            at = next(fitting, None)
        image = ImageSource(array, channel_axis=at)
    source: ImageSource = image
    if source.shape != shape:
        raise UserError(f"The labels have the shape {shape}, but the image has {source.shape}; give their own image.")
    return source


@dataclass(frozen=True)
class _Space:
    """The axes that objects are measured along, and the others, in the order in which they are gone through."""

    axes: tuple[int, ...]
    others: tuple[int, ...]
    names: tuple[str, ...]
    spacing: tuple[float, ...]
    unit: str

    @classmethod
    def of(cls, source: ImageSource, by_plane: bool) -> "_Space":
        plane = (source.ndim - 2, source.ndim - 1)
        depth = depth_axis(source, Plane(plane, (0,) * source.ndim))
        axes: tuple[int, ...] = plane
        if not by_plane and depth is not None and source.shape[depth] > 1:
            axes = (depth, *plane)
        others = tuple(axis for axis in range(source.ndim) if axis not in axes)
        spacing, unit = distance_unit(source, axes)
        known = source.axis_labels or ("",) * source.ndim
        default = {plane[0]: "y", plane[1]: "x"} | ({} if depth is None else {depth: "z"})
        names = tuple(
            default.get(axis, f"axis_{axis}") if is_unnamed(name) else name for axis, name in enumerate(known)
        )
        if len(set(names)) < len(names):
            names = tuple(f"axis_{axis}" for axis in range(source.ndim))
        return cls(axes, others, names, spacing, unit)


class _Turned:
    """An array as it is gone through: the axes of space last, no channels."""

    def __init__(self, source: ImageSource, space: _Space) -> None:
        self._source = source
        self._order = (*space.others, *space.axes)
        chunks = chunk_shape(source.array())
        self.shape = tuple(source.shape[axis] for axis in self._order)
        own = None if chunks is None else source.without_channels(chunks)
        self.chunks = None if own is None else tuple(own[axis] for axis in self._order)

    def read(self, box: tuple[slice, ...], channel: int = 0) -> NDArray[Any]:
        """Read a box of one channel."""
        index: list[Any] = [slice(None)] * len(box)
        for axis, part in zip(self._order, box, strict=True):
            index[axis] = part
        at = self._source.channel_axis
        if at is not None:
            index.insert(at, slice(channel, channel + 1))
        found = np.asarray(self._source.array()[tuple(index)])
        return (found if at is None else found.take(0, at)).transpose(self._order)


Complete = list[tuple[tuple[int, ...], ObjectSums]]


def _sums_by_block(
    source: ImageSource, image: ImageSource | None, space: _Space
) -> Iterator[tuple[int, int, Complete]]:
    """Sum up block by block.

    Yields
    ------
    (int, int, list)
        How many blocks are done, how many there are, and the sums of each plane or volume that holds an object and is
        complete now, with where it is along the other axes.
    """
    turned = _Turned(source, space)
    pictured = None if image is None else _Turned(image, space)
    n_channels = 0 if image is None else image.n_channels
    before, size = len(space.others), turned.shape[len(space.others) :]
    weights = crossing_weights(space.spacing)
    found: dict[tuple[int, ...], ObjectSums] = {}
    boxes = list(blocks(turned, _BLOCK))
    for number, box in enumerate(boxes, 1):
        at = box[:before]
        around, cut = _with_halo(box[before:], size)
        labels = turned.read((*at, *around))
        values = [] if pictured is None else [pictured.read(box, channel) for channel in range(n_channels)]
        start = [part.start for part in box[before:]]
        for place in product(*(range(part.stop - part.start) for part in at)):
            padded = np.pad(labels[place], cut)
            if padded.any():
                sums = sum_block(padded, [each[place] for each in values], start, size, weights)
                index = tuple(part.start + step for part, step in zip(at, place, strict=True))
                found[index] = found[index].add(sums) if index in found else sums
        complete: Complete = []
        if number == len(boxes) or boxes[number][:before] != at:
            # Along the other axes blocks go on, so nothing more comes to these.
            complete, found = sorted(found.items(), key=lambda each: each[0]), {}
        yield number, len(boxes), complete


def _with_halo(box: Sequence[slice], size: Sequence[int]) -> tuple[tuple[slice, ...], list[tuple[int, int]]]:
    """Return a box with one more pixel on each side, as far as there are any, and how many are missing there."""
    around, missing = [], []
    for part, length in zip(box, size, strict=True):
        around.append(slice(max(part.start - 1, 0), min(part.stop + 1, length)))
        missing.append((int(part.start == 0), int(part.stop == length)))
    return tuple(around), missing


def _rows(source: ImageSource, space: _Space, index: tuple[int, ...], sums: ObjectSums) -> Columns:
    """Make the rows of one plane or volume."""
    ndim, k = len(space.axes), len(sums.ids)
    spacing = np.array(space.spacing)
    names = [space.names[axis] for axis in space.axes]
    count = sums.pixels.astype(float)
    mean = sums.first / count[:, None]
    covariance = (sums.second / count[:, None, None] - mean[:, :, None] * mean[:, None, :]) * np.outer(spacing, spacing)
    spread = np.sqrt(np.maximum(np.linalg.eigvalsh(covariance), 0))[:, ::-1] if k else np.zeros((0, ndim))
    size = count * spacing.prod()
    columns: Columns = {"label": sums.ids}
    for axis, at in zip(space.others, index, strict=True):
        if source.shape[axis] > 1:
            columns[space.names[axis]] = np.full(k, at)
    columns["n_pixels"] = sums.pixels
    if ndim == 2:
        diameter = np.sqrt(4 * size / pi)
        columns |= {"area": size, "perimeter": sums.border, "circularity": 4 * pi * size / sums.border**2}
    else:
        diameter = np.cbrt(6 * size / pi)
        columns |= {"volume": size, "surface": sums.border, "sphericity": pi * diameter**2 / sums.border}
    columns |= {f"centroid_{name}": mean[:, axis] * spacing[axis] for axis, name in enumerate(names)}
    columns |= {f"first_{name}": sums.low[:, axis] for axis, name in enumerate(names)}
    columns |= {f"last_{name}": sums.high[:, axis] for axis, name in enumerate(names)}
    columns["equivalent_diameter"] = diameter
    # Of an ellipse, a quarter of the square of half an axis is the variance along it; of an ellipsoid, a fifth.
    factor = 4 if ndim == 2 else 2 * 5**0.5
    columns |= {"axis_major_length": factor * spread[:, 0], "axis_minor_length": factor * spread[:, -1]}
    if ndim == 2:
        columns["solidity"] = size / _hull_areas(sums, spacing)
    columns |= _intensities(sums)
    columns["touches_edge"] = sums.at_edge
    return columns | _neighbours(sums)


def _hull_areas(sums: ObjectSums, spacing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the area of the convex hull of each object's pixels, which are rectangles."""
    areas = np.zeros(len(sums.ids))
    if not len(areas):
        return areas
    of = np.concatenate([ids for ids, _ in sums.hulls])
    corners = np.concatenate([each for _, each in sums.hulls])
    order = np.argsort(of, kind="stable")
    ends = np.searchsorted(of[order], sums.ids, "right")
    for at, mine in enumerate(np.split(order, ends[:-1])):
        areas[at] = ConvexHull(corners[mine]).volume
    return areas * float(spacing.prod())


def _intensities(sums: ObjectSums) -> Columns:
    columns: Columns = {}
    n_channels = sums.total.shape[1]
    for channel in range(n_channels):
        behind = f"-{channel}" if n_channels > 1 else ""
        with np.errstate(invalid="ignore"):
            mean = sums.total[:, channel] / sums.finite[:, channel]
            variance = sums.squares[:, channel] / sums.finite[:, channel] - mean**2
        none = sums.finite[:, channel] == 0
        columns[f"intensity_mean{behind}"] = mean
        columns[f"intensity_std{behind}"] = np.sqrt(np.maximum(variance, 0))
        columns[f"intensity_min{behind}"] = np.where(none, np.nan, sums.least[:, channel])
        columns[f"intensity_max{behind}"] = np.where(none, np.nan, sums.most[:, channel])
    return columns


def _neighbours(sums: ObjectSums) -> Columns:
    k = len(sums.ids)
    shared = np.zeros(k)
    beside: list[list[int]] = [[] for _ in range(k)]
    numbers = {label: number for number, label in enumerate(sums.ids.tolist())}
    for (label, neighbour), share in sums.contacts.items():
        shared[numbers[label]] += share
        beside[numbers[label]].append(neighbour)
    return {
        "contact": shared,
        "contact_share": shared / sums.border,
        "n_neighbours": np.array([len(each) for each in beside], int),
        "neighbours": _texts([" ".join(map(str, sorted(each))) for each in beside]),
    }


def _texts(texts: Sequence[str]) -> NDArray[np.str_]:
    """Return texts as an array, also where there are none."""
    return np.array(texts, np.str_)
