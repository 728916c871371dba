"""The actions that the user can do by key or button, in one table."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from napari.layers import Layer, Shapes
from napari.utils.events import Event

from napari_sam.plugin.layers.linked_layers import DRAWN_BY_CORNERS


class Action(StrEnum):
    """An action of a key or a button."""

    ACCEPT = "accept"
    ACCEPT_OVERWRITING = "accept, overwriting"
    EACH = "each"
    EACH_EVERYWHERE = "each, on all planes"
    REJECT = "reject"
    NEXT = "next"
    REMOVE_LAST = "remove last"
    CLEAR = "clear"
    HIDE = "hide"
    PICK = "pick"
    POLARITY = "polarity"
    CURSOR = "cursor"
    CANDIDATE = "candidate"
    CANDIDATE_BACK = "candidate back"
    PROPAGATE = "propagate"
    PROPAGATE_ALL = "propagate all"
    NEXT_DOUBTFUL = "next doubtful"
    FIND = "find everything"
    FIND_ALIKE = "find all like it"
    ACCEPT_FOUND = "accept all found"
    DISCARD_FOUND = "discard all found"
    MERGE = "merge objects"
    SPLIT = "split object"
    FILL_HOLES = "fill holes"
    KEEP_LARGEST = "keep largest part"
    SMOOTH = "smooth objects"
    GROW = "grow objects"
    SHRINK = "shrink objects"
    CANCEL = "cancel"
    UNDO = "undo"
    REDO = "redo"


@dataclass(frozen=True)
class Control:
    """A button and its key.

    Parameters
    ----------
    text
        On the button.
    key
        In napari's notation.
    shown
        The key as the user reads it.
    tip
        One sentence.
    """

    text: str
    key: str
    shown: str
    tip: str


CONTROLS: dict[Action, Control] = {
    Action.ACCEPT: Control("Accept", "Enter", "Enter", "Write the object into the labels and start the next one."),
    Action.ACCEPT_OVERWRITING: Control(
        "Accept, overwriting", "Shift-Enter", "Shift+Enter", "Accept, and take the pixels that it meets, this once."
    ),
    Action.EACH: Control(
        "Each an object",
        "M",
        "M",
        "Make an object of each box and outline on this plane; of the chosen layer, of each point, shape or label.",
    ),
    Action.EACH_EVERYWHERE: Control(
        "All planes",
        "Shift-M",
        "Shift+M",
        "The same on every plane of the stack; what has the same id on several planes is one object.",
    ),
    Action.REJECT: Control(
        "Reject", "Escape", "Esc", "Drop the propagated planes; if there are none, drop the object with its prompts."
    ),
    Action.NEXT: Control(
        "Next object", "N", "N", "Leave this object (accepting it if it has a mask) and start one with a new id."
    ),
    Action.REMOVE_LAST: Control("Remove last", "U", "U", "Remove the click or box that was given last."),
    Action.CLEAR: Control("Clear", "W", "W", "Remove the object's prompts on this plane."),
    Action.HIDE: Control("Hide preview", "H", "H", "Hide the preview, or show it again."),
    Action.PICK: Control(
        "Use label as prompt",
        "K",
        "K",
        "Refine a label: press the key over it, or press the button and click it (any Labels layer).",
    ),
    Action.POLARITY: Control(
        "Turn add/exclude", "Y", "Y", "Turn the selected clicks or scribbles, or the last one, to excluding or back."
    ),
    Action.CURSOR: Control(
        "Keyboard cursor",
        "J",
        "J",
        "Prompt without a mouse: arrows move the cross (Shift: farther), D adds, Shift+D excludes, I and I again are "
        "the corners of a box, Page Up and Page Down turn to other planes.",
    ),
    Action.CANDIDATE: Control("Other candidate", "O", "O", "Show the next candidate for an ambiguous click."),
    Action.CANDIDATE_BACK: Control(
        "Candidate before", "Shift-O", "Shift+O", "Show the candidate before, for an ambiguous click."
    ),
    Action.PROPAGATE: Control(
        "Propagate", "G", "G", "Carry the object through the stack, both ways; a proposal until accepted."
    ),
    Action.PROPAGATE_ALL: Control(
        "Propagate all",
        "Shift-G",
        "Shift+G",
        "Carry all accepted objects of this plane through the stack at once; they compete for pixels. One undo.",
    ),
    Action.NEXT_DOUBTFUL: Control(
        "Next doubtful",
        "X",
        "X",
        "Go to the propagated plane that is least sure, then to the next one: of the object in work, else of all.",
    ),
    Action.FIND: Control(
        "Find everything",
        "Shift-E",
        "Shift+E",
        "Propose all objects of this plane at once. Sliders choose among them, a click drops one or keeps it.",
    ),
    Action.FIND_ALIKE: Control(
        "Find all like it",
        "Shift-K",
        "Shift+K",
        "Propose the objects of this plane that are like those selected in the table, or the label selected in the "
        "labels; without any, like those looked for last, perhaps in another image.",
    ),
    Action.ACCEPT_FOUND: Control(
        "Accept all",
        "Control-Enter",
        "Ctrl+Enter",
        "Write all objects that are proposed into the labels. Those that are there already are left out. One undo.",
    ),
    Action.DISCARD_FOUND: Control("Discard", "Shift-Escape", "Shift+Esc", "Drop all that is proposed."),
    Action.MERGE: Control(
        "Merge", "Shift-J", "Shift+J", "Join the selected objects to one, which keeps the smallest of their ids."
    ),
    Action.SPLIT: Control(
        "Split",
        "Shift-S",
        "Shift+S",
        "Split an object: click once in each part of it, then Enter. The part of the first click keeps the id.",
    ),
    Action.FILL_HOLES: Control(
        "Fill holes", "Shift-H", "Shift+H", "Fill background that an object encloses; other labels in it stay."
    ),
    Action.KEEP_LARGEST: Control(
        "Keep largest part", "Shift-L", "Shift+L", "Keep the largest part of an object; the others go."
    ),
    Action.SMOOTH: Control(
        "Smooth", "Shift-R", "Shift+R", "Round the border off: bumps and dents narrower than about the distance go."
    ),
    Action.GROW: Control(
        "Grow", "Shift-B", "Shift+B", "Make objects bigger by the distance, over background only: other labels stay."
    ),
    Action.SHRINK: Control("Shrink", "Shift-T", "Shift+T", "Make objects tighter: smaller by the distance."),
    Action.CANCEL: Control(
        "Cancel",
        "Q",
        "Q",
        "Stop propagating; the planes that were reached stay proposed. Or stop making many objects, finding or "
        "editing them.",
    ),
    Action.UNDO: Control(
        "Undo",
        "Control-Z",
        "Ctrl+Z",
        "Take back what was done last: prompts, accepts, brush strokes, changes of objects.",
    ),
    Action.REDO: Control("Redo", "Control-Shift-Z", "Ctrl+Shift+Z", "Do again what was undone."),
}

# napari finishes shapes that are drawn vertex by vertex with these keys.
_DRAWING_ENDS = (Action.ACCEPT, Action.REJECT)


class LayerKeys:
    """The keys of every action on layers that hold prompts, so that no key of napari's other layers changes.

    A layer that was left has nothing of them: napari may keep it long after it was removed, with all that its keys
    know.

    Parameters
    ----------
    do
        Does what a key asks for.
    """

    def __init__(self, do: Callable[[Action], None]) -> None:
        self._do = do
        self._followed: list[Shapes] = []

    def bind(self, layer: Layer) -> None:
        """Bind every action's key on one layer."""
        for action in CONTROLS:
            self._bind(layer, action)
        if isinstance(layer, Shapes):
            self._followed.append(layer)
            layer.events.mode.connect(self._follow_mode)

    def unbind(self, layer: Layer) -> None:
        """Give a layer's keys back to napari."""
        for control in CONTROLS.values():
            layer.bind_key(control.key, None)
        if any(each is layer for each in self._followed):
            layer.events.mode.disconnect(self._follow_mode)
            self._followed = [each for each in self._followed if each is not layer]

    def _follow_mode(self, event: Event) -> None:
        """Leave to napari the keys with which a drawing is ended, as long as there may be one."""
        layer = event.source
        for action in _DRAWING_ENDS:
            if str(layer.mode) in DRAWN_BY_CORNERS:
                layer.bind_key(CONTROLS[action].key, None)
            else:
                self._bind(layer, action)

    def _bind(self, layer: Layer, action: Action) -> None:
        layer.bind_key(CONTROLS[action].key, lambda _: self._do(action), overwrite=True)
