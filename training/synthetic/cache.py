"""Generate images once per run and keep them on disk."""

from pathlib import Path

import numpy as np

from training.config import DataConfig
from training.image import TrainingImage, make_training_image
from training.synthetic.kinds import KINDS


def read_or_generate(kind: str, config: DataConfig, folder: Path, seed: int) -> list[TrainingImage]:
    """The generated images of one kind, from `folder` if they were generated before with the same settings."""
    path = folder / f"{kind}-{config.synthetic_images}x{config.synthetic_side}-{seed}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng([seed, *kind.encode()])
        pairs = [KINDS[kind](rng, config.synthetic_side) for _ in range(config.synthetic_images)]
        arrays = {f"{what}{i}": array for i, pair in enumerate(pairs) for what, array in zip("il", pair, strict=True)}
        with path.with_suffix(".partial").open("wb") as file:
            np.savez(file, **arrays)
        path.with_suffix(".partial").replace(path)
    with np.load(path) as stored:
        images = [
            make_training_image(f"{kind}/{i}", stored[f"i{i}"], stored[f"l{i}"]) for i in range(config.synthetic_images)
        ]
    return [image for image in images if image is not None]
