import os
from pathlib import Path

import numpy as np
import pytest
import skimage.io
import tifffile
import zarr

from napari_sam.errors import UserError
from napari_sam.export.save_labels import save_labels
from napari_sam.planes import open_tiff
from napari_sam.planes.contrast import measure_contrast
from napari_sam.planes.geometry import Plane, Window
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.open_image import open_image
from napari_sam.planes.read_window import read_window

DATA = Path(os.environ.get("NAPARI_SAM_DATA", Path(__file__).parents[2] / "../shared/data")) / "eval"
STACK = np.random.default_rng(0).integers(0, 4000, (5, 60, 70), np.uint16)
CHANNELS = np.random.default_rng(1).integers(0, 255, (4, 3, 60, 70), np.uint8)
WHOLE = (slice(None), slice(None))


def read_stack(source: ImageSource) -> np.ndarray:
    return np.stack([source.read(Plane((1, 2), (z, 0, 0)), *WHOLE) for z in range(source.shape[0])])


@pytest.fixture(params=["memory", "lazy"])
def everything_is(request, monkeypatch):
    if request.param == "lazy":
        monkeypatch.setattr(open_tiff, "IN_MEMORY_BYTES", 0)
    return request.param


@pytest.mark.parametrize(
    "options", [{}, {"compression": "lzw"}, {"compression": "zlib"}, {"byteorder": ">"}, {"bigtiff": True}]
)
def test_plain_stacks(tmp_path, everything_is, options):
    tifffile.imwrite(tmp_path / "stack.tif", STACK, photometric="minisblack", **options)
    source = open_image(tmp_path / "stack.tif")
    assert (source.shape, source.n_channels, source.rgb) == (STACK.shape, 1, False)
    assert (source.axis_labels, source.scale, source.units) == (("z", "y", "x"), None, None)
    assert source.in_memory == (everything_is == "memory")
    np.testing.assert_array_equal(read_stack(source)[..., 0], STACK)
    window = read_window(
        source, Plane((1, 2), (2, 0, 0)), Window((3, 4), (1, 1), (20, 20)), measure_contrast(source, (1, 2))
    )
    assert np.ptp(window) > 0.9


def test_imagej_hyperstacks(tmp_path, everything_is):
    tifffile.imwrite(
        tmp_path / "stack.tif",
        CHANNELS,
        imagej=True,
        resolution=(5, 4),
        metadata={"axes": "ZCYX", "spacing": 2.5, "unit": "um"},
    )
    source = open_image(tmp_path / "stack.tif")
    assert (source.shape, source.n_channels) == ((4, 60, 70), 3)
    assert (source.axis_labels, source.units) == (("z", "y", "x"), ("micrometer",) * 3)
    np.testing.assert_allclose(source.scale, (2.5, 0.25, 0.2))
    np.testing.assert_array_equal(read_stack(source), CHANNELS.transpose(0, 2, 3, 1))


def test_imagej_stacks_over_time(tmp_path):
    tifffile.imwrite(
        tmp_path / "film.tif",
        STACK,
        imagej=True,
        resolution=(2, 2),
        metadata={"axes": "TYX", "finterval": 30.0, "unit": "\\u00B5m"},
    )
    source = open_image(tmp_path / "film.tif")
    assert (source.axis_labels, source.scale) == (("t", "y", "x"), (30, 0.5, 0.5))
    assert source.units == ("second", "micrometer", "micrometer")


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_ome_with_channels(tmp_path, everything_is, compression):
    tifffile.imwrite(
        tmp_path / "image.ome.tif",
        CHANNELS.swapaxes(0, 1),
        ome=True,
        photometric="minisblack",
        compression=compression,
        metadata={
            "axes": "CZYX",
            "PhysicalSizeX": 0.1,
            "PhysicalSizeXUnit": "µm",
            "PhysicalSizeY": 0.2,
            "PhysicalSizeZ": 900,
            "PhysicalSizeZUnit": "nm",
        },
    )
    source = open_image(tmp_path / "image.ome.tif")
    assert (source.shape, source.n_channels, source.scale) == ((4, 60, 70), 3, (900, 0.2, 0.1))
    assert source.units == ("nanometer", "micrometer", "micrometer")
    np.testing.assert_array_equal(read_stack(source), CHANNELS.transpose(0, 2, 3, 1))


