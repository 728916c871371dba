"""What the window and its session say at a moment. Nothing else of the monkey's reads the session."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_sam.plugin.actions import Action
from napari_sam.session.status import State


@dataclass(frozen=True)
class Facts:
    """What must not change by itself: digests by name of the Labels layer, table, prompts, id; and what was done."""

    labels: dict[str, str]
    table: str
    prompts: str
    label: int | None
    done: int


def digest(labels: Any) -> str:
    return hashlib.sha1(np.ascontiguousarray(labels).tobytes()).hexdigest()


class Reading:
    """Reads one widget."""

    def __init__(self, widget: Any) -> None:
        self.widget = widget

    @property
    def session(self) -> Any:
        return self.widget.session

    @property
    def own(self) -> Any:
        return self.widget.controller.own

    @property
    def image(self) -> Any:
        return self.widget.controller.image

    @property
    def target_layer(self) -> Any:
        return self.widget.controller.target_layer

    @property
    def model(self) -> str:
        return str(self.session.model.name)

    @property
    def can_undo(self) -> bool:
        return bool(self.session.history.journal.can_undo)

    @property
    def can_redo(self) -> bool:
        return bool(self.session.history.journal.can_redo)

    @property
    def done(self) -> int:
        """Number of things that can be undone."""
        return len(self.session.history.journal.done)

    @property
    def settled(self) -> bool:
        """Nothing is computed, waits to be written, or is asked."""
        session = self.session
        if session.status.working or session.volume.active or session.batch.active or session.record.waiting:
            return False
        if session.current.draft.in_flight or self.widget.controller.asked is not None or self.unwritten:
            return False
        return bool(session.scheduler.wait_idle(0))

    @property
    def stuck(self) -> bool:
        """No answer will come: there is no image, no plane or no model."""
        return self.session.status.state in (State.NO_IMAGE, State.NO_PLANE, State.ERROR)

    @property
    def unwritten(self) -> bool:
        target = self.session.labels.target
        return target is not None and bool(self.session._workspace.writer.table_of(target).unwritten)

    def state(self) -> str:
        status = self.session.status
        return f"{status.state}: {status.sentence}"

    def facts(self) -> Facts:
        session = self.session
        rows = [session.objects.row(label) for label in session.objects.labels]
        prompts = {plane: each for plane, each in session.current.draft.prompts.items() if each}
        said = sorted(f"{plane}: {each}" for plane, each in prompts.items())
        return Facts(
            self.labels(), repr(rows), "\n".join(said), session.current.label, len(session.history.journal.done)
        )

    def labels(self) -> dict[str, str]:
        return {each.name: digest(each.data) for each in self.widget.viewer.layers if self.is_labels(each)}

    def is_labels(self, layer: Any) -> bool:
        return type(layer).__name__ == "Labels" and not layer.multiscale and not self.widget.controller.is_own(layer)

    # What must agree

    def prompts_differ(self) -> str:
        """Layers and session say other prompts."""
        if self.own is None or self.own.prompts.linked:
            return ""
        shown = {plane: each for plane, each in self.own.prompts.read().items() if each}
        wanted = {}
        for plane, each in self.session.current.draft.prompts.items():
            drawn = self.own.prompts._drawn_part(each)
            if drawn:
                wanted[plane] = drawn
        return "" if shown == wanted else f"layers show {shown}, the session has {wanted}"

    def preview_differs(self) -> str:
        """The preview is not the masks of the object in work."""
        if self.own is None or self.own.preview.layer not in self.widget.viewer.layers:
            return ""
        image, preview = self.image, self.own.preview.layer
        shape = tuple(image.level_shapes[0] if image.multiscale else image.data.shape)[: image.ndim]
        if np.prod(shape) > 64 * 2**20:
            return ""
        wanted = np.zeros([int(size) for size in shape], bool)
        for plane, mask in self.session.current.draft.masks.items():
            part = wanted[tuple(slice(None) if axis in plane.axes else at for axis, at in enumerate(plane.index))]
            if plane.axes[0] > plane.axes[1]:
                part = part.T
            part |= mask.painted(part.shape)
        shown = np.zeros_like(wanted)
        data = np.asarray(preview.data)
        corner = np.asarray(image.world_to_data(preview.data_to_world(np.zeros(data.ndim))))
        at = np.round(corner).astype(int)
        if not np.allclose(corner, at, atol=1e-3):
            return f"the preview lies between pixels, at {corner}"
        if data.any():
            shown[tuple(slice(first, first + size) for first, size in zip(at, data.shape, strict=True))] = data > 0
        different = int((shown != wanted).sum())
        return f"{different} pixels of the preview are not those of the masks" if different else ""

    def table_differs(self) -> str:
        """An object's area in the table is not its pixels in the labels."""
        layer, objects = self.target_layer, self.session.objects
        if layer is None:
            return ""
        ids, counts = np.unique(np.asarray(layer.data), return_counts=True)
        area = dict(zip(ids.tolist(), counts.tolist(), strict=True))
        wrong = {
            label: (row.area, area.get(label, 0))
            for label in objects.labels
            if (row := objects.row(label)).area != area.get(label, 0)
        }
        return f"objects' areas in table and labels: {wrong}" if wrong else ""

    def panel_differs(self) -> str:
        """The panel's table, buttons or lists are behind the session."""
        widget = self.widget
        if widget.table.model.labels != self.session.objects.labels and not widget.table._timer.isActive():
            return f"the table shows {widget.table.model.labels}, the session has {self.session.objects.labels}"
        undo = widget.buttons[Action.UNDO]
        if undo.isEnabled() != self.can_undo:
            return "the button Undo does not say whether something can be undone"
        if widget.choices.labels.currentData() is not self.target_layer:
            return "the list of labels shows others than those that are chosen"
        if widget.choices.image.currentData() is not self.image:
            return "the list of images shows another one than is chosen"
        return self._proposal_differs()

    def _proposal_differs(self) -> str:
        """What is proposed of everything is not what is shown of it."""
        everything, drawn = self.session.everything, self.widget.controller.proposals
        layer = drawn.layer
        if (layer is None) != (everything.proposals is None):
            return "there is a layer of proposals without a proposal, or the other way round"
        if layer is not None and layer not in self.widget.viewer.layers:
            return "the layer of proposals is not in the viewer"
        there = {} if drawn.plane is None else everything.masks_on(drawn.plane)
        if layer is not None and bool(layer.data.any()) != any(at in there for at in everything.selected):
            return "the layer of proposals does not show what is chosen"
        accept = self.widget.buttons[Action.ACCEPT_FOUND]
        return "" if accept.isEnabled() == bool(everything.chosen) else "Accept all does not say whether it can be done"

    # What the endings need

    def undo(self) -> None:
        self.widget.controller.do(Action.UNDO)

    def redo(self) -> None:
        self.widget.controller.do(Action.REDO)

    def knows(self, layer: Any) -> bool:
        """The session has written into a layer, or may now: its strokes are recorded."""
        return layer in self.widget.controller.targets._targets

    def began_empty(self, layer: Any) -> bool:
        return bool(self.session.labels.began_empty(self.widget.controller.targets._targets[layer]))
