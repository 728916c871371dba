import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from training.config import PromptConfig
from training.corrections import correct
from training.depth import squared_depth
from training.first_prompts import Kind, Request, draw_first_prompts
from training.mask_prompts import deform, misplace


def _labels(seed=0, side=64):
    rng = np.random.default_rng(seed)
    labels = np.zeros((side, side), np.int32)
    rows, columns = np.ogrid[:side, :side]
    for label in range(1, 5):
        centre, radius = rng.uniform(0, side, 2), rng.uniform(4, 12)
        labels[np.hypot(rows - centre[0], columns - centre[1]) < radius] = label
    return labels


@pytest.mark.parametrize("kind", Kind)
@given(seed=st.integers(0, 500))
@settings(max_examples=15, deadline=None)
def test_points_lie_in_the_window_and_positive_ones_in_what_they_mean(kind, seed):
    labels = _labels(seed)
    rng = np.random.default_rng(seed)
    config = PromptConfig(per_window=4, missing=0.0)
    prompts = draw_first_prompts(rng, labels, None, labels >= 0, Request(kind), 24, config)
    assert prompts is not None
    count, tokens = prompts.labels.shape
    assert prompts.points.shape == (count, tokens, 2)
    assert prompts.targets.shape == (4, 32, 32)
    assert (prompts.points >= 0).all()
    assert (prompts.points <= 63).all()
    assert (prompts.labels >= 0).all()
    for points, given_labels, target in zip(prompts.points, prompts.labels, prompts.targets, strict=True):
        assert 0 < target.sum() <= 32 * 32
        if kind is Kind.MASK:
            continue
        for (x, y), label in zip(points, given_labels, strict=True):
            if label == 1:
                assert target[int(y) // 2, int(x) // 2] > 0
        if (given_labels == 2).any():
            assert (points[given_labels == 2] <= points[given_labels == 3]).all()


def test_mask_prompt_comes_from_the_neighbour_and_the_target_from_the_plane():
    labels, neighbour = np.zeros((64, 64), np.int32), np.zeros((64, 64), np.int32)
    labels[20:40, 24:44] = 5
    neighbour[18:38, 20:40] = 5
    neighbour[50:60, 50:60] = 9
    config = PromptConfig(per_window=2)
    rng = np.random.default_rng(0)
    prompts = draw_first_prompts(rng, labels, neighbour, labels >= 0, Request(Kind.MASK), 24, config)
    assert prompts is not None
    areas = sorted(prompts.targets.sum((1, 2)))
    assert areas == [0, 100]
    present = int(prompts.targets.sum((1, 2)).argmax())
    given_mask = prompts.masks[present] > 0
    overlap = (given_mask & (prompts.targets[present] > 0.5)).sum()
    assert overlap > 40
    inner = prompts.points[present][prompts.labels[present] == 1][0]
    assert given_mask[int(inner[1]) // 2, int(inner[0]) // 2]


def _pieces():
    labels = np.zeros((64, 64), np.int32)
    labels[10:20, 10:20] = labels[30:44, 30:40] = 7
    labels[50:60, 4:12] = 3
    return labels


@pytest.mark.parametrize("kind", [Kind.BOX, Kind.BOX_AND_POINT])
def test_a_box_around_all_pieces_of_a_label_means_all_of_them(kind):
    labels = _pieces()
    config = PromptConfig(per_window=3, whole=1.0, box_jitter=0.0)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        prompts = draw_first_prompts(rng, labels, None, labels >= 0, Request(kind), 24, config)
        assert prompts is not None
        for corners, target in zip(prompts.points, prompts.targets, strict=True):
            meant = labels == (3 if corners[0, 1] == 50 else 7)
            np.testing.assert_array_equal(target, meant[::2, ::2])
            rows, columns = np.nonzero(meant)
            np.testing.assert_array_equal(corners[:2], [[columns.min(), rows.min()], [columns.max(), rows.max()]])


def test_a_box_is_not_drawn_around_mirror_images_or_what_lies_far_apart():
    labels = _pieces()
    inside = np.ones_like(labels, bool)
    inside[25:] = False
    config = PromptConfig(per_window=3, whole=1.0)
    rng = np.random.default_rng(0)
    mirrored = draw_first_prompts(rng, labels, None, inside, Request(Kind.BOX), 24, config)
    labels[labels == 7] = 0
    labels[0:10, 0:10] = labels[54:64, 54:64] = 7
    apart = draw_first_prompts(rng, labels, None, labels >= 0, Request(Kind.BOX), 24, config)
    assert mirrored is not None
    assert apart is not None
    assert sorted(mirrored.targets.sum((1, 2))) == [20, 25, 35]
    assert sorted(apart.targets.sum((1, 2))) == [20, 25, 25]


def test_a_window_without_objects_has_no_prompts():
    empty = np.zeros((64, 64), np.int32)
    rng = np.random.default_rng(0)
    assert draw_first_prompts(rng, empty, None, empty == 0, Request(Kind.POINT), 24, PromptConfig()) is None


@given(seed=st.integers(0, 300))
@settings(max_examples=30, deadline=None)
def test_deformed_mask_resembles_the_mask(seed):
    mask = _labels(seed) == 4
    deformed = deform(np.random.default_rng(seed), mask)
    assert deformed.shape == mask.shape
    assert deformed.any()
    assert 0.2 < deformed.sum() / mask.sum() < 4


def test_misplaced_mask_keeps_its_shape_and_avoids_objects():
    labels = np.zeros((64, 64), np.int32)
    labels[4:14, 4:14] = 1
    moved = misplace(np.random.default_rng(0), labels == 1, labels)
    assert moved.sum() == 100
    assert (labels[moved] > 0).mean() < 0.2


@given(seed=st.integers(0, 300), random=st.booleans())
@settings(max_examples=40, deadline=None)
def test_corrective_clicks_lie_where_masks_and_targets_differ(seed, random):
    masks, targets = (torch.from_numpy(np.stack([_labels(seed + i) > 0 for i in (j, j + 1)])) for j in (0, 1000))
    torch.manual_seed(seed)
    points, labels = correct(masks, targets, 2, innermost=not random)
    for (x, y), label, mask, target in zip(points, labels, masks, targets, strict=True):
        row, column = int((y + 0.5) // 2), int((x + 0.5) // 2)
        assert mask[row, column] != target[row, column]
        assert label == int(target[row, column])


def _click(mask, target):
    points, labels = correct(torch.from_numpy(mask)[None], torch.from_numpy(target)[None], 1, innermost=True)
    return (*points[0].tolist(), labels[0].item())


def _square():
    target = np.zeros((32, 32), bool)
    target[5:16, 5:16] = True
    return target


def test_corrective_click_hits_the_middle_of_the_largest_error():
    mask = np.zeros((32, 32), bool)
    mask[28:30, 28:30] = True
    assert _click(mask, _square()) == (10, 10, 1)
    assert _click(_square(), mask) == (10, 10, 0)


def test_a_perfect_mask_gets_a_positive_click_inside():
    assert _click(_square(), _square()) == (10, 10, 1)


def test_a_perfect_absence_gets_a_negative_click():
    nothing = np.zeros((32, 32), bool)
    assert _click(nothing, nothing)[2] == 0


def test_random_clicks_keep_off_the_borders_of_the_errors():
    target = torch.from_numpy(_square()).expand(400, 32, 32)
    torch.manual_seed(0)
    points, labels = correct(torch.zeros_like(target), target, 1)
    assert (labels == 1).all()
    assert (points >= 6).all()
    assert (points <= 14).all()
    middle = (points == 10).all(1).float().mean()
    assert 0.5 <= middle < 0.65
    assert {6.0, 14.0} <= set(points[:, 0].tolist())


@given(seed=st.integers(0, 300), height=st.integers(1, 40), width=st.integers(1, 40), share=st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_depth_is_the_distance_to_the_outside(seed, height, width, share):
    masks = np.random.default_rng(seed).random((3, height, width)) < share
    found = squared_depth(torch.from_numpy(masks)).sqrt()
    for mask, depth in zip(masks, found.numpy(), strict=True):
        truth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
        np.testing.assert_allclose(depth, truth, rtol=1e-5)
