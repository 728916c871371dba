"""Label images of shapes."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from torch.nn import functional

Labels = NDArray[np.int32]
Field = NDArray[np.float32]


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> Field:
    """Gaussian noise with a correlation length of `scale` pixels, mean 0, standard deviation 1."""
    return smooth_volume(rng, (1, *shape), scale, 1)[0]


def broad_noise(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> Field:
    """Like `smooth_noise`, made at a lower resolution if it is smooth enough, which is faster."""
    factor = int(np.clip(scale / 3, 1, 8))
    if factor == 1:
        return smooth_noise(rng, shape, scale)
    coarse = smooth_noise(rng, (shape[0] // factor + 2, shape[1] // factor + 2), scale / factor)
    full = (coarse.shape[0] * factor, coarse.shape[1] * factor)
    noise = functional.interpolate(torch.from_numpy(coarse)[None, None], full, mode="bilinear")[0, 0].numpy()
    start = factor // 2
    return np.ascontiguousarray(noise[start : start + shape[0], start : start + shape[1]])


def smooth_volume(rng: np.random.Generator, shape: tuple[int, int, int], scale: float, step: float) -> Field:
    """The same in a volume whose planes are `step` pixels apart; along z no finer than the planes."""
    lengths = (shape[0] * step, shape[1], shape[2])
    coarse = [int(np.ceil(length / max(scale, least))) + 3 for length, least in zip(lengths, (step, 1, 1), strict=True)]
    if shape[0] == 1:
        coarse[0] = 1
    # One more than the wanted intervals, of which any part is shown.
    fine = [round(length * n / (n - 1)) if n > 1 else 1 for length, n in zip(shape, coarse, strict=True)]
    values = torch.from_numpy(rng.standard_normal(coarse, np.float32))
    noise = functional.interpolate(values[None], fine[1:], mode="bicubic", align_corners=True)[0].numpy()
    rows, columns = (rng.integers(max(have - want, 0) + 1) for have, want in zip(fine[1:], shape[1:], strict=True))
    noise = noise[:, rows : rows + shape[1], columns : columns + shape[2]]
    if shape[0] > 1:
        along_z = functional.interpolate(
            torch.eye(coarse[0])[None, None], (fine[0], coarse[0]), mode="bicubic", align_corners=True
        )
        noise = np.tensordot(along_z[0, 0, : shape[0]].numpy(), noise, 1)
    return np.asarray((noise - noise.mean()) / max(noise.std(), 1e-6), np.float32)


def blobs(
    rng: np.random.Generator,
    side: int,
    count: int,
    radius: tuple[float, float],
    elongation: float = 0.25,
    waviness: float = 0.08,
    overlap: float = 0.15,
    crowding: float = 0.0,
) -> Labels:
    """Wavy ellipses, placed one after the other.

    Parameters
    ----------
    count
        How many are tried.
    radius
        Smallest and largest mean radius, pixels.
    elongation
        Standard deviation of the logarithm of the ratio of the axes.
    waviness
        Amplitude of the outline's waves, of the radius.
    overlap
        Share of a blob that may lie under earlier ones; it loses these pixels.
    crowding
        Share of the blobs that are placed beside an earlier one.
    """
    labels = np.zeros((side, side), np.int32)
    placed: list[tuple[float, float, float]] = []
    middle = np.exp(rng.uniform(*np.log(radius)))
    for _ in range(count):
        size = float(np.clip(middle * np.exp(rng.normal(0, 0.2)), *radius))
        if placed and rng.random() < crowding:
            row, column, other = placed[rng.integers(len(placed))]
            angle, reach = rng.uniform(0, 2 * np.pi), (size + other) * rng.uniform(0.85, 1.1)
            row, column = row + reach * np.sin(angle), column + reach * np.cos(angle)
        else:
            row, column = rng.uniform(-0.5 * size, side + 0.5 * size, 2)
        region, shape = blob(rng, side, (row, column), size, elongation, waviness)
        free = shape & (labels[region] == 0)
        if free.sum() < max(12, (1 - overlap) * shape.sum()):
            continue
        placed.append((row, column, size))
        labels[region][free] = len(placed)
    return labels


def blob(
    rng: np.random.Generator, side: int, centre: tuple[float, float], radius: float, elongation: float, waviness: float
) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
    """The region of one wavy ellipse, and its mask there."""
    reach = 2.2 * radius + 2
    region = tuple(slice(max(0, int(at - reach)), max(0, min(side, int(at + reach) + 1))) for at in centre)
    rows, columns = np.ogrid[region]
    angle, ratio = rng.uniform(0, np.pi), np.exp(abs(rng.normal(0, elongation)) / 2)
    down, right = rows - centre[0], columns - centre[1]
    along = (right * np.cos(angle) + down * np.sin(angle)) / ratio
    across = (-right * np.sin(angle) + down * np.cos(angle)) * ratio
    theta = np.arctan2(across, along)
    limit = np.full(theta.shape, radius)
    for frequency in range(2, 6):
        limit += radius * waviness * rng.normal() / (frequency - 1) * np.cos(frequency * theta + rng.uniform(0, 6.3))
    return region, np.hypot(along, across) < limit  # type: ignore[return-value]


def cells(rng: np.random.Generator, side: int, diameter: float, regularity: int = 1, waviness: float = 0.15) -> Labels:
    """A gapless tiling: Voronoi cells of relaxed points, with wavy borders.

    Parameters
    ----------
    diameter
        Mean, pixels.
    regularity
        Steps of Lloyd's relaxation.
    waviness
        Displacement of the borders, of the diameter.
    """
    count = max(4, int((side / diameter + 2) ** 2))
    points = rng.uniform(-diameter, side + diameter, (count, 2))
    grid = np.stack(
        np.mgrid[-diameter : side + diameter : diameter / 6, -diameter : side + diameter : diameter / 6], -1
    )
    flat = grid.reshape(-1, 2)
    for _ in range(regularity):
        nearest = cKDTree(points).query(flat)[1]
        weight = np.maximum(np.bincount(nearest, minlength=count), 1)[:, None]
        sums = np.stack([np.bincount(nearest, flat[:, axis], minlength=count) for axis in (0, 1)], 1)
        points = np.where(np.bincount(nearest, minlength=count)[:, None] > 0, sums / weight, points)
    where = np.stack(np.mgrid[:side, :side], -1).astype(float)
    for axis in (0, 1):
        where[..., axis] += smooth_noise(rng, (side, side), diameter * 0.4) * waviness * diameter
    nearest = cKDTree(points).query(where.reshape(-1, 2))[1].reshape(side, side)
    return tidy(nearest.astype(np.int32) + 1)


def capsules(
    rng: np.random.Generator,
    side: int,
    count: int,
    width: float,
    length: tuple[float, float],
    bend: float,
    crowd: float,
) -> Labels:
    """Rods: everything nearer than half the width to a bent centre line.

    Parameters
    ----------
    count
        How many are tried.
    width
        Mean, pixels.
    length
        Smallest and largest, in widths.
    bend
        Standard deviation of the total turn, radians.
    crowd
        Share of the rods that lie beside or behind an earlier one.
    """
    labels = np.zeros((side, side), np.int32)
    placed: list[tuple[float, float, float, float]] = []
    for _ in range(count):
        own = width * np.exp(rng.normal(0, 0.08))
        long = own * np.exp(rng.uniform(*np.log(length)))
        angle = rng.uniform(0, 2 * np.pi)
        row, column = rng.uniform(0, side, 2)
        if placed and rng.random() < crowd:
            row, column, angle, other = placed[rng.integers(len(placed))]
            if rng.random() < 0.5:
                row, column = row + 1.05 * own * np.cos(angle), column - 1.05 * own * np.sin(angle)
            else:
                reach = (other + long) / 2 + 0.3 * own
                row, column = row + reach * np.sin(angle), column + reach * np.cos(angle)
            angle += rng.normal(0, 0.12)
        steps = np.linspace(-0.5, 0.5, max(8, int(long / 2)))
        turned = angle + rng.normal(0, bend) * steps + rng.normal(0, bend / 2) * steps**2
        spine = np.stack([np.cumsum(np.sin(turned)), np.cumsum(np.cos(turned))], 1) * (long - own) / len(steps)
        spine += np.array([row, column]) - spine[len(spine) // 2]
        low = np.maximum(np.floor(spine.min(0) - own), 0).astype(int)
        high = np.minimum(np.ceil(spine.max(0) + own) + 1, side).astype(int)
        if (high - low < 2).any():
            continue
        region = np.s_[low[0] : high[0], low[1] : high[1]]
        rows, columns = np.mgrid[region]
        distance = np.full(rows.shape, np.inf)
        for at in spine:
            np.minimum(distance, np.hypot(rows - at[0], columns - at[1]), out=distance)
        shape = distance < own / 2
        if shape.sum() < 12 or (labels[region][shape] > 0).mean() > 0.06:
            continue
        placed.append((row, column, angle, long))
        labels[region][shape & (labels[region] == 0)] = len(placed)
    return labels


def tidy(labels: Labels) -> Labels:
    """Keep the largest piece of every label and number them from 1; the other pieces become background."""
    out = np.zeros_like(labels)
    count = 0
    for label, region in enumerate(ndimage.find_objects(labels), 1):
        if region is None:
            continue
        pieces, number = ndimage.label(labels[region] == label)
        largest = 1 + int(np.argmax(np.bincount(pieces.ravel())[1:])) if number > 1 else 1
        count += 1
        out[region][pieces == largest] = count
    return out


def depth(labels: Labels, *, outside_too: bool = True) -> Field:
    """Distance to the own object's border: positive inside, negative outside, in pixels; 0.5 at the border pixels.

    Where what is outside does not matter, it can be -1 everywhere, in half the time.
    """
    padded = np.pad(labels, 1, mode="edge")
    border = np.zeros(labels.shape, bool)
    middle = padded[1:-1, 1:-1]
    for near in (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]):
        border |= near != middle
    inside = np.asarray(ndimage.distance_transform_edt(~border)) + 0.5
    if not outside_too or (labels > 0).all():
        return np.where(labels > 0, inside, -1).astype(np.float32)
    outside = np.asarray(ndimage.distance_transform_edt(labels == 0)) - 0.5
    return np.where(labels > 0, inside, -outside).astype(np.float32)


def per_object(rng: np.random.Generator, labels: Labels, low: float, high: float) -> Field:
    """A random value for every object, 0 outside."""
    values = rng.uniform(low, high, labels.max() + 1).astype(np.float32)
    values[0] = 0
    return values[labels]
