"""OME-Zarr as people have it: plates, wells, collections, odd metadata, addresses; valid ones pass yaozarrs."""

import shutil
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaozarrs
import zarr

from napari_sam.errors import UserError, UserNotice
from napari_sam.planes.geometry import Plane
from napari_sam.planes.open_image import open_image

PIXELS = np.random.default_rng(0).integers(0, 4000, (2, 3, 40, 50), np.uint16)
UNITS = ("micrometer",) * 3
VERSIONS = pytest.mark.parametrize("version", ["0.4", "0.5"])


def axes(unit: str = "micrometer") -> list[dict[str, str]]:
    return [{"name": "c", "type": "channel"}, *({"name": name, "type": "space", "unit": unit} for name in "zyx")]


def group(place: Path | str, version: str, metadata: dict[str, Any], **described: Any) -> zarr.Group:
    made = zarr.open_group(place, mode="w", zarr_format=2 if version == "0.4" else 3)
    made.attrs.update({**metadata, **described} if version == "0.4" else {"ome": {"version": version, **metadata}})
    return made


def write_image(
    place: Path | str, version: str = "0.4", pixels: np.ndarray = PIXELS, scale: Any = (1, 0.5, 0.2, 0.2), **more: Any
) -> None:
    multiscale: dict[str, Any] = {"version": version} if version == "0.4" else {}
    multiscale |= {
        "axes": axes(),
        "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": list(scale)}]}],
    }
    metadata = {"multiscales": [{**multiscale, **more}]}
    window = {"min": 0, "max": 4000, "start": 0, "end": 4000}
    dyes = (("DAPI", "0000FF"), ("GFP", "00FF00"))
    names = {"channels": [{"label": name, "color": colour, "window": window} for name, colour in dyes]}
    group(place, version, {**metadata, "omero": names}).create_array("0", data=pixels, chunks=(1, 1, 32, 32))


def is_valid(path: Path) -> bool:
    node = zarr.open(path, mode="r")
    attributes = dict(node.attrs)
    yaozarrs.validate_ome_object(attributes.get("ome", attributes))
    return True


@VERSIONS
def test_images_have_names_of_channels_sizes_and_units(tmp_path: Path, version: str) -> None:
    write_image(tmp_path / "image.zarr", version)
    assert is_valid(tmp_path / "image.zarr")
    source = open_image(tmp_path / "image.zarr", channel="GFP")
    assert (source.shape, source.channel_names, source.shown) == ((3, 40, 50), ("DAPI", "GFP"), (1,))
    assert (source.scale, source.units) == ((0.5, 0.2, 0.2), UNITS)
    read = source.read(Plane((1, 2), (2, 0, 0)), slice(None), slice(None))
    np.testing.assert_array_equal(read, PIXELS[:, 2].transpose(1, 2, 0))


def write_plate(path: Path, version: str) -> None:
    wells = [{"path": "A/2", "rowIndex": 0, "columnIndex": 1}, {"path": "B/1", "rowIndex": 1, "columnIndex": 0}]
    plate = {"columns": [{"name": "1"}, {"name": "2"}], "rows": [{"name": "A"}, {"name": "B"}], "wells": wells}
    group(path, version, {"plate": {"version": version, **plate} if version == "0.4" else plate})
    for at, well in enumerate(wells):
        group(path / well["path"], version, {"well": {"images": [{"path": "0"}, {"path": "1"}]}})
        for field in range(2):
            write_image(path / well["path"] / str(field), version, PIXELS + np.uint16(10 * at + field))


@VERSIONS
def test_images_of_a_plate_go_by_number_and_by_name(tmp_path: Path, version: str) -> None:
    path = tmp_path / "plate.zarr"
    write_plate(path, version)
    assert is_valid(path)
    assert is_valid(path / "A/2")
    with pytest.warns(UserNotice, match=r"0 A/2/0, 1 A/2/1, 2 B/1/0, 3 B/1/1.*number 0 was opened"):
        assert open_image(path).array()[0, 0, 0, 0] == PIXELS[0, 0, 0, 0]
    for series in (3, "3", "B/1/1"):
        assert open_image(path, series=series).array()[0, 0, 0, 0] == PIXELS[0, 0, 0, 0] + 11
    with pytest.raises(UserError, match="no such image"):
        open_image(path, series=4)
    assert open_image(path / "B" / "1", series=1).array()[0, 0, 0, 0] == PIXELS[0, 0, 0, 0] + 11


