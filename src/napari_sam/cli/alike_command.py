"""``napari-sam alike``: all objects of each plane that are like some that are labelled."""

import math
from pathlib import Path
from typing import Annotated

import typer

from napari_sam.cli.arguments import Device, Image, ModelName, Output, PrecisionName, Token
from napari_sam.cli.everything_command import (
    Largest,
    Overlap,
    Planes,
    Region,
    Smallest,
    check_wanted,
    finding_bar,
    read_planes,
    read_region,
    say_count,
)
from napari_sam.cli.image_options import ImageOptions, takes_image
from napari_sam.cli.run import check_output, command_provenance, make_segmenter, write_labels
from napari_sam.errors import UserError
from napari_sam.labels.label_array import smallest_dtype
from napari_sam.labels.label_files import read_labels
from napari_sam.labels.label_masks import PlaneInLabels, all_masks_on_plane, largest_masks
from napari_sam.planes.geometry import Mask, Plane

Labels = Annotated[
    Path,
    typer.Option("--labels", metavar="LABELS.tif", help="Labels that hold the examples.", show_default=False),
]
Ids = Annotated[
    str | None,
    typer.Option("--ids", metavar="ID,ID", help="Which labels are examples; by default all of them."),
]
Labelled = Annotated[
    Path | None,
    typer.Option("--labelled", metavar="IMAGE", help="The image that the labels are of, if it is another one."),
]
Likeness = Annotated[
    float | None,
    typer.Option("--likeness", metavar="0..1", help="How sure to be of an object like them; 0.5 if not given."),
]


@takes_image
def alike_command(
    image: Image,
    labels: Labels,
    output: Output,
    options: ImageOptions,
    ids: Ids = None,
    labelled: Labelled = None,
    likeness: Likeness = None,
    smallest: Smallest = None,
    largest: Largest = None,
    overlap: Overlap = None,
    region: Region = None,
    planes: Planes = None,
    model: ModelName = "nano",
    device: Device = "auto",
    token: Token = None,
    precision: PrecisionName = "auto",
) -> None:
    """Segment all objects that are like some that are labelled, and write them as labels.

    Each plane is looked at alone: an object has another label on every plane. What is labelled in the image already is
    left out; new labels go on from the largest one that there is.
    """
    check_output(output, image)
    check_wanted({"--likeness": likeness, "--overlap": overlap}, smallest, largest)
    source = options.open(image)
    examples_on = source if labelled is None else options.open(labelled)
    there = read_labels(labels, examples_on)
    named = _ids(ids)
    examples = largest_masks(there, (there.ndim - 2, there.ndim - 1), named)
    missing = sorted((named or set()) - set(examples))
    if missing or not examples:
        raise UserError(f"{labels} has no label {missing[0]}." if missing else f"{labels} has no label at all.")
    within = None if region is None else read_region(region, source)
    chosen = read_planes(planes, source)

    # Late, since they import torch.
    from napari_sam.discover.alike import describe_kind
    from napari_sam.discover.planes import label_alike, label_stack
    from napari_sam.discover.proposals import LIKENESS, OVERLAP, Wanted

    def known(plane: Plane) -> list[Mask]:
        if labelled is not None:
            return []
        return list(all_masks_on_plane(there, PlaneInLabels.itself(plane, there.shape)).values())

    wanted = Wanted(
        smallest=smallest or 0.0,
        largest=math.inf if largest is None else largest,
        overlap=OVERLAP if overlap is None else overlap,
        likeness=LIKENESS if likeness is None else likeness,
    )
    segmenter = make_segmenter(source, chosen, model, device, precision, token)
    described = segmenter
    if labelled is not None:
        described = make_segmenter(
            examples_on, [plane for plane, _ in examples.values()], model, device, precision, token
        )
    kind = describe_kind(described, list(examples.values()))
    with finding_bar() as told:
        found = label_alike(segmenter, chosen, kind, wanted, known, within, told)
        written, count = label_stack(found, source.shape)
    before = int(there.max())
    written = written.astype(smallest_dtype(count + before))
    written[written > 0] += before
    made = command_provenance(
        "alike",
        image,
        segmenter,
        **options.said,
        **vars(wanted),
        region=region,
        planes=planes,
        labels=labels.name,
        ids=ids,
    )
    write_labels(output, written, source, made)
    say_count(output, count, chosen)


def _ids(text: str | None) -> set[int] | None:
    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and int(word) for word in words):
        raise UserError(f"--ids takes labels from 1 on, as in 3,7, but got {text!r}.")
    return {int(word) for word in words}
