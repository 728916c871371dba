"""The tasks of a batch in this process, and what others that do them are like."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from napari_sam.batch.image_task import ImageOutcome, ImageTask, do_task
from napari_sam.batch.recipe import ModelChoice
from napari_sam.models.load import load_model
from napari_sam.models.model import Model

LoadModel = Callable[[ModelChoice], Model]


class RunTasks(Protocol):
    """What does tasks, in whatever order."""

    def __call__(
        self, tasks: Sequence[ImageTask], load: LoadModel, told: Callable[[float], object]
    ) -> Iterator[tuple[ImageOutcome, Path]]:
        """Yield for each task what became of it, and the folder that holds its files.

        Parameters
        ----------
        tasks
            One at least.
        load
            Loads the model of their recipe.
        told
            Called with the share of the image in work that is done, where there is one only.

        Raises
        ------
        UserError
            If the model cannot be loaded.
        """
        ...


def load_chosen(choice: ModelChoice) -> Model:
    """Load the model of a recipe.

    Raises
    ------
    UserError
        If there is no such model, device or precision, or the file cannot be used.
    """
    return load_model(choice.name, choice.device, choice.precision)


def run_here(
    tasks: Sequence[ImageTask], load: LoadModel, told: Callable[[float], object]
) -> Iterator[tuple[ImageOutcome, Path]]:
    """Do tasks one after the other in this process; see `RunTasks`."""
    model = load(tasks[0].recipe.model)
    for task in tasks:
        yield do_task(task, model, told), task.folder
