"""One image of a batch, done from its file to files of labels; here, or on another machine."""

import math
import time
import traceback
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from napari_sam._version import __version__
from napari_sam.batch.image_labels import Told, label_image, open_listed, open_segmenter
from napari_sam.batch.image_list import ListedImage
from napari_sam.batch.picture import write_picture
from napari_sam.batch.recipe import FindingPart, Recipe
from napari_sam.discover.planes import PlaneLabels
from napari_sam.errors import UserError
from napari_sam.export.export_labels import FORMATS, export_labels
from napari_sam.export.measurements import labels_source, measure_objects
from napari_sam.export.provenance import SUFFIX, make_provenance
from napari_sam.export.table_file import save_table
from napari_sam.models.device import ran_out_of_memory
from napari_sam.models.model import Model
from napari_sam.planes.image_source import ImageSource
from napari_sam.segment.segmenter import Segmenter

PICTURE = "picture.jpg"
"""Name of the picture in the folder of a task."""


@dataclass(frozen=True)
class ImageTask:
    """What is to be done to one image.

    Parameters
    ----------
    recipe
        The recipe.
    base
        Folder that its names are relative to.
    image
        The image.
    key
        Hash of all that its labels depend on.
    folder
        Folder of its own, where its files are written before they get their places.
    """

    recipe: Recipe
    base: Path
    image: ListedImage
    key: str
    folder: Path


class ImageOutcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of an image.

    Parameters
    ----------
    image, output, key
        Its path, what its outputs are called, and the hash of all that its labels depend on.
    error, trace
        Why there are no labels, in one sentence; and where in the code, if it is not the user's to put right.
    warnings
        One sentence each.
    objects
        How many there are.
    shape
        Of the image, without channels.
    seconds, processor_seconds
        How long it took, and how long all processor cores together were busy with it.
    files
        What was written, relative to the folder of outputs.
    stamps
        Size and time of change (ns) of each of these, once it has its place.
    model, digest, precision, device, version
        By what.
    finished
        When, in UTC.
    """

    image: str
    output: str
    key: str
    error: str = ""
    trace: str = ""
    warnings: tuple[str, ...] = ()
    objects: int = 0
    shape: tuple[int, ...] = ()
    seconds: float = 0.0
    processor_seconds: float = 0.0
    files: tuple[str, ...] = ()
    stamps: tuple[tuple[int, int], ...] = ()
    model: str = ""
    digest: str = ""
    precision: str = ""
    device: str = ""
    version: str = ""
    finished: str = ""


def do_task(
    task: ImageTask, model: Model, told: Told | None = None, found: Iterable[PlaneLabels] | None = None
) -> ImageOutcome:
    """Segment an image and write its files into the task's folder; whatever goes wrong is in the outcome.

    Parameters
    ----------
    task
        What is to be done.
    model
        The model.
    told
        Called with the share of the work that is done, 0..1, where that is known.
    found
        What others have found on the image's planes already; see `label_image`.
    """
    outcome = ImageOutcome(
        task.image.name,
        task.image.output,
        task.key,
        model=model.name,
        digest=model.digest,
        precision=str(model.precision),
        device=str(model.device),
        version=__version__,
    )
    began, busy = time.monotonic(), time.process_time()
    with _noted() as notes:
        try:
            outcome = _done(task, model, outcome, told, found)
        except UserError as error:
            outcome = msgspec.structs.replace(outcome, error=str(error))
        except Exception as error:
            outcome = msgspec.structs.replace(outcome, error=_sentence(error), trace=traceback.format_exc())
    return msgspec.structs.replace(
        outcome,
        warnings=tuple(notes),
        seconds=time.monotonic() - began,
        processor_seconds=time.process_time() - busy,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _sentence(error: Exception) -> str:
    if ran_out_of_memory(error):
        return "There is not enough memory for this image: give a smaller part of it, or run fewer workers."
    if isinstance(error, OSError):
        place = f": {error.filename}" if error.filename else ""
        return f"{error.strerror or error}{place}"
    return f"This should not have happened ({type(error).__name__}: {error}); please report it."


@contextmanager
def _noted() -> Iterator[list[str]]:
    """Collect warnings instead of showing them, each once."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            yield notes
        finally:
            said = (" ".join(str(each.message).split()) for each in caught if issubclass(each.category, UserWarning))
            notes.extend(dict.fromkeys(said))


