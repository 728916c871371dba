from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from napari_sam.sample import CROWDED, TISSUE, SampleStack, StackRecipe, generate_stack

SMALL = {"tissue": replace(TISSUE, shape=(14, 72, 80)), "crowded": replace(CROWDED, shape=(14, 72, 80))}


@pytest.fixture(scope="module", params=sorted(SMALL))
def recipe(request: pytest.FixtureRequest) -> StackRecipe:
    return SMALL[request.param]


@pytest.fixture(scope="module")
def stack(recipe: StackRecipe) -> SampleStack:
    return generate_stack(recipe, seed=3)


def test_every_array_has_the_recipe_s_shape(stack: SampleStack, recipe: StackRecipe) -> None:
    arrays = (stack.nuclei, stack.membranes, stack.nucleus_labels, stack.cell_labels)
    assert [array.shape for array in arrays] == [recipe.shape] * 4
    assert [array.dtype.name for array in arrays] == ["uint16", "uint16", "int32", "int32"]
    assert stack.scale == recipe.voxel_size


def test_the_same_seed_gives_the_same_stack(stack: SampleStack, recipe: StackRecipe) -> None:
    again = generate_stack(recipe, seed=3)
    for name in ("nuclei", "membranes", "nucleus_labels", "cell_labels"):
        np.testing.assert_array_equal(getattr(again, name), getattr(stack, name))


def test_another_seed_gives_another_stack(stack: SampleStack, recipe: StackRecipe) -> None:
    assert (generate_stack(recipe, seed=4).nucleus_labels != stack.nucleus_labels).mean() > 0.1


def test_cells_fill_the_stack_and_are_numbered_without_gaps(stack: SampleStack) -> None:
    present = np.unique(stack.cell_labels)
    np.testing.assert_array_equal(present, np.arange(1, present.size + 1))
    assert present.size >= 8


def test_a_nucleus_is_one_piece_inside_its_own_cell(stack: SampleStack) -> None:
    inside = stack.nucleus_labels > 0
    np.testing.assert_array_equal(stack.nucleus_labels[inside], stack.cell_labels[inside])
    labels = np.unique(stack.nucleus_labels[inside])
    assert labels.size >= 6
    assert all(ndimage.label(stack.nucleus_labels == label)[1] == 1 for label in labels)


def test_nuclei_are_brighter_than_what_surrounds_them(stack: SampleStack) -> None:
    inside = stack.nucleus_labels > 0
    assert stack.nuclei[inside].mean() > 1.8 * stack.nuclei[~inside].mean()


def test_membranes_are_bright_between_cells_and_dark_in_the_nuclei(stack: SampleStack) -> None:
    rows = stack.cell_labels[:, 1:] != stack.cell_labels[:, :-1]
    inside = stack.nucleus_labels > 0
    assert stack.membranes[:, 1:][rows].mean() > 1.4 * stack.membranes[inside].mean()


def test_deeper_planes_are_dimmer(stack: SampleStack) -> None:
    brightness = [plane[labels > 0].mean() for plane, labels in zip(stack.nuclei, stack.nucleus_labels, strict=True)]
    assert np.mean(brightness[-4:]) < np.mean(brightness[:4])


def test_crowded_nuclei_fill_more_of_the_tissue() -> None:
    share = {name: (generate_stack(recipe).nucleus_labels > 0).mean() for name, recipe in SMALL.items()}
    assert share["crowded"] > 1.3 * share["tissue"]
