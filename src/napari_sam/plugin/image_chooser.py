"""Choosing the image layer."""

from collections.abc import Callable, Sequence
from functools import partial

from napari.layers import Image

from napari_sam.errors import UserError
from napari_sam.planes.channels import chosen_channels
from napari_sam.planes.contrast import Contrast
from napari_sam.planes.image_source import ImageSource
from napari_sam.plugin.canvas.plugin_tools import PluginTools
from napari_sam.plugin.layers.channel_layers import channel_slider, sibling_channels, split_channels, stacked_source
from napari_sam.plugin.layers.label_picking import LabelPicking
from napari_sam.plugin.layers.layer_axes import LayerAxes, axes_of, path_of
from napari_sam.plugin.layers.opened_layers import open_others
from napari_sam.plugin.layers.placement import image_shape
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
        path=path_of(layer),
    )


def contrast_of(layers: Sequence[Image], n_channels: int) -> Contrast:
    """Return the layers' own contrast limits, one for each channel; of one layer the same for all its channels."""
    limits = [(float(low), float(high)) for low, high in (layer.contrast_limits for layer in layers)]
    return Contrast(tuple(limits) if len(limits) == n_channels else (limits[0],) * n_channels)


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
        self._stacked: tuple[Image, ...] = ()
        self._shown: tuple[Image, ...] = ()

    @property
    def channels(self) -> list[Image]:
        """The layers that are channels of the chosen image, itself among them, the lowest first."""
        if self._stacked:
            return list(self._stacked)
        image = self._context.image
        return [] if image is None else sibling_channels(image, self.layers[::-1])

    @property
    def shown(self) -> list[Image]:
        """The layers that the model is shown, in this order."""
        image = self._context.image
        return list(self._shown) or ([] if image is None else [image])

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
        if layer is not self._context.image or self._stacked:
            self._choose(layer, ())

    def choose_channels(self, channels: Sequence[Image]) -> None:
        """Show the model one to three channels of the chosen image, each a layer, in this order.

        To the model that is another image: labels stay chosen, and what was accepted can still be undone.

        Raises
        ------
        UserError
            If there are too many or too few, one is no channel of it, or an object is in work, which would be lost.
        """
        image, offered = self._context.image, self.channels
        if list(channels) == self.shown:
            return
        if self._context.session.current.draft:
            raise UserError("Accept or reject the object in work first: it was found on the channels of before.")
        numbers = chosen_channels([offered.index(each) for each in channels if each in offered], len(offered))
        if image is None or numbers is None or len(numbers) < len(channels):
            raise UserError("These are no channels of the chosen image.")
        keep = image if image in channels else channels[0]
        self._choose(keep, tuple(channels) if len(channels) > 1 else ())

    def choose_stored_channels(self, n_channels: int, shown: Sequence[int] | None) -> bool:
        """Show the model the channels that a session was made on; tell whether the chosen image has as many layers."""
        offered = self.channels
        if n_channels != len(offered) or shown is None or not all(at < n_channels for at in shown):
            return False
        self.choose_channels([offered[at] for at in shown])
        return True

    def _choose(self, layer: Image | None, channels: tuple[Image, ...]) -> None:
        stacked = tuple(self.channels) if channels else ()
        self._context.tell("")
        self.drop()
        self._stacked, self._shown = stacked, channels
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
                for each in self._stacked or (layer,):
                    each.events.data.connect(self._on_data)
                self._tools.make()
                self._follow_view()
        self._on_change()

    def drop(self) -> None:
        """Leave the chosen layer alone; the plugin's own layers on it go."""
        self._picking.stop()
        for each in self._stacked or ((self._context.image,) if self._context.image is not None else ()):
            each.events.data.disconnect(self._on_data)
        self._context.image = None
        self._stacked = self._shown = ()
        self._tools.remove()

    def use_layer_contrast(self, use: bool) -> None:
        """Scale the network's input by the image layer's contrast limits, or by limits measured on the stack."""
        self._layer_contrast = use
        source = self._context.session.image.source
        if self._context.image is not None and source is not None:
            self._context.session.image.set_contrast(
                contrast_of(self._stacked or (self._context.image,), source.n_channels) if use else None
            )

    def _show(self, layer: Image) -> None:
        layer_axes = axes_of(layer)
        if self._stacked:
            source = stacked_source(self._stacked, layer_axes, [self._stacked.index(each) for each in self._shown])
        else:
            source = source_with(layer, layer_axes)
        contrast = contrast_of(self._stacked or (layer,), source.n_channels) if self._layer_contrast else None
        view = resolve_view(self._context.viewer.dims, layer)
        axes = (layer.ndim - 2, layer.ndim - 1) if isinstance(view, str) else view.plane.axes
        self._context.image = layer
        self._context.session.image.choose(source, axes=axes, contrast=contrast)
        self._tell_axes(layer, layer_axes)

    def _tell_axes(self, layer: Image, axes: LayerAxes) -> None:
        """Show a notice of what the file says and the layer does not, and of channels that lie along a slider."""
        sentence = axes.sentence
        remedies: tuple[Remedy, ...] = ()
        slider = channel_slider(image_shape(layer), axes)
        if slider is not None:
            said = "Its channels lie along a slider, and the model sees the one in view."
            if slider >= layer.ndim - 2:
                said = "Its last axis is so short that it may hold channels, and is taken for columns."
            sentence = f"{sentence} {said}".strip()
            tip = "Make a layer of each channel, of which the model can be shown up to three; this layer is hidden."
            remedies = (Remedy("Split channels", tip, partial(self.split, layer, slider, axes)),)
        if axes.several:
            tip = "Add the other images of the file to the viewer, as layers."
            remedies = (*remedies, Remedy("Open the others", tip, partial(self._open_others, layer)))
        if sentence:
            self._context.session.notices.show(NoticeKind.AXES, Notice(sentence, remedies, grave=False))

    def _open_others(self, layer: Image) -> None:
        open_others(self._context.viewer, path_of(layer), image_shape(layer))

    def split(self, layer: Image, axis: int, axes: LayerAxes) -> None:
        """Make a layer of each channel, hide the one that has them all, and choose the first.

        Raises
        ------
        UserError
            If an object is in work, which would be lost, or the layer cannot be split.
        """
        if self._context.session.current.draft:
            raise UserError("Accept or reject the object in work first: it was found on the layer of before.")
        made = split_channels(layer, axis, axes)
        for each in made:
            self._context.viewer.add_layer(each)
        layer.visible = False
        self.choose(made[0])

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
