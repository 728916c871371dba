"""The features and colours of prompts in the plugin's layers."""

from collections.abc import Iterable, Sequence

import numpy as np
from napari.layers import Points, Shapes
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.plugin.layer_prompts import NEGATIVE, POSITIVE, STROKES, Axes, axes_text, column

COLOURS = {POSITIVE: "#21d04f", NEGATIVE: "#ff3b30"}
REGION_COLOUR = "#ffd60a"
"""Of boxes and outlines."""


def features_of(prompts: Sequence[tuple[bool, Axes]], label: int) -> dict[str, NDArray[np.object_]]:
    """The table of features for prompts of one object.

    Parameters
    ----------
    prompts
        Whether each adds, and its displayed axes.
    label
        The object's id; 0 while it is not known.
    """
    rows = [(POSITIVE if positive else NEGATIVE, axes_text(axes), label) for positive, axes in prompts]
    values = np.asarray(rows, object).reshape(-1, 3)
    return {name: values[:, at] for at, name in enumerate(("polarity", "axes", "object"))}


def turn_polarity(layer: Points | Shapes, which: Iterable[int]) -> None:
    """Turn some prompts of a layer from adding to excluding or back.

    Raises
    ------
    UserError
        If none of them is a click or scribble.
    """
    at = [int(index) for index in which if isinstance(layer, Points) or layer.shape_type[index] in STROKES]
    if not at:
        raise UserError("There is no click or scribble to turn: select one; boxes and outlines always add.")
    polarities = column(layer, "polarity", POSITIVE)
    for index in at:
        polarities[index] = POSITIVE if polarities[index] == NEGATIVE else NEGATIVE
    layer.features = layer.features.assign(polarity=np.asarray(polarities, object))
