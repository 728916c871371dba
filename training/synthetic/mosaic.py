"""Gapless tilings of very mixed cells, and worms: bent, branched bodies with coordinates along and across them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from training.synthetic.shapes import Field, Labels, broad_noise, tidy
from training.synthetic.solids import Points, Solids, fill

REACH = 1.9
"""How far a cell can go where nothing is in its way, in its radii."""


def mosaic(
    rng: np.random.Generator, side: int, diameter: float, uneven: float, elongation: float, warp: float
) -> Labels:
    """Cells of mixed sizes and directions that leave no gap.

    Parameters
    ----------
    diameter
        Middle one, pixels.
    uneven
        Standard deviation of the logarithm of the diameter.
    elongation
        Standard deviation of the logarithm of the ratio of the axes.
    warp
        Displacement of the borders, of the diameter.
    """
    margin = int(0.5 * diameter + 2)
    full = side + 2 * margin
    points, radii = scattered(rng, np.array([full, full]), diameter, uneven)
    count = len(points)
    # Neighbours run in similar directions, as fibres of a tract do.
    turn = rng.uniform(0, np.pi) + rng.normal(0, rng.choice([0.2, 0.7, 3.0]), count)
    ratio = np.exp(np.abs(rng.normal(0, elongation, count)) / 2)
    axes = np.zeros((count, 3, 3))
    axes[:, 0, 0] = radii
    along, across = radii * ratio, radii / ratio
    axes[:, 1, 1], axes[:, 2, 1] = along * np.sin(turn), along * np.cos(turn)
    axes[:, 1, 2], axes[:, 2, 2] = across * np.cos(turn), -across * np.sin(turn)
    centres = np.column_stack([np.zeros(count), points])
    solids = Solids(centres, axes * REACH, radii, np.zeros(count))
    still = np.zeros((1, full, full), np.float32)
    labels = fill(solids, (1, full, full), 1, still, 0)[0][0]
    # What no cell reaches is a cell as well: a concave one that runs between the others.
    left, _ = ndimage.label(labels == 0)
    labels = np.where(labels > 0, labels, left + count)
    shifts = [warp * diameter * broad_noise(rng, (side, side), diameter * rng.uniform(0.4, 0.9)) for _ in range(2)]
    rows, columns = np.mgrid[margin : margin + side, margin : margin + side]
    where = [
        np.clip(np.rint(at + shift), 0, full - 1).astype(int) for at, shift in zip((rows, columns), shifts, strict=True)
    ]
    return _without_crumbs(labels[where[0], where[1]])


def scattered(rng: np.random.Generator, extent: Points, diameter: float, uneven: float) -> tuple[Points, Points]:
    """Points and radii of mixed spheres that keep out of each other's middles, in a box of any dimension."""
    radii_drawn = 0.5 * diameter * np.exp(np.clip(rng.normal(0, uneven, 4000), -2 * uneven, 2.2 * uneven))
    share = np.mean(radii_drawn ** len(extent)) * 2 ** len(extent)
    count = int(np.clip(2.2 * np.prod(extent) / share, 6, 4000))
    radii = np.sort(radii_drawn[:count])[::-1]
    points = rng.uniform(0, extent, (count, len(extent)))
    pairs = cKDTree(points).query_pairs(float(1.5 * radii[0]), output_type="ndarray")
    first, second = pairs.min(1), pairs.max(1)
    apart = np.linalg.norm(points[first] - points[second], axis=1)
    near = apart < 0.8 * radii[first] + 0.5 * radii[second]
    kept = np.ones(count, bool)
    for one, other in sorted(zip(first[near].tolist(), second[near].tolist(), strict=True)):
        if kept[one]:
            kept[other] = False
    return points[kept], radii[kept]


def _without_crumbs(labels: Labels) -> Labels:
    """All pixels belong to a cell in one piece: what is cut off goes to the cell next to it."""
    tidied = tidy(labels)
    areas = np.bincount(tidied.ravel())
    tidied[(areas < 12)[tidied]] = 0
    if (tidied > 0).all():
        return tidied
    empty = tidied == 0
    # Few pixels are empty: a tree of what surrounds them is faster than a distance transform.
    around = np.argwhere(ndimage.binary_dilation(empty, np.ones((3, 3))) & ~empty)
    nearest = around[cKDTree(around).query(np.argwhere(empty))[1]]
    tidied[empty] = tidied[nearest[:, 0], nearest[:, 1]]
    return tidied


@dataclass(frozen=True)
class Worms:
    """Bent bodies.

    Attributes
    ----------
    labels
        (h, w).
    along
        (h, w) way along the body's middle line to each pixel, pixels.
    across
        (h, w) distance from that line, negative on one side of it, in half widths.
    """

    labels: Labels
    along: Field
    across: Field


