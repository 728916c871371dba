"""The plugin's own layers, there as long as an image is chosen, and what is done with them."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from napari.layers import Layer, Points, Shapes
from psygnal import Signal

from napari_sam.errors import UserError
from napari_sam.planes.geometry import Plane
from napari_sam.plugin.actions import LayerKeys
from napari_sam.plugin.canvas.canvas import Canvas
from napari_sam.plugin.canvas.keyboard_cursor import KeyboardCursor
from napari_sam.plugin.canvas.split_clicks import SplitClicks
from napari_sam.plugin.layers.layer_list import LayerList
from napari_sam.plugin.layers.layer_sync import LayerSync
from napari_sam.plugin.layers.plugin_layers import PluginLayers
from napari_sam.plugin.layers.prompt_layers import PromptLayers
from napari_sam.plugin.layers.viewer_context import ViewerContext
from napari_sam.prompts.prompt import Point


@dataclass(frozen=True)
class _Copied:
    axes: tuple[int, int]
    points: tuple[Point, ...]


class ClickClipboard:
    """Ctrl+C and Ctrl+V on the plugin's Points layer: clicks copied from one plane to another.

    napari's own keys paste points only on layers of two axes (0.9 raises on more); these take their place.

    Parameters
    ----------
    layers
        The plugin's prompt layers.
    view
        Tells the plane in view; None if there is none.
    """

    def __init__(self, layers: PromptLayers, view: Callable[[], Plane | None]) -> None:
        self._layers = layers
        self._view = view
        self._copied: _Copied | None = None
        layers.points.bind_key("Control-C", lambda _: self.copy(), overwrite=True)
        layers.points.bind_key("Control-V", lambda _: self.paste(), overwrite=True)

    def copy(self) -> None:
        """Remember the selected clicks; those of one view, should they be of several."""
        layer: Points = self._layers.points
        chosen = [each for each in self._layers.found_in(layer) if each.at in layer.selected_data]
        if chosen:
            axes = chosen[0].plane.axes
            points = [each.prompt for each in chosen if each.plane.axes == axes and isinstance(each.prompt, Point)]
            self._copied = _Copied(axes, tuple(points))

    def paste(self) -> None:
        """Add the remembered clicks to the plane in view, at the same places, and select them."""
        plane = self._view()
        if self._copied is None or plane is None or plane.axes != self._copied.axes:
            return
        before = len(self._layers.points.data)
        for point in self._copied.points:
            self._layers.add_point(plane, point)
        self._layers.set_defaults()
        self._layers.points.selected_data = set(range(before, len(self._layers.points.data)))


class Tool(StrEnum):
    """A tool to prompt with: one of the plugin's layers, in one of napari's modes."""

    CLICK = "click"
    MOVE_CLICKS = "move clicks"
    BOX = "box"
    OUTLINE = "outline"
    SCRIBBLE = "scribble"
    MOVE_SHAPES = "move shapes"


_SHAPE_MODES = {
    Tool.BOX: "add_rectangle",
    Tool.OUTLINE: "add_polygon",
    Tool.SCRIBBLE: "add_path",
    Tool.MOVE_SHAPES: "select",
}


class PluginTools:
    """The tools that make the layers, take them away, and turn them to what the user wants to do.

    Parameters
    ----------
    context
        Where they are.
    layer_list
        Takes no notice of them.
    mirror
        Reads them, and shows in them.
    canvas, cursor
        Where gestures and the keyboard's prompts go.
    splitting
        What ends with the layers.
    keys
        What the keys on them do.

    Signals
    -------
    tool_changed()
        `tool` may be another one.
    """

    tool_changed = Signal()

    def __init__(
        self,
        context: ViewerContext,
        layer_list: LayerList,
        mirror: LayerSync,
        canvas: Canvas,
        cursor: KeyboardCursor,
        splitting: SplitClicks,
        keys: LayerKeys,
    ) -> None:
        self._context = context
        self._layer_list = layer_list
        self._mirror = mirror
        self._canvas = canvas
        self._cursor = cursor
        self._splitting = splitting
        self._keys = keys

    def make(self) -> None:
        """Put new layers on the chosen image, in place of the former ones."""
        context = self._context
        assert context.image is not None
        self.remove()
        with self._layer_list.unnoticed():
            context.own = PluginLayers(context.viewer, context.image, self._canvas)
            prompts = context.own.prompts
            for layer in (prompts.points, prompts.shapes):
                self._keys.bind(layer)
            prompts.edited.connect(self._mirror.read_prompts)
            prompts.unlinked.connect(self._keys.unbind)
            context.own.tool_changed.connect(self._on_tool)
            ClickClipboard(prompts, lambda: context.session.image.plane)
            context.own.draw()

    def remove(self) -> None:
        """Take the layers away."""
        own = self._context.own
        if own is None:
            return
        self._cursor.stop()
        self._splitting.stop()
        self._context.own = None
        own.prompts.edited.disconnect(self._mirror.read_prompts)
        own.tool_changed.disconnect(self._on_tool)
        own.remove()
        own.prompts.unlinked.disconnect(self._keys.unbind)
        for layer in (own.prompts.points, own.prompts.shapes):
            self._keys.unbind(layer)
        self.tool_changed.emit()

    def removed(self, layer: Layer) -> None:
        """Drop the prompts that were read from a layer, if any were, when it left the viewer."""
        own = self._context.own
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
        if self._context.own is not None:
            self._context.own.raise_to_top()
            self._cursor.raise_to_top()

    @property
    def tool(self) -> Tool | None:
        """The tool in use; None while another layer is active, or a mode that is none of them."""
        own = self._context.own
        if own is None:
            return None
        active = self._context.viewer.layers.selection.active
        if active is own.prompts.points:
            return {"add": Tool.CLICK, "select": Tool.MOVE_CLICKS}.get(str(active.mode))
        if active is own.prompts.shapes:
            return next((tool for tool, mode in _SHAPE_MODES.items() if mode == str(active.mode)), None)
        return None

    def use(self, tool: Tool) -> None:
        """Use a tool; layers that were removed come back."""
        if tool is Tool.CLICK or self._context.own is None or not self._context.own.whole:
            self.draw()
        own = self._context.own
        if own is None or tool is Tool.CLICK:
            return
        layer, mode = (
            (own.prompts.points, "select") if tool is Tool.MOVE_CLICKS else (own.prompts.shapes, _SHAPE_MODES[tool])
        )
        self._context.viewer.layers.selection.active = layer
        layer.visible = True
        layer.mode = mode

    def draw(self) -> None:
        """Make the Points layer ready for gestures; layers that were removed come back."""
        if self._context.image is None:
            self._context.tell("Choose an image first.")
            return
        if self._context.own is None or not self._context.own.whole:
            self.make()
            self._mirror.show_prompts()
            self._mirror.show_masks()
        if self._context.own is not None:
            self._context.own.draw()

    def turn_polarity(self) -> None:
        """Turn the selected clicks or scribbles, or the last one, from adding to excluding or back.

        Raises
        ------
        UserError
            If there is none.
        """
        if self._context.own is None:
            raise UserError("Choose an image first.")
        active = self._context.viewer.layers.selection.active
        self._context.own.prompts.turn_polarity(active if isinstance(active, Points | Shapes) else None)

    def fade_preview(self, faded: bool) -> None:
        """Draw the preview faintly, as it is not the answer to what was clicked last; or as ever."""
        if self._context.own is not None:
            self._context.own.preview.fade(faded)

    def toggle_preview(self) -> None:
        """Hide the preview, or show it again."""
        if self._context.own is not None:
            layer = self._context.own.preview.layer
            layer.visible = not layer.visible

    def _on_tool(self) -> None:
        self.tool_changed.emit()
