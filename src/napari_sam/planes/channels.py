"""Channels of an image, chosen by name or number: up to three, in the order in which the model is shown them."""

from collections.abc import Sequence
from typing import TypeAlias

from napari_sam.errors import UserError

ChannelChoice: TypeAlias = int | str | Sequence[int | str] | None
"""One channel or up to three, by number from 0 on or by name; None for the first three."""

MOST = 3
"""The networks have three inputs."""


def chosen_channels(channel: ChannelChoice, n_channels: int, names: Sequence[str] = ()) -> tuple[int, ...] | None:
    """Return the numbers of the channels that were chosen, in the order in which they were.

    A word is a name first (in any case, if no other channel has the same one), then a number, so that 488 is the
    channel of that name. One channel is shown three times, two as (first, second, their mean).

    Parameters
    ----------
    channel
        What the user chose; None leaves the choice to the reader of windows.
    n_channels, names
        How many channels there are, and how they are called.

    Raises
    ------
    UserError
        If there is no such channel, one is chosen twice, or more than three are.
    """
    if channel is None:
        return None
    words = [channel] if isinstance(channel, int | str) else list(channel)
    chosen = tuple(_number(word, n_channels, names) for word in words)
    if not 1 <= len(chosen) <= MOST:
        raise UserError(f"Choose one to three channels to segment on, not {len(chosen)}.")
    if len(set(chosen)) < len(chosen):
        raise UserError("Choose each channel once; a single one is shown to all three inputs of the model anyhow.")
    return chosen


def _number(word: int | str, n_channels: int, names: Sequence[str]) -> int:
    if isinstance(word, str):
        wanted = word.strip()
        exact = [at for at, name in enumerate(names) if name == wanted]
        alike = exact or [at for at, name in enumerate(names) if name.lower() == wanted.lower()]
        if len(alike) == 1 and alike[0] < n_channels:
            return alike[0]
        if len(alike) > 1:
            raise UserError(f"Several channels are called {wanted}: choose by number, 0 to {n_channels - 1}.")
    try:
        number = int(word)
    except ValueError:
        number = -1
    if not 0 <= number < n_channels:
        called = f" ({', '.join(names[:n_channels])})" if names else ""
        has = "one channel only" if n_channels == 1 else f"the channels 0 to {n_channels - 1}{called}"
        raise UserError(f"There is no channel {word}: the image has {has}.")
    return number


def channel_label(number: int, names: Sequence[str] | None) -> str:
    """Return how a channel is called: its name, or its number where it has none."""
    name = names[number] if names and number < len(names) else ""
    return name or f"channel {number}"


def colours_text(names: Sequence[str]) -> str:
    """Say which channel is which input of the model, as in "GFP red, DAPI green, their mean blue".

    Parameters
    ----------
    names
        Of one to three channels, in the order in which the model is shown them.
    """
    if len(names) == 1:
        return names[0]
    parts = [f"{name} {colour}" for name, colour in zip(names, ("red", "green", "blue"), strict=False)]
    return ", ".join(parts if len(names) > 2 else [*parts, "their mean blue"])


def default_channels(n_channels: int, names: Sequence[str] | None) -> str:
    """Return how the channels are called that are shown where none are chosen."""
    return ", ".join(channel_label(number, names) for number in range(min(n_channels, MOST)))
