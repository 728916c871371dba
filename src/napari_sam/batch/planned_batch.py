"""A recipe with the images that it names: what is done already, what is to be done, and what cannot be."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from napari_sam.batch.batch_state import BatchState, files_written, key_of, taken_sentence
from napari_sam.batch.image_list import ListedImage, list_images
from napari_sam.batch.image_task import ImageOutcome, ImageTask, output_names
from napari_sam.batch.recipe import AlikeStep, ModelChoice, Recipe
from napari_sam.batch.recipe_file import as_recipe, read_recipe
from napari_sam.errors import UserError
from napari_sam.models.load import BUNDLED_FILES

AnyRecipe = str | PathLike[str] | Recipe | Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class PlannedBatch:
    """A batch before its images are done.

    Parameters
    ----------
    recipe, base
        The recipe, and the folder that its names are relative to.
    name
        What the recipe is called.
    state
        The folder of outputs, and what is done so far.
    before
        What became of images that were done so before.
    failed
        Images that cannot be done, and why.
    tasks
        What is to be done, in order.
    """

    recipe: Recipe
    base: Path
    name: str
    state: BatchState
    before: Sequence[ImageOutcome]
    failed: Sequence[ImageOutcome]
    tasks: Sequence[ImageTask]

    @property
    def total(self) -> int:
        """Number of images."""
        return len(self.before) + len(self.failed) + len(self.tasks)


@contextmanager
def plan_recipe(
    recipe: AnyRecipe,
    images: str | PathLike[str] | None = None,
    outputs: str | PathLike[str] | None = None,
) -> Iterator[PlannedBatch]:
    """Open a block in which no other batch writes into the folder of outputs.

    Parameters
    ----------
    recipe
        The file of a recipe; or a recipe, or its tables as a mapping: then its names are relative to where we are.
    images
        Folder that the names of images are relative to, in place of the recipe's.
    outputs
        Folder of outputs, in place of the one that the recipe says.

    Raises
    ------
    UserError
        If the recipe makes no sense, names no image, or its outputs cannot be written.
    """
    from_file = isinstance(recipe, str | PathLike)
    chosen = read_recipe(recipe) if from_file else as_recipe(recipe)  # type: ignore[arg-type]
    base = Path(recipe).absolute().parent if from_file else Path.cwd()  # type: ignore[arg-type]
    name = Path(recipe).name if from_file else "recipe"  # type: ignore[arg-type]
    images_base = None if images is None else Path(images)
    if images_base is not None and not images_base.is_dir():
        raise UserError(f"There is no folder {images_base} of images.")
    folder = Path(os.path.normpath(base / chosen.outputs.folder if outputs is None else Path(outputs).absolute()))
    listed = list_images(chosen, base, images_base, files_written(folder))
    if isinstance(chosen.find, AlikeStep):
        for key, name_there in (("labels", chosen.find.labels), ("image", chosen.find.image)):
            if not (base / name_there).exists():
                raise UserError(f"There is no file {base / name_there}; check find.{key}.")
    with BatchState(folder, overwrite=chosen.outputs.overwrite) as state:
        yield _sorted_out(chosen, base, name, state, listed)


def _sorted_out(
    recipe: Recipe, base: Path, name: str, state: BatchState, images: Sequence[ListedImage]
) -> PlannedBatch:
    if not images:
        raise UserError("The recipe names no image but its own outputs.")
    before, failed, tasks = [], [], []
    model = _known_as(recipe.model)
    for image in images:
        try:
            key = key_of(recipe, base, image, model)
            taken = state.in_the_way(output_names(recipe, image.output))
        except OSError as error:
            failed.append(_lost(image, f"{error.filename or image.path}: {error.strerror or error}."))
            continue
        done = state.done(image.output, key)
        if done is not None:
            before.append(done)
        elif taken is not None:
            failed.append(_lost(image, taken_sentence(taken)))
        else:
            tasks.append(ImageTask(recipe, base, image, key, state.new_folder()))
    return PlannedBatch(recipe, base, name, state, before, failed, tasks)


def _lost(image: ListedImage, why: str) -> ImageOutcome:
    return ImageOutcome(image.name, image.output, "", error=why)


def _known_as(choice: ModelChoice) -> str:
    """Return what a model is known by: the name of the bundled file, or what its file is like."""
    path = Path(choice.name)
    if path.is_file():
        about = path.stat()
        return f"{path.name} {about.st_size} {about.st_mtime_ns}"
    return BUNDLED_FILES.get(choice.name, choice.name)
