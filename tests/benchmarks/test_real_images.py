"""The product on real microscopy, where the images are at hand."""

import pytest

from benchmarks.accuracy import ModelUsers, measure, summary
from benchmarks.datasets import data_folder, labelled_planes
from napari_sam.models.load import load_model

NUCLEI = data_folder() / "dsb2018_fixes"


@pytest.mark.skipif(not NUCLEI.is_dir(), reason="the images for evaluation are not here")
def test_real_nuclei_are_found_by_a_click_and_by_a_box():
    planes = list(labelled_planes(NUCLEI, limit=6))
    means = summary(measure(planes, {"auto": ModelUsers(load_model("nano"), None)}, per_plane=1), "auto")
    assert means["1 click"][0] > 0.5
    assert means["5 clicks"][0] > 0.65
    assert means["1 box"][0] > 0.65