def _done(
    task: ImageTask,
    model: Model,
    outcome: ImageOutcome,
    told: Told | None,
    found: Iterable[PlaneLabels] | None,
) -> ImageOutcome:
    task.folder.mkdir(parents=True, exist_ok=True)
    source = open_listed(task.image.path, task.recipe, task.image.series)
    stack = open_segmenter(source, task.recipe, model)
    contrast = stack.embedder.contrast
    if contrast.constant:
        warnings.warn("Every pixel of the image has the same value: expect nothing useful.", stacklevel=1)
    if contrast.has_nonfinite:
        warnings.warn("The image has NaN or infinite pixels; they are taken as black.", stacklevel=1)
    labels = label_image(task.recipe, task.base, task.image, stack, told, found)
    files = write_outputs(task, labels, source, model)
    _draw(task, labels, stack)
    return msgspec.structs.replace(outcome, objects=len(np.unique(labels[labels > 0])), shape=source.shape, files=files)


def output_names(recipe: Recipe, output: str, planes: int = 1) -> tuple[str, ...]:
    """Return the files that an image of so many planes will have, relative to the folder of outputs; with slashes."""
    stem = Path(output).as_posix()
    table = [] if recipe.measure is None else [f"{stem}.{recipe.measure.table}"]
    return (*(f"{stem}{_suffix(each, planes)}" for each in recipe.outputs.formats), *table, f"{stem}{SUFFIX}")


def _suffix(name: str, planes: int) -> str:
    if name == "outlines" and planes > 1:
        # Not ".zip" alone, which ImageJ's regions end in.
        return "-outlines.zip"
    return ".ome.zarr" if name == "ome-zarr" else FORMATS[name].suffixes[0]


def write_outputs(task: ImageTask, labels: NDArray[Any], source: ImageSource, model: Model) -> tuple[str, ...]:
    """Write all files of an image into the task's folder, and return their names.

    Raises
    ------
    UserError
        If a format cannot hold the labels, or what it needs is not installed.
    """
    recipe = task.recipe
    names = output_names(recipe, task.image.output, math.prod(labels.shape[:-2]))
    (task.folder / names[0]).parent.mkdir(parents=True, exist_ok=True)
    made = make_provenance(
        model=model.name,
        digest=model.digest,
        image=task.image.path.name,
        made_by="napari-sam batch",
        # Spelled out: what a key is without being said may be another thing in another version.
        parameters={
            "find": {"what": recipe.find.__struct_config__.tag, **msgspec.structs.asdict(recipe.find)},
            "edit": [msgspec.structs.asdict(each) for each in recipe.edit],
            "contrast": "measured" if recipe.contrast is None else recipe.contrast.limits,
            "precision": str(model.precision),
            "device": str(model.device),
        },
    )
    for name, each in zip(names, recipe.outputs.formats, strict=False):
        export_labels(task.folder / name, labels, to=each, image=source, provenance=made)
    if recipe.measure is not None:
        columns = measure_objects(
            labels_source(labels, like=source),
            source if recipe.measure.intensities else None,
            by_plane=recipe.measure.by_plane,
        )
        save_table(task.folder / names[-2], columns, made)
    return names


def _draw(task: ImageTask, labels: NDArray[Any], stack: Segmenter) -> None:
    step = task.recipe.find
    axes = step.plane_axes if isinstance(step, FindingPart) else (-2, -1)
    write_picture(task.folder / PICTURE, stack.source, stack.embedder.contrast, labels, axes)
