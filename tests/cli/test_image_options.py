"""``--axes``, ``--series``, ``--channel`` and ``--scale`` on every command that takes an image."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import typer

import napari_sam
from napari_sam.cli.app import app
from napari_sam.planes.open_image import open_image
from napari_sam.sample import SampleStack
from tests.cli.conftest import Run, Target
from tests.cli.test_segment import iou


@pytest.fixture
def channels(tmp_path: Path, sample: SampleStack) -> Path:
    """Five channels, the last of which shows nuclei, and the others noise."""
    path = tmp_path / "channels.ome.tif"
    pixels = np.random.default_rng(0).integers(90, 110, (5, *sample.nuclei.shape)).astype(sample.nuclei.dtype)
    pixels[4] = sample.nuclei
    metadata = {"axes": "CZYX", "Channel": {"Name": ["a", "b", "c", "d", "DAPI"]}}
    tifffile.imwrite(path, pixels, ome=True, photometric="minisblack", metadata=metadata)
    return path


@pytest.mark.parametrize("command", ["segment", "propagate", "everything", "alike", "replay", "demo"])
def test_every_command_that_takes_an_image_has_them(command: str) -> None:
    options = {name for each in typer.main.get_command(app).commands[command].params for name in each.opts}
    assert {"--axes", "--series", "--channel", "--scale"} <= options


@pytest.mark.parametrize("command", ["export", "measure"])
def test_commands_on_labels_have_those_of_their_image(command: str) -> None:
    options = [name for each in typer.main.get_command(app).commands[command].params for name in each.opts]
    assert {"--axes", "--series", "--scale"} <= set(options)
    assert "--channel" not in options
    assert len(set(options)) == len(options)


@pytest.mark.parametrize("channel", ["DAPI", "4"])
def test_the_object_is_in_channel_five_only(
    run: Run, channels: Path, channel: str, sample: SampleStack, target: Target, labels: Path
) -> None:
    ended = run("segment", channels, "--channel", channel, "--point", target.in_stack, "-o", labels)
    assert ended.status == 0, ended.err
    assert "channels" not in ended.err
    written = open_image(labels)
    assert written.shape == sample.nuclei.shape
    assert iou(written.array()[target.z] == 1, sample.nucleus_labels[target.z] == target.label) > 0.7


@pytest.mark.filterwarnings("default")
def test_which_of_how_many_channels_are_used_is_said(run: Run, channels: Path, target: Target, labels: Path) -> None:
    ended = run("segment", channels, "--point", target.in_stack, "-o", labels)
    assert ended.status == 0
    assert "5 channels, and the model is shown 3 at most: a, b, c; choose others with --channel" in ended.err
    refused = run("segment", channels, "--channel", "YFP", "--point", target.in_stack, "-o", labels)
    assert refused.status == 2
    assert refused.sentences[0].endswith("no channel YFP: the image has the channels 0 to 4 (a, b, c, d, DAPI).")


def test_axes_and_scale_are_those_of_the_labels(
    run: Run, sample: SampleStack, target: Target, tmp_path: Path, labels: Path
) -> None:
    # Columns, rows, planes: turned to planes, rows, columns.
    np.save(tmp_path / "turned.npy", sample.nuclei.transpose(2, 1, 0))
    ended = run(
        *("segment", tmp_path / "turned.npy", "--axes", "XYZ", "--scale", "0.8,0.3,0.3"),
        *("--point", target.in_stack, "-o", labels),
    )
    assert ended.status == 0, ended.err
    written = open_image(labels)
    assert (written.shape, written.scale) == (sample.nuclei.shape, (0.8, 0.3, 0.3))
    assert written.units == ("micrometer",) * 3
    assert iou(written.array()[target.z] == 1, sample.nucleus_labels[target.z] == target.label) > 0.7
    refused = run(
        *("segment", tmp_path / "turned.npy", "--axes", "XYZ", "--scale", "0.8,none"),
        *("--point", "1,2,3", "-o", labels),
    )
    assert "--scale takes 2 numbers" in refused.err


def test_axes_of_length_1_need_no_number(run: Run, sample: SampleStack, target: Target, tmp_path: Path) -> None:
    plane = sample.nuclei[target.z]
    tifffile.imwrite(tmp_path / "long.tif", plane[None, None, None])
    written = {}
    for words in (target.in_plane, f"0,0,0,{target.in_plane}"):
        labels = tmp_path / f"{len(words)}.tif"
        ended = run("segment", tmp_path / "long.tif", "--point", words, "-o", labels)
        assert ended.status == 0, ended.err
        written[words] = np.squeeze(tifffile.imread(labels))
    first, second = written.values()
    np.testing.assert_array_equal(first, second)
    assert iou(first == 1, sample.nucleus_labels[target.z] == target.label) > 0.7
    # A label of such a file is refined, though files of labels leave the short axes out.
    (labels, *_) = tmp_path.glob("[0-9]*.tif")
    ended = run("segment", tmp_path / "long.tif", "--mask", f"{labels}:1", "-o", tmp_path / "refined.tif")
    assert ended.status == 0, ended.err
    # Tables of points leave them out as well, and objects are carried along the axis that is longer.
    tifffile.imwrite(tmp_path / "stack.ome.tif", sample.nuclei[None], ome=True, metadata={"axes": "TZYX"})
    (tmp_path / "points.csv").write_text(f"id,z,y,x\n3,{target.z},{target.row},{target.column}\n")
    ended = run(
        *("propagate", tmp_path / "stack.ome.tif", "--axes", "ZYX", "--prompts", tmp_path / "points.csv"),
        *("--one-view", "-o", tmp_path / "carried.tif"),
    )
    assert ended.status == 0, ended.err
    assert set(np.unique(tifffile.imread(tmp_path / "carried.tif"))) == {0, 3}


def test_more_than_five_axes_are_refused_before_the_work(run: Run, tmp_path: Path, labels: Path) -> None:
    np.save(tmp_path / "six.npy", np.zeros((2, 2, 2, 2, 40, 40), np.uint8))
    refused = run("segment", tmp_path / "six.npy", "--point", "0,0,0,0,5,5", "-o", labels)
    assert refused.status == 2
    assert "6 axes besides channels" in refused.err
    np.save(tmp_path / "short.npy", np.random.default_rng(0).integers(0, 255, (1, 2, 1, 1, 40, 40), np.uint8))
    ended = run("segment", tmp_path / "short.npy", "--point", "1,5,5", "-o", labels)
    assert ended.status == 0, ended.err
    assert tifffile.imread(labels).shape[-2:] == (40, 40)


def test_a_boolean_image_is_label_1(run: Run, stack: Path, sample: SampleStack, target: Target, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "mask.tif", sample.nucleus_labels == target.label)
    ended = run(
        *("segment", stack, "--mask", f"{tmp_path / 'mask.tif'}:1", "--plane", target.z),
        *("-o", tmp_path / "out.tif"),
    )
    assert ended.status == 0, ended.err
    written = tifffile.imread(tmp_path / "out.tif")[target.z]
    assert iou(written == 1, sample.nucleus_labels[target.z] == target.label) > 0.7


def test_a_plain_array_may_be_opened_with_channels_in_a_notebook(channels: Path, target: Target) -> None:
    stack = napari_sam.open_stack(napari_sam.open_image(channels, channel=["DAPI", "a"]))
    assert stack.setup.channels == (4, 0)
    assert stack.embedder.channels == (4, 0)
