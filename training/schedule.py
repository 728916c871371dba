"""Progress of a run, and the learning rate that goes with it."""

import math

from training.config import OptimizerConfig, RunConfig


def progress(step: int, minutes: float, config: RunConfig) -> float:
    """How much of the run is done, 0..1, by steps or by minutes of training, whichever is further."""
    by_steps = step / config.steps if config.steps else 0.0
    by_minutes = minutes / config.minutes if config.minutes else 0.0
    return min(max(by_steps, by_minutes), 1.0)


def rate_share(step: int, done: float, config: OptimizerConfig) -> float:
    """Share of the configured learning rates: a linear warm-up, then a cosine to a small rest."""
    warm = min(1.0, (step + 1) / max(config.warm_up_steps, 1))
    cosine = 0.5 * (1 + math.cos(math.pi * done))
    return warm * (cosine * (1 - config.final_learning_rate) + config.final_learning_rate)
