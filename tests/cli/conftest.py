from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sam.cli.app import main
from napari_sam.sample import TISSUE, SampleStack, generate_stack

SCALE = (0.8, 0.3, 0.3)


@dataclass(frozen=True)
class Ended:
    """How a run of the command line ended."""

    status: int
    out: str
    err: str

    @property
    def sentences(self) -> list[str]:
        return self.err.strip().splitlines()


Run = Callable[..., Ended]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*words: object) -> Ended:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        printed = capsys.readouterr()
        return Ended(int(ended.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture(scope="session")
def sample() -> SampleStack:
    return generate_stack(replace(TISSUE, shape=(10, 96, 112)), seed=1)


@dataclass(frozen=True)
class Target:
    """A nucleus of the sample and a point well inside it."""

    label: int
    z: int
    row: int
    column: int

    @property
    def in_stack(self) -> str:
        return f"{self.z},{self.row},{self.column}"

    @property
    def in_plane(self) -> str:
        return f"{self.row},{self.column}"


@pytest.fixture(scope="session")
def target(sample: SampleStack) -> Target:
    inner = sample.nucleus_labels[3:7, 16:-16, 16:-16]
    label = int(np.argmax(np.bincount(inner[inner > 0])))
    z, row, column = (round(at) for at in np.argwhere(sample.nucleus_labels == label).mean(axis=0))
    assert sample.nucleus_labels[z, row, column] == label
    return Target(label, z, row, column)


@pytest.fixture
def stack(tmp_path: Path, sample: SampleStack) -> Path:
    path = tmp_path / "stack.tif"
    metadata = {
        "axes": "ZYX",
        "PhysicalSizeZ": SCALE[0],
        "PhysicalSizeY": SCALE[1],
        "PhysicalSizeX": SCALE[2],
        **{f"PhysicalSize{axis}Unit": "µm" for axis in "XYZ"},
    }
    tifffile.imwrite(path, sample.nuclei, ome=True, metadata=metadata)
    return path


@pytest.fixture
def plane(tmp_path: Path, sample: SampleStack, target: Target) -> Path:
    path = tmp_path / "plane.png"
    import imageio.v3 as iio

    shown = np.clip((sample.nuclei[target.z].astype(float) - 100) / 6, 0, 255).astype(np.uint8)
    iio.imwrite(path, shown)
    return path


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    return tmp_path / "labels.tif"
