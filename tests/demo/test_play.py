"""The demo in a real window, small and fast."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_sam.demo.play import Demo
from napari_sam.errors import UserError
from napari_sam.planes.image_source import ImageSource
from napari_sam.sample import TISSUE, SampleStack, generate_stack

MakeViewer = Callable[..., Any]


@pytest.fixture(scope="module")
def sample() -> SampleStack:
    return generate_stack(replace(TISSUE, shape=(16, 112, 112)), seed=2)


def test_one_object_is_clicked_corrected_propagated_accepted_and_saved(
    make_napari_viewer: MakeViewer, sample: SampleStack, tmp_path: Path
) -> None:
    steps: list[str] = []
    viewer = make_napari_viewer(show=True)
    source = ImageSource(sample.nuclei, scale=sample.scale, axis_labels="zyx", units=("um",) * 3)
    demo = Demo(viewer, source, known=sample.nucleus_labels, on_step=steps.append)
    demo.play()
    assert steps == ["before", "click", "correction", "propagated", "accepted"]
    assert set(np.unique(demo.labels)) == {0, 1}
    assert (demo.labels > 0).any(axis=(1, 2)).sum() > 1
    assert demo.iou() > 0.3
    demo.save_labels(tmp_path / "labels.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "labels.tif"), demo.labels)


def test_a_plane_of_the_user_s_own_needs_no_knowledge(make_napari_viewer: MakeViewer, sample: SampleStack) -> None:
    steps: list[str] = []
    demo = Demo(make_napari_viewer(show=True), ImageSource(sample.nuclei[8]), on_step=steps.append)
    demo.play()
    assert steps == ["before", "click", "correction", "accepted"]
    assert demo.labels.max() == 1


def test_an_unknown_model_is_one_sentence(make_napari_viewer: MakeViewer, sample: SampleStack) -> None:
    with pytest.raises(UserError, match="giga"):
        Demo(make_napari_viewer(show=True), ImageSource(sample.nuclei[8]), model="giga").play()
