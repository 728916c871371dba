import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.embedding.embedder import BOUNDS
from napari_sam.errors import UserError
from napari_sam.planes.contrast import Contrast, measure_contrast
from napari_sam.planes.geometry import Plane, Window
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.read_window import read_window
from napari_sam.segment.segmenter import Segmenter
from napari_sam.testing.fake_network import threshold_model


def limits(pixels, axes=(0, 1), **options):
    return measure_contrast(ImageSource(pixels, **options), axes).limits


def test_percentiles_of_a_small_image_are_exact():
    pixels = np.random.default_rng(0).integers(0, 60000, (100, 120), np.uint16)
    assert limits(pixels) == (tuple(np.percentile(pixels, (0.5, 99.5))),)


def test_the_same_for_all_planes_and_close_to_the_whole_stack():
    pixels = np.random.default_rng(0).normal(1000, 200, (40, 300, 400)) * np.linspace(1, 3, 40)[:, None, None]
    ((low, high),) = limits(pixels.astype(np.uint16), (1, 2))
    np.testing.assert_allclose((low, high), np.percentile(pixels, (0.5, 99.5)), rtol=0.03)


def test_every_channel_has_its_own():
    pixels = np.random.default_rng(0).random((2, 64, 64)) * np.array([1, 1000])[:, None, None]
    (_, first), (_, second) = limits(pixels, channel_axis=0)
    assert 0.9 < first < 1
    assert 900 < second < 1000


def test_rgb_of_8_bits_is_not_stretched():
    assert limits(np.full((9, 9, 3), 100, np.uint8), rgb=True) == ((0, 255),) * 3
    assert limits(np.full((9, 9, 3), 100, np.uint16), rgb=True) == ((100, 100),) * 3
    assert limits(np.zeros((9, 9), bool)) == ((0, 1),)


@pytest.mark.parametrize("value", [0, 7, 65535])
def test_constant_images_become_zeros(value):
    source = ImageSource(np.full((30, 30), value, np.uint16))
    contrast = measure_contrast(source, (0, 1))
    assert contrast.constant
    assert not contrast.has_nonfinite
    read = read_window(source, Plane((0, 1), (0, 0)), Window((3, 3), (1.5, 1.5), (8, 8)), contrast)
    np.testing.assert_array_equal(read, 0)


def test_non_finite_values_are_ignored_and_noted():
    pixels = np.linspace(0, 1, 10000, dtype=np.float32).reshape(100, 100)
    pixels[::10, ::10] = np.nan
    pixels[5, 5], pixels[6, 6] = np.inf, -np.inf
    contrast = measure_contrast(ImageSource(pixels), (0, 1))
    assert contrast.has_nonfinite
    np.testing.assert_allclose(contrast.limits[0], (0.005, 0.995), atol=0.002)
    stretched = contrast.apply(pixels[..., None])
    assert np.isfinite(stretched).all()
    assert stretched[5, 5, 0] == stretched[6, 6, 0] == stretched[0, 0, 0] == 0


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_nothing_but_nan_is_refused(number):
    with pytest.raises(UserError, match="No pixel of this image is a number"):
        measure_contrast(ImageSource(np.full((9, 9), number)), (0, 1))


def test_one_value_beside_nan_is_constant():
    pixels = np.full((9, 9), np.nan)
    pixels[4] = 3
    contrast = measure_contrast(ImageSource(pixels), (0, 1))
    assert contrast.constant
    assert contrast.has_nonfinite
    np.testing.assert_array_equal(contrast.apply(pixels[..., None]), 0)


def test_a_few_bright_pixels_on_a_flat_ground_are_not_constant():
    pixels = np.full((100, 100), 5, np.uint16)
    pixels[50, 50] = 900
    assert limits(pixels) == ((5, 900),)


@given(
    st.sampled_from([np.uint8, np.int16, np.uint16, np.int64, np.float32, np.float64]),
    st.floats(-1000, 1000),
    st.floats(1, 1e6),
)
def test_limits_map_to_zero_and_one(dtype, low, span):
    info = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else np.finfo(dtype)
    low = dtype(np.clip(low, info.min, info.max / 2))
    high = dtype(np.clip(float(low) + np.ceil(span), info.min, info.max))
    contrast = Contrast(((float(low), float(high)),))
    pixels = np.array([low, high], dtype).reshape(1, 2, 1)
    np.testing.assert_allclose(contrast.apply(pixels).ravel(), (0, 1), atol=1e-5)


