"""A batch goes on where it was, does again what is different, and loses nothing of others."""

import json
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import numpy as np
import pytest
import tifffile

import napari_sam
from napari_sam.batch.batch_state import STATE_FOLDER, BatchState, PlacingRecord
from napari_sam.batch.check_batch import check_batch
from napari_sam.batch.run_batch import BatchProgress, BatchSummary, run_batch
from napari_sam.errors import UserError
from napari_sam.testing.fake_network import threshold_model
from tests.batch_images import RECIPE, bright_squares, load_threshold


def run(recipe: Path, **how: object) -> BatchSummary:
    return run_batch(recipe, load=load_threshold, **how)


def labels_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*.ome.tif"))}


def test_each_image_has_its_labels_with_its_scale_and_what_is_done_is_not_done_again(recipe: Path) -> None:
    told: list[BatchProgress] = []
    summary = run(recipe, told=told.append)
    folder = recipe.parent / "labels"
    assert sorted(labels_in(folder)) == [f"cells-{seed}-labels.ome.tif" for seed in range(3)]
    for seed, outcome in enumerate(summary.outcomes):
        found = tifffile.imread(folder / outcome.files[0])
        known = napari_sam.segment_everything(bright_squares(seed), model=threshold_model(), confidence=0.1)
        assert np.array_equal(found, known)
        assert outcome.objects == len(np.unique(found)) - 1 > 0
        assert outcome.error == ""
    with tifffile.TiffFile(folder / summary.outcomes[0].files[0]) as file:
        assert 'PhysicalSizeX="0.5"' in (file.ome_metadata or "")
    assert [each.done for each in told if each.outcome] == [1, 2, 3]
    assert all(0 <= each.share <= 1 for each in told)
    before = labels_in(folder)
    again = run(recipe)
    assert (again.before, len(again.outcomes)) == (3, 3)
    assert labels_in(folder) == before
    assert not list((folder / STATE_FOLDER).rglob("*.tif"))


def test_another_recipe_another_image_and_labels_that_are_gone_are_done_again(recipe: Path, images: Path) -> None:
    run(recipe)
    (recipe.parent / "labels" / "cells-0-labels.ome.tif").unlink()
    tifffile.imwrite(images / "cells-1.tif", bright_squares(7))
    assert run(recipe).before == 1
    recipe.write_text(RECIPE + "overlap = 0.3\n")
    assert run(recipe).before == 0
    # Where the images lie, and what others there are, does not matter.
    images.rename(images.with_name("moved"))
    shutil.copy(images.with_name("moved") / "cells-0.tif", images.with_name("moved") / "cells-9.tif")
    recipe.write_text(RECIPE.replace("images/", "moved/") + "overlap = 0.3\n")
    assert run(recipe).before == 3


def test_an_image_that_fails_stops_nothing_and_is_tried_again(recipe: Path, images: Path) -> None:
    (images / "bad.tif").write_bytes(b"II*\0 and then nothing")
    np.save(images / "flat.npy", np.zeros((40, 40), np.uint8))
    recipe.write_text(RECIPE.replace('["images/*.tif"]', '["images/*.tif", "images/*.npy"]'))
    summary = run(recipe)
    assert [Path(each.image).name for each in summary.failed] == ["bad.tif"]
    assert "bad.tif" in summary.failed[0].error
    assert len(labels_in(recipe.parent / "labels")) == 4
    (flat,) = (each for each in summary.outcomes if each.image.endswith("flat.npy"))
    assert [warning.split(":")[0] for warning in flat.warnings] == [
        "Every pixel of the image has the same value",
        "Nothing was found",
    ]
    tifffile.imwrite(images / "bad.tif", bright_squares(4))
    again = run(recipe)
    assert (again.before, again.failed) == (4, [])


def test_an_error_of_the_program_is_told_with_its_place_and_stops_nothing(recipe: Path, monkeypatch) -> None:
    from napari_sam.batch import image_task

    label_image = image_task.label_image

    def break_one(recipe, base, image, *rest):
        if image.path.name == "cells-1.tif":
            raise ZeroDivisionError("by nothing")
        return label_image(recipe, base, image, *rest)

    monkeypatch.setattr(image_task, "label_image", break_one)
    summary = run(recipe)
    assert [Path(each.image).name for each in summary.failed] == ["cells-1.tif"]
    assert "should not have happened (ZeroDivisionError: by nothing)" in summary.failed[0].error
    assert "break_one" in summary.failed[0].trace
    assert "break_one" in summary.report.read_text()


