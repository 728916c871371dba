"""The contract of arrays: whatever can be the pixels of an image, or the labels that objects are read from."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import DTypeLike, NDArray

from napari_sam.labels.label_array import label_extents, next_label
from napari_sam.labels.label_masks import PlaneInLabels, all_masks_on_plane, label_mask
from napari_sam.planes.contrast import MAX_CHUNKS, Contrast, measure_contrast
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.image_identity import fingerprint
from napari_sam.planes.image_source import Array, ImageSource, chunk_shape
from napari_sam.planes.read_window import read_window
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.segment.segmenter import Segmenter
from napari_sam.testing import strategies
from napari_sam.testing.fake_network import threshold_model
from napari_sam.testing.refusal import refused

CONTRACT = settings(
    max_examples=15,
    deadline=None,
    # One test of a contract runs on several classes, which is what it is for.
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
)


class ReadRecorder:
    """An array that notes what is read of it, and refuses to be converted as a whole.

    It offers what an h5py data set offers: a shape, a dtype, perhaps chunks, and parts by index.

    Parameters
    ----------
    array
        The array that is read.
    chunks
        Passed off as the array's own; None for those that it has.

    Attributes
    ----------
    reads : list of (index, int)
        Every index that was asked for, and the number of elements there.
    """

    def __init__(self, array: Any, chunks: tuple[int, ...] | None = None) -> None:
        self._array = array
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: DTypeLike = array.dtype
        self.chunks = getattr(array, "chunks", None) if chunks is None else chunks
        self.reads: list[tuple[Any, int]] = []

    def __getitem__(self, index: Any) -> Any:
        """Return the part at `index`, and note it."""
        part = self._array[index]
        self.reads.append((index, part.size))
        return part

    def __array__(self, *args: Any, **kwargs: Any) -> NDArray[Any]:
        """Refuse to be converted."""
        raise AssertionError("the whole array was converted")

    @property
    def pixels_read(self) -> int:
        """Number of elements that were read; those that were read twice count twice."""
        return sum(size for _, size in self.reads)

    def chunks_touched(self) -> set[tuple[int, ...]]:
        """Return the positions, in the grid of chunks, of all chunks that hold something of what was read."""
        touched: set[tuple[int, ...]] = set()
        chunks = chunk_shape(self)
        assert chunks is not None, "the array has no chunks"
        for index, _ in self.reads:
            spans = [
                range(at // chunk, at // chunk + 1)
                if isinstance(at, int)
                else range(at.start // chunk, (at.stop - 1) // chunk + 1)
                for at, chunk in zip(index, chunks, strict=True)
            ]
            grid = np.stack(np.meshgrid(*spans), -1).reshape(-1, len(spans))
            touched.update(tuple(int(at) for at in where) for where in grid)
        return touched


class ArrayContract(ABC):
    """What must hold for every type of array that images and labels are given as.

    Make a subclass, named `Test...`, that says how such an array is made.

    Attributes
    ----------
    dtypes : sequence
        Types of values that images of this kind may have.
    label_dtypes : sequence
        Types of values that labels of this kind may have.
    """

    dtypes: ClassVar[Sequence[DTypeLike]] = (bool, np.uint8, np.uint16, np.int16, np.uint32, np.float32, np.float64)
    label_dtypes: ClassVar[Sequence[DTypeLike]] = (np.uint8, np.uint16, np.int32, np.uint64)

    @abstractmethod
    def make_array(self, pixels: NDArray[Any]) -> Array:
        """Make an array that holds these pixels: two to four axes, none longer than a few hundred elements."""

    def test_shape_and_type_are_those_of_the_pixels(self) -> None:
        """Shape and dtype tell the truth, before anything is read."""
        for dtype in (*self.dtypes, *self.label_dtypes):
            array = self.make_array(np.zeros((2, 5, 4), dtype))
            assert tuple(array.shape) == (2, 5, 4)
            assert np.dtype(array.dtype) == np.dtype(dtype), f"{array.dtype} for {np.dtype(dtype)}"

    @CONTRACT
    @given(st.data())
    def test_regions_read_as_numpy_reads_them(self, data: st.DataObject) -> None:
        """Any region of any plane, with steps, and any channels: the values are those of the numpy array."""
        shape = tuple(data.draw(st.lists(st.integers(1, 7), min_size=2, max_size=4), "shape"))
        pixels = _pixels(shape, data.draw(st.sampled_from(list(self.dtypes)), "dtype"))
        array = self.make_array(pixels)
        channel_axis = data.draw(st.none() | st.integers(0, len(shape) - 1), "channels") if len(shape) > 2 else None
        source = ImageSource(array, channel_axis=channel_axis)
        plane = data.draw(strategies.planes(source.shape), "plane")
        rows, columns = data.draw(strategies.regions(plane.shape(source.shape), empty=True), "region")
        step = data.draw(strategies.int_pairs(1, 3), "step")
        last = pixels[..., None] if channel_axis is None else np.moveaxis(pixels, channel_axis, -1)
        expected = _plane_of(last, plane)[rows.start : rows.stop : step[0], columns.start : columns.stop : step[1]]
        channels = data.draw(st.permutations(range(source.n_channels)), "order of channels")
        read = source.read(plane, rows, columns, step, channels=channels)
        assert read.dtype == pixels.dtype
        np.testing.assert_array_equal(read, expected[..., channels])

    @CONTRACT
    @given(st.data())
    def test_windows_read_as_those_of_a_numpy_array(self, data: st.DataObject) -> None:
        """Resampled windows at any step and place, across the border too, are the same to the bit."""
        pixels = _pixels((3, 40, 33), data.draw(st.sampled_from(list(self.dtypes)), "dtype"))
        plane = data.draw(strategies.planes(pixels.shape), "plane")
        window = data.draw(strategies.windows(origin=(-20, 50), step=(0.3, 6), side=(1, 16)), "window")
        contrast = Contrast(((0.0, 200.0),))
        read = read_window(ImageSource(self.make_array(pixels)), plane, window, contrast)
        np.testing.assert_array_equal(read, read_window(ImageSource(pixels), plane, window, contrast))

    @CONTRACT
    @given(st.data())
    def test_nothing_is_read_beyond_the_region(self, data: st.DataObject) -> None:
        """One read of just the region, by integers and slices with positive steps."""
        pixels = _pixels((3, 30, 20), self.dtypes[0])
        array = ReadRecorder(self.make_array(pixels))
        plane = data.draw(strategies.planes(pixels.shape), "plane")
        rows, columns = data.draw(strategies.regions(plane.shape(pixels.shape)), "region")
        ImageSource(array).read(plane, rows, columns)
        ((index, size),) = array.reads
        assert size == (rows.stop - rows.start) * (columns.stop - columns.start)
        for part in index:
            assert isinstance(part, int) or (isinstance(part, slice) and part.step > 0), f"index {index}"

    def test_contrast_is_measured_on_few_chunks(self) -> None:
        """At most 64 chunks are read, and the limits are values of the image."""
        pixels = _pixels((6, 200, 180), self.dtypes[-1])
        array = ReadRecorder(self.make_array(pixels))
        ((low, high),) = measure_contrast(ImageSource(array), (1, 2)).limits
        assert pixels.min() <= low < high <= pixels.max()
        assert array.pixels_read <= pixels.size
        if chunk_shape(array) is not None:
            assert len(array.chunks_touched()) <= MAX_CHUNKS

    def test_the_image_is_recognised_whatever_holds_it(self) -> None:
        """The fingerprint is that of the same pixels in a numpy array."""
        for dtype in self.dtypes:
            pixels = _pixels((4, 50, 41), dtype)
            assert fingerprint(ImageSource(self.make_array(pixels))) == fingerprint(ImageSource(pixels))

    def test_planes_and_channels_that_are_not_there_are_refused(self) -> None:
        """A plane beyond either end, or of another number of axes, and a channel too many."""
        source = ImageSource(self.make_array(_pixels((3, 8, 9), self.dtypes[0])))
        for position in (-1, 3):
            with refused(f"plane {position} of three"):
                source.read(Plane((1, 2), (position, 0, 0)), slice(0, 8), slice(0, 9))
        with refused("a plane of two axes in an image of three"):
            source.read(Plane((0, 1), (0, 0)), slice(0, 8), slice(0, 9))
        with refused("the second of one channel"):
            source.read(Plane((1, 2), (0, 0, 0)), slice(0, 8), slice(0, 9), channels=[1])

    def test_levels_of_a_pyramid_are_read(self) -> None:
        """A sequence of such arrays is a multiscale image."""
        fine = _pixels((3, 64, 48), self.dtypes[-1])
        coarse = fine[:, ::2, ::2].copy()
        source = ImageSource([self.make_array(fine), self.make_array(coarse)])
        assert source.factors(1) == (1.0, 2.0, 2.0)
        read = source.read(Plane((1, 2), (2, 0, 0)), slice(4, 20), slice(3, 9), level=1)
        np.testing.assert_array_equal(read[..., 0], coarse[2, 4:20, 3:9])

    def test_a_click_is_answered_as_on_a_numpy_array(self) -> None:
        """The masks are the same, on every pair of displayed axes."""
        pixels = np.zeros((40, 60, 70), self.dtypes[-1])
        pixels[10:30, 12:40, 20:45] = 1
        contrast = Contrast(((0.0, 1.0),))
        for axes in ((1, 2), (2, 1), (0, 2)):
            plane = Plane(axes, (20, 25, 30))
            click = Prompts((Point(*plane.from_data((20, 25, 30))),))
            found, expected = (
                Segmenter(threshold_model(), ImageSource(each), contrast).segment(plane, click, object_size=30).mask
                for each in (self.make_array(pixels), pixels)
            )
            assert expected.area
            _assert_same_mask(found, expected)

    @CONTRACT
    @given(st.data())
    def test_labels_are_found_as_in_a_numpy_array(self, data: st.DataObject) -> None:
        """Free id, places and masks of labels; label 5 is none of them."""
        shape = (3, 6, 7)
        labels = data.draw(strategies.label_arrays(shape, self.label_dtypes), "labels")
        array = self.make_array(labels)
        assert next_label(array) == int(labels.max()) + 1
        for label, (area, box) in label_extents(array, range(1, 6)).items():
            where = np.nonzero(labels == label)
            assert area == where[0].size
            if area:
                assert box == tuple(slice(int(at.min()), int(at.max()) + 1) for at in where)
        plane = data.draw(strategies.planes(shape), "plane")
        on_plane = _plane_of(labels[..., None], plane)[..., 0]
        masks = all_masks_on_plane(array, PlaneInLabels.itself(plane, shape))
        assert sorted(masks) == [label for label in np.unique(on_plane) if label]
        for label in range(1, 6):
            expected = Mask.from_pixels(on_plane == label)
            found = label_mask(array, plane, label)
            assert found.area == expected.area
            if expected.area:
                _assert_same_mask(found, expected)
                _assert_same_mask(masks[label], expected)


def _pixels(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Make values that differ from pixel to pixel, as far as the dtype allows."""
    steps = np.random.default_rng(prod(shape)).integers(0, 256, shape)
    if np.dtype(dtype).kind == "b":
        return steps > 127
    return np.clip(steps, 0, np.iinfo(dtype).max).astype(dtype) if np.dtype(dtype).kind in "iu" else steps.astype(dtype)


def _plane_of(pixels: NDArray[Any], plane: Plane) -> NDArray[Any]:
    """Return (rows, columns, channels) of a plane of pixels (axes..., channels)."""
    index: list[Any] = list(plane.index)
    for axis in plane.axes:
        index[axis] = slice(None)
    cut: NDArray[Any] = pixels[tuple(index)]
    return cut.swapaxes(0, 1) if plane.axes[0] > plane.axes[1] else cut


def _assert_same_mask(found: Mask, expected: Mask) -> None:
    assert found.box == expected.box
    np.testing.assert_array_equal(found.pixels, expected.pixels)
