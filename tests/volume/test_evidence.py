import numpy as np
import pytest

from napari_sam.planes.contrast import Contrast
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.segment.segmenter import Segmenter
from napari_sam.testing.fake_network import threshold_model
from napari_sam.volume.evidence import Evidence, evidence_for

PLANE = Plane((0, 1), (0, 0))


def evidence(predicted_iou=0.8, agreement=0.6, contrast=(0.5, 0.5, 0.5)) -> Evidence:
    return Evidence(predicted_iou, agreement, contrast)


@pytest.mark.parametrize(("name", "clicked"), [("nano", False), ("vit_b", True)])
def test_what_speaks_for_a_bright_disc(name, clicked):
    rows, columns = np.ogrid[:200, :200]
    image = np.where(np.hypot(rows - 90, columns - 110) < 30, 0.9, 0.2).astype(np.float32)
    segmenter = Segmenter(threshold_model(256, name), ImageSource(image), Contrast(((0.0, 1.0),)))
    mask = segmenter.segment(PLANE, Prompts((Point(90, 110),)), object_size=60).mask
    found = evidence_for(mask, segmenter, PLANE)
    np.testing.assert_allclose(found.contrast, [0.7, 0.7, 0.7], atol=0.02)
    assert found.predicted_iou == pytest.approx(0.9)
    if clicked:
        assert found.agreement > 0.95
    else:
        assert found.agreement is None


@pytest.mark.parametrize(
    ("here", "trust"),
    [
        (evidence(), 1.0),
        (evidence(0.9, 0.9, (0.9, 0.9, 0.9)), 1.0),
        (evidence(predicted_iou=0.4), 0.5),
        (evidence(predicted_iou=-0.1), 0.0),
        (evidence(agreement=0.3), 0.5),
        (evidence(contrast=(0.125, 0.125, 0.125)), 0.5),
        (evidence(contrast=(-0.5, -0.5, -0.5)), 0.0),
    ],
)
def test_trust_is_the_share_of_what_spoke_for_the_key_mask(here, trust):
    assert here.trust(evidence()) == pytest.approx(trust, abs=1e-6)


def test_without_a_click_it_does_not_count():
    assert evidence(agreement=None).trust(evidence(agreement=None)) == pytest.approx(1.0)
    assert evidence(0.4, agreement=None).trust(evidence(agreement=None)) == pytest.approx(0.5)


def test_an_object_that_never_stood_out_is_not_judged_by_its_contrast():
    faint = evidence(contrast=(0.01, -0.01, 0.0))
    assert evidence(contrast=(-0.5, 0.2, 0.0)).trust(faint) == pytest.approx(1.0)


def test_colours_count_by_their_direction():
    key = evidence(contrast=(0.5, -0.5, 0.0))
    assert evidence(contrast=(0.0, 0.0, 0.7)).trust(key) == 0.0
    assert evidence(contrast=(0.5, -0.5, 0.7)).trust(key) == pytest.approx(1.0)


@pytest.mark.parametrize(("revision", "texture", "trust"), [(2, 0.3, 0.0), (2, 2.0, 1.0), (1, 2.0, 0.0)])
def test_contrast_that_is_weak_beside_the_texture_says_nothing(revision, texture, trust):
    key = Evidence(0.8, None, (0.5, 0.5, 0.5), texture)
    assert evidence(agreement=None, contrast=(-0.2, -0.2, -0.2)).trust(key, revision) == pytest.approx(trust)


def test_texture_is_how_much_pixels_vary_in_a_mask_and_around_it():
    rows, columns = np.ogrid[:200, :200]
    noise = np.random.default_rng(0).normal(0, 0.05, (200, 200))
    image = (np.where(np.hypot(rows - 90, columns - 110) < 30, 0.9, 0.2) + noise).astype(np.float32)
    segmenter = Segmenter(threshold_model(256), ImageSource(image), Contrast(((-1.0, 2.0),)))
    mask = segmenter.segment(PLANE, Prompts((Point(90, 110),)), object_size=30).mask
    # Two parts of three channels each, of a third of the noise.
    assert evidence_for(mask, segmenter, PLANE).texture == pytest.approx(np.sqrt(6) * 0.05 / 3, rel=0.2)