def test_what_others_wrote_or_changed_is_kept_unless_the_recipe_says_otherwise(recipe: Path) -> None:
    folder = recipe.parent / "labels"
    folder.mkdir()
    theirs = folder / "cells-0-labels.ome.tif"
    theirs.write_bytes(b"theirs")
    summary = run(recipe)
    assert [Path(each.image).name for each in summary.failed] == ["cells-0.tif"]
    assert "written or changed by others" in summary.failed[0].error
    assert theirs.read_bytes() == b"theirs"
    # Labels that were corrected are done, until they would have to be made anew.
    corrected = folder / "cells-1-labels.ome.tif"
    corrected.write_bytes(b"corrected by hand")
    assert run(recipe).before == 2
    recipe.write_text(RECIPE + "overlap = 0.3\n")
    summary = run(recipe)
    assert [Path(each.image).name for each in summary.failed] == ["cells-0.tif", "cells-1.tif"]
    assert corrected.read_bytes() == b"corrected by hand"
    recipe.write_text(RECIPE + "overlap = 0.3\n[outputs]\noverwrite = true\n")
    assert not run(recipe).failed
    assert tifffile.imread(theirs).any()


def test_outputs_beside_the_images_are_no_images(recipe: Path, images: Path) -> None:
    recipe.write_text(RECIPE + '[outputs]\nfolder = "images"\n')
    assert len(run(recipe).outcomes) == 3
    again = run(recipe)
    assert (again.before, len(again.outcomes)) == (3, 3)


def test_outputs_that_are_called_like_their_images_are_no_others(recipe: Path) -> None:
    recipe.write_text(RECIPE + '[outputs]\nfolder = "images"\nname = "{stem}"\n')
    assert len(run(recipe).outcomes) == 3
    again = run(recipe)
    assert (again.before, len(again.outcomes)) == (3, 3)


def test_one_batch_at_a_time_writes_into_a_folder(recipe: Path) -> None:
    with BatchState(recipe.parent / "labels"), pytest.raises(UserError, match="Another batch is writing"):
        run(recipe)
    assert not run(recipe).failed


def test_a_line_that_was_cut_off_is_passed_over(recipe: Path) -> None:
    run(recipe)
    state = recipe.parent / "labels" / STATE_FOLDER / "state.jsonl"
    state.write_bytes(state.read_bytes()[:-20])
    assert run(recipe).before == 2
    assert run(recipe).before == 3


