"""The context that the parts of the plugin share: the viewer, the session, the image and the plugin's own layers."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Layer
from numpy.typing import ArrayLike, NDArray

from napari_sam.errors import UserError
from napari_sam.plugin.layers.plugin_layers import PluginLayers
from napari_sam.plugin.layers.view import View, camera_of, resolve_view
from napari_sam.session.session import Session


@dataclass(eq=False)
class ViewerContext:
    """The viewer, session, image and layers that the parts of the plugin share.

    Parameters
    ----------
    viewer, session
        The viewer and the session.
    tell
        Tells the user one sentence; an empty one to forget the last.
    image
        The chosen image layer.
    own
        The plugin's own layers; None without an image.
    extra
        More layers of the plugin's own, that are not always there.
    """

    viewer: ViewerModel
    session: Session
    tell: Callable[[str], None]
    image: Image | None = None
    own: PluginLayers | None = None
    extra: list[Layer] = field(default_factory=list)

    def try_to(self, deed: Callable[[], object]) -> None:
        """Do something that may refuse with a sentence for the user."""
        try:
            deed()
        except UserError as error:
            self.tell(str(error))

    def is_own(self, layer: Layer) -> bool:
        """Tell whether a layer is the plugin's."""
        return (self.own is not None and layer in self.own) or layer in self.extra

    def resolve(self) -> View | str:
        """Return the plane in view, or why there is none."""
        if self.image is None:
            return "Choose an image."
        return resolve_view(self.viewer.dims, self.image)

    def in_view(self) -> tuple[Image, PluginLayers, View]:
        """Return the image, the plugin's own layers, and the plane in view.

        Raises
        ------
        UserError
            If there is none.
        """
        view = self.resolve()
        if isinstance(view, str):
            raise UserError(view)
        if self.image is None or self.own is None or self.session.image.source is None:
            raise UserError("Choose an image first.")
        return self.image, self.own, view

    @property
    def point(self) -> tuple[float, ...]:
        """World coordinates of the viewer's sliders."""
        return tuple(float(at) for at in self.viewer.dims.point)

    @property
    def screen_pixel(self) -> float:
        """A pixel of the screen, in data pixels of the image (of its last axis, as napari measures points)."""
        step = 0.0 if self.image is None else abs(float(self.image.scale[-1])) * float(camera_of(self.viewer).zoom)
        return 1 / step if step > 0 else 1.0

    def world(self, position: ArrayLike) -> NDArray[np.float64]:
        """Return world coordinates, of all the viewer's axes, of a position in the image."""
        world = np.asarray(self.point, float)
        if self.image is not None:
            world[len(world) - self.image.ndim :] = self.image.data_to_world(np.asarray(position, float))
        return world
