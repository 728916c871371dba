"""The actions that the user can do by key or button, in one table."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from napari.layers import Layer, Shapes
from napari.utils.key_bindings import coerce_keybinding


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
    Action.CANCEL: Control(
        "Cancel", "Q", "Q", "Stop propagating; the planes that were reached stay proposed. Or stop making many objects."
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
_DRAWING_MODES = {"add_polygon", "add_polygon_lasso", "add_path", "add_polyline"}
_DRAWING_ENDS = (Action.ACCEPT, Action.REJECT)


def bind_keys(layer: Layer, do: Callable[[Action], None]) -> None:
    """Bind every action's key on one layer that holds prompts, so that no key of napari's other layers changes."""
    for action in CONTROLS:
        _bind(layer, action, do)
    if isinstance(layer, Shapes):

        def follow_mode() -> None:
            if coerce_keybinding(CONTROLS[Action.UNDO].key) not in layer.keymap:
                # They were unbound since.
                return
            drawing = str(layer.mode) in _DRAWING_MODES
            for action in _DRAWING_ENDS:
                if drawing:
                    layer.bind_key(CONTROLS[action].key, None)
                else:
                    _bind(layer, action, do)

        layer.events.mode.connect(lambda _: follow_mode())


def unbind_keys(layer: Layer) -> None:
    """Give a layer's keys back to napari."""
    for control in CONTROLS.values():
        layer.bind_key(control.key, None)


def _bind(layer: Layer, action: Action, do: Callable[[Action], None]) -> None:
    layer.bind_key(CONTROLS[action].key, lambda _: do(action), overwrite=True)
