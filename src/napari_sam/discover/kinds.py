"""Kinds of objects: what objects are like, and whether those of a plane fall into two kinds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_sam.discover.proposals import CONFIDENCE

# Chosen on the training images and generated ones (docs/log-of-measurements.md, "Alike").
FEWEST = 6
"""Objects from which on kinds are told apart."""
LEAST_GAIN, SURE_GAIN = 4.0, 8.0
"""Gain in log likelihood, less its price, of two kinds over one: from which it counts, and counts fully."""
LEAST_GAP, SURE_GAP = 4.0, 5.0
"""Distance of the two means in standard deviations, likewise; the halves of one normal distribution are 2.7 apart."""
SMALLEST_KIND = 3.0
"""Objects that a kind has at least."""
NARROWER = 0.4
"""Standard deviation of a kind at least, as a share of the other's: a single object is no kind."""
LOGITS = 6.0
"""By which an object of the examples' kind is likelier to be wanted, of each trait in which the kinds differ."""
STEPS = 40
"""Of expectation maximisation (chosen)."""


@dataclass(frozen=True, eq=False)
class ObjectTraits:
    """The traits of N objects.

    Parameters
    ----------
    embedding
        (N, C) float, the image embedding's mean inside each.
    measures
        (N, 4) float: brightness as the network sees it, log2 of its standard deviation inside, log2 of the diameter in
        units, log2 of the ratio of the axes.
    """

    embedding: NDArray[np.float64]
    measures: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.measures)


@dataclass(frozen=True, eq=False)
class ObjectKind:
    """A kind of object, known from examples; their image is not needed any more.

    Parameters
    ----------
    examples
        The traits of the examples.
    level
        Level at which they were seen.
    model
        Name and digest of the model that saw them: for any other, the embedding means nothing.
    """

    examples: ObjectTraits
    level: int
    model: tuple[str, str]

    @property
    def diameter(self) -> float:
        """Median diameter of the examples, in units."""
        return float(2 ** np.median(self.examples.measures[:, 2]))


def likeness(
    confidence: NDArray[np.float64],
    candidates: ObjectTraits,
    examples: ObjectTraits,
    spread: NDArray[np.float64],
    sure: Sequence[int],
) -> NDArray[np.float64]:
    """Tell how likely it is that each candidate is an object of the examples' kind.

    Without examples it would be the confidence, moved so that .5 stands where everything draws its line. In each trait
    (embedding, brightness, texture, size, elongation) in which the objects of the plane clearly fall into two kinds, it
    is raised for the kind of the examples and lowered for the other.

    Parameters
    ----------
    confidence
        (N,) that each is an object at all, 0..1.
    candidates
        Traits of N candidates.
    examples
        Traits of the examples; their order does not matter.
    spread
        (C,) standard deviation of the image embedding over the plane.
    sure
        Candidates that are the objects of the plane as far as is known: kinds are told apart by these.

    Returns
    -------
    ndarray
        (N,) 0..1.
    """
    own = np.clip(confidence, 1e-3, 1 - 1e-3)
    logits = np.log(own / (1 - own)) - np.log(CONFIDENCE / (1 - CONFIDENCE))
    if len(sure) + 1 >= FEWEST:
        known = list(sure)
        votes = np.zeros((len(examples), len(candidates)))
        middle = candidates.embedding[known].mean(0)
        directions = _unit((candidates.embedding - middle) / spread)
        for at in range(len(examples)):
            toward = _unit((examples.embedding[at : at + 1] - middle) / spread)[0]
            votes[at] += same_kind(directions @ toward, 1.0, known)
            for trait in range(candidates.measures.shape[1]):
                votes[at] += same_kind(candidates.measures[:, trait], float(examples.measures[at, trait]), known)
        # Sorted, so that the order of the examples changes no bit.
        logits += LOGITS * np.sort(votes, axis=0).mean(axis=0)
    return np.asarray(1 / (1 + np.exp(-logits)))


