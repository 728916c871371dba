"""How long a batch will take and how much memory its workers need, from one image measured on this machine."""

import sys
import time
from dataclasses import dataclass, replace
from math import prod
from os import PathLike

from napari_sam.batch.image_labels import open_listed
from napari_sam.batch.image_task import ImageTask, do_task
from napari_sam.batch.planned_batch import AnyRecipe, plan_recipe
from napari_sam.batch.run_here import LoadModel, load_chosen
from napari_sam.errors import UserError

WARM_S = 3.0
"""Seconds below which an image is measured again: the first one also pays for what is done once (chosen)."""


@dataclass(frozen=True)
class BatchEstimate:
    """What a batch will take.

    Parameters
    ----------
    images, before, failed
        Images in all; those that are done; those that cannot be done.
    pixels
        Of all images that are to be done.
    largest, largest_pixels
        The largest of these.
    measured, measured_pixels
        The one that was measured.
    seconds, processor_seconds
        How long it took, and how long all processor cores together were busy with it.
    loading
        Seconds that a worker needs before its first image, without imports.
    memory
        Bytes that a worker needs for the largest image; None where this system does not tell.
    """

    images: int
    before: int
    failed: int
    pixels: int
    largest: str
    largest_pixels: int
    measured: str
    measured_pixels: int
    seconds: float
    processor_seconds: float
    loading: float
    memory: int | None

    @property
    def core_hours(self) -> float:
        """Hours of one processor core in all."""
        return self.pixels * self.processor_seconds / self.measured_pixels / 3600

    def hours(self, workers: int) -> float:
        """Return the hours that so many workers like this process take; no image is shared by two."""
        each = self.seconds / self.measured_pixels
        return (max(self.pixels / workers, self.largest_pixels) * each + self.loading) / 3600

    @property
    def lines(self) -> list[str]:
        """What is to be told, in sentences."""
        open_images = self.images - self.before - self.failed
        said = [f"{self.images} images: {open_images} to do, {self.before} done before, {self.failed} cannot be done."]
        if not open_images:
            return said
        wall, busy = (each * 1e6 / self.measured_pixels for each in (self.seconds, self.processor_seconds))
        said.append(
            f"Measured on {self.measured} ({_megapixels(self.measured_pixels)}): "
            f"{wall:.2g} s a megapixel, {busy:.2g} s of one core."
        )
        workers = [each for each in (1, 4, 16) if each <= open_images]
        said.append(
            f"{_megapixels(self.pixels)} take about {self.core_hours:.2g} core hours; workers like this process: "
            f"{', '.join(f'{_time(self.hours(each))} with {each}' for each in workers)}."
        )
        if self.memory is not None:
            said.append(
                f"About {self.memory / 1e9:.1f} GB of memory for each worker, for the largest image ({self.largest}, "
                f"{_megapixels(self.largest_pixels)})."
            )
        return said


def _megapixels(pixels: int) -> str:
    return f"{pixels / 1e6:.3g} megapixels"


def _time(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min" if hours >= 1 / 60 else f"{3600 * hours:.0f} s"


def estimate_batch(
    recipe: AnyRecipe,
    *,
    images: str | PathLike[str] | None = None,
    outputs: str | PathLike[str] | None = None,
    load: LoadModel = load_chosen,
) -> BatchEstimate:
    """Estimate what `run_batch` will take: the image of median size is done here, and nothing of it is kept.

    Parameters
    ----------
    recipe, images, outputs, load
        As of `run_batch`.

    Raises
    ------
    UserError
        As of `run_batch`, or if the image that is measured cannot be done.
    """
    with plan_recipe(recipe, images, outputs) as plan:
        failed, sizes = len(plan.failed), []
        for task in plan.tasks:
            try:
                source = open_listed(task.image.path, plan.recipe, task.image.series)
            except UserError:
                failed += 1
            else:
                sizes.append((prod(source.shape), task))
        sizes.sort(key=lambda each: each[0])
        if not sizes:
            return BatchEstimate(plan.total, len(plan.before), failed, 0, "", 0, "", 1, 0.0, 0.0, 0.0, None)
        began = time.monotonic()
        model = load(plan.recipe.model)
        loading = time.monotonic() - began
        pixels, task = sizes[len(sizes) // 2]
        before = _peak()
        outcome = do_task(task, model)
        if not outcome.error and outcome.seconds < WARM_S:
            outcome = do_task(_again(task), model)
        if outcome.error:
            raise UserError(outcome.error)
        memory = None
        if before is not None:
            memory = before + round(((_peak() or 0) - before) * sizes[-1][0] / pixels)
        return BatchEstimate(
            plan.total,
            len(plan.before),
            failed,
            sum(size for size, _ in sizes),
            sizes[-1][1].image.name,
            sizes[-1][0],
            task.image.name,
            pixels,
            outcome.seconds,
            outcome.processor_seconds,
            loading,
            memory,
        )


def _again(task: ImageTask) -> ImageTask:
    return replace(task, folder=task.folder / "again")


def _peak() -> int | None:
    """Return the most bytes that this process has had in memory so far."""
    try:
        import resource
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(most) if sys.platform == "darwin" else 1024 * int(most)
