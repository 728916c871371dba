"""Files as people have them: each kind of public reports with a small file; right, or one sentence that helps."""

from pathlib import Path
from zipfile import ZipFile

import numpy as np
import PIL.Image
import pytest
import tifffile

from napari_sam.errors import UserError, UserNotice
from napari_sam.planes import open_tiff
from napari_sam.planes.contrast import measure_contrast
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.open_image import open_image

RNG = np.random.default_rng(0)
WHOLE = (slice(None), slice(None))
SIX = RNG.integers(0, 4000, (6, 40, 50), np.uint16)
COLOUR = RNG.integers(0, 255, (40, 50, 3), np.uint8)


def read(source: ImageSource) -> np.ndarray:
    """Return (planes, rows, columns, channels)."""
    rest = source.shape[:-2]
    axes = (source.ndim - 2, source.ndim - 1)
    return np.stack([source.read(Plane(axes, (*index, 0, 0)), *WHOLE) for index in np.ndindex(*rest)])


@pytest.fixture(params=["memory", "lazy"])
def everything_is(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "lazy":
        monkeypatch.setattr(open_tiff, "IN_MEMORY_BYTES", 0)
    return str(request.param)


# How the file is laid out


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_pages_that_were_appended_are_one_stack(tmp_path: Path, everything_is: str, compression: str | None) -> None:
    for page in SIX:
        tifffile.imwrite(tmp_path / "pages.tif", page, append=True, compression=compression)
    source = open_image(tmp_path / "pages.tif")
    assert (source.shape, source.axis_labels) == ((6, 40, 50), ("z", "y", "x"))
    np.testing.assert_array_equal(read(source)[..., 0], SIX)


def test_a_thumbnail_in_front_is_not_the_image(tmp_path: Path, everything_is: str) -> None:
    with tifffile.TiffWriter(tmp_path / "slide.tif") as file:
        file.write(np.zeros((16, 16), np.uint16), subfiletype=1, metadata=None)
        for page in SIX:
            file.write(page, metadata=None)
    np.testing.assert_array_equal(read(open_image(tmp_path / "slide.tif"))[..., 0], SIX)
    assert open_image(tmp_path / "slide.tif", series=0).shape == (16, 16)


def test_pages_of_different_size_are_said(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "sizes.tif") as file:
        file.write(np.zeros((30, 30), np.uint8), metadata=None)
        file.write(np.zeros((40, 50), np.uint8), metadata=None)
    with pytest.warns(UserNotice, match="2 images"):
        assert open_image(tmp_path / "sizes.tif").shape == (40, 50)


def test_a_folder_of_planes_is_a_stack_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    for at, name in enumerate(("z1", "z2", "z10", "z11")):
        tifffile.imwrite(tmp_path / f"{name}.tif", SIX[at])
    (tmp_path / "Thumbs.db").write_bytes(b"what a system leaves there")
    source = open_image(tmp_path)
    assert (source.axis_labels, source.in_memory) == (("z", "y", "x"), False)
    np.testing.assert_array_equal(read(source)[..., 0], SIX[:4])
    np.testing.assert_array_equal(source.read(Plane((0, 2), (0, 7, 0)), *WHOLE)[..., 0], SIX[:4, 7])
    np.testing.assert_array_equal(
        source.read(Plane((0, 2), (0, 7, 0)), slice(1, 3), slice(5, 9))[..., 0], SIX[1:3, 7, 5:9]
    )
    tifffile.imwrite(tmp_path / "z12.tif", SIX[0, :30])
    with pytest.raises(UserError, match="differ in size"):
        open_image(tmp_path)
    (tmp_path / "z12.tif").unlink()
    PIL.Image.fromarray(COLOUR).save(tmp_path / "overview.png")
    with pytest.raises(UserError, match=r"several kinds of files \(\.png, \.tif\)"):
        open_image(tmp_path)


def test_a_folder_of_colour_pictures_is_a_stack_too(tmp_path: Path) -> None:
    for at in range(3):
        PIL.Image.fromarray(COLOUR + np.uint8(at)).save(tmp_path / f"{at}.png")
    source = open_image(tmp_path)
    assert (source.shape, source.rgb) == ((3, 40, 50), True)
    np.testing.assert_array_equal(read(source)[2], COLOUR + np.uint8(2))


# Colours, channels, samples


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colours_stored_plane_by_plane_are_those_stored_interleaved(
    tmp_path: Path, everything_is: str, dtype: type
) -> None:
    pixels = RNG.integers(0, 200, (40, 50, 3)).astype(dtype)
    tifffile.imwrite(tmp_path / "contig.tif", pixels, photometric="rgb")
    tifffile.imwrite(tmp_path / "separate.tif", pixels.transpose(2, 0, 1), photometric="rgb", planarconfig="separate")
    first, second = (open_image(tmp_path / name) for name in ("contig.tif", "separate.tif"))
    assert first.rgb
    assert second.rgb
    np.testing.assert_array_equal(read(first), read(second))
    assert measure_contrast(first, (0, 1)) == measure_contrast(second, (0, 1))


def test_four_samples_are_channels_unless_one_is_said_to_be_alpha(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 4000, (64, 60, 4), np.uint16)
    options = {"photometric": "minisblack", "planarconfig": "contig"}
    tifffile.imwrite(tmp_path / "four.tif", pixels, **options)
    with pytest.warns(UserNotice, match="4 channels"):
        source = open_image(tmp_path / "four.tif")
    assert (source.shape, source.n_channels, source.rgb) == ((64, 60), 4, False)
    np.testing.assert_array_equal(read(source)[0], pixels)
    tifffile.imwrite(tmp_path / "rgba.tif", pixels.astype(np.uint8), photometric="rgb", extrasamples=["unassalpha"])
    assert open_image(tmp_path / "rgba.tif").rgb
    tifffile.imwrite(tmp_path / "more.tif", pixels, photometric="rgb", extrasamples=["unspecified"])
    assert open_image(tmp_path / "more.tif", channel=3).shown == (3,)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("leading", [(), (2,)])
def test_colour_in_npy_is_told_as_napari_tells_it(tmp_path: Path, dtype: type, leading: tuple[int, ...]) -> None:
    np.save(tmp_path / "colour.npy", np.zeros((*leading, 40, 50, 3), dtype))
    source = open_image(tmp_path / "colour.npy")
    assert (source.shape, source.rgb) == ((*leading, 40, 50), True)
    np.save(tmp_path / "narrow.npy", np.zeros((40, 8, 9), dtype))
    assert not open_image(tmp_path / "narrow.npy").rgb


def test_inks_become_colours(tmp_path: Path) -> None:
    colour = np.zeros((40, 50, 3), np.uint8)
    colour[..., 0], colour[10:30, 10:30] = 180, (20, 200, 90)
    PIL.Image.fromarray(colour).convert("CMYK").save(tmp_path / "inks.jpg", quality=95)
    source = open_image(tmp_path / "inks.jpg")
    assert (source.shape, source.rgb) == ((40, 50), True)
    assert np.abs(read(source)[0].astype(int) - colour)[::8, ::8].max() < 40
    inks = np.asarray(PIL.Image.fromarray(colour).convert("CMYK"))
    tifffile.imwrite(tmp_path / "inks.tif", inks, photometric="separated")
    source = open_image(tmp_path / "inks.tif")
    assert source.rgb
    np.testing.assert_array_equal(read(source)[0], colour)


def test_turned_pictures_stay_as_they_are_stored_as_in_napari(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(COLOUR).save(tmp_path / "turned.jpg", exif=exif)
    assert open_image(tmp_path / "turned.jpg").shape == (40, 50)


# Axes of length 1, files of one frame, arrays by name


def test_a_gif_of_one_frame_is_one_plane(tmp_path: Path) -> None:
    frames = [PIL.Image.fromarray(np.full((40, 50), value, np.uint8)) for value in (10, 200)]
    frames[0].save(tmp_path / "one.gif")
    assert open_image(tmp_path / "one.gif").shape == (40, 50)
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    assert open_image(tmp_path / "two.gif").shape == (2, 40, 50)


def test_arrays_of_npz_go_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "one.npz", SIX)
    np.testing.assert_array_equal(read(open_image(tmp_path / "one.npz"))[..., 0], SIX)
    np.savez_compressed(tmp_path / "two.npz", raw=SIX, labels=SIX[0])
    with pytest.raises(UserError, match=r"arrays raw, labels; choose one with --series"):
        open_image(tmp_path / "two.npz")
    assert open_image(tmp_path / "two.npz", series="labels").shape == (40, 50)
    np.savez(tmp_path / "none.npz")
    with pytest.raises(UserError, match="no array"):
        open_image(tmp_path / "none.npz")


# Pixel size


@pytest.mark.parametrize(
    ("metadata", "scale", "units"),
    [
        ({"unit": "um", "zunit": "nm", "spacing": 500.0}, (500, 0.1, 0.1), ("nanometer", *["micrometer"] * 2)),
        ({"unit": "furlong", "spacing": 1.0}, (1, 0.1, 0.1), ("pixel",) * 3),
        ({"unit": "um"}, (1, 0.1, 0.1), ("micrometer",) * 3),
    ],
)
def test_units_of_imagej(
    tmp_path: Path, metadata: dict[str, object], scale: tuple[float, ...], units: tuple[str, ...]
) -> None:
    tifffile.imwrite(tmp_path / "s.tif", SIX, imagej=True, resolution=(10, 10), metadata={"axes": "ZYX", **metadata})
    source = open_image(tmp_path / "s.tif")
    assert source.scale == pytest.approx(scale)
    assert source.units == units


@pytest.mark.parametrize(
    ("resolution", "unit", "size"),
    [
        (20000, "CENTIMETER", 0.5),
        (25400, "INCH", 1.0),
        (72, "INCH", None),
        (96, "INCH", None),
        (300, "INCH", None),
        (72 / 2.54, "CENTIMETER", None),
        (300 / 2.54, "CENTIMETER", None),
        (1, "CENTIMETER", None),
        (1, "NONE", None),
    ],
)
def test_resolution_tags_but_those_of_screens(tmp_path: Path, resolution: float, unit: str, size: float | None) -> None:
    tifffile.imwrite(tmp_path / "s.tif", SIX[0], resolution=(resolution, resolution), resolutionunit=unit)
    source = open_image(tmp_path / "s.tif")
    assert source.scale == (None if size is None else pytest.approx((size, size)))
    assert source.units == (None if size is None else ("micrometer",) * 2)


def test_slides_state_micrometres_per_pixel(tmp_path: Path) -> None:
    description = "Aperio Image Library v1.0\n50x40 (16x16) |AppMag = 20|MPP = 0.4990|Left = 2"
    tifffile.imwrite(tmp_path / "s.svs", COLOUR, photometric="rgb", description=description, metadata=None)
    assert open_image(tmp_path / "s.svs").scale == (0.499, 0.499)


# What is not read here


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cells.h5", b"\x89HDF\r\n\x1a\n" + bytes(64), "HDF5, which is not read here: read it with the package h5py"),
        ("cells.ims", b"\x89HDF\r\n\x1a\n" + bytes(64), "Imaris"),
        ("brain.nii.gz", b"\x1f\x8b" + bytes(64), "NIfTI"),
        ("cells.companion.ome", b"<OME/>", "OME-TIFF files beside it"),
        ("notes.pdf", b"%PDF-1.4", "PDF"),
        ("film.mp4", bytes(64), "film"),
        ("cells.zip", b"PK\x03\x04" + bytes(64), "unpack it"),
        ("cells.xyz", b"what is that", "damaged, or no image of a known kind"),
    ],
)
def test_other_formats_are_named_with_the_way_out(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        open_image(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", [33007, 65123])
def test_unknown_compression_is_said(tmp_path: Path, number: int) -> None:
    path = tmp_path / "odd.tif"
    tifffile.imwrite(path, SIX, compression="zlib", photometric="minisblack")
    with tifffile.TiffFile(path, mode="r+") as file:
        for page in file.pages:
            page.tags["Compression"].overwrite(number)
    with pytest.raises(UserError, match=rf"number {number}.*without compression"):
        open_image(path)


def test_what_holds_one_image_has_no_other(tmp_path: Path) -> None:
    PIL.Image.fromarray(COLOUR).save(tmp_path / "p.png")
    assert open_image(tmp_path / "p.png", series=0).rgb
    tifffile.imwrite(tmp_path / "s.tif", SIX)
    for name in ("p.png", "s.tif"):
        with pytest.raises(UserError, match="one image only"):
            open_image(tmp_path / name, series=1)
    with ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.write(tmp_path / "p.png")
    with pytest.raises(UserError, match="unpack it"):
        open_image(tmp_path / "z.zip")
