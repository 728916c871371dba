"""A colour for each id, which stays the same in every file."""

import colorsys

# Turned on by this part of the circle, hues that follow each other are far apart, however many there are.
_GOLDEN = 0.6180339887498949


def label_colour(label: int) -> tuple[int, int, int]:
    """Return the colour of an id: red, green and blue, 0..255."""
    red, green, blue = colorsys.hsv_to_rgb(label * _GOLDEN % 1, 0.7, 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)
