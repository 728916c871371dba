"""A batch: all images of a recipe, one after the other or on a cluster, and what became of each."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from napari_sam.batch.image_task import ImageOutcome
from napari_sam.batch.planned_batch import AnyRecipe, PlannedBatch, plan_recipe
from napari_sam.batch.report import REPORT, write_report
from napari_sam.batch.run_here import LoadModel, RunTasks, load_chosen, run_here
from napari_sam.errors import UserError


@dataclass(frozen=True)
class BatchProgress:
    """How far a batch is.

    Parameters
    ----------
    done, total
        Images that are finished, whatever became of them, and all of them.
    before
        How many of them were done by a run before.
    share
        Share of the image in work that is done, 0..1.
    outcome
        What became of the image that has just been finished.
    """

    done: int
    total: int
    before: int = 0
    share: float = 0.0
    outcome: ImageOutcome | None = None


@dataclass(frozen=True, eq=False)
class BatchSummary:
    """What became of a batch.

    Parameters
    ----------
    outcomes
        One for each image, in the order of their names.
    folder
        The folder of outputs.
    report
        The page that shows it all.
    before
        How many of the images were done by a run before.
    """

    outcomes: Sequence[ImageOutcome]
    folder: Path
    report: Path
    before: int = 0

    @property
    def failed(self) -> list[ImageOutcome]:
        """Those that have no labels; `error` says why."""
        return [each for each in self.outcomes if each.error]


Told = Callable[[BatchProgress], object]


def run_batch(
    recipe: AnyRecipe,
    *,
    images: str | PathLike[str] | None = None,
    outputs: str | PathLike[str] | None = None,
    told: Told | None = None,
    workers: int | None = None,
    scheduler: Any = None,
    load: LoadModel = load_chosen,
) -> BatchSummary:
    """Do to many images what a recipe says.

    Images that were done before, by the same recipe and from the same files, are not done again: a batch that was
    stopped, or killed, goes on. An image that cannot be done does not stop the others. At the end, and when it is
    stopped, a page beside the labels shows what became of each.

    Parameters
    ----------
    recipe
        The file of a recipe; or a recipe, or its tables as a mapping: then names in it are relative to where we are.
    images
        Folder that the names of images are relative to, in place of the recipe's.
    outputs
        Folder of outputs, in place of the one that the recipe says.
    told
        Called whenever something is further.
    workers
        Processes on this machine that share the images; None for this one alone. A script that asks for them needs
        ``if __name__ == "__main__":`` around it.
    scheduler
        Address of a Dask scheduler whose workers share the images, or a `distributed.Client`.
    load
        Loads the model.

    Returns
    -------
    BatchSummary

    Raises
    ------
    UserError
        If the recipe makes no sense, there is no image, the model cannot be loaded, outputs cannot be written, or Dask
        is needed and not installed.

    Examples
    --------
    >>> from pathlib import Path
    >>> import imageio.v3
    >>> import napari_sam
    >>> from napari_sam.sample import StackRecipe, generate_stack
    >>> sample = generate_stack(StackRecipe(shape=(8, 80, 80)), seed=2)
    >>> for plane in (3, 4):
    ...     imageio.v3.imwrite(f"cell-{plane}.tif", sample.nuclei[plane])
    >>> recipe = {"images": {"files": ["cell-*.tif"]}, "find": {"what": "everything", "confidence": 0.5}}
    >>> result = napari_sam.run_batch(recipe)
    >>> [Path(outcome.image).name for outcome in result.outcomes], len(result.failed), result.report.name
    (['cell-3.tif', 'cell-4.tif'], 0, 'report.html')
    >>> napari_sam.open_image("labels/cell-4-labels.ome.tif").shape
    (80, 80)

    Again, there is nothing left to do:

    >>> napari_sam.run_batch(recipe).before
    2
    """
    run_tasks = run_here if workers is None and scheduler is None else _on_cluster(workers, scheduler)
    with plan_recipe(recipe, images, outputs) as plan:
        return _run(plan, told or (lambda _: None), load, run_tasks)


def _on_cluster(workers: int | None, scheduler: Any) -> RunTasks:
    try:
        from napari_sam.batch.cluster import ClusterRunner
    except ImportError as error:
        raise UserError(
            "Several workers need the package distributed: install it by pip install 'napari-sam-stacks[cluster]'."
        ) from error
    return ClusterRunner(workers, scheduler)


def _run(plan: PlannedBatch, told: Told, load: LoadModel, run_tasks: RunTasks) -> BatchSummary:
    began, before, total = time.monotonic(), len(plan.before), plan.total
    outcomes = [*plan.before, *plan.failed]
    told(BatchProgress(len(plan.before), total, before))
    for at, failed in enumerate(plan.failed, before + 1):
        told(BatchProgress(at, total, before, outcome=failed))

    def share(done: float) -> None:
        told(BatchProgress(len(outcomes), total, before, done))

    whole = False
    try:
        if plan.tasks:
            for outcome, folder in run_tasks(plan.tasks, load, share):
                placed = outcome if outcome.error else plan.state.put(outcome, folder)
                outcomes.append(placed)
                told(BatchProgress(len(outcomes), total, before, outcome=placed))
        whole = True
    finally:
        outcomes.sort(key=lambda each: each.image)
        page = plan.state.folder / REPORT
        if whole or outcomes:
            write_report(page, plan, outcomes, seconds=time.monotonic() - began, before=before, whole=whole)
    return BatchSummary(outcomes, plan.state.folder, page, before)
