"""What a batch would do, without doing it: the list, and a few images to look at."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import msgspec

from napari_sam.batch.image_labels import check_units, open_listed
from napari_sam.batch.image_list import spread
from napari_sam.batch.image_task import PICTURE, ImageOutcome, do_task
from napari_sam.batch.planned_batch import AnyRecipe, plan_recipe
from napari_sam.batch.report import PREVIEW, write_report
from napari_sam.batch.run_here import LoadModel, load_chosen
from napari_sam.errors import UserError

PREVIEWED = 3
"""Images to look at (chosen: the first, the middle and the last)."""


@dataclass(frozen=True, eq=False)
class CheckedBatch:
    """What a batch would do.

    Parameters
    ----------
    lines
        What is to be told, one image a line.
    failed
        Images that could not be done, and why.
    page
        The page that shows it.
    """

    lines: Sequence[str]
    failed: Sequence[ImageOutcome]
    page: Path


def check_batch(
    recipe: AnyRecipe,
    *,
    images: str | PathLike[str] | None = None,
    outputs: str | PathLike[str] | None = None,
    previewed: int = PREVIEWED,
    load: LoadModel = load_chosen,
) -> CheckedBatch:
    """Say what `run_batch` would do, and do it to a few images to look at; no labels are written.

    Parameters
    ----------
    recipe, images, outputs, load
        As of `run_batch`.
    previewed
        Images to look at; 0 for none.

    Raises
    ------
    UserError
        As of `run_batch`.
    """
    began = time.monotonic()
    with plan_recipe(recipe, images, outputs) as plan:
        lines = [f"{each.image}: done before" for each in plan.before]
        failed = list(plan.failed)
        can = []
        for task in plan.tasks:
            try:
                source = open_listed(task.image.path, plan.recipe, task.image.series)
                check_units(plan.recipe, source)
            except UserError as error:
                failed.append(ImageOutcome(task.image.name, task.image.output, "", error=str(error)))
            else:
                size = " x ".join(map(str, source.shape))
                lines.append(f"{task.image.name}: {size}, would be written as {plan.state.folder / task.image.output}")
                can.append(task)
        outcomes = []
        chosen = spread(can, previewed)
        model = load(plan.recipe.model) if chosen else None
        for task in chosen:
            assert model is not None
            outcome = do_task(task, model)
            if not outcome.error:
                picture = task.folder / PICTURE
                picture.replace(plan.state.picture_of(outcome.output))
            outcomes.append(outcome)
        failed += [each for each in outcomes if each.error]
        lines += [f"{each.image}: cannot be done: {each.error}" for each in failed]
        page = plan.state.folder / PREVIEW
        shown = [each for each in outcomes if not each.error] + [
            msgspec.structs.replace(each, warnings=()) for each in failed
        ]
        write_report(page, plan, shown, seconds=time.monotonic() - began, preview=True)
    return CheckedBatch(sorted(lines), failed, page)
