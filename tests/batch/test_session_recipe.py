"""The recipe that a session writes does to the same image what the session did."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

import napari_sam
from napari_sam.batch.recipe import EverythingStep, ImageChoice, VolumesStep
from napari_sam.batch.recipe_file import recipe_from_text, recipe_text
from napari_sam.batch.run_batch import run_batch
from napari_sam.batch.session_recipe import recipe_of
from napari_sam.discover.proposals import Wanted
from napari_sam.errors import UserError
from napari_sam.planes.contrast import Contrast
from napari_sam.sample import StackRecipe, generate_stack
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.session import Session
from napari_sam.testing.event_loop import ManualEventLoop

SAMPLE = generate_stack(StackRecipe(shape=(6, 80, 80)), seed=2).nuclei
UM = {f"PhysicalSize{axis}": 0.25 for axis in "YX"}


@pytest.fixture
def posts() -> ManualEventLoop:
    return ManualEventLoop()


@pytest.fixture
def session(posts: ManualEventLoop) -> Iterator[Session]:
    session = Session(posts.post)
    yield session
    assert session.close()


@pytest.fixture
def write(tmp_path: Path) -> Callable[[np.ndarray], Path]:
    def write(pixels: np.ndarray) -> Path:
        axes = "ZYX"[-pixels.ndim :]
        tifffile.imwrite(tmp_path / "cells.ome.tif", pixels, ome=True, metadata={"axes": axes, **UM})
        return tmp_path / "cells.ome.tif"

    return write


def same_objects(found: np.ndarray, known: np.ndarray) -> bool:
    """Whether the same pixels are the same objects, whatever their ids."""
    pairs = np.unique(np.stack([found.ravel(), known.ravel()]), axis=1).T
    return len(pairs) == len(np.unique(found)) == len(np.unique(known)) and pairs[0].tolist() == [0, 0]


def shown(session: Session, posts: ManualEventLoop, path: Path, at: int | None = None, **how: object) -> np.ndarray:
    """Open an image in a session, with labels; on a plane."""
    source = napari_sam.open_image(path)
    session.image.choose(source, axes=(source.ndim - 2, source.ndim - 1), **how)
    session.image.set_view(napari_sam.Plane((source.ndim - 2, source.ndim - 1), (*[at] * (source.ndim - 2), 0, 0)))
    labels = np.zeros(source.shape, np.uint16)
    session.labels.choose(ArrayTarget(labels), next_label=1)
    return labels


def settle(session: Session, posts: ManualEventLoop) -> None:
    posts.run_until(lambda: not session.everything.active and not session.batch.active, 120)


def batched(session: Session, path: Path) -> np.ndarray:
    """What the session's recipe makes of the image; by way of its file."""
    recipe = recipe_of(session, ImageChoice(files=(path.name,)))
    file = path.parent / "recipe.toml"
    file.write_text(recipe_text(recipe), encoding="utf-8")
    assert recipe_from_text(file.read_text(encoding="utf-8"), "") == recipe
    summary = run_batch(file)
    assert not summary.failed, summary.failed
    return tifffile.imread(summary.folder / summary.outcomes[0].files[0])


def test_everything_on_a_plane_as_the_sliders_stand(session, posts, write) -> None:
    path = write(SAMPLE[3])
    labels = shown(session, posts, path)
    session.everything.find()
    settle(session, posts)
    everything = len(session.everything.chosen)
    session.everything.wanted = Wanted(0.55, smallest=9.123456789, largest=26.0, overlap=0.35)
    assert 0 < len(session.everything.chosen) < everything
    session.everything.accept()
    settle(session, posts)
    found = batched(session, path)
    assert labels.any()
    assert same_objects(found, labels)
    step = recipe_of(session, ImageChoice(files=("a",))).find
    assert isinstance(step, EverythingStep)
    assert (step.smallest, step.largest, step.unit, step.confidence) == (2.28086, 6.5, "µm", 0.55)


def test_everything_in_a_stack_with_the_contrast_of_the_session(session, posts, write) -> None:
    path = write(SAMPLE[2:5])
    labels = shown(session, posts, path, 1, contrast=Contrast(((100.0, 900.0),)))
    session.everything.find_volumes()
    settle(session, posts)
    session.everything.wanted = Wanted(0.3)
    session.everything.accept()
    settle(session, posts)
    found = batched(session, path)
    assert labels.any(axis=(1, 2)).all()
    assert same_objects(found, labels)
    assert recipe_of(session, ImageChoice(files=("a",))).find == VolumesStep(
        axis=0, confidence=0.3, unit="µm", overlap=0.4
    )


def test_all_like_an_object_needs_files_of_the_examples(session, posts, write) -> None:
    path = write(SAMPLE[3])
    labels = shown(session, posts, path)
    session.everything.find()
    settle(session, posts)
    session.everything.accept()
    settle(session, posts)
    session.everything.find_alike([1])
    settle(session, posts)
    with pytest.raises(UserError, match="Save the labels first"):
        recipe_of(session, ImageChoice(files=("a",)))
    session.record.save(path.with_name("labels.ome.tif"))
    posts.settle(session)
    step = recipe_of(session, ImageChoice(files=("a",))).find
    assert (step.ids, step.image, step.labels) == ((1,), str(path), str(path.with_name("labels.ome.tif")))
    assert labels.any()


def test_sliders_that_have_passed_each_other_make_no_recipe(session, posts, write) -> None:
    shown(session, posts, write(SAMPLE[3]))
    session.everything.find()
    session.everything.wanted = Wanted(smallest=20.0, largest=8.0)
    with pytest.raises(UserError, match="find nothing in any image: smallest is 5, but largest 2"):
        recipe_of(session, ImageChoice(files=("a",)))


def test_without_anything_looked_for_there_is_no_recipe(session) -> None:
    with pytest.raises(UserError, match="Find everything, or all like an object, first"):
        recipe_of(session, ImageChoice(files=("a",)))


def test_an_image_that_is_one_channel_of_its_file_or_has_another_scale_is_read_so(session, posts, tmp_path) -> None:
    path = tmp_path / "two.ome.tif"
    tifffile.imwrite(path, np.stack([SAMPLE[3] // 2, SAMPLE[3]]), ome=True, metadata={"axes": "CYX"})
    layer = napari_sam.ImageSource(SAMPLE[3], scale=(300, 300), units=("nanometer",) * 2, path=str(path))
    session.image.choose(layer, axes=(0, 1))
    session.image.set_view(napari_sam.Plane((0, 1), (0, 0)))
    session.everything.find()
    settle(session, posts)
    images = recipe_of(session, ImageChoice(files=("a",))).images
    assert (images.channel, images.scale) == (1, (0.3, 0.3))
    opened = napari_sam.open_image(path, channel=images.channel, scale=images.scale)
    assert opened.shown == (1,)
