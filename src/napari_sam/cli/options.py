"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Image = Annotated[Path, typer.Argument(metavar="IMAGE", help="A TIFF, OME-TIFF, PNG or JPEG file.", show_default=False)]
Stack = Annotated[Path, typer.Argument(metavar="STACK", help="A TIFF or OME-TIFF z-stack.", show_default=False)]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="LABELS.tif", help="Where to write the labels.", show_default=False)
]
Points = Annotated[
    list[str] | None,
    typer.Option("--point", metavar="[Z,]R,C", help="A point on the object; may be repeated.", show_default=False),
]
Negatives = Annotated[
    list[str] | None,
    typer.Option("--negative", metavar="[Z,]R,C", help="A point off the object; may be repeated.", show_default=False),
]
Boxes = Annotated[
    list[str] | None,
    typer.Option(
        "--box",
        metavar="[Z,]R0,C0,R1,C1",
        help="A box around the object, both corner pixels included; one per plane.",
        show_default=False,
    ),
]
Masks = Annotated[
    list[str] | None,
    typer.Option(
        "--mask", metavar="LABELS:ID", help="A label to refine, on the plane of the prompts.", show_default=False
    ),
]
AtPlane = Annotated[
    str | None,
    typer.Option(
        "--plane", metavar="Z", help="The plane of prompts that name none; T,Z with more axes.", show_default=False
    ),
]
ModelName = Annotated[
    str, typer.Option("--model", metavar="NAME", help="One of: napari-sam models; or a file of weights.")
]
Device = Annotated[str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda or mps.")]
PrecisionName = Annotated[
    str, typer.Option("--precision", metavar="NAME", help="In which images are encoded: auto, float32 or bfloat16.")
]
ObjectSize = Annotated[
    float | None,
    typer.Option("--object-size", metavar="PX", help="Rough diameter of the object in pixels; found out if not given."),
]
