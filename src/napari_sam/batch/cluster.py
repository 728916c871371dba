"""The images of a batch on several processes, or on the machines of a cluster, by Dask's scheduler.

It needs the package distributed (extra `cluster`); nothing else imports this file unless it is asked to.
"""

import logging
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from distributed import Client, LocalCluster, as_completed, get_worker
from distributed.diagnostics.plugin import WorkerPlugin
from distributed.scheduler import KilledWorker

from napari_sam.batch.image_labels import all_planes, label_part, open_listed, open_segmenter
from napari_sam.batch.image_task import ImageOutcome, ImageTask, do_task
from napari_sam.batch.recipe import ModelChoice
from napari_sam.batch.run_here import LoadModel
from napari_sam.discover.planes import PlaneLabels
from napari_sam.errors import UserError, UserNotice
from napari_sam.labels.label_array import smallest_dtype
from napari_sam.models.model import Model
from napari_sam.planes.geometry import Plane

RETRIES = 2
"""How often a task that broke off for no fault of its image is tried again (chosen)."""
LARGE_PIXELS, PART_PIXELS = 32 * 2**20, 4 * 2**20
"""Pixels from which on the planes of an image are shared out, and of a part (chosen: some minutes, some seconds)."""
CONNECT_S = 30
"""Seconds that a scheduler has to answer (chosen)."""


class WorkerModel(WorkerPlugin):  # type: ignore[misc]
    """The model of one worker, loaded for its first task and kept for the others.

    Parameters
    ----------
    choice, load
        Which model, and what loads it.
    """

    def __init__(self, choice: ModelChoice, load: LoadModel) -> None:
        # Other batches may use the same workers.
        self.name = f"napari-sam-model-{uuid4().hex}"
        self._choice, self._load = choice, load
        self._model: Model | None = None

    def model(self) -> Model:
        """Return the model, the same one for all tasks of this worker."""
        if self._model is None:
            self._model = self._load(self._choice)
        return self._model


def _look_on_worker(task: ImageTask, name: str, planes: Sequence[Plane]) -> list[PlaneLabels] | None:
    """Find everything on some planes; None if anything is wrong, which is told where the image is put together."""
    model = get_worker().plugins[name].model()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserNotice)
            source = open_listed(task.image.path, task.recipe, task.image.series)
            found = label_part(task.recipe, open_segmenter(source, task.recipe, model), planes)
    except Exception:
        return None
    return [replace(each, labels=each.labels.astype(smallest_dtype(each.count))) for each in found]


def _do_on_worker(
    task: ImageTask, name: str, parts: Sequence[list[PlaneLabels] | None] = ()
) -> tuple[ImageOutcome, Path]:
    model = get_worker().plugins[name].model()
    # A worker that was given up, but lives on, must not write where the next one does.
    own = replace(task, folder=task.folder / uuid4().hex)
    known = [replace(each, labels=each.labels.astype(np.int32)) for part in parts for each in part or ()]
    found = known if parts and None not in parts else None
    return do_task(own, model, found=found), own.folder


class ClusterRunner:
    """What does the tasks of a batch on several workers, an image each; a `RunTasks`.

    Planes of large images that are looked at each alone are shared out, too. Workers and this process must see the same
    files under the same names, and workers have one thread each. The model is loaded once for each worker. An image
    whose worker is lost is given to another one.

    Parameters
    ----------
    workers
        Processes on this machine.
    scheduler
        In place of these the address of a Dask scheduler, as tcp://host:8786, or a `distributed.Client`.

    Raises
    ------
    UserError
        If both are given, or less than one worker.
    """

    def __init__(self, workers: int | None = None, scheduler: str | Client | None = None) -> None:
        if (workers is None) == (scheduler is None):
            raise UserError("Give either a number of workers on this machine, or the address of a scheduler.")
        if workers is not None and workers < 1:
            raise UserError(f"A batch has one worker at least, but got {workers}.")
        self._workers, self._scheduler = workers, scheduler

    def __call__(
        self,
        tasks: Sequence[ImageTask],
        load: LoadModel,
        told: Callable[[float], object],  # noqa: ARG002
    ) -> Iterator[tuple[ImageOutcome, Path]]:
        """Yield what became of each task, in the order in which they end; see `RunTasks`."""
        with self._client(len(tasks)) as client:
            model = WorkerModel(tasks[0].recipe.model, load)
            client.register_plugin(model)
            left = {_submit(client, task, model.name): task for task in tasks}
            try:
                for future in as_completed(list(left)):
                    yield _ended(future, left.pop(future))
            finally:
                # There are some where the batch is stopped.
                client.cancel(list(left), force=True)
                client.unregister_worker_plugin(model.name)

    @contextmanager
    def _client(self, count: int) -> Iterator[Client]:
        if self._workers is not None:
            with _local_cluster(min(self._workers, count)) as cluster, Client(cluster) as client:
                yield client
        elif isinstance(self._scheduler, str):
            with _connected(self._scheduler) as client:
                yield client
        else:
            yield self._scheduler


def _local_cluster(workers: int) -> LocalCluster:
    """Start workers that leave Ctrl+C to this process, which ends them."""
    ours = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if ours else None
    try:
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )
    except RuntimeError as error:
        # Each worker runs the script that started it, as far as it is not kept from that.
        raise UserError(
            'The workers could not be started. In a script, run_batch needs if __name__ == "__main__": around it.'
        ) from error
    finally:
        if ours:
            signal.signal(signal.SIGINT, before)


def _submit(client: Client, task: ImageTask, name: str) -> Any:
    """Have an image done, its planes in parts by several workers where it is large."""
    how = {"retries": RETRIES, "pure": False}
    parts = [client.submit(_look_on_worker, task, name, planes, **how) for planes in _parts(task)]
    return client.submit(_do_on_worker, task, name, parts, **how)


def _parts(task: ImageTask) -> list[list[Plane]]:
    """Return the planes of a large image in parts; none where it is small, or its planes are not looked at alone."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserNotice)
            source = open_listed(task.image.path, task.recipe, task.image.series)
        planes = all_planes(task.recipe, source)
    except UserError:
        # Whoever does the image tells it.
        return []
    each = prod(planes[0].shape(source.shape)) if planes else 0
    if len(planes) < 2 or each * len(planes) < LARGE_PIXELS:
        return []
    together = max(1, PART_PIXELS // each)
    return [planes[at : at + together] for at in range(0, len(planes), together)]


def _connected(address: str) -> Client:
    try:
        return Client(address, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        raise UserError(f"No scheduler answers at {address}: start one, or check the address.") from error


def _ended(future: Any, task: ImageTask) -> tuple[ImageOutcome, Path]:
    error = future.exception()
    if error is None:
        outcome, folder = future.result()
        return outcome, folder
    if isinstance(error, UserError):
        # The model cannot be loaded, for whichever image.
        raise error
    if isinstance(error, KilledWorker):
        why = "All workers that tried it were lost, perhaps for lack of memory: run fewer workers on a machine."
    else:
        why = f"Its task broke off ({type(error).__name__}: {error})."
    return ImageOutcome(task.image.name, task.image.output, task.key, error=why), task.folder
