"""``napari-sam everything``: all objects of each plane, without a prompt."""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from napari_sam.cli.arguments import Device, Image, ModelName, Output, PrecisionName, Token, read_numbers
from napari_sam.cli.image_options import ImageOptions, takes_image
from napari_sam.cli.run import check_output, command_provenance, make_segmenter, write_labels
from napari_sam.errors import UserError, check_share
from napari_sam.labels.label_array import smallest_dtype
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource

Confidence = Annotated[
    float | None,
    typer.Option("--confidence", metavar="0..1", help="How sure to be of an object; 0.4 if not given."),
]
Smallest = Annotated[
    float | None, typer.Option("--smallest", metavar="PX", help="Leave out what has a smaller diameter.")
]
Largest = Annotated[float | None, typer.Option("--largest", metavar="PX", help="Leave out what has a larger diameter.")]
Overlap = Annotated[
    float | None,
    typer.Option(
        "--overlap",
        metavar="0..1",
        help="Share of the smaller of two objects that both may have; 0.4 if not given.",
    ),
]
Region = Annotated[
    str | None,
    typer.Option("--region", metavar="R0,C0,R1,C1", help="Only objects whose middle lies inside.", show_default=False),
]
Planes = Annotated[
    str | None,
    typer.Option("--planes", metavar="Z,Z-Z", help="Only these planes, as in 3 or 2-5,9; by default all of them."),
]
Link = Annotated[
    bool,
    typer.Option("--link", help="Link objects from plane to plane into volumes, along the axis in front of the plane."),
]
Movement = Annotated[
    float | None,
    typer.Option(
        "--movement",
        metavar="PX",
        help="With --link, where that axis is time: how far an object moves at most from one position to the next.",
    ),
]


@takes_image
def everything_command(
    image: Image,
    output: Output,
    options: ImageOptions,
    confidence: Confidence = None,
    smallest: Smallest = None,
    largest: Largest = None,
    overlap: Overlap = None,
    region: Region = None,
    planes: Planes = None,
    link: Link = False,
    movement: Movement = None,
    model: ModelName = "nano",
    device: Device = "auto",
    token: Token = None,
    precision: PrecisionName = "auto",
) -> None:
    """Segment all objects that the model sees by itself and write them as labels.

    Each plane is looked at alone: an object has another label on every plane. With --link the planes of a stack are
    linked, and objects are carried on to where they end. Diameters are those of a disc (of volumes: a ball) that is as
    large as the object, in pixels.
    """
    check_output(output, image)
    check_wanted({"--confidence": confidence, "--overlap": overlap}, smallest, largest)
    if movement is not None and not link:
        raise UserError("--movement says how far objects move that are linked: give --link with it.")
    if movement is not None and not (math.isfinite(movement) and movement > 0):
        raise UserError(f"--movement is a distance in pixels above 0, but got {movement:g}.")
    source = options.open(image)
    within = None if region is None else read_region(region, source)
    chosen = read_planes(planes, source)
    if link:
        _check_row(chosen, planes)

    # Late, since they import torch.
    from napari_sam.discover.planes import label_planes, label_stack
    from napari_sam.discover.proposals import CONFIDENCE, OVERLAP, Wanted
    from napari_sam.discover.volumes import label_volumes

    wanted = Wanted(
        CONFIDENCE if confidence is None else confidence,
        smallest or 0.0,
        math.inf if largest is None else largest,
        OVERLAP if overlap is None else overlap,
    )
    segmenter = make_segmenter(source, chosen, model, device, precision, token)
    with finding_bar() as told:
        if link:
            axis = source.ndim - 3
            labels, count = label_volumes(
                segmenter,
                list(dict.fromkeys(plane.at(axis, 0) for plane in chosen)),
                axis,
                wanted,
                start=chosen[0].index[axis],
                stop=chosen[-1].index[axis],
                region=within,
                movement=movement,
                told=told,
            )
        else:
            labels, count = label_stack(label_planes(segmenter, chosen, wanted, within, told), source.shape)
    made = command_provenance(
        "everything",
        image,
        segmenter,
        **options.said,
        **vars(wanted),
        region=region,
        planes=planes,
        link=link,
        movement=movement,
    )
    write_labels(output, labels.astype(smallest_dtype(count)), source, made)
    say_count(output, count, chosen)


