"""Every kind of labels that objects are accepted into, against the contract."""

from itertools import count
from pathlib import Path

import numpy as np
import pytest
import zarr
from napari.layers import Labels

from napari_sam.plugin.layers.target_layers import LayerTarget
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.testing.target_contract import TargetContract


class TestNumpyTarget(TargetContract):
    def make_target(self, labels: np.ndarray) -> ArrayTarget:
        return ArrayTarget(labels.copy())


class TestFortranTarget(TargetContract):
    def make_target(self, labels: np.ndarray) -> ArrayTarget:
        return ArrayTarget(np.array(labels, order="F"))


class TestBigEndianTarget(TargetContract):
    dtypes = (">u2", ">i4")

    def make_target(self, labels: np.ndarray) -> ArrayTarget:
        return ArrayTarget(labels.copy())


class TestWideTarget(TargetContract):
    dtypes = (np.int64, np.uint64)

    def make_target(self, labels: np.ndarray) -> ArrayTarget:
        return ArrayTarget(labels.copy())


class TestSignedTarget(TargetContract):
    dtypes = (np.int8, np.int16)

    def make_target(self, labels: np.ndarray) -> ArrayTarget:
        return ArrayTarget(labels.copy())


class TestMappedTarget(TargetContract):
    @pytest.fixture(autouse=True)
    def _own_folder(self, tmp_path: Path) -> None:
        self.names = (tmp_path / str(number) for number in count())

    def make_target(self, labels: np.ndarray) -> ArrayTarget:
        mapped = np.memmap(next(self.names), labels.dtype, "w+", shape=labels.shape)
        mapped[:] = labels
        return ArrayTarget(mapped)


class TestZarrTarget(TargetContract):
    def make_target(self, labels: np.ndarray) -> ArrayTarget:
        return ArrayTarget(zarr.array(labels, chunks=tuple(-(-size // 2) for size in labels.shape)))


class TestZarrTargetOnDisk(TargetContract):
    @pytest.fixture(autouse=True)
    def _own_folder(self, tmp_path: Path) -> None:
        self.names = (tmp_path / str(number) for number in count())

    def make_target(self, labels: np.ndarray) -> ArrayTarget:
        chunks = tuple(min(size, 3) for size in labels.shape)
        return ArrayTarget(zarr.create_array(next(self.names), data=labels, chunks=chunks))


class TestLayerTarget(TargetContract):
    def make_target(self, labels: np.ndarray) -> LayerTarget:
        return LayerTarget(Labels(labels.copy(), name="objects"))


class TestLayerOnZarr(TargetContract):
    def make_target(self, labels: np.ndarray) -> LayerTarget:
        return LayerTarget(Labels(zarr.array(labels, chunks=(2, 5, 5)), name="objects"))
