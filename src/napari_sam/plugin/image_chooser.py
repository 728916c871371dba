"""Choosing the image layer."""

from collections.abc import Callable
from functools import partial

from napari.layers import Image

from napari_sam.errors import UserError
from napari_sam.planes.contrast import Contrast
from napari_sam.planes.image_source import ImageSource
from napari_sam.plugin.canvas.plugin_tools import PluginTools
from napari_sam.plugin.layers.label_picking import LabelPicking
from napari_sam.plugin.layers.layer_axes import LayerAxes, axes_of
from napari_sam.plugin.layers.view import resolve_view
from napari_sam.plugin.layers.viewer_context import ViewerContext
from napari_sam.session.labels.target import Target
from napari_sam.session.notices import Notice, NoticeKind, Remedy


def source_of(layer: Image) -> ImageSource:
    """Return the layer's data, never read as a whole, with the axes of its file where the layer has none.

    Raises
    ------
    UserError
        If its values cannot be segmented (complex numbers, say).
    """
    return source_with(layer, axes_of(layer))


def source_with(layer: Image, axes: LayerAxes) -> ImageSource:
    """Return the layer's data, with axes that were found before."""
    return ImageSource(
        list(layer.data) if layer.multiscale else layer.data,
        rgb=bool(layer.rgb),
        scale=axes.scale,
        axis_labels=axes.names,
        units=axes.units,
        path=layer.source.path or "",
    )


def contrast_of(layer: Image, n_channels: int) -> Contrast:
    """Return the layer's own contrast limits, the same for all its channels."""
    low, high = layer.contrast_limits
    return Contrast(((float(low), float(high)),) * n_channels)


class ImageChooser:
    """The image layers, and which of them is segmented.

    Parameters
    ----------
    context
        The viewer and the session; the chosen layer is its `image`.
    tools
        The plugin's own layers, which lie on the chosen one.
    picking
        What ends when another one is chosen.
    follow_view
        Tells the session what is in view.
    on_change
        Called when another one is chosen.
    """

    def __init__(
        self,
        context: ViewerContext,
        tools: PluginTools,
        picking: LabelPicking,
        follow_view: Callable[[], None],
        on_change: Callable[[], None],
    ) -> None:
        self._context = context
        self._tools = tools
        self._picking = picking
        self._follow_view = follow_view
        self._on_change = on_change
        self._layer_contrast = False

    @property
    def layers(self) -> list[Image]:
        """The image layers that may be chosen, the topmost first."""
        return [layer for layer in reversed(self._context.viewer.layers) if isinstance(layer, Image)]

    def choose_first(self) -> None:
        """Choose a visible image layer, if there is any: a selected one first, then the topmost."""
        visible = [layer for layer in self.layers if layer.visible]
        selected = [layer for layer in visible if layer in self._context.viewer.layers.selection]
        for layer in (*selected, *visible):
            self.choose(layer)
            return

    def choose(self, layer: Image | None) -> None:
        """Segment another image, or none."""
        if layer is self._context.image:
            return
        self._context.tell("")
        self.drop()
        self._context.session.notices.show(NoticeKind.AXES, None)
        if layer is None:
            self._context.session.image.choose(None)
        else:
            try:
                self._show(layer)
            except UserError as error:
                self._context.image = None
                self._context.session.image.choose(None)
                self._context.tell(str(error))
            else:
                layer.events.data.connect(self._on_data)
                self._tools.make()
                self._follow_view()
        self._on_change()

    def drop(self) -> None:
        """Leave the chosen layer alone; the plugin's own layers on it go."""
        self._picking.stop()
        if self._context.image is not None:
            self._context.image.events.data.disconnect(self._on_data)
        self._context.image = None
        self._tools.remove()

    def use_layer_contrast(self, use: bool) -> None:
        """Scale the network's input by the image layer's contrast limits, or by limits measured on the stack."""
        self._layer_contrast = use
        source = self._context.session.image.source
        if self._context.image is not None and source is not None:
            self._context.session.image.set_contrast(
                contrast_of(self._context.image, source.n_channels) if use else None
            )

    def _show(self, layer: Image) -> None:
        layer_axes = axes_of(layer)
        source = source_with(layer, layer_axes)
        contrast = contrast_of(layer, source.n_channels) if self._layer_contrast else None
        view = resolve_view(self._context.viewer.dims, layer)
        axes = (layer.ndim - 2, layer.ndim - 1) if isinstance(view, str) else view.plane.axes
        self._context.image = layer
        self._context.session.image.choose(source, axes=axes, contrast=contrast)
        if layer_axes.sentence:
            self._context.session.notices.show(NoticeKind.AXES, Notice(layer_axes.sentence, grave=False))

    def _on_data(self) -> None:
        """Take other pixels in the same layer for another image."""
        image, session = self._context.image, self._context.session
        if image is None:
            return
        target, worked = session.labels.target, bool(session.current.draft)
        self._context.image = None
        self.choose(image)
        if target is not None or worked:
            self._tell_replaced(target, worked)

    def _tell_replaced(self, target: Target | None, worked: bool) -> None:
        """Show a notice that the pixels are others, until that is answered.

        Parameters
        ----------
        target
            The labels that were chosen.
        worked
            Whether an object was in work.
        """
        image, session = self._context.image, self._context.session
        if image is None:
            return

        def go_on(into: Target | None) -> None:
            session.notices.show(NoticeKind.IMAGE, None)
            if into is not None:
                session.labels.choose(into)
                self._on_change()

        remedies = [Remedy("All right", "Go on with the new pixels, and with new labels.", partial(go_on, None))]
        if target is not None:
            text, tip = f"Go on in '{target.name}'", "Accept objects of the new pixels into the labels of before."
            remedies.insert(0, Remedy(text, tip, partial(go_on, target)))
        dropped = " The object in work is gone." if worked else ""
        labels = "" if target is None else f" '{target.name}' holds objects of the former ones."
        sentence = f"The pixels of '{image.name}' were replaced.{dropped}{labels}"
        session.notices.show(NoticeKind.IMAGE, Notice(sentence, tuple(remedies)))