def test_pyramids(tmp_path, everything_is):
    fine = STACK[0]
    with tifffile.TiffWriter(tmp_path / "pyramid.tif", ome=True) as file:
        file.write(fine, subifds=1, tile=(16, 16), compression="zlib", photometric="minisblack")
        file.write(fine[::2, ::2], subfiletype=1, tile=(16, 16), compression="zlib", photometric="minisblack")
    source = open_image(tmp_path / "pyramid.tif")
    assert source.n_levels == (2 if everything_is == "lazy" else 1)
    plane = Plane((0, 1), (0, 0))
    np.testing.assert_array_equal(source.read(plane, *WHOLE)[..., 0], fine)
    if everything_is == "lazy":
        np.testing.assert_array_equal(source.read(plane, *WHOLE, level=1)[..., 0], fine[::2, ::2])


@pytest.mark.parametrize("samples", [3, 4])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_rgb(tmp_path, everything_is, samples, planar):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50, samples), np.uint8)
    stored = pixels if planar == "contig" else pixels.transpose(2, 0, 1)
    tifffile.imwrite(tmp_path / "rgb.tif", stored, photometric="rgb", planarconfig=planar)
    source = open_image(tmp_path / "rgb.tif")
    assert source.shape == (40, 50)
    read = source.read(Plane((0, 1), (0, 0)), *WHOLE, channels=[0, 1, 2])
    np.testing.assert_array_equal(read, pixels[..., :3])


def test_saved_labels_come_back_with_axes_and_scale(tmp_path):
    save_labels(tmp_path / "labels.tif", STACK, axes="TYX", scale=(2, 0.5, 0.25), units=("min", "um", "um"))
    source = open_image(tmp_path / "labels.tif")
    assert (source.axis_labels, source.scale) == (("t", "y", "x"), (2, 0.5, 0.25))
    assert source.units == ("minute", "micrometer", "micrometer")
    np.testing.assert_array_equal(read_stack(source)[..., 0], STACK)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".gif"])
@pytest.mark.parametrize("samples", [None, 3])
def test_pictures(tmp_path, suffix, samples):
    pixels = np.full((40, 50) if samples is None else (40, 50, samples), 90, np.uint8)
    pixels[10:30, 10:30] = 200
    skimage.io.imsave(tmp_path / f"picture{suffix}", pixels, check_contrast=False)
    source = open_image(tmp_path / f"picture{suffix}")
    assert source.shape[-2:] == (40, 50)
    read = source.read(Plane((source.ndim - 2, source.ndim - 1), (0,) * source.ndim), *WHOLE)
    assert abs(int(read[20, 20, 0]) - 200) < 8
    if suffix == ".png":
        assert source.rgb == (samples is not None)
        np.testing.assert_array_equal(read, pixels.reshape(read.shape))


def test_png_of_16_bits_and_with_transparency(tmp_path):
    skimage.io.imsave(tmp_path / "deep.png", STACK[0], check_contrast=False)
    source = open_image(tmp_path / "deep.png")
    assert source.dtype == np.uint16
    np.testing.assert_array_equal(source.read(Plane((0, 1), (0, 0)), *WHOLE)[..., 0], STACK[0])
    grey = np.stack([CHANNELS[0, 0], np.full_like(CHANNELS[0, 0], 255)], -1)
    skimage.io.imsave(tmp_path / "grey-alpha.png", grey, check_contrast=False)
    source = open_image(tmp_path / "grey-alpha.png")
    assert (source.shape, source.n_channels) == ((60, 70), 1)
    np.testing.assert_array_equal(source.read(Plane((0, 1), (0, 0)), *WHOLE)[..., 0], CHANNELS[0, 0])


