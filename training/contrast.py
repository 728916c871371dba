"""Scale intensities to 0..1 as the product does, and disturb them as microscopes do."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from training.config import ContrastConfig
from training.image import TrainingImage


def scale(
    rng: np.random.Generator, pixels: NDArray[np.float32], image: TrainingImage, config: ContrastConfig
) -> NDArray[np.float32]:
    """Scale (C, h, w) pixels so that 0..1 spans contrast limits: the image's, the window's own, or the data type's."""
    choice = rng.random()
    if image.pixels.dtype == np.uint8 and choice < config.unstretched:
        limits = np.array([[0, 255]], np.float32)
    elif choice < config.unstretched + config.image_limits or len(pixels) == 3:
        limits = image.limits
    else:
        flat = pixels.reshape(len(pixels), -1)[:, ::7]
        limits = np.percentile(flat, (rng.uniform(0, 3), rng.uniform(98, 100)), axis=1).T
    low = limits[:, :1, None]
    span = np.maximum(limits[:, 1:, None] - low, 1e-6)
    return ((pixels - low) / span).astype(np.float32)


def disturb(rng: np.random.Generator, pixels: NDArray[np.float32], config: ContrastConfig) -> NDArray[np.float32]:
    """Disturb (C, h, w) intensities in 0..1 and return them as (3, h, w), cut to -.5..1.5."""
    height, width = pixels.shape[1:]
    pixels = np.clip(pixels, -0.5, 1.5)
    if len(pixels) == 3 and rng.random() < config.grey:
        weights = rng.dirichlet([2, 2, 2]).astype(np.float32)
        pixels = np.tensordot(weights, pixels, 1)[None]
    if rng.random() < config.filtered:
        pixels = filtered(rng, pixels)
    if rng.random() < config.blur:
        sigma = float(rng.uniform(0.4, 1.6))
        pixels = ndimage.gaussian_filter(pixels, (0, sigma, sigma), truncate=2.5)
    exponent = np.exp(rng.normal(0, config.gamma))
    pixels = np.where(pixels > 0, np.abs(pixels) ** exponent, pixels)
    if rng.random() < config.invert:
        pixels = 1 - pixels
    if rng.random() < config.shading:
        low_frequency = rng.normal(0, 0.3, (3, 3)).astype(np.float32)
        shade = ndimage.zoom(low_frequency, (height / 3, width / 3), order=1)
        pixels = pixels * (1 + shade) if rng.random() < 0.5 else pixels + 0.7 * shade
    gain = np.exp(rng.normal(0, config.gain))
    offset = rng.normal(0, 0.06)
    if rng.random() < config.dim:
        gain, offset = rng.uniform(0.1, 0.5), rng.uniform(0, 0.5)
    pixels = pixels * gain + offset
    if rng.random() < config.noise:
        pixels = pixels + rng.standard_normal(pixels.shape, np.float32) * rng.uniform(0.01, 0.12) * min(gain, 1)
    if len(pixels) == 1 and rng.random() < config.tint:
        pixels = pixels * rng.uniform(0, 1, (3, 1, 1)) ** 0.5
    pixels = np.clip(pixels, -0.5, 1.5).astype(np.float32)
    return np.ascontiguousarray(np.broadcast_to(pixels, (3, height, width)))


def filtered(rng: np.random.Generator, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same objects as another modality might show them: through a random filter, or with even local contrast.

    A random filter (Xu et al., Robust and generalizable visual representation learning via random convolutions, ICLR
    2021) keeps shapes and makes textures, edges and polarity new: halos, relief, bright or dark borders.

    Parameters
    ----------
    rng
        Random numbers.
    pixels
        (C, h, w); C is 1 or 3.

    Returns
    -------
    (C, h, w), mostly in 0..1.
    """
    if rng.random() < 0.25:
        sigma = float(np.exp(rng.uniform(np.log(4), np.log(32))))
        local = ndimage.gaussian_filter(pixels, (0, sigma, sigma), truncate=2)
        spread = np.sqrt(ndimage.gaussian_filter((pixels - local) ** 2, (0, sigma, sigma), truncate=2))
        other = (pixels - local) / (spread + 0.02)
    else:
        channels = len(pixels)
        size = int(rng.choice([1, 3, 5, 7], p=[0.1, 0.4, 0.3, 0.2]))
        kernel = rng.standard_normal((channels, channels, size, size), np.float32)
        padded = np.pad(pixels, ((0, 0), (size // 2, size // 2), (size // 2, size // 2)), mode="reflect")
        other = torch.nn.functional.conv2d(torch.from_numpy(padded)[None], torch.from_numpy(kernel))[0].numpy()
    low, high = np.percentile(other[:, ::4, ::4], (0.5, 99.5))
    other = (other - low) / max(high - low, 1e-6)
    share = rng.uniform(0.3, 1)
    return np.asarray(share * other + (1 - share) * pixels, np.float32)
