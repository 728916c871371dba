"""``napari-sam edit``: objects of a file of labels merged, filled, smoothed, grown or shrunk."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from napari_sam.cli.arguments import Output, read_numbers
from napari_sam.cli.run import check_output, command_provenance, write_labels
from napari_sam.errors import UserError
from napari_sam.labels.edited_arrays import merge_objects, reshape_objects
from napari_sam.labels.morphology import Reshaping, Treatment
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.open_image import open_labels
from napari_sam.planes.spacing import depth_axis, distance_unit

LabelsFile = Annotated[Path, typer.Argument(metavar="LABELS", help="A TIFF of labels.", show_default=False)]
Merge = Annotated[
    list[str] | None,
    typer.Option("--merge", metavar="ID,ID", help="Make one object of these, under the smallest id; may be repeated."),
]
FillHoles = Annotated[bool, typer.Option("--fill-holes", help="Fill background that an object encloses.")]
KeepLargest = Annotated[bool, typer.Option("--keep-largest", help="Keep the largest part of each object.")]
Smooth = Annotated[
    float | None, typer.Option("--smooth", metavar="DISTANCE", help="Round borders off.", show_default=False)
]
Grow = Annotated[
    float | None,
    typer.Option("--grow", metavar="DISTANCE", help="Grow over background; negative to shrink.", show_default=False),
]
Ids = Annotated[
    str | None, typer.Option("--ids", metavar="ID,ID", help="Only these objects; all of them if not given.")
]
Scale = Annotated[
    str | None,
    typer.Option(
        "--scale", metavar="Z,Y,X", help="Size of a pixel along every axis, in place of the file's.", show_default=False
    ),
]
PlaneWise = Annotated[bool, typer.Option("--planes", help="Each plane by itself, not volumes.")]


def edit_command(
    labels: LabelsFile,
    output: Output,
    merge: Merge = None,
    fill_holes: FillHoles = False,
    keep_largest: KeepLargest = False,
    smooth: Smooth = None,
    grow: Grow = None,
    ids: Ids = None,
    scale: Scale = None,
    planes: PlaneWise = False,
) -> None:
    """Edit the objects of a file of labels; what is asked for is done in the order of the options below.

    Distances are in the unit of the file's scale, or in pixels where it has none. Other labels keep their pixels, and
    nothing is mixed across time or channels. An object that would be gone is left as it is.
    """
    check_output(output, labels)
    todo: list[Reshaping] = []
    todo += [Reshaping(Treatment.FILL_HOLES)] if fill_holes else []
    todo += [Reshaping(Treatment.KEEP_LARGEST)] if keep_largest else []
    todo += [] if smooth is None else [Reshaping(Treatment.SMOOTH, smooth)]
    if grow is not None:
        todo.append(Reshaping(Treatment.SHRINK if grow < 0 else Treatment.GROW, abs(grow)))
    merged = [_ids("--merge", words) for words in merge or ()]
    if not todo and not merged:
        raise UserError("Nothing is to be done: give --merge, --fill-holes, --keep-largest, --smooth or --grow.")
    only = None if ids is None else _ids("--ids", ids)
    source = open_labels(labels)
    sizes, unit, depth = _spacing(source, scale, planes)
    array = np.asarray(source.array()[...]).reshape(source.shape)
    before = array
    for each in merged:
        array = merge_objects(array, each)
    # Volumes are the last three axes of what is reshaped.
    order = _order(array.ndim, depth)
    turned = array.transpose(order)
    for reshaping in todo:
        turned = reshape_objects(
            turned, reshaping, only, scale=[sizes[axis] for axis in order], spatial=2 if depth is None else 3
        )
    array = turned.transpose(np.argsort(order))
    made = command_provenance(
        "edit",
        labels,
        merge=merge,
        fill_holes=fill_holes,
        keep_largest=keep_largest,
        smooth=smooth,
        grow=grow,
        ids=ids,
        scale=scale,
        planes=planes,
    )
    write_labels(output, np.ascontiguousarray(array), source, made)
    changed = int(np.count_nonzero(array != before))
    count = len(np.unique(array[array > 0]))
    how = f", distances in {unit}" if smooth is not None or grow is not None else ""
    typer.echo(f"{output}: {count} object{'s' * (count != 1)}, {changed} pixels changed{how}")


def _order(ndim: int, depth: int | None) -> list[int]:
    """Return the axes with that of depth in front of those of the plane."""
    rest = [axis for axis in range(ndim) if axis != depth]
    return [*rest[:-2], *([] if depth is None else [depth]), *rest[-2:]]


def _ids(option: str, text: str) -> list[int]:
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and int(word) > 0 for word in words):
        raise UserError(f"{option} takes ids from 1 on, separated by commas, but got {text!r}.")
    return [int(word) for word in words]


def _spacing(source: ImageSource, scale: str | None, planes: bool) -> tuple[list[float], str, int | None]:
    """Return the size of a pixel along every axis, the unit of distances, and the axis of depth."""
    plane = Plane((source.ndim - 2, source.ndim - 1), (0,) * source.ndim)
    depth = None if planes else depth_axis(source, plane)
    axes = sorted((*plane.axes, *(() if depth is None else (depth,))))
    sizes = [1.0] * source.ndim
    if scale is not None:
        return list(read_numbers("--scale", scale, {source.ndim})), "the unit of --scale", depth
    known, unit = distance_unit(source, axes)
    for axis, size in zip(axes, known, strict=True):
        sizes[axis] = size
    return sizes, unit, depth