def test_npy(tmp_path):
    np.save(tmp_path / "stack.npy", STACK)
    source = open_image(tmp_path / "stack.npy")
    assert not source.in_memory
    np.testing.assert_array_equal(read_stack(source)[..., 0], STACK)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr(tmp_path, version):
    group = zarr.open_group(tmp_path / "image.zarr", mode="w", zarr_format=2 if version == "0.4" else 3)
    for level, pixels in enumerate([CHANNELS.swapaxes(0, 1), CHANNELS.swapaxes(0, 1)[..., ::2, ::2]]):
        group.create_array(str(level), data=pixels, chunks=(1, 1, 32, 32))
    multiscales = [
        {
            "axes": [
                {"name": "c", "type": "channel"},
                {"name": "z", "type": "space", "unit": "micrometer"},
                {"name": "y", "type": "space", "unit": "micrometer"},
                {"name": "x", "type": "space"},
            ],
            "datasets": [
                {"path": str(n), "coordinateTransformations": [{"type": "scale", "scale": [1, 2, 0.5 * f, 0.5 * f]}]}
                for n, f in enumerate((1, 2))
            ],
        }
    ]
    group.attrs.update({"multiscales": multiscales} if version == "0.4" else {"ome": {"multiscales": multiscales}})
    source = open_image(tmp_path / "image.zarr")
    assert (source.shape, source.n_channels, source.n_levels) == ((4, 60, 70), 3, 2)
    assert (source.scale, source.axis_labels) == ((2, 0.5, 0.5), ("z", "y", "x"))
    assert source.units == ("micrometer", "micrometer", "pixel")
    np.testing.assert_array_equal(read_stack(source), CHANNELS.transpose(0, 2, 3, 1))


def test_zarr_arrays(tmp_path):
    zarr.save_array(tmp_path / "array.zarr", STACK)
    np.testing.assert_array_equal(read_stack(open_image(tmp_path / "array.zarr"))[..., 0], STACK)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"imagej": True},
        {"ome": True},
        {"compression": "zlib"},
        {"ome": True, "compression": "lzw"},
        {"bigtiff": True},
    ],
)
@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.98])
def test_files_that_were_cut_off(tmp_path, options, share):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, STACK, photometric="minisblack", **options)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UserError, match=r"cut off|damaged"):
        open_image(path)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_pictures_that_were_cut_off(tmp_path, suffix):
    path = tmp_path / f"picture{suffix}"
    skimage.io.imsave(path, CHANNELS[0].transpose(1, 2, 0), check_contrast=False)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UserError, match="damaged"):
        open_image(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.tif", b"", "is empty"),
        ("text.tif", b"no image at all", "damaged, or no image"),
        ("text.png", b"no image at all", "damaged, or no image"),
        ("data.csv", b"1,2,3\n4,5,6\n", "this is a table"),
        ("header.tif", b"II*\0\x08\0\0\0", "cut off"),
    ],
)
def test_what_is_no_image(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        open_image(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(UserError, match="There is no file"):
        open_image(tmp_path / "missing.tif")
    with pytest.raises(UserError, match="is a folder"):
        open_image(tmp_path)
    tifffile.imwrite(tmp_path / "complex.tif", np.zeros((8, 8), np.complex64))
    with pytest.raises(UserError, match=r"complex\.tif: Images of type complex64"):
        open_image(tmp_path / "complex.tif")


@pytest.mark.skipif(not DATA.is_dir(), reason="the data sets are not here")
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("usiigaci_phase/images/set40.tif", (1022, 1024)),
        ("chloroplast_em_3d/images/chloroplasts.tif", (10, 1100, 700)),
        ("axon_sem/images/sub-rat6_sample-data15_SEM.png", (744, 1154)),
    ],
)
def test_real_images(name, shape):
    source = open_image(DATA / name)
    assert source.shape == shape
    axes = (source.ndim - 2, source.ndim - 1)
    contrast = measure_contrast(source, axes)
    assert not contrast.constant
    window = read_window(source, Plane(axes, (0,) * source.ndim), Window((10, 10), (2.5, 2.5), (256, 256)), contrast)
    assert -1 < window.mean() < 1
    assert window.std() > 0.05
