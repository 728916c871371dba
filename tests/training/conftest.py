import numpy as np
import pytest
import tifffile

from napari_sam.nn.nano import NanoConfig
from training.config import Config, DataConfig, OptimizerConfig, PromptConfig, RunConfig, WindowConfig


@pytest.fixture
def tiny_sizes():
    return NanoConfig(
        widths=(4, 4, 8, 8, 8),
        blocks=(1, 1, 1, 1, 1),
        dim=16,
        map_channels=4,
        mask_channels=(4, 4),
        heads=2,
        mlp_dim=16,
        mixing=0,
    )


@pytest.fixture
def tiny_config():
    return Config(
        data=DataConfig(
            sets={"discs": 1.0, "stack": 1.0},
            synthetic_kinds={"rods": 1.0},
            synthetic_images=2,
            synthetic_side=96,
            validation_fraction=0.3,
        ),
        window=WindowConfig(
            side=64, sides={"64": 1.0}, layouts={"2x64": 0.5, "1x96": 0.5}, windows=2, diameters=[[1, 12, 30]]
        ),
        prompt=PromptConfig(per_window=2),
        optimizer=OptimizerConfig(warm_up_steps=1),
        run=RunConfig(steps=3, checkpoint_minutes=0, validation_objects=2, log_steps=1, threads=1, workers=0),
    )


@pytest.fixture
def tiny_data(tmp_path):
    rng = np.random.default_rng(0)
    for name, shape, count in (("discs", (80, 90), 6), ("stack", (4, 80, 90), 1)):
        for part in ("images", "labels"):
            (tmp_path / "data" / name / part).mkdir(parents=True)
        for i in range(count):
            labels = np.zeros(shape, np.uint16)
            rows, columns = np.ogrid[:80, :90]
            for label, centre in enumerate(((20, 20), (50, 60), (60, 20)), 1):
                labels[..., np.hypot(rows - centre[0], columns - centre[1]) < 8 + label] = label
            pixels = ((labels > 0) * 100 + rng.integers(0, 20, shape)).astype(np.uint8)
            tifffile.imwrite(tmp_path / "data" / name / "images" / f"{i}.tif", pixels, photometric="minisblack")
            tifffile.imwrite(tmp_path / "data" / name / "labels" / f"{i}.tif", labels, photometric="minisblack")
    return tmp_path / "data"
