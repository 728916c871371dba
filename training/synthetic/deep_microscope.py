"""What a microscope records of a volume: blur along z, haze from other planes, dimming with depth, noise."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn import functional

from training.synthetic.camera import uneven_light
from training.synthetic.shapes import Field, smooth_noise

COARSE = 4


def record(
    rng: np.random.Generator, light: Field, radius: float, step: float, photons: tuple[float, float], hazy: float
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Record a stack plane by plane.

    Parameters
    ----------
    light
        (Z, H, W), mostly in 0..1.
    radius
        Of the nuclei, pixels: blur and haze go with it.
    step
        Distance of the planes, pixels.
    photons
        Fewest and most photons at intensity 1.
    hazy
        Share of the stacks with light from far out of focus.
    """
    sigma = rng.uniform(0.7, max(1.3, radius / 6))
    along = min(sigma * rng.uniform(2, 4), 0.5 * radius) / step
    seen = ndimage.gaussian_filter(light, (along, sigma, sigma), truncate=3, mode="nearest")
    if rng.random() < hazy:
        seen += _haze(rng, light, radius, step)
    deep = np.linspace(0, 1, len(light), dtype=np.float32)[:: rng.choice([-1, 1]), None, None]
    if rng.random() < 0.3:
        # Tissue scatters: the deeper, the less sharp.
        wide = radius * rng.uniform(0.2, 0.5)
        seen += deep * rng.uniform(0.3, 0.9) * (ndimage.gaussian_filter(seen, (0, wide, wide), truncate=2) - seen)
    seen *= np.exp(-deep * rng.choice([0.0, rng.uniform(0, 1.5)]))
    seen *= uneven_light(rng, light.shape[1], rng.uniform(0, 0.25))
    if rng.random() < 0.1:
        # Shadows of a light sheet.
        stripes = smooth_noise(rng, (light.shape[1], light.shape[2]), rng.uniform(2, 12))[:, :1]
        seen *= np.maximum(1 + rng.uniform(0.02, 0.12) * stripes, 0.3)
    return _expose(rng, np.maximum(seen, 0), photons)


def _haze(rng: np.random.Generator, light: Field, radius: float, step: float) -> Field:
    """Light from planes out of focus, the wider the further away they are."""
    side = light.shape[1]
    coarse = functional.avg_pool2d(torch.from_numpy(light), COARSE, ceil_mode=True, count_include_pad=False).numpy()
    total = np.zeros_like(coarse)
    for reach in (0.4, 1.0, 2.0):
        spread = reach * radius
        sigma = (rng.uniform(1, 2) * spread / step, spread / COARSE, spread / COARSE)
        total += ndimage.gaussian_filter(coarse, sigma, truncate=2, mode="nearest") / 3
    total *= rng.uniform(0.1, 1.0)
    return functional.interpolate(torch.from_numpy(total)[None], (side, side), mode="bilinear")[0].numpy()


def _expose(
    rng: np.random.Generator, seen: Field, photons: tuple[float, float]
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    at_one = np.exp(rng.uniform(*np.log(photons)))
    if at_one < 30:
        noisy = rng.poisson(seen * at_one).astype(np.float32) / np.float32(at_one)
    else:
        # So many photons are as good as normal, which is faster.
        noisy = seen + rng.standard_normal(seen.shape, np.float32) * np.sqrt(seen / np.float32(at_one))
    noisy += rng.standard_normal(seen.shape, np.float32) * np.float32(rng.uniform(0, 0.02))
    if rng.random() < 0.25:
        # Resampled or smoothed afterwards.
        softly = rng.uniform(0.4, 0.9)
        noisy = ndimage.gaussian_filter(noisy, (0, softly, softly), truncate=3)
    if rng.random() < 0.3:
        scale = 255 / np.quantile(noisy[:, ::5, ::5], 0.999) * rng.uniform(0.5, 1.1)
        return np.asarray(np.clip((noisy + 0.02) * scale, 0, 255), np.uint8)
    return np.asarray(np.clip((noisy + 0.05) * rng.uniform(1000, 20000), 0, 65535), np.uint16)
