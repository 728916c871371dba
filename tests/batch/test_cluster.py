"""A cluster gives the pixels that one process gives, also where a worker is lost; on two real processes."""

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sam.batch.batch_state import STATE_FOLDER
from napari_sam.batch.recipe import ModelChoice
from napari_sam.batch.run_batch import BatchProgress, BatchSummary, run_batch
from napari_sam.errors import UserError
from napari_sam.models.model import Model
from tests.batch_images import RECIPE, bright_squares, load_threshold, write_images

distributed = pytest.importorskip("distributed")
IMAGES = 8


@pytest.fixture(scope="module")
def client() -> Iterator["distributed.Client"]:
    # Workers are processes of their own, which find the tests by this.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]))
        with (
            distributed.LocalCluster(
                n_workers=2,
                threads_per_worker=1,
                processes=True,
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    write_images(tmp_path / "images", IMAGES)
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


def labels_of(summary: BatchSummary) -> dict[str, np.ndarray]:
    assert not summary.failed, summary.failed
    return {each.output: tifffile.imread(summary.folder / each.files[0]) for each in summary.outcomes}


def load_noted(choice: ModelChoice) -> Model:
    """Load the model, and leave a file behind that says so: the recipe's device is the folder."""
    Path(choice.device, f"loaded-{os.getpid()}-{os.urandom(4).hex()}").touch()
    return load_threshold(choice)


def test_a_worker_is_killed_in_the_middle_and_every_pixel_is_as_from_one_process(recipe: Path, client) -> None:
    known = labels_of(run_batch(recipe, outputs=recipe.parent / "alone", load=load_threshold))
    recipe.write_text(RECIPE + f'[model]\ndevice = "{recipe.parent}"\n')
    pids = client.run(os.getpid)
    assert len(set(pids.values())) == 2
    told: list[int] = []

    def kill_one(each: BatchProgress) -> None:
        told.append(each.done)
        if each.done == 2:
            os.kill(next(iter(pids.values())), signal.SIGKILL)

    summary = run_batch(recipe, scheduler=client, told=kill_one, load=load_noted)
    found = labels_of(summary)
    assert len(found) == IMAGES
    assert told == list(range(IMAGES + 1))
    assert all(np.array_equal(found[name], labels) for name, labels in known.items())
    # Once in each process that did something: two, and the one that took the place of the killed one.
    loaded = [path.name.split("-")[1] for path in recipe.parent.glob("loaded-*")]
    assert len(loaded) == len(set(loaded)) <= 3
    assert not list((summary.folder / STATE_FOLDER).rglob("*.tif"))
    assert run_batch(recipe, scheduler=client, load=load_noted).before == IMAGES


def test_planes_of_a_large_image_are_shared_out(tmp_path: Path, client, monkeypatch) -> None:
    monkeypatch.setattr("napari_sam.batch.cluster.LARGE_PIXELS", 6 * 64 * 64)
    monkeypatch.setattr("napari_sam.batch.cluster.PART_PIXELS", 2 * 64 * 64)
    (tmp_path / "images").mkdir()
    stack = np.stack([bright_squares(seed) for seed in range(7)])
    tifffile.imwrite(tmp_path / "images" / "stack.tif", stack, photometric="minisblack", metadata={"axes": "ZYX"})
    # Small, and one that cannot be read.
    tifffile.imwrite(tmp_path / "images" / "small.tif", stack[:2], photometric="minisblack", metadata={"axes": "ZYX"})
    (tmp_path / "images" / "bad.tif").write_bytes(b"II*\0")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE + f'border = "drop"\nlargest = 11\n[model]\ndevice = "{tmp_path}"\n')
    known = run_batch(recipe, outputs=tmp_path / "alone", load=load_threshold)
    found = run_batch(recipe, outputs=tmp_path / "shared", load=load_noted, scheduler=client)
    assert len(found.failed) == len(known.failed) == 1
    assert found.failed[0].error == known.failed[0].error
    for one, other in zip(known.outcomes, found.outcomes, strict=True):
        assert (one.image, one.objects) == (other.image, other.objects)
        for name in one.files[:1]:
            assert np.array_equal(tifffile.imread(known.folder / name), tifffile.imread(found.folder / name))
    assert max(one.objects for one in known.outcomes) > 10
    assert len({path.name.split("-")[1] for path in tmp_path.glob("loaded-*")}) == 2


def test_what_is_interrupted_goes_on_in_one_process(recipe: Path, client) -> None:
    def stop(each: BatchProgress) -> None:
        if each.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batch(recipe, scheduler=client, told=stop, load=load_threshold)
    summary = run_batch(recipe, load=load_threshold)
    assert summary.before == 2
    assert len(labels_of(summary)) == IMAGES


def test_an_image_that_fails_on_a_worker_stops_nothing(recipe: Path, client) -> None:
    (recipe.parent / "images" / "bad.tif").write_bytes(b"II*\0")
    summary = run_batch(recipe, scheduler=client, load=load_threshold)
    assert [Path(each.image).name for each in summary.failed] == ["bad.tif"]
    assert len(summary.outcomes) == IMAGES + 1


def test_a_model_that_no_worker_has_is_one_sentence(recipe: Path, client) -> None:
    recipe.write_text(RECIPE + '[model]\nname = "none.pt"\n')
    with pytest.raises(UserError, match=r"There is no model and no file none.pt"):
        run_batch(recipe, scheduler=client)


@pytest.mark.parametrize("how", [{"workers": 0}, {"workers": 2, "scheduler": "tcp://127.0.0.1:1"}])
def test_what_makes_no_sense_is_told_at_once(recipe: Path, how: dict) -> None:
    with pytest.raises(UserError):
        run_batch(recipe, **how)


def test_a_scheduler_that_is_not_there_is_told(recipe: Path, monkeypatch) -> None:
    monkeypatch.setattr("napari_sam.batch.cluster.CONNECT_S", 0.2)
    with pytest.raises(UserError, match=r"No scheduler answers at tcp://127.0.0.1:1"):
        run_batch(recipe, scheduler="tcp://127.0.0.1:1")


def test_without_dask_the_extra_is_named(recipe: Path, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "napari_sam.batch.cluster", None)
    with pytest.raises(UserError, match=r"napari-sam-stacks\[cluster\]"):
        run_batch(recipe, workers=2)


def test_workers_that_cannot_be_started_are_told_in_a_sentence(recipe: Path, monkeypatch) -> None:
    def fails(**_: object) -> None:
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr("napari_sam.batch.cluster.LocalCluster", fails)
    with pytest.raises(UserError, match="could not be started"):
        run_batch(recipe, workers=2, load=load_threshold)