def worms(
    rng: np.random.Generator,
    side: int,
    middles: Points,
    width: NDArray[np.float64],
    length: NDArray[np.float64],
    bend: float,
    branched: float,
    uneven: float,
    overlap: float = 0.1,
    waviness: float = 0.0,
    turns: NDArray[np.float64] | None = None,
) -> Worms:
    """One worm at each of the places, unless earlier ones are in its way.

    Parameters
    ----------
    middles
        (N, 2).
    width, length
        (N,), pixels.
    bend
        Standard deviation of the turn per width along the body, radians.
    branched
        Share of worms with an arm.
    uneven
        Standard deviation of the logarithm of the width along a body.
    overlap
        Share of a worm that may lie under earlier ones; it loses these pixels.
    waviness
        How far the outline strays, of the half width.
    turns
        (N,) directions of the middle, radians; random ones without.
    """
    labels = np.zeros((side, side), np.int32)
    along, across = np.zeros((2, side, side), np.float32)
    waves = waviness * broad_noise(rng, (side, side), float(0.5 * width.mean())) if len(width) else along
    count = 0
    turns = rng.uniform(0, 2 * np.pi, len(middles)) if turns is None else turns
    for middle, turn, wide, long in zip(middles, turns, width, length, strict=True):
        path, radii = _path(rng, middle, turn, wide, long, bend, uneven)
        pieces = [(path, radii, 0.0)]
        if rng.random() < branched:
            start = int(rng.integers(len(path)))
            arm, thin = _path(
                rng,
                path[start],
                turn + rng.choice([-1, 1]) * rng.uniform(0.6, 1.6),
                wide * rng.uniform(0.6, 1),
                long * rng.uniform(0.3, 0.7),
                bend,
                uneven,
            )
            pieces.append((arm + path[start] - arm[0], thin, float(start * long / len(path))))
        ends = np.concatenate([piece for piece, _, _ in pieces])
        reach = max(piece.max() for _, piece, _ in pieces) + 1
        low = np.maximum(np.floor(ends.min(0) - reach), 0).astype(int)
        high = np.minimum(np.ceil(ends.max(0) + reach) + 1, side).astype(int)
        if (high - low < 2).any():
            continue
        box = np.s_[low[0] : high[0], low[1] : high[1]]
        nearest, way, off = _nearest(np.arange(low[0], high[0])[:, None], np.arange(low[1], high[1]), pieces)
        shape = nearest + waves[box] < 1
        area, taken = shape.sum(), (labels[box][shape] > 0).sum()
        if area < 12 or taken > overlap * area:
            continue
        count += 1
        shape &= labels[box] == 0
        labels[box][shape], along[box][shape], across[box][shape] = count, way[shape], off[shape]
    return Worms(labels, along, across)


def _path(
    rng: np.random.Generator, middle: Points, turn: float, wide: float, long: float, bend: float, uneven: float
) -> tuple[Points, Points]:
    """Points of a bent line, and half widths there."""
    straight = max(long - wide, 0.3 * wide)
    steps = int(np.clip(straight / (0.8 * wide), 1, 30)) + 1
    step = straight / (steps - 1)
    turns = np.cumsum(rng.normal(0, bend * np.sqrt(step / wide), steps))
    turns += turn - turns[steps // 2]
    path = np.cumsum(step * np.column_stack([np.sin(turns), np.cos(turns)]), 0)
    return path - path[steps // 2] + middle, 0.5 * wide * np.exp(np.clip(rng.normal(0, uneven, steps), -0.8, 0.5))


def _nearest(
    rows: NDArray[np.int64], columns: NDArray[np.int64], pieces: list[tuple[Points, Points, float]]
) -> tuple[Field, Field, Field]:
    """Distance in half widths, way along and signed distance of every pixel from the nearest segment."""
    shape = (len(rows), len(columns))
    nearest, way, off = np.full(shape, np.inf, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for path, radii, begun in pieces:
        done = begun
        for start, end, thick, thicker in zip(path, path[1:], radii, radii[1:], strict=False):
            direction = end - start
            long = float(np.hypot(*direction))
            # Only what is near the segment can be nearest to it.
            reach = 1.3 * max(thick, thicker) + 1
            low, high = np.minimum(start, end) - reach, np.maximum(start, end) + reach
            near = tuple(
                np.searchsorted(at.ravel(), (low[axis], high[axis])) for axis, at in enumerate((rows, columns))
            )
            box = np.s_[near[0][0] : near[0][1], near[1][0] : near[1][1]]
            down = (rows[box[0]] - start[0]).astype(np.float32)
            right = (columns[box[1]] - start[1]).astype(np.float32)
            forward = (down * np.float32(direction[0]) + right * np.float32(direction[1])) / np.float32(long)
            beside = (right * np.float32(direction[0]) - down * np.float32(direction[1])) / np.float32(long)
            at = np.clip(forward, 0, np.float32(long))
            half = np.float32(thick) + at * np.float32((thicker - thick) / long)
            distance = np.sqrt((forward - at) ** 2 + beside**2) / half
            closer = distance < nearest[box]
            nearest[box][closer] = distance[closer]
            way[box][closer] = forward[closer] + np.float32(done)
            off[box][closer] = (beside / half)[closer]
            done += long
    return nearest, way, off


def deep_places(rng: np.random.Generator, inside: Field, least: float, count: int) -> Points:
    """Random pixels at least so deep inside an object."""
    places = np.argwhere(inside > least)
    return places[rng.integers(len(places), size=count)].astype(float) if len(places) else np.zeros((0, 2))


def within(labels: Labels, hosts: Labels, inside: Field, away: float, least: float) -> Labels:
    """Of every object the part that lies in a single host and off its border; none if less than a share is left."""
    kept = np.zeros_like(labels)
    for label, region in enumerate(ndimage.find_objects(labels), 1):
        if region is None:
            continue
        own = labels[region] == label
        deep = own & (inside[region] > away)
        if not deep.any():
            continue
        owner = np.bincount(hosts[region][deep]).argmax()
        left = deep & (hosts[region] == owner)
        if left.sum() >= least * own.sum():
            kept[region][left] = label
    return tidy(kept)