def test_other_folders_of_images_and_outputs(recipe: Path, images: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    images.rename(elsewhere / "images")
    summary = run(recipe, images=elsewhere, outputs=tmp_path / "there")
    assert not summary.failed
    assert len(labels_in(tmp_path / "there")) == 3
    with pytest.raises(UserError, match="There is no folder"):
        run(recipe, images=tmp_path / "nowhere")


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        about = dict(attrs)
        assert "href" not in about
        self.sources += [about["src"]] if "src" in about else []
        if tag not in ("meta", "img", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag


def test_the_report_is_one_whole_page_that_needs_nothing_else(recipe: Path, images: Path) -> None:
    (images / "<b>.tif").write_bytes(b"II*\0")
    summary = run(recipe)
    text = summary.report.read_text(encoding="utf-8")
    page = Page(text)
    assert not page.open
    assert len(page.sources) == 3
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources)
    assert not re.search(r"https?://|url\(|<script", text)
    assert "&lt;b&gt;.tif" in text
    assert "<b>.tif" not in text
    assert summary.outcomes[1].digest in text
    # The pictures are those of all images, also of those done before.
    assert len(Page(run(recipe).report.read_text(encoding="utf-8")).sources) == 3


def test_checking_writes_no_labels_and_shows_three_images(recipe: Path, images: Path) -> None:
    for seed in range(3, 6):
        tifffile.imwrite(images / f"cells-{seed}.tif", bright_squares(seed))
    (images / "bad.tif").write_bytes(b"II*\0")
    checked = check_batch(recipe, load=load_threshold)
    assert len(checked.lines) == 7
    assert sum("would be written as" in line for line in checked.lines) == 6
    assert [Path(each.image).name for each in checked.failed] == ["bad.tif"]
    assert not labels_in(recipe.parent / "labels")
    assert len(Page(checked.page.read_text(encoding="utf-8")).sources) == 3
    assert run(recipe).before == 0
    assert check_batch(recipe, load=load_threshold, previewed=0).lines[1].endswith("done before")


def test_checking_says_which_images_lack_a_pixel_size(recipe: Path, images: Path) -> None:
    tifffile.imwrite(images / "plain.tif", bright_squares(3))
    recipe.write_text(RECIPE + 'unit = "um"\n')
    checked = check_batch(recipe, load=load_threshold, previewed=0)
    assert [(Path(each.image).name, each.error[:24]) for each in checked.failed] == [
        ("plain.tif", "The recipe counts in um,")
    ]
    recipe.write_text(RECIPE + '[[edit]]\ndo = "smooth"\ndistance = 1\nunit = "um"\n')
    assert len(check_batch(recipe, load=load_threshold, previewed=0).failed) == 1


def test_outlines_of_a_stack_come_beside_the_regions_of_imagej(recipe: Path, images: Path) -> None:
    tifffile.imwrite(images / "cells-0.tif", np.stack([bright_squares(0)] * 5), photometric="minisblack")
    recipe.write_text(RECIPE + '[outputs]\nformats = ["imagej-rois", "outlines"]\n')
    summary = run(recipe)
    assert not summary.failed, summary.failed
    names = [[name.partition("-labels")[2] for name in each.files] for each in summary.outcomes]
    assert names[0] == [".zip", "-outlines.zip", ".provenance.json"]
    assert names[1] == names[2] == [".zip", ".txt", ".provenance.json"]
    assert run(recipe).before == 3


def test_files_that_cannot_get_their_places_fail_their_image_alone(recipe: Path) -> None:
    recipe.write_text(RECIPE + '[outputs]\nname = "{stem}/labels"\n')
    (recipe.parent / "labels").mkdir()
    (recipe.parent / "labels" / "cells-1").write_text("a file where a folder is wanted")
    summary = run(recipe)
    assert [bool(each.error) for each in summary.outcomes] == [False, True, False]
    assert "could not be written" in summary.failed[0].error
    recipe.write_text(RECIPE + f'[outputs]\nname = "{"x" * 300}-{{stem}}"\n')
    assert [each.error.rpartition(": ")[2] for each in run(recipe).failed] == ["File name too long."] * 3


def test_a_model_that_is_missing_is_told_before_any_image(recipe: Path) -> None:
    recipe.write_text(RECIPE + '[model]\nname = "none.pt"\n')
    with pytest.raises(UserError, match=r"There is no model and no file none.pt"):
        run_batch(recipe)


def test_examples_that_are_missing_are_told_before_any_image(recipe: Path) -> None:
    find = '[find]\nwhat = "alike"\nlabels = "none.tif"\nimage = "images/cells-0.tif"\n'
    recipe.write_text(f'[images]\nfiles = ["images/*.tif"]\n\n{find}')
    with pytest.raises(UserError, match=r"There is no file .*none.tif; check find.labels"):
        run(recipe)
    assert not (recipe.parent / "labels").exists()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user whom permissions bind")
def test_a_folder_that_cannot_be_written_is_told(recipe: Path) -> None:
    recipe.parent.chmod(0o500)
    try:
        with pytest.raises(UserError, match="cannot be written"):
            run(recipe)
    finally:
        recipe.parent.chmod(0o700)


def test_every_format_and_the_table_of_an_image_come_together_and_say_what_made_them(recipe: Path) -> None:
    formats = '[outputs]\nformats = ["ome-tiff", "ome-zarr", "qupath", "png"]\n\n[measure]\n'
    recipe.write_text(RECIPE + formats)
    summary = run(recipe)
    assert not summary.failed, summary.failed
    folder, first = recipe.parent / "labels", summary.outcomes[0]
    endings = ["ome.tif", "ome.zarr", "geojson", "png", "csv", "provenance.json"]
    assert [name.split(".", 1)[1] for name in first.files] == endings
    assert all((folder / name).exists() for name in first.files)
    labels = tifffile.imread(folder / first.files[0])
    assert np.array_equal(napari_sam.open_image(folder / first.files[1]).array()[...], labels)
    table = np.genfromtxt(folder / first.files[4], delimiter=",", names=True, encoding="utf-8", usecols=(0, 1, 2))
    assert len(table) == first.objects
    areas = dict(zip(table["label"].astype(int), table["area"], strict=True))
    assert areas == {label: np.count_nonzero(labels == label) / 4 for label in areas}
    made = json.loads((folder / first.files[5]).read_text())
    assert made["model"]["sha256"] == first.digest
    find = made["parameters"]["find"]
    assert (find["what"], find["confidence"], find["overlap"]) == ("everything", 0.1, 0.4)
    assert made["image"] == "cells-0.tif"
    # Folders are replaced as files are.
    recipe.write_text(RECIPE + "overlap = 0.3\n" + formats)
    assert not run(recipe).failed
    assert run(recipe).before == 3


def test_files_that_got_their_places_right_before_a_kill_are_the_batch_s_own(recipe: Path) -> None:
    first = run(recipe).outcomes[0]
    folder = recipe.parent / "labels"
    # As if killed after the first file of another recipe had got its place.
    with (folder / STATE_FOLDER / "state.jsonl").open("ab") as file:
        file.write(msgspec.json.encode(PlacingRecord(first.files)) + b"\n")
    (folder / first.files[0]).write_bytes(b"placed, but not noted")
    recipe.write_text(RECIPE + "overlap = 0.3\n")
    for _ in range(2):
        BatchState(folder).close()
    summary = run(recipe)
    assert not summary.failed
    assert summary.before == 0
    assert tifffile.imread(folder / first.files[0]).any()
