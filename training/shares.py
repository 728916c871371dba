"""Draw one of several things, as often as its share says."""

from collections.abc import Mapping
from typing import TypeVar

import numpy as np

Thing = TypeVar("Thing")


def draw_by_share(rng: np.random.Generator, shares: Mapping[Thing, float]) -> Thing:
    """One of the keys; the shares are relative, and need not sum to 1."""
    weights = np.array(list(shares.values()))
    return list(shares)[rng.choice(len(weights), p=weights / weights.sum())]
