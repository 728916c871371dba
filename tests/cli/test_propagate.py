from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sam.planes.open_image import open_image
from napari_sam.sample import SampleStack
from tests.cli.conftest import SCALE, Run, Target


def test_one_click_carries_the_nucleus_through_the_stack(
    run: Run, stack: Path, sample: SampleStack, target: Target, labels: Path
) -> None:
    ended = run("propagate", stack, "--point", target.in_stack, "-o", labels)
    assert ended.status == 0, ended.err
    found = tifffile.imread(labels) == 1
    known = sample.nucleus_labels == target.label
    assert (found & known).sum() / (found | known).sum() > 0.5
    assert found.any(axis=(1, 2)).sum() > 2
    assert open_image(labels).scale == pytest.approx(SCALE)


def test_it_stays_within_the_planes_asked_for(run: Run, stack: Path, target: Target, labels: Path) -> None:
    low, high = target.z - 1, target.z + 1
    ended = run("propagate", stack, "--point", target.in_stack, "--first", low, "--last", high, "-o", labels)
    assert ended.status == 0, ended.err
    reached = np.flatnonzero((tifffile.imread(labels) > 0).any(axis=(1, 2)))
    assert reached.min() >= low
    assert reached.max() <= high


def test_prompts_on_two_planes_are_one_object(run: Run, stack: Path, target: Target, labels: Path) -> None:
    ended = run(
        *("propagate", stack, "--point", f"{target.z - 1},{target.row},{target.column}"),
        *("--point", f"{target.z + 1},{target.row},{target.column}", "-o", labels),
    )
    assert ended.status == 0, ended.err
    written = tifffile.imread(labels)
    assert set(np.unique(written)) == {0, 1}
    assert written[target.z].any()


def test_nothing_found_is_an_error(run: Run, tmp_path: Path, labels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_sam.planes.geometry import Mask
    from napari_sam.segment.segmentation import Segmentation
    from napari_sam.segment.segmenter import Segmenter

    nothing = Segmentation((Mask((0, 0, 0, 0), np.zeros((0, 0), bool)),))
    monkeypatch.setattr(Segmenter, "segment", lambda *args, **options: nothing)
    path = tmp_path / "empty.tif"
    tifffile.imwrite(path, np.zeros((5, 32, 32), np.uint8), metadata={"axes": "ZYX"})
    ended = run("propagate", path, "--point", "1,5,5", "-o", labels)
    assert ended.status == 2
    assert "Nothing was found" in ended.sentences[-1]
    assert not labels.exists()
