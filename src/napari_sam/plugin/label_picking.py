"""Picking a label, of any visible Labels layer, to be refined."""

from collections.abc import Callable

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.plugin.label_prompts import label_under, mask_reader
from napari_sam.plugin.layer_target import LayerTarget
from napari_sam.plugin.stage import Stage


class LabelPicking:
    """Takes the label under the mouse, under the next click, or the selected one of a layer, as mask prompt.

    Parameters
    ----------
    stage
        The viewer and the session.
    on_change
        Told `active` when it is different.

    Attributes
    ----------
    active : bool
        Whether the next click picks a label.
    """

    def __init__(self, stage: Stage, on_change: Callable[[bool], None]) -> None:
        self._stage = stage
        self._on_change = on_change
        self.active = False

    @property
    def layers(self) -> list[Labels]:
        """The Labels layers that labels may be picked from, the topmost first."""
        return [
            layer
            for layer in reversed(self._stage.viewer.layers)
            if isinstance(layer, Labels) and not self._stage.is_own(layer)
        ]

    def pick_at(self, world: NDArray[np.float64]) -> None:
        """Refine the label at a world position.

        Raises
        ------
        UserError
            If there is none, or no plane in view.
        """
        self._stage.in_view()
        found = label_under([layer for layer in self.layers if layer.visible], world)
        if found is None:
            raise UserError("There is no label there: point at a label of a visible Labels layer.")
        self.refine(*found)

    def pick_under_cursor(self) -> None:
        """Refine the label under the mouse."""
        self.pick_at(np.asarray(self._stage.viewer.cursor.position, float))

    def refine(self, layer: Labels, label: int) -> None:
        """Refine a label on the plane in view.

        Raises
        ------
        UserError
            If it is the background, or no plane is in view.
        """
        image, _, view = self._stage.in_view()
        if not label:
            raise UserError("Label 0 is the background; pick a label to refine.")
        target = self._stage.session.target
        own = isinstance(target, LayerTarget) and target.layer is layer
        read = mask_reader(layer, image, view.plane, label, self._stage.point, own=own)
        missing = f"Label {label} of '{layer.name}' has no pixels on this plane of '{image.name}'."
        self._stage.session.refine_mask(view.plane, read, missing, label if own else None)

    def start(self) -> None:
        """Refine the active Labels layer's selected label; else let the next click pick one, or no longer.

        Raises
        ------
        UserError
            If there is no image, or no plane in view.
        """
        active = self._stage.viewer.layers.selection.active
        if isinstance(active, Labels) and not self._stage.is_own(active):
            self.refine(active, int(active.selected_label))
            return
        _, own, _ = self._stage.in_view()
        self._set(not self.active)
        if self.active:
            own.draw()
            self._stage.tell("Click the label to refine.")

    def stop(self) -> None:
        """Clicks are clicks again."""
        self._set(False)

    def _set(self, active: bool) -> None:
        if active != self.active:
            self.active = active
            self._on_change(active)
