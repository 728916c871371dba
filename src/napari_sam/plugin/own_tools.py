"""The plugin's own layers, there as long as an image is chosen, and what is done with them."""

from collections.abc import Callable

from napari.layers import Layer, Points, Shapes

from napari_sam.errors import UserError
from napari_sam.plugin.actions import Action, bind_keys, unbind_keys
from napari_sam.plugin.canvas import Canvas
from napari_sam.plugin.click_clipboard import ClickClipboard
from napari_sam.plugin.keyboard_cursor import KeyboardCursor
from napari_sam.plugin.layer_list import LayerList
from napari_sam.plugin.mirror import Mirror
from napari_sam.plugin.own_layers import OwnLayers
from napari_sam.plugin.stage import Stage


class OwnTools:
    """Makes the layers and takes them away, and turns them to what the user wants to do.

    Parameters
    ----------
    stage
        Where they are.
    layer_list
        Takes no notice of them.
    mirror
        Reads them, and shows in them.
    canvas, cursor
        Where gestures and the keyboard's prompts go.
    do
        Does what a key asks for.
    """

    def __init__(
        self,
        stage: Stage,
        layer_list: LayerList,
        mirror: Mirror,
        canvas: Canvas,
        cursor: KeyboardCursor,
        do: Callable[[Action], None],
    ) -> None:
        self._stage = stage
        self._layer_list = layer_list
        self._mirror = mirror
        self._canvas = canvas
        self._cursor = cursor
        self._do = do

    def make(self) -> None:
        """Put new layers on the chosen image, in place of the former ones."""
        stage = self._stage
        assert stage.image is not None
        self.remove()
        with self._layer_list.unnoticed():
            stage.own = OwnLayers(stage.viewer, stage.image, self._canvas)
            prompts = stage.own.prompts
            for layer in (prompts.points, prompts.shapes):
                bind_keys(layer, self._do)
            prompts.edited.connect(self._mirror.read_prompts)
            prompts.unlinked.connect(unbind_keys)
            ClickClipboard(prompts, lambda: stage.session.plane)
            stage.own.draw()

    def remove(self) -> None:
        """Take the layers away."""
        own = self._stage.own
        if own is None:
            return
        self._cursor.stop()
        self._stage.own = None
        own.prompts.edited.disconnect(self._mirror.read_prompts)
        own.remove()
        own.prompts.unlinked.disconnect(unbind_keys)

    def removed(self, layer: Layer) -> None:
        """A layer left the viewer: if prompts were read from it, they are gone."""
        own = self._stage.own
        if own is None:
            return
        if layer in own.prompts.linked:
            own.prompts.unlink()
            self._mirror.read_prompts()
        elif layer in (own.prompts.points, own.prompts.shapes):
            # Deleting the layer deletes what is in it.
            own.prompts.empty(layer)
            self._mirror.read_prompts()

    def raise_to_top(self) -> None:
        """Bring the layers above all others."""
        if self._stage.own is not None:
            self._stage.own.raise_to_top()
            self._cursor.raise_to_top()

    def draw(self) -> None:
        """Make the Points layer ready for gestures; layers that were removed come back."""
        if self._stage.image is None:
            self._stage.tell("Choose an image first.")
            return
        if self._stage.own is None or not self._stage.own.whole:
            self.make()
            self._mirror.show_prompts()
            self._mirror.show_masks()
        if self._stage.own is not None:
            self._stage.own.draw()

    def edit_points(self) -> None:
        """Make the Points layer active with napari's tool to select and move points."""
        if self._stage.own is not None and self._stage.own.whole:
            self._select_in(self._stage.own.prompts.points)

    def edit_shapes(self) -> None:
        """Make the Shapes layer active with napari's tool to select and move shapes."""
        if self._stage.own is not None and self._stage.own.whole:
            self._select_in(self._stage.own.prompts.shapes)

    def turn_polarity(self) -> None:
        """Turn the selected clicks or scribbles, or the last one, from adding to excluding or back.

        Raises
        ------
        UserError
            If there is none.
        """
        if self._stage.own is None:
            raise UserError("Choose an image first.")
        active = self._stage.viewer.layers.selection.active
        self._stage.own.prompts.turn_polarity(active if isinstance(active, Points | Shapes) else None)

    def toggle_preview(self) -> None:
        """Hide the preview, or show it again."""
        if self._stage.own is not None:
            layer = self._stage.own.preview.layer
            layer.visible = not layer.visible

    def _select_in(self, layer: Points | Shapes) -> None:
        self._stage.viewer.layers.selection.active = layer
        layer.mode = "select"
