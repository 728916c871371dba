"""Words of the command line -> numbers."""

import math
from collections.abc import Collection

from napari_sam.errors import UserError


def read_numbers(option: str, text: str, counts: Collection[int]) -> tuple[float, ...]:
    """The finite numbers of a comma-separated list.

    Parameters
    ----------
    option
        Name of the option, for the error.
    text
        What the user wrote.
    counts
        How many numbers there may be.

    Raises
    ------
    UserError
        If it is no such list.
    """
    try:
        numbers = tuple(float(word) for word in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in counts or not all(math.isfinite(number) for number in numbers):
        expected = " or ".join(str(count) for count in sorted(counts))
        raise UserError(f"{option} takes {expected} numbers separated by commas, but got {text!r}.")
    return numbers


def read_index(option: str, text: str, numbers: tuple[float, ...], lengths: tuple[int, ...]) -> tuple[int, ...]:
    """Whole positions along the axes in front of the plane, each within its axis.

    Parameters
    ----------
    option, text
        Name of the option and what the user wrote, for the error.
    numbers, lengths
        One position per axis, and how long the axes are.

    Raises
    ------
    UserError
        If a position is not whole or the axis is too short for it.
    """
    for axis, (number, length) in enumerate(zip(numbers, lengths, strict=True)):
        if number != int(number):
            raise UserError(f"{option} {text} names the plane {number:g}, but planes have whole numbers.")
        if not 0 <= number < length:
            raise UserError(
                f"{option} {text} names plane {number:g} of axis {axis}, "
                f"but the image has planes 0 to {length - 1} there."
            )
    return tuple(int(number) for number in numbers)
