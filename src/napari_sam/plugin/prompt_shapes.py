"""The plugin's Shapes layer, which shows boxes, outlines and scribbles."""

from collections.abc import Sequence

import numpy as np
from napari.layers import Image, Shapes
from napari.utils.colormaps.standardize_color import transform_color

from napari_sam.plugin.drawing import Drawing
from napari_sam.plugin.layer_prompts import NEGATIVE, POSITIVE, STROKES, Axes, LayerPrompt, column
from napari_sam.plugin.placement import placement_of
from napari_sam.plugin.prompt_features import COLOURS, REGION_COLOUR, features_of

SHAPES_NAME = "Segment: shapes"
_PIXELS = 2


class PromptShapes:
    """The layer, and how it looks.

    Parameters
    ----------
    image
        The image layer that it lies on.

    Attributes
    ----------
    layer : Shapes
        The layer.
    """

    def __init__(self, image: Image) -> None:
        self.layer = Shapes(
            ndim=image.ndim,
            name=SHAPES_NAME,
            features=features_of((), 0),
            edge_color=REGION_COLOUR,
            face_color="transparent",
            **placement_of(image),
        )
        self._pixel = 1.0

    def follow_zoom(self, pixel: float) -> None:
        """Keep lines as wide as ever on the screen, one pixel of which is `pixel` data pixels."""
        self._pixel = pixel
        if len(self.layer.data):
            self.layer.edge_width = [_PIXELS * pixel] * len(self.layer.data)
        self.layer.current_edge_width = _PIXELS * pixel

    def drawings(self, found: Sequence[LayerPrompt], axes: Axes) -> list[tuple[LayerPrompt | None, Drawing]]:
        """The shapes as they are, with what each says.

        Parameters
        ----------
        found
            What they say.
        axes
            Displayed axes of those that say nothing.
        """
        said = {each.at: each for each in found}
        polarities = column(self.layer, "polarity", POSITIVE)
        drawings: list[tuple[LayerPrompt | None, Drawing]] = []
        for at, (kind, vertices) in enumerate(zip(self.layer.shape_type, self.layer.data, strict=True)):
            on = said[at].plane.axes if at in said else axes
            drawings.append((said.get(at), Drawing(kind, np.asarray(vertices, float), on, polarities[at] != NEGATIVE)))
        return drawings

    def write(self, drawings: Sequence[Drawing], label: int) -> None:
        """Show these shapes, of one object, and no others."""
        self.layer.selected_data = set()
        self.layer.data = [(drawing.vertices, drawing.kind) for drawing in drawings]
        self.layer.features = features_of([(drawing.positive, drawing.axes) for drawing in drawings], label)
        if drawings:
            self.layer.edge_width = [_PIXELS * self._pixel] * len(drawings)
        self.recolour()

    def recolour(self) -> None:
        """Give scribbles the colour of their polarity."""
        if not len(self.layer.data):
            return
        polarities = column(self.layer, "polarity", POSITIVE)
        colours = transform_color(
            [
                COLOURS.get(polarity, COLOURS[POSITIVE]) if kind in STROKES else REGION_COLOUR
                for kind, polarity in zip(self.layer.shape_type, polarities, strict=True)
            ]
        )
        if not np.allclose(self.layer.edge_color, colours):
            self.layer.edge_color = colours
