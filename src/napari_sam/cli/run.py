"""The parts that a command begins and ends with: the image, a model, progress, and where the labels go."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import typer
from numpy.typing import NDArray
from tqdm import tqdm

from napari_sam.batch.prompt_table import read_prompt_table
from napari_sam.cli.arguments import PromptWords
from napari_sam.cli.image_options import ImageOptions
from napari_sam.errors import UserError
from napari_sam.export.provenance import Provenance, make_provenance
from napari_sam.export.save_labels import save_labels
from napari_sam.labels.label_array import smallest_dtype
from napari_sam.labels.paint import Collision, paint
from napari_sam.planes.contrast import Contrast, measure_contrast
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Prompts

if TYPE_CHECKING:
    from napari_sam.segment.segmenter import Segmenter


@contextmanager
def steps(names: Sequence[str]) -> Iterator[Callable[[], None]]:
    """Show a bar over steps that take unlike times; yield what to call when a step is done.

    Parameters
    ----------
    names
        What each step does.
    """
    # The bar shows only where the whole takes longer than a second.
    with tqdm(total=len(names), desc=names[0], delay=1, leave=False) as bar:

        def done() -> None:
            bar.update()
            if bar.n < len(names):
                bar.set_description(names[bar.n])

        yield done


@contextmanager
def transferred(name: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar over bytes; yield what to call with those that are here and those that there will be.

    Parameters
    ----------
    name
        What is transferred.
    """
    with tqdm(desc=name, unit="B", unit_scale=True, delay=0.5, leave=False) as bar:

        def here(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield here


def check_output(path: Path, image: Path) -> None:
    """Fail early where labels could not be written.

    Raises
    ------
    UserError
        If `path` is no TIFF name, is the image itself or a folder, or its folder is missing or closed.
    """
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise UserError(f"Labels are written as TIFF: end the name {path} with .tif.")
    if path.is_dir():
        raise UserError(f"{path} is a folder; give the name of a file.")
    if not path.parent.is_dir():
        raise UserError(f"There is no folder {path.parent} to write {path.name} to.")
    if path.exists() and image.exists() and path.samefile(image):
        raise UserError(f"{path} is the image itself; write the labels to another file.")
    try:
        # Asking for permissions would miss read-only disks and full ones.
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}; choose another place.") from error


def write_objects(
    path: Path,
    objects: Mapping[int, Iterable[tuple[Plane, Mask]]],
    source: ImageSource,
    provenance: Provenance | None = None,
) -> dict[int, int]:
    """Write the labels of objects, given by their ids; one that meets a former one leaves it its pixels.

    Returns
    -------
    dict
        How many pixels each object has.
    """
    labels = np.zeros(source.shape, smallest_dtype(max(objects)))
    pixels = {}
    for label, masks in sorted(objects.items()):
        paint(labels, masks, label, Collision.KEEP).apply(labels)
        pixels[label] = int(np.count_nonzero(labels == label))
    write_labels(path, labels, source, provenance)
    return pixels


def write_labels(
    path: Path, labels: NDArray[np.generic], source: ImageSource, provenance: Provenance | None = None
) -> None:
    """Write labels with the axes and the scale of the image they belong to."""
    axes = "".join(label.upper()[:1] for label in source.axis_labels) if source.axis_labels else None
    save_labels(path, labels, axes=axes, scale=source.scale, units=source.units, provenance=provenance)


# Chosen, not measured: a plane of 256 MB in float32, which is read to see whether it holds NaN.
MAX_INSPECTED_PIXELS = 64_000_000


def open_and_read(
    image: Path, words: PromptWords, object_size: float | None, options: ImageOptions
) -> tuple[ImageSource, dict[Plane, Prompts]]:
    """Return the image and the prompts on it; everything that can be wrong with them shows before a model is loaded.

    Raises
    ------
    UserError
        If the image, a prompt or the object size cannot be used.
    """
    _check_size(object_size)
    source = options.open(image)
    return source, words.read(source)


def _check_size(object_size: float | None) -> None:
    if object_size is not None and not (isfinite(object_size) and object_size > 0):
        raise UserError(f"--object-size is a diameter in pixels above 0, but got {object_size:g}.")


def open_and_read_table(
    image: Path, table: Path, object_size: float | None, options: ImageOptions
) -> tuple[ImageSource, dict[int, dict[Plane, Prompts]]]:
    """Return the image, and the prompts of every object of a table on each plane; see `read_prompt_table`.

    Raises
    ------
    UserError
        If the image, the table or the object size cannot be used.
    """
    _check_size(object_size)
    source = options.open(image)
    return source, read_prompt_table(table, source)


def make_segmenter(
    source: ImageSource,
    planes: list[Plane],
    model: str,
    device: str = "auto",
    precision: str = "auto",
    token: str | None = None,
) -> "Segmenter":
    """Make a segmenter of the image; warn on standard error if the pixels of the prompted planes are poor.

    Raises
    ------
    UserError
        If there is no such model, device or precision.
    """
    # Importing torch takes seconds: not before it is needed, so that help and bad input answer at once.
    from napari_sam.models.load import load_model
    from napari_sam.segment.segmenter import Segmenter

    loaded = load_model(model, device, precision, token=token)
    contrast = measure_contrast(source, planes[0].axes)
    _warn(source, planes, contrast)
    return Segmenter(loaded, source, contrast)


def _warn(source: ImageSource, planes: list[Plane], contrast: Contrast) -> None:
    if contrast.constant:
        typer.echo("Warning: every pixel of the image has the same value; expect nothing useful.", err=True)
    if contrast.has_nonfinite or any(_has_nonfinite(source, plane) for plane in planes):
        typer.echo("Warning: the image has NaN or infinite pixels; they are taken as black.", err=True)


def _has_nonfinite(source: ImageSource, plane: Plane) -> bool:
    """Tell whether a plane of moderate size holds NaN or infinite values; larger ones are left to the sample."""
    rows, columns = plane.shape(source.shape)
    if source.dtype.kind != "f" or rows * columns > MAX_INSPECTED_PIXELS:
        return False
    return not bool(np.isfinite(source.read(plane, slice(None), slice(None))).all())


def command_provenance(
    command: str, image: Path, segmenter: "Segmenter | None" = None, **parameters: object
) -> dict[str, object]:
    """Describe what a command made its labels by.

    Parameters
    ----------
    command
        Its name.
    image
        What it made them of.
    segmenter
        By whose model; None for none.
    parameters
        What it was told; what is None is left out.
    """
    model = None if segmenter is None else segmenter.model
    return make_provenance(
        model="" if model is None else model.name,
        digest="" if model is None else model.digest,
        image=image.name,
        made_by=f"napari-sam {command}",
        parameters={name: value for name, value in parameters.items() if value is not None},
    )
