"""What a batch will take, from one image."""

from pathlib import Path

import pytest

from napari_sam.batch.estimate import BatchEstimate, estimate_batch
from napari_sam.batch.run_batch import run_batch
from tests.batch_images import load_threshold


def test_hours_follow_from_the_pixels_and_no_worker_shares_an_image() -> None:
    known = BatchEstimate(9, 1, 2, 600, "large", 300, "small", 10, 36.0, 72.0, 0.0, 2_000_000_000)
    assert known.core_hours == pytest.approx(60 * 72 / 3600)
    assert [known.hours(workers) for workers in (1, 2, 16)] == pytest.approx([0.6, 0.3, 0.3])
    assert known.lines[0] == "9 images: 6 to do, 1 done before, 2 cannot be done."
    assert "About 2.0 GB" in known.lines[-1]


def test_an_image_is_measured_and_nothing_is_left_behind(recipe: Path, images: Path) -> None:
    (images / "bad.tif").write_bytes(b"II*\0")
    found = estimate_batch(recipe, load=load_threshold)
    assert (found.images, found.before, found.failed) == (4, 0, 1)
    assert (found.pixels, found.measured_pixels) == (3 * 64 * 64, 64 * 64)
    assert 0 < found.seconds < 60
    assert found.memory is None or found.memory > 1e7
    assert not list((recipe.parent / "labels").rglob("*.tif"))
    run_batch(recipe, load=load_threshold)
    assert estimate_batch(recipe, load=load_threshold).lines == ["4 images: 0 to do, 3 done before, 1 cannot be done."]
