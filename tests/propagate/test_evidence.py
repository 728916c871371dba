import numpy as np
import pytest
from fake_network import threshold_model

from napari_sam.planes.contrast import Contrast
from napari_sam.planes.plane import Plane
from napari_sam.planes.source import ImageSource
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.propagate.evidence import Evidence, evidence_for
from napari_sam.segment.segmenter import Segmenter

PLANE = Plane((0, 1), (0, 0))


def contrast(*channels: float) -> np.ndarray:
    return np.array(channels, np.float32)


def test_the_contrast_of_a_bright_disc_is_its_height():
    rows, columns = np.ogrid[:200, :200]
    image = np.where(np.hypot(rows - 90, columns - 110) < 30, 0.9, 0.2).astype(np.float32)
    segmenter = Segmenter(threshold_model(256), ImageSource(image), Contrast(((0.0, 1.0),)))
    mask = segmenter.segment(PLANE, Prompts((Point(90, 110),)), object_size=60).mask
    evidence = evidence_for(mask, segmenter, PLANE)
    np.testing.assert_allclose(evidence.contrast, [0.7, 0.7, 0.7], atol=0.02)
    assert evidence.predicted_iou == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("here", "trust"),
    [
        (Evidence(0.8, contrast(0.5, 0.5, 0.5)), 1.0),
        (Evidence(0.9, contrast(0.9, 0.9, 0.9)), 1.0),
        (Evidence(0.4, contrast(0.5, 0.5, 0.5)), 0.5),
        (Evidence(0.8, contrast(0.25, 0.25, 0.25)), 0.5),
        (Evidence(0.8, contrast(-0.5, -0.5, -0.5)), 0.0),
        (Evidence(-0.1, contrast(0.5, 0.5, 0.5)), 0.0),
    ],
)
def test_trust_is_the_share_of_what_spoke_for_the_key_mask(here, trust):
    assert here.trust(Evidence(0.8, contrast(0.5, 0.5, 0.5))) == pytest.approx(trust, abs=1e-6)


def test_an_object_that_never_stood_out_is_judged_by_the_model_alone():
    key = Evidence(0.8, contrast(0.01, -0.01, 0.0))
    assert Evidence(0.6, contrast(-0.5, 0.2, 0.0)).trust(key) == pytest.approx(0.75)


def test_colours_count_by_their_direction():
    key = Evidence(0.8, contrast(0.5, -0.5, 0.0))
    assert Evidence(0.8, contrast(0.0, 0.0, 0.7)).trust(key) == 0.0
    assert Evidence(0.8, contrast(0.5, -0.5, 0.7)).trust(key) == 1.0
