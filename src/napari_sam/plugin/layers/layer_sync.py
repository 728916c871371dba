"""The session's prompts, masks and labels in the layers, and the layers' prompts in the session."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from napari.layers import Labels

from napari_sam.plugin.layers.target_layers import LayerTarget
from napari_sam.plugin.viewer_context import ViewerContext
from napari_sam.prompts.prompt import Prompts
from napari_sam.session.labels.target import Target
from napari_sam.session.propagation import DOUBTFUL


def refresh_box(layer: Labels, box: Sequence[slice]) -> None:
    """Show what changed in the layer's data inside a box.

    Of a plane in view only the box goes to the graphics card, as with napari's own brush; nothing does where the plane
    in view is not in the box. Where napari offers no such way (contours, 3-D, thick slices, other versions) the whole
    layer is refreshed.

    Parameters
    ----------
    layer
        The layer, whose `data` has changed already.
    box
        One slice with bounds per axis of the data.
    """
    # In a widget that napari made, layers come in a wrapper that warns of what is used below.
    layer = getattr(layer, "__wrapped__", layer)
    if not layer.visible or not _is_plain(layer):
        layer.refresh(extent=False)
        return
    try:
        _upload(layer, tuple(box))
    except AttributeError:
        # These are napari's own ways, not promised to anyone.
        layer.refresh(extent=False)


def _is_plain(layer: Labels) -> bool:
    """Tell whether what is shown is one plane of the data as it is."""
    return bool(
        layer.contour == 0
        and not layer.multiscale
        and getattr(layer, "loaded", False)
        and str(getattr(layer, "projection_mode", "none")) == "none"
    )


def _upload(layer: Labels, box: tuple[slice, ...]) -> None:
    shown, point = layer._slice, layer._get_pt_not_disp()
    displayed = tuple(shown.slice_input.displayed)
    if shown.empty or len(displayed) != 2:
        layer.refresh(extent=False)
        return
    index: list[Any] = list(box)
    for axis, at in point.items():
        if not box[axis].start <= at < box[axis].stop:
            return
        index[axis] = int(at)
    values = np.asarray(layer.data[tuple(index)])
    if displayed[0] > displayed[1]:
        values = values.T
    part = tuple(box[axis] for axis in displayed)
    # Where the layer's data is an array in memory this is the same memory.
    shown.image.raw[part] = values
    texture = layer.colormap._data_to_texture(values)
    shown.image.view[part] = texture
    layer.events.labels_update(data=texture, offset=[along.start for along in part])
    layer._update_thumbnail()


class LayerSync:
    """A link that shows in layers what the session tells, and reads the prompt layers for it.

    Parameters
    ----------
    context
        The session, and the layers.
    before_masks
        Called before masks are shown.
    """

    def __init__(self, context: ViewerContext, before_masks: Callable[[], None]) -> None:
        self._context = context
        self._before_masks = before_masks
        session = context.session
        session.prompts_changed.connect(self.show_prompts)
        session.masks_changed.connect(self.show_masks)
        session.labels_changed.connect(self._show_labels)
        session.label_changed.connect(self._show_object)

    def close(self) -> None:
        """Follow the session no more."""
        session = self._context.session
        session.prompts_changed.disconnect(self.show_prompts)
        session.masks_changed.disconnect(self.show_masks)
        session.labels_changed.disconnect(self._show_labels)
        session.label_changed.disconnect(self._show_object)

    def read_prompts(self) -> None:
        """Change the session's prompts as the prompt layers changed; mask prompts that no layer shows stay."""
        if self._context.own is None:
            return
        session = self._context.session
        read = self._context.own.prompts.read()
        changed = {}
        for plane in dict.fromkeys([*session.current.draft.prompts, *read]):
            prompts, earlier = read.get(plane, Prompts()), session.prompts.on(plane).mask
            if prompts.mask is None and (earlier is None or earlier.outline is None):
                prompts = replace(prompts, mask=earlier)
            changed[plane] = prompts
        self._context.try_to(partial(session.prompts.set_all, changed))

    def show_prompts(self) -> None:
        """Show the prompts of the object in work."""
        if self._context.own is not None:
            self._context.own.prompts.write(self._context.session.current.draft.prompts)

    def show_masks(self) -> None:
        """Show the masks of the object in work."""
        self._before_masks()
        if self._context.own is None:
            return
        draft = self._context.session.current.draft
        propagated = [plane for plane in draft.proposal if plane not in draft.segmentations]
        doubtful = [plane for plane in propagated if draft.proposal[plane].confidence < DOUBTFUL]
        self._context.own.preview.show(draft.masks, propagated, doubtful, self._context.session.image.plane)

    def _show_object(self) -> None:
        if self._context.own is not None:
            self._context.own.prompts.show_object(self._context.session.current.label)

    def _show_labels(self, target: Target, box: Sequence[slice]) -> None:
        if isinstance(target, LayerTarget):
            refresh_box(target.layer, box)
