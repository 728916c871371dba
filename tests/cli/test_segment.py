import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sam.planes.open_image import open_image
from napari_sam.sample import SampleStack
from tests.cli.conftest import SCALE, Run, Target


def iou(found: np.ndarray, known: np.ndarray) -> float:
    return float((found & known).sum() / (found | known).sum())


@pytest.mark.parametrize("words", ["full position", "plane apart"])
def test_a_click_in_a_stack_outlines_the_nucleus(
    run: Run, words: str, stack: Path, sample: SampleStack, target: Target, labels: Path
) -> None:
    prompt = ("--point", target.in_stack)
    if words == "plane apart":
        prompt = ("--point", target.in_plane, "--plane", str(target.z))
    ended = run("segment", stack, *prompt, "-o", labels)
    assert ended.status == 0, ended.err
    written = tifffile.imread(labels)
    assert written.shape == sample.nuclei.shape
    assert np.flatnonzero(written.any(axis=(1, 2))).tolist() == [target.z]
    assert iou(written[target.z] == 1, sample.nucleus_labels[target.z] == target.label) > 0.7


def test_labels_have_the_axes_and_the_scale_of_the_image(run: Run, stack: Path, target: Target, labels: Path) -> None:
    assert run("segment", stack, "--point", target.in_stack, "-o", labels).status == 0
    source = open_image(labels)
    assert source.scale == pytest.approx(SCALE)
    with tifffile.TiffFile(labels) as file:
        assert file.series[0].axes == "ZYX"


def test_every_kind_of_prompt_at_once(
    run: Run, stack: Path, sample: SampleStack, target: Target, tmp_path: Path, labels: Path
) -> None:
    known = tmp_path / "known.tif"
    tifffile.imwrite(known, sample.nucleus_labels.astype(np.uint16), metadata={"axes": "ZYX"})
    inside = np.argwhere(sample.nucleus_labels[target.z] == target.label)
    (row0, column0), (row1, column1) = inside.min(axis=0), inside.max(axis=0)
    ended = run(
        *("segment", stack, "--point", target.in_stack, "--negative", f"{target.z},0,0"),
        *("--box", f"{target.z},{row0},{column0},{row1},{column1}", "--mask", f"{known}:{target.label}"),
        *("--object-size", "20", "--model", "nano", "-o", labels),
    )
    assert ended.status == 0, ended.err
    assert iou(tifffile.imread(labels)[target.z] == 1, sample.nucleus_labels[target.z] == target.label) > 0.7


def test_a_plain_picture(run: Run, plane: Path, sample: SampleStack, target: Target, labels: Path) -> None:
    ended = run("segment", plane, "--point", target.in_plane, "-o", labels)
    assert ended.status == 0, ended.err
    written = tifffile.imread(labels)
    assert written.shape == sample.nuclei.shape[1:]
    assert iou(written == 1, sample.nucleus_labels[target.z] == target.label) > 0.7


def test_nan_pixels_are_warned_about(
    run: Run, sample: SampleStack, target: Target, tmp_path: Path, labels: Path
) -> None:
    pixels = sample.nuclei[target.z].astype(np.float32)
    pixels[:4, :4] = np.nan
    path = tmp_path / "nan.tif"
    tifffile.imwrite(path, pixels)
    ended = run("segment", path, "--point", target.in_plane, "-o", labels)
    assert ended.status == 0, ended.err
    assert "NaN" in ended.err
    assert iou(tifffile.imread(labels) == 1, sample.nucleus_labels[target.z] == target.label) > 0.7


@pytest.mark.parametrize("value", [0, 7])
def test_a_constant_image_is_warned_about(run: Run, value: int, tmp_path: Path, labels: Path) -> None:
    path = tmp_path / "constant.tif"
    tifffile.imwrite(path, np.full((40, 50), value, np.uint16))
    ended = run("segment", path, "--point", "20,20", "-o", labels)
    assert ended.status == 0, ended.err
    assert "same value" in ended.err
    assert tifffile.imread(labels).shape == (40, 50)


def test_an_existing_output_is_replaced(run: Run, stack: Path, target: Target, labels: Path) -> None:
    labels.write_text("old")
    assert run("segment", stack, "--point", target.in_stack, "-o", labels).status == 0
    assert tifffile.imread(labels).max() == 1
    names = ["labels.provenance.json", "labels.tif", "stack.tif"]
    assert sorted(path.name for path in labels.parent.iterdir()) == names
    made = json.loads((labels.parent / names[0]).read_text())
    assert (made["made_by"], made["image"]) == ("napari-sam segment", "stack.tif")
    assert made["model"]["name"] == "nano"
    assert len(made["model"]["sha256"]) == 64
    assert made["parameters"] == {"points": [target.in_stack]}
