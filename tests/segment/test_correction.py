import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.models.load import load_model
from napari_sam.planes.contrast import measure_contrast
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.encoding import LOWER_RIGHT, NEGATIVE, POSITIVE, UPPER_LEFT
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.sample import StackRecipe, generate_stack
from napari_sam.segment.correction import confined
from napari_sam.segment.segmenter import Segmenter


def bar(columns: slice, shape: tuple[int, int] = (32, 96)) -> np.ndarray:
    logits = np.full(shape, -8, np.float32)
    logits[12:20, columns] = 8
    return logits


def test_a_click_at_one_end_leaves_the_other_end_alone():
    former, answer = bar(slice(20, 60)), bar(slice(40, 80))
    kept = confined(answer, former, np.array([[16.0, 70.0]]), np.array([POSITIVE]))
    assert (kept[12:20, 60:80] > 0).all()
    assert (kept[12:20, 20:30] > 0).all()
    # The network's answer lost that end.
    assert not (answer[12:20, 20:30] > 0).any()


def test_a_negative_click_takes_away_what_the_network_takes_away_there():
    former, answer = bar(slice(20, 60)), bar(slice(30, 45))
    kept = confined(answer, former, np.array([[16.0, 55.0]]), np.array([NEGATIVE]))
    assert not (kept[12:20, 45:60] > 0).any()
    assert (kept[12:20, 20:24] > 0).all()


def test_what_nobody_asked_to_correct_may_change_around_every_click():
    former, answer = bar(slice(20, 60)), bar(slice(20, 70))
    kept = confined(answer, former, np.array([[16.0, 58.0]]), np.array([POSITIVE]))
    np.testing.assert_array_equal(kept > 0, answer > 0)


@pytest.mark.parametrize("labels", [[UPPER_LEFT, LOWER_RIGHT], [-1, -1]], ids=["a box", "nothing"])
def test_without_a_click_the_answer_stands(labels):
    former, answer = bar(slice(20, 60)), bar(slice(40, 80))
    assert confined(answer, former, np.array([[10.0, 20.0], [20.0, 60.0]]), np.array(labels)) is answer


def test_an_empty_mask_is_corrected_freely():
    answer = bar(slice(40, 80))
    assert confined(answer, np.full_like(answer, -8), np.array([[16.0, 70.0]]), np.array([POSITIVE])) is answer


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.tuples(st.floats(-50, 90), st.floats(-50, 90), st.sampled_from([POSITIVE, NEGATIVE])), min_size=1),
)
def test_every_logit_lies_between_the_former_and_the_answer(seed, prompts):
    random = np.random.default_rng(seed)
    former, answer = random.normal(0, 5, (2, 24, 40)).astype(np.float32)
    points = np.array([[row, column] for row, column, _ in prompts])
    kept = confined(answer, former, points, np.array([label for *_, label in prompts]))
    assert kept.dtype == np.float32
    low, high = np.minimum(former, answer), np.maximum(former, answer)
    assert ((kept >= low - 1e-4) & (kept <= high + 1e-4)).all()


def test_a_segmenter_keeps_corrections_local_unless_it_is_told_not_to():
    sample = generate_stack(StackRecipe(shape=(8, 80, 80)), seed=2)
    source, plane = ImageSource(sample.nuclei), Plane((1, 2), (4, 0, 0))
    contrast = measure_contrast(source, (1, 2))
    model = load_model("nano", precision="float32")
    answers = {}
    for local in (True, False):
        segmenter = Segmenter(model, source, contrast, local_corrections=local)
        assert segmenter.setup.local_corrections is local
        first = segmenter.segment(plane, Prompts((Point(35, 24),))).mask
        corrected = Prompts((Point(35, 24), Point(35, 60)))
        answers[local] = segmenter.segment(plane, corrected, previous=first).mask
    assert answers[True].logits is not None
    assert answers[False].logits is not None
    assert not np.array_equal(answers[True].logits, answers[False].logits)
