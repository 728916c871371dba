"""Every type of array that images and labels come as, against the contract."""

from itertools import count
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr

from napari_sam.planes.array_view import ArrayView, ChannelStack, PlaneFiles
from napari_sam.planes.image_source import Array
from napari_sam.planes.open_tiff import _lazy
from napari_sam.testing.array_contract import ArrayContract, ReadRecorder

BIG_ENDIAN = (">u2", ">i4", ">f4", ">f8")


class TestNumpyArray(ArrayContract):
    def make_array(self, pixels: np.ndarray) -> np.ndarray:
        return pixels.copy()


class TestFortranOrder(ArrayContract):
    def make_array(self, pixels: np.ndarray) -> np.ndarray:
        return np.asfortranarray(pixels)


class TestReversedView(ArrayContract):
    """Negative strides, as flipped images have them, and nothing to write to."""

    def make_array(self, pixels: np.ndarray) -> np.ndarray:
        view = pixels[::-1, ::-1].copy()[::-1, ::-1]
        view.flags.writeable = False
        return view


class TestBigEndian(ArrayContract):
    dtypes = BIG_ENDIAN
    label_dtypes = (">u2", ">i4", ">u8")

    def make_array(self, pixels: np.ndarray) -> np.ndarray:
        return pixels.copy()


class TestMinimalObject(ArrayContract):
    """Shape, dtype and parts by index are enough."""

    def make_array(self, pixels: np.ndarray) -> ReadRecorder:
        return ReadRecorder(pixels)


class TestChunkedObject(ArrayContract):
    """As h5py has it: one length of chunk per axis."""

    def make_array(self, pixels: np.ndarray) -> ReadRecorder:
        return ReadRecorder(pixels, tuple(min(size, 16) for size in pixels.shape))


class TestDask(ArrayContract):
    def make_array(self, pixels: np.ndarray) -> da.Array:
        return da.from_array(pixels, chunks=tuple(-(-size // 3) for size in pixels.shape))


class TestZarr(ArrayContract):
    def make_array(self, pixels: np.ndarray) -> zarr.Array:
        return zarr.array(pixels, chunks=tuple(-(-size // 2) for size in pixels.shape))


class TestZarrWithShards(ArrayContract):
    def make_array(self, pixels: np.ndarray) -> zarr.Array:
        chunks = tuple(min(size, 4) for size in pixels.shape)
        return zarr.create_array({}, data=pixels, chunks=chunks, shards=tuple(3 * chunk for chunk in chunks))


class TestTurnedAxes(ArrayContract):
    """A chunked array whose axes lie the other way round, with one more of which a position is picked."""

    def make_array(self, pixels: np.ndarray) -> ArrayView:
        stored = np.stack([np.zeros_like(pixels.T), pixels.T])
        array = zarr.array(stored, chunks=tuple(-(-size // 2) for size in stored.shape))
        return ArrayView(array, range(pixels.ndim, 0, -1), {0: 1})


class TestStackedChannels(ArrayContract):
    """Arrays that are seen as one; with two axes there is nothing to stack."""

    def make_array(self, pixels: np.ndarray) -> Array:
        return pixels if pixels.ndim < 3 else ChannelStack([zarr.array(part, chunks=part.shape) for part in pixels])


class TestPlanesInFiles(ArrayContract):
    def make_array(self, pixels: np.ndarray) -> Array:
        return pixels if pixels.ndim < 3 else PlaneFiles(pixels.__getitem__, len(pixels), pixels[0])


class OnDisk(ArrayContract):
    """The files of one test lie in a folder of its own."""

    @pytest.fixture(autouse=True)
    def _own_folder(self, tmp_path: Path) -> None:
        self.names = (tmp_path / str(number) for number in count())


class TestMemmap(OnDisk):
    def make_array(self, pixels: np.ndarray) -> np.memmap:
        mapped = np.memmap(next(self.names), pixels.dtype, "w+", shape=pixels.shape)
        mapped[:] = pixels
        return mapped


class TestMappedNpy(OnDisk):
    def make_array(self, pixels: np.ndarray) -> np.memmap:
        path = next(self.names).with_suffix(".npy")
        np.save(path, pixels)
        return np.load(path, mmap_mode="r")


class TestMappedTiff(OnDisk):
    """As ImageJ writes it: the most significant byte first, so that a value is read in another order."""

    dtypes = BIG_ENDIAN
    label_dtypes = (">u2", ">i4")

    def make_array(self, pixels: np.ndarray) -> np.memmap:
        path = next(self.names).with_suffix(".tif")
        tifffile.imwrite(path, pixels, byteorder=">", photometric="minisblack")
        mapped = tifffile.memmap(path, mode="r")
        return mapped.reshape(pixels.shape)


class TestTiledTiff(OnDisk):
    """Read tile by tile, through zarr."""

    dtypes = (np.uint8, np.uint16, np.float32)
    label_dtypes = (np.uint8, np.uint16)

    def make_array(self, pixels: np.ndarray) -> zarr.Array:
        path = next(self.names).with_suffix(".tif")
        axes = "TZYX"[-pixels.ndim :]
        tifffile.imwrite(path, pixels, tile=(16, 16), photometric="minisblack", metadata={"axes": axes})
        with tifffile.TiffFile(path) as file:
            assert file.series[0].shape == pixels.shape
        return _lazy(path, 0, 0, {})