def same_kind(values: NDArray[np.float64], example: float, known: Sequence[int]) -> NDArray[np.float64]:
    """Tell which values belong to the kind of an example.

    A mixture of two normal distributions is fitted by expectation maximisation (Dempster, Laird and Rubin, 1977) and
    compared with a single one by the Bayesian information criterion (Schwarz, 1978).

    Parameters
    ----------
    values
        (N,) of one trait.
    example
        The example's.
    known
        The values that the kinds are told apart by, along with the example's.

    Returns
    -------
    ndarray
        (N,) -1..1: 1 for the example's kind, -1 for the other, 0 throughout where there is but one.
    """
    fitted = np.append(values[list(known)], example)
    kinds = _two_kinds(fitted)
    if kinds is None:
        return np.zeros(len(values))
    means, deviations, certainty = kinds

    def upper(at: NDArray[np.float64]) -> NDArray[np.float64]:
        # Beyond a mean nothing is told but that: the wider of the two would take both ends.
        within = at.clip(means[0], means[1])
        away = ((within[..., None] - means) / deviations) ** 2 / 2 + np.log(deviations)
        return np.clip(away[..., 0] - away[..., 1], -6, 6)

    own = float(np.tanh(upper(np.array(example)) / 2))
    return np.asarray(certainty * own * np.tanh(upper(values) / 4))


def _two_kinds(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], float] | None:
    """Return (2,) means, ascending, and (2,) deviations of two kinds, and how sure it is that there are two, 0..1."""
    count, deviation = len(values), float(values.std())
    if count < FEWEST or deviation < 1e-9:
        return None
    below = values <= _threshold(values)
    means = np.array([values[below].mean(), values[~below].mean()])
    deviations = np.array([values[below].std(), values[~below].std()])
    shares = np.array([below.mean(), 1 - below.mean()])
    for _ in range(STEPS):
        deviations = np.maximum(deviations, max(NARROWER * deviations.max(), 0.05 * deviation))
        logs = np.log(shares / deviations) - ((values[:, None] - means) / deviations) ** 2 / 2
        total = np.logaddexp(logs[:, 0], logs[:, 1])
        belongs = np.exp(logs - total[:, None])
        sizes = belongs.sum(0) + 1e-9
        shares, means = sizes / sizes.sum(), (belongs * values[:, None]).sum(0) / sizes
        deviations = np.sqrt((belongs * (values[:, None] - means) ** 2).sum(0) / sizes)
    deviations = np.maximum(deviations, max(NARROWER * deviations.max(), 0.05 * deviation))
    logs = np.log(shares / deviations) - ((values[:, None] - means) / deviations) ** 2 / 2
    # Three parameters more, half the logarithm of the count for each.
    gain = float(np.logaddexp(logs[:, 0], logs[:, 1]).sum()) + count * (np.log(deviation) + 0.5) - 1.5 * np.log(count)
    gap = float((means[1] - means[0]) / np.sqrt((deviations**2).mean()))
    certainty = min((gain - LEAST_GAIN) / (SURE_GAIN - LEAST_GAIN), 1) * min(
        (gap - LEAST_GAP) / (SURE_GAP - LEAST_GAP), 1
    )
    if sizes.min() < SMALLEST_KIND or gain <= LEAST_GAIN or gap <= LEAST_GAP:
        return None
    return means, deviations, certainty


def _threshold(values: NDArray[np.float64]) -> float:
    """Return where two groups of values differ most from each other (Otsu, 1979), two at least in each."""
    ordered = np.sort(values)
    sums = np.cumsum(ordered)
    below = np.arange(2, len(ordered) - 1)
    low, high = sums[below - 1] / below, (sums[-1] - sums[below - 1]) / (len(ordered) - below)
    best = int((below * (len(ordered) - below) * (high - low) ** 2).argmax())
    return float((low[best] + high[best]) / 2)


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9))
