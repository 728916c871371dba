from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sam.batch.prompt_table import read_prompt_table
from napari_sam.errors import UserError
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.open_image import open_image
from napari_sam.prompts.prompt import Point, Prompts
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


def test_a_table_of_points_carries_many_objects_at_once(
    run: Run, stack: Path, sample: SampleStack, target: Target, labels: Path, tmp_path: Path
) -> None:
    others = [label for label in np.unique(sample.nucleus_labels[target.z]) if label not in (0, target.label)]
    largest = max(others, key=lambda label: (sample.nucleus_labels[target.z] == label).sum())
    rows, columns = np.nonzero(sample.nucleus_labels[target.z] == largest)
    table = tmp_path / "points.csv"
    table.write_text(
        f"id, z, y, x\n7.0,{target.z},{target.row},{target.column}\n"
        f"300,{target.z},{np.median(rows):.0f},{np.median(columns):.0f}\n"
    )
    ended = run("propagate", stack, "--prompts", table, "--one-view", "-o", labels)
    assert ended.status == 0, ended.err
    found = tifffile.imread(labels)
    assert set(np.unique(found)) == {0, 7, 300}
    for label, true in ((7, target.label), (300, largest)):
        known = sample.nucleus_labels == true
        assert ((found == label) & known).sum() / ((found == label) | known).sum() > 0.4


def test_three_views_and_one_differ(run: Run, stack: Path, target: Target, labels: Path) -> None:
    found = {}
    for how in ("--three-views", "--one-view"):
        ended = run("propagate", stack, "--point", target.in_stack, how, "-o", labels)
        assert ended.status == 0, ended.err
        found[how] = tifffile.imread(labels)
    assert found["--three-views"].any()
    assert (found["--three-views"] != found["--one-view"]).any()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "needs the columns id,z,y,x"),
        ("id,y,x\n1,2,3\n", "needs the columns id,z,y,x"),
        ("id,z,y,x\n4294967296,1,2,3\n", "line 2: files of labels hold ids up to 4294967295"),
        ("id,z,y,x\n", "has no points"),
        ("id,z,y,x\n0,1,2,3\n", "line 2: an id is a whole number from 1 on"),
        ("id,z,y,x,positive\n1,1,2,3,perhaps\n", "line 2: positive is 1 or 0"),
        ("id,z,y,x\n4,1,2,3000\n", "object 4"),
        ("id,z,y,x\n4,1,2\n", "line 2: there are not as many fields as columns"),
        ("id,z,y,x\n4,1,2,3\n4,1,2,3,5\n", "line 3: there are not as many fields as columns"),
        ("id,z,y,x\n1.5,1,2,3\n", "line 2: an id is a whole number"),
    ],
)
def test_a_table_that_makes_no_sense_is_told_in_one_sentence(
    run: Run, stack: Path, labels: Path, tmp_path: Path, text: str, said: str
) -> None:
    table = tmp_path / "points.csv"
    table.write_text(text)
    ended = run("propagate", stack, "--prompts", table, "-o", labels)
    assert ended.status != 0
    assert said in ended.err
    assert "Traceback" not in ended.err


def test_a_table_and_points_together_are_refused(run: Run, stack: Path, labels: Path, tmp_path: Path) -> None:
    ended = run("propagate", stack, "--prompts", tmp_path / "points.csv", "--point", "1,2,3", "-o", labels)
    assert ended.status != 0
    assert "not both" in ended.err


def test_an_object_that_another_has_all_of_is_told(
    run: Run, stack: Path, target: Target, labels: Path, tmp_path: Path
) -> None:
    table = tmp_path / "same.csv"
    at = f"{target.z},{target.row},{target.column}"
    table.write_text(f"id,z,y,x\n1,{at}\n2,{at}\n")
    ended = run("propagate", stack, "--prompts", table, "--one-view", "-o", labels)
    assert ended.status == 0, ended.err
    found = tifffile.imread(labels)
    assert "object 2 has no pixels of its own" in ended.err
    assert f"1 object, {np.count_nonzero(found)} voxels" in ended.out


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((4, 30, 40), "ID,Z,Y,X,Positive\n3,1,2.5,9,1\n3,1,4,9,0\n"),
        ((4, 30, 40), "id;z;y;x;positive\n3;1;2,5;9;1\n3;1;4;9;0\n"),
        ((4, 30, 40), "\ufeffid\tz\ty\tx\tpositive\n3\t1\t2.5\t9\t1\n3\t1\t4\t9\t0\n"),
        ((4, 30, 40), "axis-2,axis-1,axis-0,id,positive\n9,2.5,1,3,1\n9,4,1,3,0\n"),
        ((5, 4, 30, 40), "id,axis 0,z,y,x,positive\n3,2,1,2.5,9,1\n3,2,1,4,9,0\n"),
        ((5, 4, 30, 40), "id,t,axis 1,y,x,positive\n3,2,1,2.5,9,1\n3,2,1,4,9,0\n"),
    ],
)
def test_tables_as_other_programs_write_them(tmp_path: Path, shape: tuple[int, ...], text: str) -> None:
    table = tmp_path / "points.csv"
    table.write_text(text, encoding="utf-8")
    index = (*(2, 1)[4 - len(shape) :], 0, 0)
    plane = Plane((len(shape) - 2, len(shape) - 1), index)
    found = read_prompt_table(table, ImageSource(np.zeros(shape, np.uint8)))
    assert found == {3: {plane: Prompts((Point(2.5, 9.0), Point(4.0, 9.0, positive=False)))}}


@pytest.mark.parametrize(
    "header", ["id,axis 1,axis 0,y,x", "id,axis 0,z,axis 3,y", "id,t,z,x,y", "id,axis 0,axis 0,y,x"]
)
def test_axes_that_are_mixed_up_are_told(tmp_path: Path, header: str) -> None:
    table = tmp_path / "points.csv"
    table.write_text(f"{header}\n1,0,0,0,0\n")
    named = ImageSource(np.zeros((2, 3, 8, 9), np.uint8), axis_labels=("t", "z", "y", "x"))
    with pytest.raises(UserError, match="needs the columns id,t,z,y,x"):
        read_prompt_table(table, named)
    with pytest.raises(UserError, match="needs the columns id,axis 0,z,y,x"):
        read_prompt_table(table, ImageSource(np.zeros((5, 4, 30, 40), np.uint8)))


def test_an_image_without_a_number_is_refused(run: Run, labels: Path, tmp_path: Path) -> None:
    path = tmp_path / "empty.tif"
    tifffile.imwrite(path, np.full((5, 32, 32), np.nan, np.float32), metadata={"axes": "ZYX"})
    ended = run("propagate", path, "--point", "1,5,5", "-o", labels)
    assert ended.status == 2
    assert "No pixel of this image is a number" in ended.sentences[-1]
    assert not labels.exists()
