import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.nn.nano import blended, with_best_blended
from napari_sam.nn.network import MaskPrediction


def candidates(count: int = 3, number: int = 2) -> torch.Tensor:
    return torch.randn(number, count, 5, 7, generator=torch.Generator().manual_seed(0))


def test_candidates_that_are_as_good_count_alike():
    logits = candidates()
    torch.testing.assert_close(blended(logits, torch.full((2, 3), 0.7)), logits.mean(1))


def test_a_candidate_that_is_much_better_is_what_is_shown():
    logits = candidates()
    torch.testing.assert_close(blended(logits, torch.tensor([[0.1, 0.9, -0.2]] * 2)), logits[:, 1], atol=1e-3, rtol=0)


@given(st.permutations(range(3)), st.lists(st.floats(0.03, 1.2), min_size=3, max_size=3), st.floats(0.5, 2))
def test_neither_the_order_nor_a_common_factor_matters(order, iou, factor):
    logits, predicted = candidates(number=1), torch.tensor([iou])
    expected = blended(logits, predicted)
    torch.testing.assert_close(blended(logits[:, order], predicted[:, order] * factor), expected, atol=1e-5, rtol=1e-5)
    assert (expected <= logits.amax(1) + 1e-5).all()
    assert (expected >= logits.amin(1) - 1e-5).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_most_convincing_candidate_is_replaced_and_nothing_else(dtype):
    logits = candidates().to(dtype)
    iou = torch.tensor([[0.5, 0.9, 0.7], [0.8, 0.1, 0.2]])
    found = with_best_blended(MaskPrediction(logits, iou))
    assert found.logits.dtype == dtype
    assert found.iou is iou
    for prompt, best in enumerate((1, 0)):
        for candidate in range(3):
            expected = blended(logits, iou)[prompt] if candidate == best else logits[prompt, candidate]
            torch.testing.assert_close(found.logits[prompt, candidate], expected, rtol=0, atol=0)
