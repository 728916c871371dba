"""Every bad input ends with one sentence on standard error, status 2 and no output file."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.cli.conftest import Run


@pytest.fixture(autouse=True)
def _nothing_is_written(labels: Path):
    yield
    assert not labels.exists()
    assert not list(labels.parent.glob("*.tmp*"))


def refused(run: Run, *words: object) -> str:
    ended = run(*words)
    assert ended.status == 2
    assert ended.out == ""
    assert len(ended.sentences) == 1
    assert ended.sentences[0].startswith("napari-sam: ")
    return ended.sentences[0]


COMMANDS = pytest.mark.parametrize("command", ["segment", "propagate"])


@COMMANDS
def test_missing_file(run: Run, command: str, tmp_path: Path, labels: Path) -> None:
    assert "nowhere.tif" in refused(run, command, tmp_path / "nowhere.tif", "--point", "1,2,3", "-o", labels)


@COMMANDS
def test_folder_instead_of_a_file(run: Run, command: str, tmp_path: Path, labels: Path) -> None:
    refused(run, command, tmp_path, "--point", "1,2,3", "-o", labels)


@COMMANDS
@pytest.mark.parametrize("name", ["text.tif", "text.png", "text.txt"])
def test_file_that_is_no_image(run: Run, command: str, name: str, tmp_path: Path, labels: Path) -> None:
    path = tmp_path / name
    path.write_text("no image at all")
    assert name in refused(run, command, path, "--point", "1,2,3", "-o", labels)


@COMMANDS
def test_truncated_image(run: Run, command: str, stack: Path, labels: Path) -> None:
    stack.write_bytes(stack.read_bytes()[:200])
    refused(run, command, stack, "--point", "1,2,3", "-o", labels)


@COMMANDS
def test_complex_numbers_are_no_image(run: Run, command: str, tmp_path: Path, labels: Path) -> None:
    path = tmp_path / "complex.tif"
    tifffile.imwrite(path, np.zeros((5, 8, 8), np.complex64))
    refused(run, command, path, "--point", "1,2,3", "-o", labels)


@COMMANDS
@pytest.mark.parametrize("option", ["--point", "--negative"])
@pytest.mark.parametrize("outside", ["2,96,5", "2,5,112", "2,-1,5", "2,5,-0.6"])
def test_point_outside_the_plane(run: Run, command: str, option: str, outside: str, stack: Path, labels: Path) -> None:
    message = refused(run, command, stack, "--point", "2,5,5", option, outside, "-o", labels)
    assert "outside" in message
    assert outside in message


@COMMANDS
@pytest.mark.parametrize("outside", ["10,5,5", "-1,5,5"])
def test_point_on_a_plane_that_does_not_exist(run: Run, command: str, outside: str, stack: Path, labels: Path) -> None:
    assert "planes 0 to 9" in refused(run, command, stack, "--point", outside, "-o", labels)


@COMMANDS
def test_box_outside_the_plane(run: Run, command: str, stack: Path, labels: Path) -> None:
    assert "--box" in refused(run, command, stack, "--box", "2,5,5,120,20", "-o", labels)


@COMMANDS
@pytest.mark.parametrize("plane", ["10", "-1", "2.5", "two", "1,2", ""])
def test_plane_that_does_not_exist(run: Run, command: str, plane: str, stack: Path, labels: Path) -> None:
    assert "--plane" in refused(run, command, stack, "--point", "5,5", "--plane", plane, "-o", labels)


def test_plane_of_an_image_that_has_one_only(run: Run, plane: Path, labels: Path) -> None:
    refused(run, "segment", plane, "--point", "5,5", "--plane", "0", "-o", labels)


@COMMANDS
@pytest.mark.parametrize("text", ["5", "a,b,c", "1,2,3,4", "1;2", "nan,1,2", "1,inf,2", "", "1,,2", "2.5,3,3"])
def test_malformed_point(run: Run, command: str, text: str, stack: Path, labels: Path) -> None:
    assert "--point" in refused(run, command, stack, "--point", text, "-o", labels)


@COMMANDS
@pytest.mark.parametrize("text", ["1,2,3", "1,2,3,4,5,6", "a,b,c,d", "1,2,3,nan"])
def test_malformed_box(run: Run, command: str, text: str, stack: Path, labels: Path) -> None:
    assert "--box" in refused(run, command, stack, "--box", text, "-o", labels)


@COMMANDS
def test_point_without_its_plane(run: Run, command: str, stack: Path, labels: Path) -> None:
    assert "--plane" in refused(run, command, stack, "--point", "5,5", "-o", labels)


@COMMANDS
def test_no_prompt(run: Run, command: str, stack: Path, labels: Path) -> None:
    assert "--point" in refused(run, command, stack, "-o", labels)


@COMMANDS
def test_two_boxes_on_one_plane(run: Run, command: str, stack: Path, labels: Path) -> None:
    refused(run, command, stack, "--box", "2,1,1,9,9", "--box", "2,1,1,8,8", "-o", labels)


@COMMANDS
@pytest.mark.parametrize("text", ["labels.tif", "labels.tif:", "labels.tif:x", "labels.tif:0", "labels.tif:-1", ":3"])
def test_malformed_mask(run: Run, command: str, text: str, stack: Path, labels: Path) -> None:
    refused(run, command, stack, "--mask", text, "--plane", "2", "-o", labels)


@COMMANDS
def test_mask_without_that_label(run: Run, command: str, stack: Path, tmp_path: Path, labels: Path) -> None:
    known = tmp_path / "known.tif"
    tifffile.imwrite(known, np.zeros((10, 96, 112), np.uint16), metadata={"axes": "ZYX"})
    assert "no label 7" in refused(run, command, stack, "--mask", f"{known}:7", "--plane", "2", "-o", labels)


@COMMANDS
def test_mask_of_another_shape(run: Run, command: str, stack: Path, tmp_path: Path, labels: Path) -> None:
    known = tmp_path / "known.tif"
    tifffile.imwrite(known, np.ones((10, 50, 50), np.uint16), metadata={"axes": "ZYX"})
    assert "shape" in refused(run, command, stack, "--mask", f"{known}:1", "--plane", "2", "-o", labels)


@COMMANDS
def test_mask_on_no_particular_plane(run: Run, command: str, stack: Path, tmp_path: Path, labels: Path) -> None:
    known = tmp_path / "known.tif"
    tifffile.imwrite(known, np.ones((10, 96, 112), np.uint16), metadata={"axes": "ZYX"})
    assert "--plane" in refused(run, command, stack, "--mask", f"{known}:1", "-o", labels)


@COMMANDS
def test_output_in_a_missing_folder(run: Run, command: str, stack: Path, tmp_path: Path) -> None:
    refused(run, command, stack, "--point", "2,5,5", "-o", tmp_path / "missing" / "labels.tif")


@COMMANDS
def test_output_that_is_a_folder(run: Run, command: str, stack: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder.tif"
    folder.mkdir()
    refused(run, command, stack, "--point", "2,5,5", "-o", folder)


@COMMANDS
def test_output_of_another_format(run: Run, command: str, stack: Path, tmp_path: Path) -> None:
    assert ".tif" in refused(run, command, stack, "--point", "2,5,5", "-o", tmp_path / "labels.png")


@COMMANDS
def test_output_over_the_image(run: Run, command: str, stack: Path) -> None:
    before = stack.read_bytes()
    refused(run, command, stack, "--point", "2,5,5", "-o", stack)
    assert stack.read_bytes() == before


@COMMANDS
def test_output_in_a_closed_folder(
    run: Run, command: str, stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(**_: object) -> None:
        # Permissions do not bind root, so the refusal is made up.
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", closed)
    message = refused(run, command, stack, "--point", "2,5,5", "-o", tmp_path / "labels.tif")
    assert "cannot be written: Permission denied" in message


@COMMANDS
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that nobody can write to")
def test_output_where_no_file_can_be(run: Run, command: str, stack: Path) -> None:
    assert "cannot be written" in refused(run, command, stack, "--point", "2,5,5", "-o", Path("/proc/labels.tif"))


@COMMANDS
def test_no_output(run: Run, command: str, stack: Path) -> None:
    assert "--output" in refused(run, command, stack, "--point", "2,5,5")


@COMMANDS
def test_unknown_model(run: Run, command: str, stack: Path, labels: Path) -> None:
    assert "giga" in refused(run, command, stack, "--point", "2,5,5", "--model", "giga", "-o", labels)


@COMMANDS
@pytest.mark.parametrize("size", ["0", "-3", "nan", "inf", "big"])
def test_impossible_object_size(run: Run, command: str, size: str, stack: Path, labels: Path) -> None:
    refused(run, command, stack, "--point", "2,5,5", "--object-size", size, "-o", labels)


def test_segment_over_several_planes(run: Run, stack: Path, labels: Path) -> None:
    assert "propagate" in refused(run, "segment", stack, "--point", "2,5,5", "--point", "3,5,5", "-o", labels)


def test_propagate_a_single_plane(run: Run, plane: Path, labels: Path) -> None:
    assert "segment" in refused(run, "propagate", plane, "--point", "5,5", "-o", labels)


@pytest.mark.parametrize(
    "range_", [("--first", "10"), ("--first", "-1"), ("--last", "10"), ("--first", "5", "--last", "4"), ("--last", "x")]
)
def test_propagate_over_planes_that_do_not_exist(run: Run, range_: tuple[str, ...], stack: Path, labels: Path) -> None:
    refused(run, "propagate", stack, "--point", "2,5,5", *range_, "-o", labels)


@pytest.mark.parametrize("axis", ["1", "-1", "7", "z"])
def test_propagate_along_an_axis_that_does_not_exist(run: Run, axis: str, stack: Path, labels: Path) -> None:
    refused(run, "propagate", stack, "--point", "2,5,5", "--axis", axis, "-o", labels)


def test_propagate_from_planes_that_share_no_line(run: Run, tmp_path: Path, labels: Path) -> None:
    path = tmp_path / "film.tif"
    tifffile.imwrite(path, np.zeros((3, 5, 32, 32), np.uint8), metadata={"axes": "TZYX"}, ome=True)
    refused(run, "propagate", path, "--point", "0,1,5,5", "--point", "1,2,5,5", "-o", labels)


def test_unknown_command(run: Run) -> None:
    assert "explode" in refused(run, "explode")


def test_unknown_option(run: Run, stack: Path, labels: Path) -> None:
    assert "--pint" in refused(run, "segment", stack, "--pint", "1,2", "-o", labels)
