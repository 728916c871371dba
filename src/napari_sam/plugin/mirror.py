"""The session's prompts, masks and labels in the layers, and the layers' prompts in the session."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from napari_sam.plugin.layer_target import LayerTarget
from napari_sam.plugin.refresh_box import refresh_box
from napari_sam.plugin.stage import Stage
from napari_sam.prompts.prompt import Prompts
from napari_sam.session.propagation import DOUBTFUL
from napari_sam.session.target import Target


class Mirror:
    """Shows in layers what the session tells, and reads the prompt layers for it.

    Parameters
    ----------
    stage
        The session, and the layers.
    before_masks
        Called before masks are shown.
    """

    def __init__(self, stage: Stage, before_masks: Callable[[], None]) -> None:
        self._stage = stage
        self._before_masks = before_masks
        session = stage.session
        session.prompts_changed.connect(self.show_prompts)
        session.masks_changed.connect(self.show_masks)
        session.labels_changed.connect(self._show_labels)
        session.label_changed.connect(self._show_object)

    def close(self) -> None:
        """Follow the session no more."""
        session = self._stage.session
        session.prompts_changed.disconnect(self.show_prompts)
        session.masks_changed.disconnect(self.show_masks)
        session.labels_changed.disconnect(self._show_labels)
        session.label_changed.disconnect(self._show_object)

    def read_prompts(self) -> None:
        """The prompt layers changed: so do the session's prompts; mask prompts that no layer shows stay."""
        if self._stage.own is None:
            return
        session = self._stage.session
        read = self._stage.own.prompts.read()
        changed = {}
        for plane in dict.fromkeys([*session.draft.prompts, *read]):
            prompts, earlier = read.get(plane, Prompts()), session.prompts(plane).mask
            if prompts.mask is None and (earlier is None or earlier.outline is None):
                prompts = replace(prompts, mask=earlier)
            changed[plane] = prompts
        self._stage.try_to(partial(session.set_all_prompts, changed))

    def show_prompts(self) -> None:
        """Show the prompts of the object in work."""
        if self._stage.own is not None:
            self._stage.own.prompts.write(self._stage.session.draft.prompts)

    def show_masks(self) -> None:
        """Show the masks of the object in work."""
        self._before_masks()
        if self._stage.own is None:
            return
        draft = self._stage.session.draft
        propagated = [plane for plane in draft.proposal if plane not in draft.segmentations]
        doubtful = [plane for plane in propagated if draft.proposal[plane].confidence < DOUBTFUL]
        self._stage.own.preview.show(draft.masks, propagated, doubtful, self._stage.session.plane)

    def _show_object(self) -> None:
        if self._stage.own is not None:
            self._stage.own.prompts.show_object(self._stage.session.current_label)

    def _show_labels(self, target: Target, box: Sequence[slice]) -> None:
        if isinstance(target, LayerTarget):
            refresh_box(target.layer, box)
