"""``napari-sam export``: a file of labels in the format of another program."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from napari_sam.cli.image_options import ImageOptions, LabelSizes, Scale, takes_image
from napari_sam.errors import UserError
from napari_sam.export.export_labels import FORMATS, export_format, export_labels
from napari_sam.export.provenance import SUFFIX, make_provenance, read_provenance, sidecar_path

LabelsFile = Annotated[Path, typer.Argument(metavar="LABELS", help="A file of labels.", show_default=False)]
Output = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="PATH", help="Where to write; IMAGE.zarr for labels in an image.", show_default=False
    ),
]
To = Annotated[
    str | None,
    typer.Option("--to", metavar="FORMAT", help=f"{', '.join(FORMATS)}; guessed from the name if not given."),
]
Like = Annotated[
    Path | None,
    typer.Option("--image", metavar="IMAGE", help="The image, for axes and scale that the labels lack."),
]
Version = Annotated[
    str | None, typer.Option("--zarr-version", metavar="0.4|0.5", help="Of OME-Zarr; 0.5 if not given.")
]


@partial(takes_image, leave_out=("channel", "scale"))
def export_command(
    labels: LabelsFile,
    output: Output,
    options: ImageOptions,
    to: To = None,
    image: Like = None,
    scale: Scale = None,
    zarr_version: Version = None,
) -> None:
    """Write a file of labels in the format of another program.

    What the labels were made by, if that lies beside them, goes along.
    """
    chosen = export_format(output, to)
    source = options.open_labels(labels, image)
    sizes = LabelSizes.read(scale, source)
    like = None if image is None else options.open(image)
    if like is not None and like.shape != source.shape:
        raise UserError(
            f"The labels have the shape {source.shape}, but {image} has {like.shape}; give their own image."
        )
    former = read_provenance(sidecar_path(labels, SUFFIX))
    name = "" if image is None else image.name
    made = make_provenance(image=name, made_by="napari-sam export", parameters={"labels": labels.name})
    if former is not None:
        made["labels"] = former
    if output.exists() and labels.exists() and output.samefile(labels):
        raise UserError(f"{output} are the labels themselves; write to another file.")
    export_labels(
        output,
        source,
        to=chosen.name,
        image=like,
        scale=sizes.scale,
        units=sizes.units,
        provenance=made,
        zarr_version=zarr_version,
    )
    typer.echo(f"{output}: {chosen.title}")
