"""From an ideal picture to stored pixels."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.synthetic.shapes import Field, smooth_noise


def photograph(
    rng: np.random.Generator, ideal: NDArray[np.float32], blur: tuple[float, float], photons: tuple[float, float]
) -> NDArray[np.uint16]:
    """Blur, shot noise and read noise.

    Parameters
    ----------
    ideal
        (h, w) or (h, w, 3), mostly in 0..1.
    blur
        Smallest and largest standard deviation of the point spread function, pixels.
    photons
        Fewest and most photons at intensity 1.

    Returns
    -------
    16-bit integers; intensity 1 is anywhere between 2000 and 40000.
    """
    sigma = rng.uniform(*blur)
    seen = np.maximum(ndimage.gaussian_filter(ideal, (sigma, sigma, 0)[: ideal.ndim]), 0)
    at_one = np.exp(rng.uniform(*np.log(photons)))
    if at_one < 30:
        noisy = rng.poisson(seen * at_one) / at_one
    else:
        # So many photons are as good as normal, which is faster.
        noisy = seen + rng.standard_normal(seen.shape, np.float32) * np.sqrt(seen / np.float32(at_one))
    noisy = noisy + rng.standard_normal(seen.shape, np.float32) * np.float32(rng.uniform(0, 0.015))
    return np.clip((noisy + 0.05) * rng.uniform(2000, 40000), 0, 65535).astype(np.uint16)


def photograph_colour(rng: np.random.Generator, ideal: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Like `photograph`, as 8-bit colour in 0..255 for (h, w, 3) in 0..1."""
    sigma = rng.uniform(0.4, 1.3)
    seen = ndimage.gaussian_filter(ideal, (sigma, sigma, 0)) + rng.normal(0, rng.uniform(0.005, 0.03), ideal.shape)
    return (np.clip(seen, 0, 1) * 255).astype(np.uint8)


def uneven_light(rng: np.random.Generator, side: int, strength: float) -> Field:
    """A slowly varying factor around 1."""
    return np.maximum(1 + strength * smooth_noise(rng, (side, side), side / 1.5), 0.2).astype(np.float32)
