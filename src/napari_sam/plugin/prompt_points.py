"""The plugin's Points layer, which shows clicks."""

from collections.abc import Sequence

import numpy as np
from napari.layers import Image, Points

from napari_sam.planes.plane import Plane
from napari_sam.plugin.placement import placement_of
from napari_sam.plugin.prompt_features import COLOURS, features_of
from napari_sam.prompts.prompt import Point

POINTS_NAME = "Segment: clicks"
_PIXELS = 9


class PromptPoints:
    """The layer, and how it looks.

    Parameters
    ----------
    image
        The image layer that it lies on.

    Attributes
    ----------
    layer : Points
        The layer.
    """

    def __init__(self, image: Image) -> None:
        self.layer = Points(
            ndim=image.ndim,
            name=POINTS_NAME,
            features=features_of((), 0),
            face_color="polarity",
            face_color_cycle=COLOURS,
            # Where no point is in view napari draws one of size 0, which any lower limit would make visible.
            canvas_size_limits=(0, 10_000),
            **placement_of(image),
        )
        # The border does not shrink with the point, and would cover most of it.
        self.layer.current_border_width = 0

    def follow_zoom(self, pixel: float) -> None:
        """Keep points as large as ever on the screen, one pixel of which is `pixel` data pixels."""
        self.layer.size = _PIXELS * pixel
        self.layer.current_size = _PIXELS * pixel

    def write(self, clicks: Sequence[tuple[Plane, Point]], label: int) -> None:
        """Show these clicks, of one object, and no others."""
        self.layer.selected_data = set()
        self.layer.data = np.asarray(
            [plane.to_data(point.row, point.column) for plane, point in clicks], float
        ).reshape(-1, self.layer.ndim)
        if clicks:
            # An empty table has its columns still, and each change of it takes napari some milliseconds.
            self.layer.features = features_of([(point.positive, plane.axes) for plane, point in clicks], label)
