"""Where an object is taken to have ended."""

import numpy as np
import pytest

from napari_sam.planes.geometry import Mask
from napari_sam.volume.evidence import Stop, StopRule


def _square(row, side=10):
    return Mask((row, 0, row + side, side), np.ones((side, side), bool))


@pytest.mark.parametrize(
    ("moved", "trust", "verdict"),
    [
        (0, 0.6, Stop.NONE),
        (0, 0.5, Stop.DOUBTFUL),
        (5, 1.0, Stop.DOUBTFUL),
        (2, 1.0, Stop.NONE),
        (2, 0.8, Stop.DOUBTFUL),
    ],
)
def test_a_mask_is_trusted_less_the_less_it_lies_where_its_neighbour_did(moved, trust, verdict):
    assert StopRule().judge(_square(moved), _square(0), trust) is verdict


@pytest.mark.parametrize("side", [6, 16])
def test_what_grows_or_shrinks_too_fast_is_another_object(side):
    assert StopRule().judge(_square(0, side), _square(0), 1.0) is Stop.JUMP
