"""``napari-sam batch`` from the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.batch_images import RECIPE, bright_squares, write_images
from tests.cli.conftest import Run


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    write_images(tmp_path / "images", 2)
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


def test_images_are_done_one_line_each_and_again_none(run: Run, recipe: Path) -> None:
    ended = run("batch", recipe)
    assert ended.status == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[0].startswith(f"[1/2] {recipe.parent / 'images' / 'cells-0.tif'}: ")
    report = recipe.parent / "labels" / "report.html"
    assert lines[-1].startswith("2 images done, ")
    assert lines[-1].endswith(f"look at {report}")
    assert report.exists()
    assert "2 images done (2 of them before)" in run("batch", recipe).out


def test_the_pixels_are_those_of_everything(run: Run, recipe: Path) -> None:
    assert run("batch", recipe, "-o", recipe.parent / "there").status == 0
    image, alone = recipe.parent / "images" / "cells-1.tif", recipe.parent / "alone.tif"
    assert run("everything", image, "--confidence", "0.1", "-o", alone).status == 0
    batched = tifffile.imread(recipe.parent / "there" / "cells-1-labels.ome.tif")
    assert batched.any()
    assert np.array_equal(batched, tifffile.imread(alone))


def test_the_status_says_whether_images_failed(run: Run, recipe: Path) -> None:
    (recipe.parent / "images" / "bad.tif").write_bytes(b"II*\0")
    ended = run("batch", recipe)
    assert ended.status == 1
    assert "failed: " in ended.out
    assert "2 images done, " in ended.out
    assert "1 failed" in ended.out


def test_a_recipe_that_makes_no_sense_is_one_sentence(run: Run, recipe: Path) -> None:
    recipe.write_text(RECIPE.replace("0.1", "7"))
    ended = run("batch", recipe)
    assert ended.status == 2
    assert ended.sentences == [f"napari-sam: {recipe}, line 6: find.confidence: expected float <= 1.0."]
    missing = run("batch", recipe.with_name("none.toml"))
    assert (missing.status, len(missing.sentences)) == (2, 1)


def test_check_and_plan_write_no_labels(run: Run, recipe: Path) -> None:
    checked = run("batch", recipe, "--check")
    assert checked.status == 0, checked.err
    assert checked.out.count("64 x 64, would be written as") == 2
    assert (recipe.parent / "labels" / "preview.html").exists()
    planned = run("batch", recipe, "--plan")
    assert planned.status == 0, planned.err
    assert planned.out.startswith("2 images: 2 to do")
    assert "core hours" in planned.out
    assert not list(recipe.parent.rglob("*.ome.tif"))


def test_other_programs_are_told_in_json(run: Run, recipe: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "images").rename(elsewhere / "images")
    tifffile.imwrite(elsewhere / "images" / "cells-7.tif", bright_squares(7))
    ended = run("batch", recipe, "--folder", elsewhere, "--as-json")
    told = [json.loads(line) for line in ended.out.splitlines()]
    assert [each["done"] for each in told if "image" in each] == [1, 2, 3]
    assert told[-1] == {"report": str(tmp_path / "labels" / "report.html"), "failed": 0, "total": 3}
