"""Everything on each plane, from the command line."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sam.planes.open_image import open_image
from napari_sam.sample import SampleStack
from tests.cli.conftest import SCALE, Run, Target


def iou(found: np.ndarray, known: np.ndarray) -> float:
    return float((found & known).sum() / (found | known).sum())


def test_some_planes_of_a_stack(run: Run, stack: Path, sample: SampleStack, target: Target, labels: Path) -> None:
    ended = run("everything", stack, "--planes", f"{target.z},{target.z + 1}", "-o", labels)
    assert ended.status == 0, ended.err
    written = tifffile.imread(labels)
    assert written.shape == sample.nuclei.shape
    assert np.flatnonzero(written.any(axis=(1, 2))).tolist() == [target.z, target.z + 1]
    label = written[target.z, target.row, target.column]
    assert label
    assert iou(written[target.z] == label, sample.nucleus_labels[target.z] == target.label) > 0.7
    # Other ids on each plane, without gaps.
    here, there = (set(np.unique(written[z])) - {0} for z in (target.z, target.z + 1))
    assert not here & there
    assert here | there == set(range(1, int(written.max()) + 1))
    assert ended.out.strip() == f"{labels}: {written.max()} objects on 2 planes"
    assert open_image(labels).scale == pytest.approx(SCALE)


def test_what_is_wanted_and_where(run: Run, plane: Path, sample: SampleStack, target: Target, labels: Path) -> None:
    row, column = target.row, target.column
    around = f"{row + 12},{column + 12},{row - 12},{column - 12}"
    ended = run("everything", plane, "--region", around, "--confidence", "0.4", "--smallest", "3", "-o", labels)
    assert ended.status == 0, ended.err
    written = tifffile.imread(labels)
    assert written[row, column]
    for label in np.unique(written[written > 0]):
        middle = np.argwhere(written == label).mean(axis=0)
        assert (np.abs(middle - (row, column)) < 20).all()
    ended = run("everything", plane, "--largest", "1.5", "-o", labels)
    assert ended.status == 0
    assert "nothing was found" in ended.err
    assert ended.out.endswith("0 objects on 1 plane\n")
    assert not tifffile.imread(labels).any()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--confidence", "2"), "--confidence is a number from 0 to 1, but got 2."),
        (("--overlap", "nan"), "--overlap is a number from 0 to 1"),
        (("--smallest", "-1"), "--smallest is a diameter in pixels"),
        (("--largest", "inf"), "--largest is a diameter in pixels"),
        (("--smallest", "9", "--largest", "3"), "--smallest 9 is larger than --largest 3."),
        (("--planes", "3-"), "--planes takes planes such as 3 or 2-5,9, but got '3-'."),
        (("--planes", "5-3"), "--planes 5-3 goes backwards"),
        (("--planes", "2,10"), "names plane 10, but the image has planes 0 to 9."),
        (("--region", "1,2,3"), "--region takes 4 numbers"),
        (("--region", "200,0,300,9"), "lies outside the image"),
        (("--model", "nothing"), "nothing"),
    ],
)
def test_bad_input_is_one_sentence(run: Run, stack: Path, labels: Path, words: tuple[str, ...], sentence: str) -> None:
    ended = run("everything", stack, *words, "-o", labels)
    assert ended.status == 2
    assert len(ended.sentences) == 1
    assert sentence in ended.sentences[0]
    assert not labels.exists()


def test_planes_of_a_picture_are_refused(run: Run, plane: Path, labels: Path) -> None:
    ended = run("everything", plane, "--planes", "0", "-o", labels)
    assert (ended.status, "one plane only" in ended.err) == (2, True)


def test_the_image_itself_is_not_overwritten(run: Run, stack: Path) -> None:
    ended = run("everything", stack, "-o", stack)
    assert (ended.status, "the image itself" in ended.err) == (2, True)


def test_a_stack_is_linked(run: Run, stack: Path, sample: SampleStack, target: Target, labels: Path) -> None:
    planes = f"{target.z - 1}-{target.z + 1}"
    ended = run("everything", stack, "--link", "--planes", planes, "-o", labels)
    assert ended.status == 0, ended.err
    written = tifffile.imread(labels)
    assert np.flatnonzero(written.any(axis=(1, 2))).tolist() == [target.z - 1, target.z, target.z + 1]
    label = written[target.z, target.row, target.column]
    assert label
    part = slice(target.z - 1, target.z + 2)
    assert iou(written[part] == label, sample.nucleus_labels[part] == target.label) > 0.6
    assert (written == label).any(axis=(1, 2)).sum() > 1
    assert ended.out.strip() == f"{labels}: {written.max()} objects on 3 planes"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--movement", "4"), "give --link with it"),
        (("--link", "--movement", "0"), "above 0, but got 0"),
        (("--link", "--planes", "1,3"), "needs planes in a row"),
    ],
)
def test_what_cannot_be_linked_is_one_sentence(
    run: Run, stack: Path, labels: Path, words: tuple[str, ...], sentence: str
) -> None:
    ended = run("everything", stack, *words, "-o", labels)
    assert (ended.status, len(ended.sentences)) == (2, 1)
    assert sentence in ended.sentences[0]
    assert not labels.exists()


def test_a_picture_has_no_planes_to_link(run: Run, plane: Path, labels: Path) -> None:
    ended = run("everything", plane, "--link", "-o", labels)
    assert (ended.status, "one plane only" in ended.err) == (2, True)
