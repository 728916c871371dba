"""``napari-sam segment`` and ``napari-sam propagate``: one object on one plane, or through a stack."""

from collections.abc import Iterable
from typing import Annotated

import typer
from tqdm import tqdm

from napari_sam.cli.arguments import (
    AtPlane,
    Boxes,
    Device,
    Image,
    Masks,
    ModelName,
    Negatives,
    ObjectSize,
    Output,
    Points,
    PrecisionName,
    PromptWords,
    Stack,
)
from napari_sam.cli.run import check_output, make_segmenter, open_and_read, steps, write_object_labels
from napari_sam.errors import UserError
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource


def segment_command(
    image: Image,
    output: Output,
    point: Points = None,
    negative: Negatives = None,
    box: Boxes = None,
    mask: Masks = None,
    plane: AtPlane = None,
    model: ModelName = "nano",
    device: Device = "auto",
    precision: PrecisionName = "auto",
    object_size: ObjectSize = None,
) -> None:
    """Segment one object on one plane and write it as label 1 of a TIFF of the image's shape.

    Positions are row,column from 0 at the centre of the first pixel. All prompts describe the same object.
    """
    check_output(output, image)
    words = PromptWords(point or (), negative or (), box or (), mask or (), plane)
    source, prompts = open_and_read(image, words, object_size)
    if len(prompts) > 1:
        raise UserError("The prompts lie on several planes; use napari-sam propagate for these.")
    ((on, said),) = prompts.items()
    with steps(("loading the model", "segmenting", "writing")) as step:
        segmenter = make_segmenter(source, [on], model, device, precision)
        step()
        found = segmenter.segment(on, said, object_size=object_size).mask
        step()
        write_object_labels(output, [(on, found)], source)
        step()
    if not found.area:
        typer.echo("Warning: nothing was found there; the labels are empty.", err=True)
    typer.echo(f"{output}: {found.area} pixels, predicted IoU {found.score:.2f}")


First = Annotated[int | None, typer.Option("--first", metavar="Z", help="Go no further than this plane.")]
Last = Annotated[int | None, typer.Option("--last", metavar="Z", help="Go no further than this plane.")]
Axis = Annotated[int | None, typer.Option("--axis", metavar="N", help="The axis to go along; by default Z.")]


def propagate_command(
    stack: Stack,
    output: Output,
    point: Points = None,
    negative: Negatives = None,
    box: Boxes = None,
    mask: Masks = None,
    plane: AtPlane = None,
    first: First = None,
    last: Last = None,
    axis: Axis = None,
    model: ModelName = "nano",
    device: Device = "auto",
    precision: PrecisionName = "auto",
    object_size: ObjectSize = None,
) -> None:
    """Segment one object where it is prompted, carry it both ways through the stack and write it as label 1.

    Positions are plane,row,column from 0. Prompts on several planes describe the same object; between these planes
    it is carried from both sides.
    """
    check_output(output, stack)
    words = PromptWords(point or (), negative or (), box or (), mask or (), plane)
    source, prompts = open_and_read(stack, words, object_size)
    along = _check_axis(source, axis, first, last)
    base = _one_line(prompts, along)

    # Late, since it imports torch; see `make_segmenter`.
    from napari_sam.volume.propagate import propagate as propagate_planes

    segmenter = make_segmenter(source, list(prompts), model, device, precision)
    keys = {
        on.index[along]: segmenter.segment(on, said, object_size=object_size).mask
        for on, said in tqdm(prompts.items(), desc="segmenting", unit="plane", delay=1, leave=False)
    }
    found = {base.at(along, position): key for position, key in keys.items() if key.area}
    if not found:
        raise UserError(
            "Nothing was found at the prompts, so there is nothing to propagate; try other points or a box."
        )
    reached = propagate_planes(segmenter, base, keys, along, start=first, stop=last)
    for each in tqdm(reached, total=source.shape[along] - len(keys), desc="propagating", unit="plane"):
        if each.mask is not None:
            found[base.at(along, each.index)] = each.mask

    write_object_labels(output, found.items(), source)
    positions = sorted(on.index[along] for on in found)
    voxels = sum(each.area for each in found.values())
    typer.echo(f"{output}: {voxels} voxels on {len(found)} planes, {positions[0]} to {positions[-1]}")


def _check_axis(source: ImageSource, axis: int | None, first: int | None, last: int | None) -> int:
    """Return the axis to propagate along; the one in front of the plane unless the user says another."""
    leading = source.ndim - 2
    if not leading:
        raise UserError("The image has one plane only; use napari-sam segment.")
    along = leading - 1 if axis is None else axis
    if not 0 <= along < leading:
        raise UserError(
            f"--axis {along} cannot be propagated along: the image has the axes 0 to {leading - 1} for that."
        )
    length = source.shape[along]
    for option, position in (("--first", first), ("--last", last)):
        if position is not None and not 0 <= position < length:
            raise UserError(f"{option} {position} does not exist: the stack has planes 0 to {length - 1}.")
    if first is not None and last is not None and first > last:
        raise UserError(f"--first {first} lies behind --last {last}.")
    return along


def _one_line(planes: Iterable[Plane], along: int) -> Plane:
    """Return any of the planes, if they differ along the one axis only."""
    planes = list(planes)
    if len({each.at(along, 0) for each in planes}) > 1:
        raise UserError(f"The prompts must lie on planes that differ along axis {along} only.")
    return planes[0]
