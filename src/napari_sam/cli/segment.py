"""``napari-sam segment``: one object on one plane."""

import typer

from napari_sam.cli.options import (
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
)
from napari_sam.cli.output import check_output, write_object
from napari_sam.cli.progress import steps
from napari_sam.cli.prompts import PromptWords
from napari_sam.cli.start import make_segmenter, open_and_read
from napari_sam.errors import UserError


def segment(
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
        write_object(output, [(on, found)], source)
        step()
    if not found.area:
        typer.echo("Warning: nothing was found there; the labels are empty.", err=True)
    typer.echo(f"{output}: {found.area} pixels, predicted IoU {found.score:.2f}")
