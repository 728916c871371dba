"""All that is like some labels, from the command line."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sam.planes.open_image import open_image
from napari_sam.sample import SampleStack
from tests.cli.conftest import SCALE, Run, Target


@pytest.fixture
def known(tmp_path: Path, sample: SampleStack, target: Target) -> Path:
    """One nucleus is labelled 7, on its plane only."""
    path = tmp_path / "known.tif"
    there = np.zeros(sample.nuclei.shape, np.uint16)
    there[target.z] = np.where(sample.nucleus_labels[target.z] == target.label, 7, 0)
    tifffile.imwrite(path, there)
    return path


def test_others_like_a_label_on_some_planes(
    run: Run, stack: Path, known: Path, sample: SampleStack, target: Target, labels: Path
) -> None:
    planes = f"{target.z},{target.z + 1}"
    ended = run("alike", stack, "--labels", known, "--ids", "7", "--planes", planes, "-o", labels)
    assert ended.status == 0, ended.err
    written = tifffile.imread(labels)
    assert np.flatnonzero(written.any(axis=(1, 2))).tolist() == [target.z, target.z + 1]
    # The example itself is left out where it is labelled, and found on the next plane; ids go on from it.
    assert not written[target.z, target.row, target.column]
    assert written[target.z + 1, target.row, target.column] > 7
    assert written[written > 0].min() == 8
    truth = sample.nucleus_labels[target.z]
    right = [np.bincount(truth[written[target.z] == each]).argmax() for each in np.unique(written[target.z])[1:]]
    assert np.mean(np.array(right) > 0) > 0.7
    assert open_image(labels).scale == pytest.approx(SCALE)
    assert ended.out.strip() == f"{labels}: {written.max() - 7} objects on 2 planes"


def test_examples_of_another_image(
    run: Run, stack: Path, plane: Path, known: Path, target: Target, labels: Path
) -> None:
    ended = run("alike", plane, "--labels", known, "--labelled", stack, "-o", labels)
    assert ended.status == 0, ended.err
    # It is the same plane, but nothing is labelled there.
    assert tifffile.imread(labels)[target.row, target.column]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--likeness", "2"), "--likeness is a number from 0 to 1, but got 2."),
        (("--ids", "7,x"), "--ids takes labels from 1 on, as in 3,7, but got '7,x'."),
        (("--ids", "0"), "--ids takes labels from 1 on"),
        (("--ids", "3"), "has no label 3."),
        (("--planes", "77"), "names plane 77"),
    ],
)
def test_bad_input_is_told_in_a_sentence(run: Run, stack: Path, known: Path, labels: Path, words, sentence) -> None:
    ended = run("alike", stack, "--labels", known, "-o", labels, *words)
    assert ended.status == 2
    assert sentence in ended.sentences[-1]
    assert not labels.exists()


def test_labels_of_another_shape_are_refused(run: Run, plane: Path, known: Path, labels: Path) -> None:
    ended = run("alike", plane, "--labels", known, "-o", labels)
    assert ended.status == 2
    assert "but the image has" in ended.err
