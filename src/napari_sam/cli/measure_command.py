"""``napari-sam measure``: a table of the objects in a file of labels."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_sam.cli.image_options import ImageOptions, LabelSizes, Scale, takes_image
from napari_sam.export.measurements import measure_objects
from napari_sam.export.provenance import make_provenance
from napari_sam.export.table_file import check_table_path, save_table

if TYPE_CHECKING:
    from napari_sam.session.record.object_facts import ObjectFacts

LabelsFile = Annotated[Path, typer.Argument(metavar="LABELS", help="A file of labels.", show_default=False)]
Table = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="TABLE.csv", help="Where to write; .parquet as well.", show_default=False),
]
Measured = Annotated[
    Path | None,
    typer.Option("--image", metavar="IMAGE", help="The image, for intensities per channel.", show_default=False),
]
ByPlane = Annotated[bool, typer.Option("--by-plane", help="Each plane by itself, not volumes.")]


@partial(takes_image, leave_out=("channel", "scale"))
def measure_command(
    labels: LabelsFile,
    output: Table,
    options: ImageOptions,
    image: Measured = None,
    by_plane: ByPlane = False,
    scale: Scale = None,
) -> None:
    """Measure the objects of a file of labels, and write a table with a row for each.

    Sizes are in the unit of the file's scale, or in pixels where it has none. Where the session lies beside the labels,
    the table says how sure the model is of each object, by how many prompts it was made, and whether a hand was at it.
    """
    check_table_path(output)
    source = options.open_labels(labels, image)
    sizes = LabelSizes.read(scale, source)
    facts = _facts(labels)
    columns = measure_objects(
        source,
        None if image is None else options.open(image),
        scale=sizes.scale,
        units=sizes.units,
        by_plane=by_plane,
        confidences=None if facts is None else facts.confidences,
        origins=None if facts is None else facts.makers,
        prompts=None if facts is None else facts.prompts,
    )
    parameters = {"labels": labels.name, "by_plane": by_plane, "scale": sizes.scale}
    name = "" if image is None else image.name
    save_table(output, columns, make_provenance(image=name, made_by="napari-sam measure", parameters=parameters))
    count = len(set(columns["label"].tolist()))
    rows = len(columns["label"])
    unit = f", lengths in {columns['unit'][0]}" if rows else ""
    typer.echo(f"{output}: {count} object{'s' * (count != 1)}, {rows} row{'s' * (rows != 1)}{unit}")


def _facts(labels: Path) -> "ObjectFacts | None":
    """Return what the session beside the labels knows of them; None where there is none."""
    # Late, since they import torch.
    from napari_sam.session.record.object_facts import object_facts
    from napari_sam.session.record.session_file import read_session, session_path

    path = session_path(labels)
    return object_facts(read_session(path).annotation) if path.is_file() else None
