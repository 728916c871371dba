"""``napari-sam segment`` and ``napari-sam propagate``: one object on one plane, or through a stack."""

from collections.abc import Iterable
from pathlib import Path
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
    Token,
)
from napari_sam.cli.image_options import ImageOptions, takes_image
from napari_sam.cli.run import (
    check_output,
    command_provenance,
    make_segmenter,
    open_and_read,
    open_and_read_table,
    steps,
    write_objects,
)
from napari_sam.errors import UserError
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.image_source import ImageSource


@takes_image
def segment_command(
    image: Image,
    output: Output,
    options: ImageOptions,
    point: Points = None,
    negative: Negatives = None,
    box: Boxes = None,
    mask: Masks = None,
    plane: AtPlane = None,
    model: ModelName = "nano",
    device: Device = "auto",
    token: Token = None,
    precision: PrecisionName = "auto",
    object_size: ObjectSize = None,
) -> None:
    """Segment one object on one plane and write it as label 1 of a TIFF of the image's shape.

    Positions are row,column from 0 at the centre of the first pixel. All prompts describe the same object.
    """
    check_output(output, image)
    words = PromptWords(point or (), negative or (), box or (), mask or (), plane)
    source, prompts = open_and_read(image, words, object_size, options)
    if len(prompts) > 1:
        raise UserError("The prompts lie on several planes; use napari-sam propagate for these.")
    ((on, said),) = prompts.items()
    with steps(("loading the model", "segmenting", "writing")) as step:
        segmenter = make_segmenter(source, [on], model, device, precision, token)
        step()
        found = segmenter.segment(on, said, object_size=object_size).mask
        step()
        made = command_provenance("segment", image, segmenter, **options.said, **vars(words), object_size=object_size)
        write_objects(output, {1: [(on, found)]}, source, made)
        step()
    if not found.area:
        typer.echo("Warning: nothing was found there; the labels are empty.", err=True)
    typer.echo(f"{output}: {found.area} pixels, predicted IoU {found.score:.2f}")


First = Annotated[int | None, typer.Option("--first", metavar="Z", help="Go no further than this plane.")]
Last = Annotated[int | None, typer.Option("--last", metavar="Z", help="Go no further than this plane.")]
Axis = Annotated[int | None, typer.Option("--axis", metavar="N", help="The axis to go along; by default Z.")]


Table = Annotated[
    Path | None,
    typer.Option(
        "--prompts",
        metavar="TABLE.csv",
        help="Points of many objects: columns id, z, y, x and positive (1 or 0; 1 where it is missing).",
        show_default=False,
    ),
]
Views = Annotated[
    bool | None,
    typer.Option(
        "--three-views/--one-view",
        help="Whether objects are carried along rows and columns as well, and the three views vote on each voxel; "
        "by default where it makes sense.",
        show_default=False,
    ),
]


@takes_image
def propagate_command(
    stack: Stack,
    output: Output,
    options: ImageOptions,
    prompts: Table = None,
    point: Points = None,
    negative: Negatives = None,
    box: Boxes = None,
    mask: Masks = None,
    plane: AtPlane = None,
    first: First = None,
    last: Last = None,
    axis: Axis = None,
    views: Views = None,
    model: ModelName = "nano",
    device: Device = "auto",
    token: Token = None,
    precision: PrecisionName = "auto",
    object_size: ObjectSize = None,
) -> None:
    """Segment objects where they are prompted, carry them both ways through the stack and write them as labels.

    Positions are plane,row,column from 0. Prompts on several planes describe the same object; between these planes
    it is carried from both sides. --point, --box and --mask describe one object, which becomes label 1; --prompts names
    a table of points of many, whose ids become the labels: they are carried at once, and compete for pixels.
    """
    check_output(output, stack)
    words = PromptWords(point or (), negative or (), box or (), mask or (), plane)
    if prompts is None:
        source, said = open_and_read(stack, words, object_size, options)
        asked = {1: said}
    else:
        if words.any:
            raise UserError("Give either --prompts or prompts of one object, not both.")
        source, asked = open_and_read_table(stack, prompts, object_size, options)
    along = _check_axis(source, axis, first, last)
    planes = list(dict.fromkeys(on for said in asked.values() for on in said))
    base = _one_line(planes, along)

    # Late, since it imports torch; see `make_segmenter`.
    from napari_sam.volume.propagate import propagate_each
    from napari_sam.volume.views import three_views

    segmenter = make_segmenter(source, planes, model, device, precision, token)
    questions = [(label, on, what) for label, said in asked.items() for on, what in said.items()]
    keys: dict[int, dict[int, Mask]] = {}
    for label, on, what in tqdm(questions, desc="segmenting", unit="plane", delay=1, leave=False):
        mask_there = segmenter.segment(on, what, object_size=object_size).mask
        if mask_there.area:
            keys.setdefault(label, {})[on.index[along]] = mask_there
    if not keys:
        raise UserError(
            "Nothing was found at the prompts, so there is nothing to propagate; try other points or a box."
        )
    for label in sorted(asked.keys() - keys.keys()):
        typer.echo(f"Warning: nothing was found at the points of object {label}.", err=True)
    found = {label: dict(masks) for label, masks in keys.items()}
    seen = three_views(source, model, along) if views is None else views
    reached = propagate_each(segmenter, base, keys, along, start=first, stop=last, views=seen)
    for label, each in tqdm(reached, desc="propagating", unit="plane"):
        found[label].pop(each.index, None)
        if each.mask is not None:
            found[label][each.index] = each.mask

    objects = {label: [(base.at(along, at), each) for at, each in masks.items()] for label, masks in found.items()}
    made = command_provenance(
        "propagate",
        stack,
        segmenter,
        **options.said,
        **vars(words),
        prompts=None if prompts is None else prompts.name,
        axis=along,
        first=first,
        last=last,
        three_views=seen,
        object_size=object_size,
    )
    pixels = write_objects(output, objects, source, made)
    for label in sorted(label for label, count in pixels.items() if not count):
        typer.echo(f"Warning: object {label} has no pixels of its own: others have all of them.", err=True)
    positions = sorted({at for masks in found.values() for at in masks})
    voxels, left = sum(pixels.values()), sum(map(bool, pixels.values()))
    many = f"{left} object{'s' * (left != 1)}, " if len(found) > 1 else ""
    typer.echo(f"{output}: {many}{voxels} voxels on {len(positions)} planes, {positions[0]} to {positions[-1]}")


def _check_axis(source: ImageSource, axis: int | None, first: int | None, last: int | None) -> int:
    """Return the axis to propagate along; the one in front of the plane unless the user says another."""
    leading = source.ndim - 2
    if not leading:
        raise UserError("The image has one plane only; use napari-sam segment.")
    # Along an axis of length 1 there is nothing to carry.
    likeliest = max((at for at in range(leading) if source.shape[at] > 1), default=leading - 1)
    along = likeliest if axis is None else axis
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
