"""Which images a recipe names, and which files belong to each."""

from pathlib import Path

import numpy as np
import pytest

from napari_sam.batch.image_labels import open_listed
from napari_sam.batch.image_list import list_images, spread
from napari_sam.batch.recipe_file import as_recipe
from napari_sam.errors import UserError


def listed(base: Path, images: dict, find: dict | None = None, name: str = "{stem}-labels", folder: str = "out"):
    tree = {"images": images, "find": find or {"what": "everything"}, "outputs": {"name": name, "folder": folder}}
    return list_images(as_recipe(tree), base)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    for name in ("b.tif", "a.ome.tif", "c.png", "deep/er/b.tif", "out/a.tif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "d.ome.zarr" / "0").mkdir(parents=True)
    (tmp_path / "d.ome.zarr" / "zarr.json").touch()
    (tmp_path / "d.ome.zarr" / "0" / "zarr.json").touch()
    return tmp_path


def test_globs_in_the_order_of_names_without_outputs_and_the_inside_of_zarrs(base: Path) -> None:
    found = listed(base, {"files": ["**/*"]}, name="{folder}/{stem}")
    assert [(each.path.relative_to(base).as_posix(), Path(each.output).as_posix()) for each in found] == [
        ("a.ome.tif", "a"),
        ("b.tif", "b"),
        ("c.png", "c"),
        ("d.ome.zarr", "d"),
        ("deep/er/b.tif", "deep/er/b"),
    ]


def test_what_is_excluded_or_named_twice(base: Path) -> None:
    found = listed(base, {"files": ["*.tif", "b.*"], "exclude": ["a*"]})
    assert [each.path.name for each in found] == ["b.tif"]


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ({"files": ["x*.tif"]}, "No image is called"),
        ({"files": ["*.tif"], "exclude": ["*"]}, "names no image"),
        ({"files": ["**/b.tif"]}, "would both be written as"),
        ({"table": "none.csv"}, "There is no table"),
    ],
)
def test_what_makes_no_sense_is_told(base: Path, images: dict, said: str) -> None:
    with pytest.raises(UserError, match=said):
        listed(base, images)


def test_a_name_of_outputs_stays_in_its_folder(base: Path) -> None:
    with pytest.raises(UserError, match="leads out of"):
        listed(base, {"files": ["b.tif"]}, name="../{stem}")
    with pytest.raises(UserError, match="leaves no name"):
        listed(base, {"files": ["b.tif"]}, name="{folder}")
    with pytest.raises(UserError, match="may have"):
        listed(base, {"files": ["b.tif"]}, name="{stam}")


def test_a_table_names_images_and_what_belongs_to_them(base: Path) -> None:
    (base / "deep" / "list.csv").write_text("Image;Prompts\n../b.tif;p.csv\ner/b.tif;\n")
    prompts = {"what": "prompts", "table": "points/{stem}.csv"}
    found = listed(base, {"table": "deep/list.csv"}, prompts, name="{folder}/{stem}")
    assert [each.path for each in found] == [base / "b.tif", base / "deep" / "er" / "b.tif"]
    assert [each.prompts for each in found] == [base / "deep" / "p.csv", base / "points" / "b.csv"]
    assert found[0].inputs == (base / "b.tif", base / "deep" / "p.csv")
    with pytest.raises(UserError, match=r"give find.labels, or a column labels"):
        listed(base, {"table": "deep/list.csv"}, {"what": "refine"}, name="{folder}/{stem}")


def test_empty_lines_at_the_end_of_a_table_are_none(base: Path) -> None:
    (base / "list.csv").write_text("image,well\nb.tif,A1\n,\n\n,\n")
    assert [each.path.name for each in listed(base, {"table": "list.csv"})] == ["b.tif"]


def test_a_table_without_the_column_says_which_it_has(base: Path) -> None:
    (base / "list.csv").write_text("file,well\nb.tif,A1\n")
    with pytest.raises(UserError, match="has no column image, only file, well"):
        listed(base, {"table": "list.csv"})


def test_folders_of_planes_are_images_where_folders_are_meant(base: Path) -> None:
    for name in ("stacks/day.1/z1.tif", "stacks/day.2/z1.tif", "stacks/notes/a.txt"):
        (base / name).parent.mkdir(parents=True)
        (base / name).touch()
    found = listed(base, {"files": ["stacks/*"]})
    assert [(each.path.name, each.output) for each in found] == [("day.1", "day.1-labels"), ("day.2", "day.2-labels")]
    assert [each.path.name for each in listed(base, {"files": ["stacks/day.2"]})] == ["day.2"]
    (base / "stacks" / "c.tif").touch()
    assert [each.path.name for each in listed(base, {"files": ["stacks/*"]})] == ["c.tif"]


def test_a_table_without_an_image_says_on_which_line(base: Path) -> None:
    (base / "list.csv").write_text("image,prompts\nb.tif,\n,p.csv\n")
    with pytest.raises(UserError, match="line 3: the column image"):
        listed(base, {"table": "list.csv"})


def test_a_few_of_many_are_spread() -> None:
    assert spread(range(9), 3) == [0, 4, 8]
    assert spread([1, 2], 3) == [1, 2]
    assert spread(range(9), 1) == [0]
    assert spread(range(9), 0) == []


def test_every_image_of_a_plate_is_one_of_its_own(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    plate = zarr.open_group(tmp_path / "plate.zarr", mode="w", zarr_format=2)
    plate.attrs["plate"] = {"wells": [{"path": "A/1"}, {"path": "B/3"}]}
    for well in ("A/1", "B/3"):
        group = plate.create_group(well)
        group.attrs["well"] = {"images": [{"path": "0"}]}
        field = group.create_group("0")
        field.attrs["multiscales"] = [{"axes": ["y", "x"], "datasets": [{"path": "0"}]}]
        field.create_array("0", data=np.full((9, 8), 3, np.uint8))
    images = {"files": ["*.zarr"], "series": "all"}
    found = listed(tmp_path, images, name="{stem}-{series}")
    assert [(each.series, each.output) for each in found] == [("A/1/0", "plate-A-1-0"), ("B/3/0", "plate-B-3-0")]
    recipe = as_recipe({"images": images, "find": {"what": "everything"}})
    assert open_listed(found[1].path, recipe, found[1].series).shape == (9, 8)
    with pytest.raises(UserError, match=r"put \{series\} into"):
        listed(tmp_path, images)
    (tmp_path / "list.csv").write_text("image,series\nplate.zarr,B/3/0\n")
    assert [each.name for each in listed(tmp_path, {"table": "list.csv"})] == [f"{tmp_path / 'plate.zarr'} B/3/0"]
