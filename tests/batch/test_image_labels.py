"""A recipe gives the same pixels as the functions that a notebook has."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

import napari_sam
from napari_sam.batch.image_labels import label_image, open_segmenter
from napari_sam.batch.image_list import ListedImage
from napari_sam.batch.recipe import Recipe
from napari_sam.batch.recipe_file import as_recipe
from napari_sam.errors import UserError, UserNotice
from napari_sam.labels.label_masks import label_mask
from napari_sam.models.model import Model
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.sample import StackRecipe, generate_stack
from napari_sam.testing.fake_network import threshold_model
from tests.batch_images import bright_squares

SAMPLE = generate_stack(StackRecipe(shape=(6, 80, 80)), seed=2)
UM = ("micrometer",) * 3


@pytest.fixture(scope="module")
def nano() -> Model:
    return napari_sam.load_model("nano")


def recipe_of(find: dict, **tables: object) -> Recipe:
    return as_recipe({"images": {"files": ["a"]}, "find": find, **tables})


def made(
    recipe: Recipe, source: ImageSource | np.ndarray, model: Model, base: Path = Path(), **files: Path
) -> np.ndarray:
    source = source if isinstance(source, ImageSource) else ImageSource(source)
    image = ListedImage(Path("a"), "a", **files)
    return label_image(recipe, base, image, open_segmenter(source, recipe, model))


def test_everything_on_each_plane(nano: Model) -> None:
    how = {"confidence": 0.5, "smallest": 8.0, "largest": 30.0, "overlap": 0.3}
    recipe = recipe_of({"what": "everything", "planes": [2, 3], "region": [0, 0, 60, 79], **how})
    known = napari_sam.segment_everything(SAMPLE.nuclei, model=nano, planes=[2, 3], region=(0, 0, 60, 79), **how)
    assert known.any()
    assert np.array_equal(made(recipe, SAMPLE.nuclei, nano), known)


def test_sizes_in_a_unit_are_those_of_the_image(nano: Model) -> None:
    plane = ImageSource(SAMPLE.nuclei[3], scale=(0.5, 0.25), units=("micrometer", "nanometer")[:1] * 2)
    recipe = recipe_of({"what": "everything", "smallest": 3000, "largest": 5000, "unit": "nm"})
    known = napari_sam.segment_everything(plane, model=nano, smallest=12, largest=20)
    assert known.any()
    assert np.array_equal(made(recipe, plane, nano), known)
    with pytest.raises(UserError, match="counts in nm, but the image does not say how large its pixels are"):
        made(recipe, SAMPLE.nuclei[3], nano)


def test_everything_in_a_stack(nano: Model) -> None:
    how = {"axis": 0, "start": 2, "stop": 4, "confidence": 0.3}
    known = napari_sam.segment_volumes(SAMPLE.nuclei, model=nano, **how)
    assert known.any()
    assert np.array_equal(made(recipe_of({"what": "volumes", **how}), SAMPLE.nuclei, nano), known)


def test_all_like_some_examples(nano: Model, tmp_path: Path) -> None:
    other = generate_stack(StackRecipe(shape=(4, 80, 80)), seed=5)
    tifffile.imwrite(tmp_path / "other.tif", other.nuclei, photometric="minisblack")
    tifffile.imwrite(tmp_path / "examples.tif", other.nucleus_labels.astype(np.uint16), photometric="minisblack")
    ids = [int(label) for label in np.unique(other.nucleus_labels)[1:4]]
    known = napari_sam.find_alike(
        SAMPLE.nuclei, other.nucleus_labels, ids, labelled=other.nuclei, model=nano, planes=[3], likeness=0.2
    )
    find = {"what": "alike", "labels": "examples.tif", "image": "other.tif", "ids": ids}
    found = made(recipe_of({**find, "planes": [3], "likeness": 0.2}), SAMPLE.nuclei, nano, tmp_path)
    assert known.any()
    assert np.array_equal(found.astype(int), np.where(known, known.astype(int) - other.nucleus_labels.max(), 0))


def test_points_of_a_table_are_carried_through_the_stack(nano: Model, tmp_path: Path) -> None:
    table = tmp_path / "points.csv"
    table.write_text("id,z,y,x\n3,3,35,24\n9,3,67,54\n")
    stack = napari_sam.open_stack(SAMPLE.nuclei, model=nano)
    keys = {
        label: {3: napari_sam.segment_object(stack, plane=3, points=[at])}
        for label, at in ((3, (35, 24)), (9, (67, 54)))
    }
    known = np.zeros(SAMPLE.nuclei.shape, np.uint8)
    for label, volume in napari_sam.propagate_objects(stack, keys, start=2, stop=4, views=False).items():
        napari_sam.to_labels(stack, volume, label=label, labels=known)
    found = made(
        recipe_of({"what": "prompts", "start": 2, "stop": 4, "three_views": False}), SAMPLE.nuclei, nano, prompts=table
    )
    assert set(np.unique(known)) == {0, 3, 9}
    assert np.array_equal(found, known)
    only = made(recipe_of({"what": "prompts", "carry": False}), SAMPLE.nuclei, nano, prompts=table)
    assert [at for at in range(6) if only[at].any()] == [3]
    assert np.array_equal(only[3] == 3, keys[3][3].painted((80, 80)))


def test_labels_of_another_program_are_refined_under_their_ids(nano: Model, tmp_path: Path) -> None:
    rough = np.where(np.isin(SAMPLE.nucleus_labels, (16, 13)), SAMPLE.nucleus_labels, 0).astype(np.uint16)[3:5]
    tifffile.imwrite(tmp_path / "rough.tif", rough)
    stack = napari_sam.open_stack(SAMPLE.nuclei[3:5], model=nano)
    known = np.zeros(rough.shape, np.uint8)
    for at in range(2):
        for label in np.unique(rough[at])[1:]:
            plane = Plane((1, 2), (at, 0, 0))
            mask = napari_sam.segment_object(stack, plane=at, mask=label_mask(rough, plane, int(label)))
            napari_sam.to_labels(stack, {at: mask}, label=int(label), labels=known)
    found = made(recipe_of({"what": "refine"}), SAMPLE.nuclei[3:5], nano, labels=tmp_path / "rough.tif")
    assert known.any()
    assert np.array_equal(found, known)


def test_edits_follow_in_their_order() -> None:
    plane, model = bright_squares(1), threshold_model()
    find = {"what": "everything", "confidence": 0.1}
    source = ImageSource(plane, scale=(0.5, 0.5), units=UM[:2])
    known = napari_sam.grow_objects(napari_sam.fill_holes(made(recipe_of(find), source, model)), 1.5, scale=(0.5, 0.5))
    edits = [{"do": "fill_holes"}, {"do": "grow", "distance": 1500, "unit": "nm"}]
    assert np.array_equal(made(recipe_of(find, edit=edits), source, model), known)
    smaller = made(recipe_of(find, edit=[*edits, {"do": "shrink", "distance": 1}]), source, model)
    assert np.array_equal(smaller, napari_sam.grow_objects(known, -1))


def test_what_was_found_on_planes_is_edited_on_planes() -> None:
    model, planes = threshold_model(), np.stack([bright_squares(1)] * 2)
    find = {"what": "everything", "confidence": 0.1}
    grown = made(recipe_of(find, edit=[{"do": "grow", "distance": 2}]), planes, model)
    each = made(recipe_of(find, edit=[{"do": "grow", "distance": 2}]), planes[0], model)
    assert np.array_equal(grown[0], each)


def test_objects_at_the_border_are_dropped_if_that_is_wanted(nano: Model) -> None:
    kept = made(recipe_of({"what": "everything"}), SAMPLE.nuclei[3], nano)
    dropped = made(recipe_of({"what": "everything", "border": "drop"}), SAMPLE.nuclei[3], nano)
    touching = np.unique(np.concatenate([kept[0], kept[-1], kept[:, 0], kept[:, -1]]))
    assert len(touching) > 1
    assert np.array_equal(dropped, np.where(np.isin(kept, touching), 0, kept))
    assert dropped.any()


def test_limits_of_the_contrast_are_those_of_the_recipe() -> None:
    model, plane = threshold_model(), bright_squares(1)
    recipe = recipe_of({"what": "everything", "confidence": 0.1}, contrast={"limits": [[0, 1000]]})
    with pytest.warns(UserNotice, match="Nothing was found"):
        assert not made(recipe, plane, model).any()
    with pytest.raises(UserError, match="2 pairs, but the image has 1 channels"):
        made(recipe_of({"what": "everything"}, contrast={"limits": [[0, 1], [0, 1]]}), plane, model)
