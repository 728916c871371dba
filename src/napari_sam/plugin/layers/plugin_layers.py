"""The plugin's own layers on the chosen image: clicks, shapes and the preview."""

from collections.abc import Iterator

from napari.components import ViewerModel
from napari.layers import Image, Layer
from psygnal import Signal

from napari_sam.plugin.layers.gestures import Gestures, GestureTarget, WheelGesture
from napari_sam.plugin.layers.preview import Preview
from napari_sam.plugin.layers.prompt_layers import PromptLayers
from napari_sam.plugin.napari_internals import finish_drawing


class PluginLayers:
    """The layers of one image, in the viewer.

    Parameters
    ----------
    viewer
        The viewer.
    image
        The image.
    gestures_to
        Who is told of gestures.

    Signals
    -------
    tool_changed()
        Another layer is active, or a prompt layer is in another of napari's modes.
    """

    tool_changed = Signal()

    def __init__(self, viewer: ViewerModel, image: Image, gestures_to: GestureTarget) -> None:
        self.image = image
        self.prompts = PromptLayers(image)
        self.preview = Preview(image)
        self._viewer = viewer
        for layer in (self.preview.layer, self.prompts.shapes, self.prompts.points):
            viewer.layers.append(layer)
        self.gestures = Gestures(self.prompts.points, gestures_to)
        self._wheel = WheelGesture((self.prompts.points, self.prompts.shapes), gestures_to)
        for event in (
            image.events.scale,
            image.events.translate,
            image.events.rotate,
            image.events.shear,
            image.events.affine,
        ):
            event.connect(self._follow_image)
        viewer.layers.selection.events.active.connect(self._on_active)
        for layer in (self.prompts.shapes, self.prompts.points):
            layer.events.mode.connect(self._on_mode)

    def __iter__(self) -> Iterator[Layer]:
        yield from (self.preview.layer, self.prompts.shapes, self.prompts.points)

    def __contains__(self, layer: object) -> bool:
        return any(own is layer for own in self)

    @property
    def whole(self) -> bool:
        """Tell whether the prompt layers are still in the viewer."""
        return self.prompts.points in self._viewer.layers and self.prompts.shapes in self._viewer.layers

    def draw(self) -> None:
        """Make the Points layer active and ready for gestures."""
        self._viewer.layers.selection.active = self.prompts.points
        self.prompts.points.visible = True
        self.gestures.start()

    def raise_to_top(self) -> None:
        """Bring the layers above all others, where nothing hides them."""
        layers = self._viewer.layers
        present = [layer for layer in self if layer in layers]
        if list(layers)[len(layers) - len(present) :] != present:
            for layer in present:
                layers.move(layers.index(layer), len(layers))

    def remove(self) -> None:
        """Take the layers out of the viewer."""
        self._viewer.layers.selection.events.active.disconnect(self._on_active)
        for layer in (self.prompts.shapes, self.prompts.points):
            layer.events.mode.disconnect(self._on_mode)
        self.gestures.close()
        self._wheel.close()
        self.prompts.close()
        for event in (
            self.image.events.scale,
            self.image.events.translate,
            self.image.events.rotate,
            self.image.events.shear,
            self.image.events.affine,
        ):
            event.disconnect(self._follow_image)
        for layer in self:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)

    def _on_active(self) -> None:
        # napari would let a half-drawn shape wait until its layer is chosen again: in the layer, and yet no prompt.
        if self._viewer.layers.selection.active is not self.prompts.shapes:
            finish_drawing(self.prompts.shapes)
        self.tool_changed.emit()

    def _on_mode(self) -> None:
        self.tool_changed.emit()

    def _follow_image(self) -> None:
        self.prompts.place(self.image)
        self.preview.place()