@contextmanager
def finding_bar() -> Iterator[Callable[[float], None]]:
    """Show on standard error which share of the work is done; gives what is to be told of that."""
    shown = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
    with tqdm(total=100, desc="finding", bar_format=shown, delay=1, leave=False) as bar:

        def told(share: float) -> None:
            bar.update(max(int(100 * share) - bar.n, 0))

        yield told


def say_count(output: Path, count: int, planes: Sequence[Plane]) -> None:
    """Say how many objects were written, and warn if there are none."""
    if not count:
        typer.echo("Warning: nothing was found; the labels are empty.", err=True)
    typer.echo(f"{output}: {count} object{'s' * (count != 1)} on {len(planes)} plane{'s' * (len(planes) != 1)}")


def _check_row(planes: Sequence[Plane], text: str | None) -> None:
    if planes[0].ndim < 3:
        raise UserError("--link was given, but the image has one plane only.")
    positions = sorted({plane.index[-3] for plane in planes})
    if positions != list(range(positions[0], positions[-1] + 1)):
        raise UserError(f"--link needs planes in a row, and --planes {text} leaves some out.")


def check_wanted(shares: Mapping[str, float | None], smallest: float | None, largest: float | None) -> None:
    """Refuse shares, by option, and diameters that are out of their range.

    Raises
    ------
    UserError
        Which of them is.
    """
    for option, share in shares.items():
        if share is not None:
            check_share(option, share)
    for option, diameter in (("--smallest", smallest), ("--largest", largest)):
        if diameter is not None and not (math.isfinite(diameter) and diameter >= 0):
            raise UserError(f"{option} is a diameter in pixels from 0 on, but got {diameter:g}.")
    if smallest is not None and largest is not None and smallest > largest:
        raise UserError(f"--smallest {smallest:g} is larger than --largest {largest:g}.")


def read_region(text: str, source: ImageSource) -> tuple[float, float, float, float]:
    """Return (row0, column0, row1, column1) of a region of the image's planes.

    Raises
    ------
    UserError
        If it is none, or lies outside.
    """
    row0, column0, row1, column1 = read_numbers("--region", text, {4})
    row0, row1 = sorted((row0, row1))
    column0, column1 = sorted((column0, column1))
    rows, columns = source.shape[-2:]
    if row1 < 0 or column1 < 0 or row0 > rows - 1 or column0 > columns - 1:
        raise UserError(f"--region {text} lies outside the image, which has {rows} rows and {columns} columns.")
    return row0, column0, row1, column1


def read_planes(text: str | None, source: ImageSource) -> list[Plane]:
    """Return the planes to look at: those of some positions along the axis in front of the plane, or all of them.

    Raises
    ------
    UserError
        If there are no such planes.
    """
    leading = source.shape[:-2]
    positions = [list(range(length)) for length in leading]
    if text is not None:
        if not leading:
            raise UserError(f"--planes {text} was given, but the image has one plane only.")
        positions[-1] = _positions(text, leading[-1])
    ndim = source.ndim
    return [Plane((ndim - 2, ndim - 1), (*index, 0, 0)) for index in product(*positions)]


def _positions(text: str, length: int) -> list[int]:
    found: dict[int, None] = {}
    for word in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", word)
        if match is None:
            raise UserError(f"--planes takes planes such as 3 or 2-5,9, but got {text!r}.")
        first, last = int(match[1]), int(match[2] or match[1])
        if first > last:
            raise UserError(f"--planes {text} goes backwards: {first} lies behind {last}.")
        if last >= length:
            raise UserError(f"--planes {text} names plane {last}, but the image has planes 0 to {length - 1}.")
        found.update(dict.fromkeys(range(first, last + 1)))
    return list(found)