def test_large_offsets_keep_their_digits():
    pixels = 10**12 + np.arange(256, dtype=np.int64).reshape(16, 16, 1)
    contrast = Contrast(((10.0**12, 10.0**12 + 255),))
    np.testing.assert_allclose(contrast.apply(pixels).ravel(), np.arange(256) / 255, atol=1e-6)


def test_huge_ranges_do_not_overflow():
    pixels = np.array([[-1e308, 1e308], [0, np.finfo(np.float32).max]])
    contrast = measure_contrast(ImageSource(pixels), (0, 1))
    assert np.isfinite(contrast.apply(pixels[..., None])).all()


def test_values_beyond_the_limits_are_kept():
    contrast = Contrast(((100.0, 200.0),))
    np.testing.assert_allclose(contrast.apply(np.array([[[0], [300]]], np.uint16)).ravel(), (-1, 2))


def test_at_most_64_chunks_are_read(counting_array):
    array = counting_array(np.zeros((50, 2, 900, 900), np.uint16), chunks=(4, 1, 64, 64))
    measure_contrast(ImageSource(array, channel_axis=1), (1, 2))
    assert 32 <= len(array.chunks_touched()) <= 64
    array.reads.clear()
    measure_contrast(ImageSource(array, channel_axis=1), (0, 2))
    assert len(array.chunks_touched()) <= 64


def test_a_coarse_level_of_a_pyramid_is_read(counting_array):
    levels = [counting_array(np.zeros((8192 // f, 8192 // f), np.uint8)) for f in (1, 8, 64)]
    measure_contrast(ImageSource(levels), (0, 1))
    assert [bool(level.reads) for level in levels] == [False, True, False]


@pytest.mark.parametrize(
    "lazy", [lambda a: da.from_array(a, chunks=(1, 50, 50)), lambda a: zarr.array(a, chunks=(2, 64, 64))]
)
def test_lazy_arrays_agree_with_memory(lazy):
    pixels = np.random.default_rng(0).integers(0, 4000, (6, 128, 128), np.uint16)
    np.testing.assert_allclose(limits(lazy(pixels), (1, 2)), limits(pixels, (1, 2)), rtol=0.05, atol=25)


def discs(ground: np.ndarray, radius: int, value: float, seed: int = 0) -> np.ndarray:
    """Lay five discs far apart on a ground."""
    made = ground.copy()
    row, column = np.ogrid[: ground.shape[0], : ground.shape[1]]
    for y, x in ((60, 70), (200, 300), (400, 100), (450, 450), (300, 120)):
        made[(row - y) ** 2 + (column - x) ** 2 < radius**2] = value
    return made


NOISE = np.random.default_rng(0).normal(100, 2, (512, 512))


@pytest.mark.parametrize("radius", [6, 8, 9, 12])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_a_few_very_bright_objects_are_not_drowned_by_their_ground(radius, dtype):
    ((low, high),) = limits(discs(NOISE, radius, 4000).astype(dtype))
    assert 90 < low < 100
    assert high == 4000


def test_hot_pixels_and_spots_on_structure_leave_the_limits_as_they_are():
    hot = NOISE.copy()
    hot[8::64, 8::64] = 4000
    assert limits(hot)[0][1] < 110
    rows, columns = np.mgrid[:512, :512] / 40
    cells = 100 + 40 * np.sin(rows) * np.sin(columns) + np.random.default_rng(0).normal(0, 2, (512, 512))
    assert limits(discs(cells, 6, 4000))[0][1] < 160


def test_what_is_encoded_is_bounded(monkeypatch):
    assert BOUNDS == (-0.5, 1.5)
    model = threshold_model()
    seen = []
    encode = model.network.encode
    monkeypatch.setattr(
        model.network, "encode", lambda images, cancel=None: (seen.append(images), encode(images, cancel))[1]
    )
    source = ImageSource(np.random.default_rng(0).normal(0, 1000, (80, 80)).astype(np.float32))
    list(Segmenter(model, source, Contrast(((0.0, 1.0),))).prepare(Plane((0, 1), (0, 0))))
    assert seen
    assert all((float(images.min()), float(images.max())) == BOUNDS for images in seen)