@VERSIONS
@pytest.mark.parametrize("listed", [True, False])
def test_what_bioformats2raw_wrote_lies_one_folder_down(tmp_path: Path, version: str, listed: bool) -> None:
    path = tmp_path / "converted.zarr"
    made = group(path, version, {"bioformats2raw.layout": 3})
    if listed:
        made.create_group("OME").attrs.update({"series": ["0"]} if version == "0.4" else {"ome": {"series": ["0"]}})
    write_image(path / "0", version)
    assert open_image(path).shape == (3, 40, 50)
    if not listed:
        write_image(path / "1", version, PIXELS[:, :, :30])
        with pytest.warns(UserNotice, match="0 0, 1 1"):
            assert open_image(path).shape == (3, 40, 50)
        assert open_image(path, series=1).shape == (3, 30, 50)


def test_fewer_sizes_than_axes_are_those_of_the_last_ones(tmp_path: Path) -> None:
    write_image(tmp_path / "image.zarr", scale=(1, 0.16, 0.16))
    with pytest.warns(UserNotice, match="3 pixel sizes for 4 axes"):
        source = open_image(tmp_path / "image.zarr")
    assert source.scale == (1, 0.16, 0.16)


def test_old_metadata_without_axes_and_with_names_only(tmp_path: Path) -> None:
    five = PIXELS[None]
    old = group(tmp_path / "old.zarr", "0.4", {"multiscales": [{"version": "0.1", "datasets": [{"path": "0"}]}]})
    old.create_array("0", data=five)
    source = open_image(tmp_path / "old.zarr")
    assert (source.axis_labels, source.n_channels) == (("t", "z", "y", "x"), 2)
    write_image(tmp_path / "named.zarr", axes=list("czyx"), version="0.4")
    assert open_image(tmp_path / "named.zarr").axis_labels == ("z", "y", "x")


def test_versions_that_are_not_known_are_said_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "new.zarr"
    write_image(path, "0.5", axes=None, coordinateSystems=[{"name": "physical", "axes": axes()}])
    node = zarr.open_group(path, mode="r+")
    node.attrs["ome"] = {**node.attrs["ome"], "version": "0.6"}
    with pytest.raises(UserError, match=r"version 0\.6, which is not known here \(0\.1 to 0\.5 are\)"):
        open_image(path)
    assert open_image(path / "0", axes="CZYX").shape == (3, 40, 50)


def test_bare_arrays_say_their_axes_where_they_have_names(tmp_path: Path) -> None:
    store = tmp_path / "array.zarr"
    zarr.create_array(store, data=PIXELS, dimension_names=["c", "z", "y", "x"])
    assert (open_image(store).n_channels, open_image(store).axis_labels) == (2, ("z", "y", "x"))


def test_groups_without_an_image_are_named_with_what_is_in_them(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "bare.zarr", mode="w").create_group("measurements")
    with pytest.raises(UserError, match="no OME-Zarr image but measurements"):
        open_image(tmp_path / "bare.zarr")


def test_zipped(tmp_path: Path) -> None:
    write_image(tmp_path / "image.zarr", "0.5")
    archive = shutil.make_archive(str(tmp_path / "image.zarr"), "zip", tmp_path / "image.zarr")
    assert open_image(archive).shape == (3, 40, 50)


def test_at_an_address(tmp_path: Path) -> None:
    import fsspec

    write_image(tmp_path / "image.zarr", "0.5")
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "image.zarr"), "/shelf/image.zarr", recursive=True)
    # As a path, as the command line has it, of two slashes one is left.
    for place in ("memory://shelf/image.zarr", Path("memory://shelf/image.zarr")):
        source = open_image(place)
        assert (source.shape, source.path) == ((3, 40, 50), "memory://shelf/image.zarr")
        read = source.read(Plane((1, 2), (2, 0, 0)), slice(None), slice(None))
        np.testing.assert_array_equal(read, PIXELS[:, 2].transpose(1, 2, 0))
    with pytest.raises(UserError, match=r"memory://shelf/none\.zarr"):
        open_image("memory://shelf/none.zarr")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Yield the address of a server of the folder."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path)) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


@VERSIONS
def test_on_a_server(tmp_path: Path, server: str, version: str) -> None:
    pytest.importorskip("aiohttp")
    write_plate(tmp_path / "plate.zarr", version)
    source = open_image(f"{server}/plate.zarr", series="B/1/1", channel="GFP")
    assert (source.shape, source.scale) == ((3, 40, 50), (0.5, 0.2, 0.2))
    assert source.read(Plane((1, 2), (2, 0, 0)), slice(0, 3), slice(0, 3)).shape == (3, 3, 2)
    with pytest.raises(UserError, match=r"none\.zarr: there is no zarr folder at this address"):
        open_image(f"{server}/none.zarr")


def test_without_what_addresses_need_one_sentence_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(UserError, match=r'pip install "napari-sam-stacks\[remote\]"'):
        open_image("https://example.org/image.zarr")


def test_other_files_at_an_address_are_to_be_fetched_first() -> None:
    with pytest.raises(UserError, match=r"https://example\.org/cells\.tif: only OME-Zarr.*download"):
        open_image("https://example.org/cells.tif")
