"""The deeds of the monkey. A new one is one more class here, and its name in `DEEDS`.

`choose` picks what it needs, as JSON, or None where it makes no sense now; `do` does it, and must bear a window in
which it makes no sense any more (the script may have been cut short before it).
"""

from random import Random
from typing import Any, ClassVar

import numpy as np
from napari.layers import Image, Labels

from benchmarks.monkey.desk import Desk
from benchmarks.monkey.images import KINDS
from napari_sam.models.cache import is_downloaded
from napari_sam.models.registry import REGISTRY
from napari_sam.plugin.actions import CONTROLS, Action
from napari_sam.plugin.canvas.object_editing import EDITS

Args = dict[str, Any]
MOST_LAYERS = 9


class Deed:
    """One kind of deed.

    Attributes
    ----------
    weight
        How often it is done, beside the others.
    changes
        Whether it may change labels, prompts or ids; what only looks must not.
    slow
        Whether napari itself may take long for it, so that its stalls say nothing.
    """

    weight: ClassVar[float] = 1.0
    changes: ClassVar[bool] = True
    slow: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return type(self).__name__

    def choose(self, desk: Desk, random: Random) -> Args | None:
        return {}

    def do(self, desk: Desk, **args: Any) -> None:
        raise NotImplementedError


# Prompts


class Click(Deed):
    weight = 20

    def choose(self, desk, random):
        how = random.choices([("left", ""), ("right", ""), ("left", "alt"), ("left", "control")], [8, 2, 1, 1])[0]
        return {"at": desk.on_object(random), "button": how[0], "modifier": how[1]}

    def do(self, desk, at, button, modifier):
        desk.pointer.drag([at], button, modifier, 0)


class HurriedClicks(Deed):
    """Several at once, the next before the answer to the last."""

    weight = 3

    def choose(self, desk, random):
        return {"at": [desk.on_object(random) for _ in range(random.randint(2, 5))]}

    def do(self, desk, at):
        for each in at:
            desk.pointer.drag([each], "left", "", 0)


class ClickAndAccept(Deed):
    """Accepted before the answer may be there."""

    weight = 8

    def choose(self, desk, random):
        return {"at": desk.on_object(random), "wait": random.choice([0, 30, 200])}

    def do(self, desk, at, wait):
        desk.pointer.drag([at], "left", "", 0)
        desk.wait(wait)
        desk.pointer.key("Return")


class DragBox(Deed):
    weight = 5

    def choose(self, desk, random):
        (x, y), across, down = desk.on_object(random), random.uniform(0.01, 0.15), random.uniform(0.01, 0.15)
        return {"path": [[x - across, y - down], [x, y], [x + across, y + down]], "wait": random.choice([0, 5])}

    def do(self, desk, path, wait):
        desk.pointer.drag(path, "left", "", wait)


class Scribble(Deed):
    weight = 4

    def choose(self, desk, random):
        x, y = desk.on_object(random)
        path = [[x + random.uniform(-0.03, 0.03), y + random.uniform(-0.03, 0.03)] for _ in range(random.randint(2, 6))]
        button, modifier = random.choice([("left", "shift"), ("right", ""), ("left", "alt")])
        return {"path": path, "button": button, "modifier": modifier, "wait": random.choice([0, 5])}

    def do(self, desk, path, button, modifier, wait):
        desk.pointer.drag(path, button, modifier, wait)


class DrawShape(Deed):
    """With a tool of napari's on the shapes layer."""

    weight = 2

    def choose(self, desk, random):
        x, y = desk.on_object(random)
        return {"tool": random.choice("REL"), "path": [[x - 0.03, y - 0.04], [x, y + 0.01], [x + 0.03, y + 0.04]]}

    def do(self, desk, tool, path):
        if desk.open:
            desk.pointer.press(desk.widget.prompts.shapes)
            desk.pointer.key(tool)
            desk.pointer.drag(path, "left", "", 5)
            desk.pointer.press(desk.widget.prompts.draw)


class DrawPolygon(Deed):
    """With napari's tool, by several clicks, finished or left."""

    def choose(self, desk, random):
        x, y = desk.on_object(random)
        corners = [[x - 0.03, y - 0.03], [x + 0.03, y - 0.03], [x + 0.03, y + 0.03], [x - 0.03, y + 0.03]]
        return {"corners": corners[: random.randint(1, 4)], "end": random.choice(["Return", "Escape", "", "I"])}

    def do(self, desk, corners, end):
        if desk.open:
            desk.pointer.press(desk.widget.prompts.shapes)
            desk.pointer.key("P")
            for corner in corners:
                desk.pointer.move(corner)
                desk.pointer.drag([corner], "left", "", 0)
            if end:
                desk.pointer.key(end)
            desk.pointer.press(desk.widget.prompts.draw)


class EditPrompts(Deed):
    """Clicks or shapes selected with napari's tool, moved, copied or deleted."""

    weight = 3

    def choose(self, desk, random):
        return {
            "kind": random.choice(["points", "shapes"]),
            "from": desk.on_object(random),
            "to": desk.on_object(random),
            "all": random.random() < 0.5,
            "keys": random.choice([["Delete"], [], [], ["C", "V"]]),
        }

    def do(self, desk, kind, to, all, keys, **start):
        if not desk.open or desk.open.own is None:
            return
        desk.pointer.press(getattr(desk.widget.prompts, kind))
        if all:
            desk.pointer.key("A")
        desk.pointer.drag([start["from"], to], "left", "", 5)
        for key in keys:
            desk.pointer.key(key, "control" if key in "CV" else "")
        desk.pointer.press(desk.widget.prompts.draw)


class TouchCanvas(Deed):
    """Ready for clicks again, as a person presses whenever clicks do nothing."""

    weight = 4
    changes = False

    def do(self, desk):
        if desk.open:
            desk.pointer.press(desk.widget.prompts.draw)


# Keys and buttons


class Act(Deed):
    """What keys and buttons ask for."""

    weight = 14
    _often: ClassVar[dict[Action, float]] = {
        Action.ACCEPT: 8,
        Action.ACCEPT_OVERWRITING: 2,
        Action.REJECT: 2,
        Action.NEXT: 3,
        Action.PROPAGATE: 3,
        Action.CANCEL: 2,
        Action.EACH: 1,
        Action.EACH_EVERYWHERE: 0.5,
    }

    def choose(self, desk, random):
        actions = [each for each in Action if each not in (Action.UNDO, Action.REDO)]
        action = random.choices(actions, [self._often.get(each, 1) for each in actions])[0]
        return {"action": action.value, "by": random.choice(["key", "button"])}

    def do(self, desk, action, by):
        do_action(desk, Action(action), by)


class UndoRedo(Deed):
    weight = 10

    def choose(self, desk, random):
        undos = random.randint(1, 4)
        return {"undos": undos, "redos": random.randint(0, undos), "by": random.choice(["key", "button"])}

    def do(self, desk, undos, redos, by):
        for action, times in ((Action.UNDO, undos), (Action.REDO, redos)):
            for _ in range(times):
                do_action(desk, action, by)


_KEYS = {"Enter": "Return", "Escape": "Escape"}


def do_action(desk: Desk, action: Action, by: str) -> None:
    if by == "key":
        *modifiers, key = CONTROLS[action].key.split("-")
        desk.pointer.key(_KEYS.get(key, key), " ".join(each.lower() for each in modifiers))
    elif desk.open and action in desk.widget.buttons:
        desk.pointer.press(desk.widget.buttons[action])


class Answer(Deed):
    """The question about pixels of other labels, and whether it is asked."""

    weight = 2

    def choose(self, desk, random):
        return {"choice": random.randrange(3), "answer": random.choice(["keep", "overwrite", "back"])}

    def do(self, desk, choice, answer):
        if desk.open:
            rows = desk.widget.object.collision
            desk.pointer.press(getattr(rows, answer))
            desk.pointer.press(list(rows.choices.values())[choice])


class Wanted(Deed):
    """What is wanted of everything, and where it is looked for."""

    weight = 3
    changes = False

    def choose(self, desk, random):
        return {"slider": random.randrange(4), "to": random.random(), "where": random.randrange(4)}

    def do(self, desk, slider, to, where):
        if desk.open:
            panel = desk.widget.everything
            turn(panel.where, where)
            panel.sliders[slider].setValue(round(to * panel.sliders[slider].maximum()))


class FindAndAccept(Deed):
    """Everything found, some of it clicked away, accepted or left."""

    weight = 3

    def choose(self, desk, random):
        return {
            "wait": random.choice([0, 100, 1500]),
            "at": [desk.on_object(random) for _ in range(random.randint(0, 3))],
            "end": random.choice(["accept all found", "accept all found", "discard all found", ""]),
        }

    def do(self, desk, wait, at, end):
        do_action(desk, Action.FIND, "key")
        desk.wait(wait)
        for each in at:
            desk.pointer.drag([each], "left", "", 0)
        if end:
            do_action(desk, Action(end), "button")


class FindAlike(Deed):
    """All like some objects of the table, or like those looked for last; accepted or left."""

    weight = 2

    def choose(self, desk, random):
        return {
            "rows": [random.random() for _ in range(random.randint(0, 3))],
            "wait": random.choice([0, 300, 1500]),
            "least": random.choice([None, 0, 30, 90]),
            "end": random.choice(["accept all found", "discard all found", ""]),
        }

    def do(self, desk, rows, wait, least, end):
        labels = desk.widget.table.model.labels
        desk.widget.table.select(*{labels[int(row * len(labels))] for row in rows if labels})
        do_action(desk, Action.FIND_ALIKE, "key")
        desk.wait(wait)
        if least is not None:
            desk.widget.everything.alike.setValue(least)
        if end:
            do_action(desk, Action(end), "button")


class KeyboardCursor(Deed):
    """Prompts without a mouse."""

    def choose(self, desk, random):
        keys = random.choices(["Left", "Right", "Up", "Down", "D", "I", "PageUp", "PageDown"], k=random.randint(2, 8))
        return {"keys": keys}

    def do(self, desk, keys):
        for key in ["J", *keys, "J"]:
            desk.pointer.key(key)


# Labels


class Brush(Deed):
    """A stroke, an erasure or a fill by napari's tools on a Labels layer."""

    weight = 5

    def choose(self, desk, random):
        x, y = desk.on_object(random)
        return {
            "layer": random.randrange(4),
            "mode": random.choice(["paint", "paint", "erase", "fill"]),
            "label": random.randint(1, 6),
            "size": random.choice([3, 10, 25]),
            "path": [[x, y], [x + 0.02, y], [x + 0.03, y + 0.03]],
            "undo": random.random() < 0.3,
        }

    def do(self, desk, layer, mode, label, size, path, undo):
        layer = pick(plain_labels(desk), layer)
        if layer is None or not layer.editable or not layer.visible:
            return
        desk.viewer.layers.selection.active = layer
        layer.selected_label, layer.brush_size, layer.mode = label, size, mode
        desk.pointer.drag(path if mode != "fill" else path[:1], "left", "", 5)
        if undo:
            desk.pointer.key("Z", "control")
        layer.mode = "pan_zoom"
        if desk.open:
            desk.pointer.press(desk.widget.prompts.draw)


class Table(Deed):
    """An accepted object selected, renamed, deleted, or gone on with; or the next one's id chosen."""

    weight = 5

    def choose(self, desk, random):
        deeds = ["select", "reopen", "reopen", "delete", "rename", "id"]
        return {"row": random.randrange(8), "deed": random.choice(deeds), "id": random.choice([0, 3, 40, 300])}

    def do(self, desk, row, deed, id):
        if not desk.open:
            return
        table = desk.widget.table
        desk.widget.objects.expand()
        count = table.model.rowCount()
        if deed == "id":
            if table.next_id.isEnabled():
                table.next_id.setValue(id)
        elif count:
            table.view.selectRow(row % count)
            if deed == "rename":
                table.model.setData(table.model.index(row % count, 1), f"cell {id}", 2)
            elif deed != "select":
                desk.pointer.press(table.reopen_button if deed == "reopen" else table.delete_button)


class EditObjects(Deed):
    """Some objects, the one under the pointer or all of them merged, split, filled, smoothed, grown or shrunk."""

    weight = 6

    def choose(self, desk, random):
        return {
            "rows": [random.randrange(8) for _ in range(random.choice([0, 1, 1, 2, 3]))],
            "deed": random.choice([each.value for each in EDITS]),
            "by": random.choice(["key", "button"]),
            "which": random.choice([0, 0, 1]),
            "where": random.randrange(2),
            "distance": random.choice([0.5, 1.0, 2.0, 5.0]),
            "clicks": [desk.on_object(random) for _ in range(random.randint(1, 4))],
            "end": random.choice(["Return", "Return", "Escape", "U", ""]),
        }

    def do(self, desk, rows, deed, by, which, where, distance, clicks, end):
        if not desk.open:
            return
        desk.widget.objects.expand()
        table, edits = desk.widget.table, desk.widget.table.edits
        labels = table.model.labels
        table.select(*[labels[row % len(labels)] for row in rows if labels])
        turn(edits.which, which)
        turn(edits.where, where)
        edits.distance.setValue(distance)
        desk.pointer.move(clicks[0])
        do_action(desk, Action(deed), by)
        if Action(deed) is Action.SPLIT and desk.widget.controller.splitting.active:
            for each in clicks:
                desk.pointer.drag([each], "left", "", 0)
            if end:
                desk.pointer.key(end)


class EditAndUndo(EditObjects):
    """The same, undone at once: all is as it was."""

    weight = 3
    changes = False

    def do(self, desk, **args):
        if desk.open and desk.settle(5):
            done = desk.open.done
            super().do(desk, **{**args, "end": "Return"})
            desk.settle()
            if desk.widget.controller.splitting.active:
                desk.pointer.key("Escape")
            if desk.open.done > done:
                desk.open.undo()


class ChooseLabels(Deed):
    weight = 2

    def choose(self, desk, random):
        return {"at": random.randrange(5)}

    def do(self, desk, at):
        if desk.open:
            turn(desk.widget.choices.labels, at)


# What is worked on


class ChooseImage(Deed):
    weight = 1.5

    def choose(self, desk, random):
        return {"at": random.randrange(5)}

    def do(self, desk, at):
        if desk.open:
            turn(desk.widget.choices.image, at)


class ChooseModel(Deed):
    weight = 0.7

    def choose(self, desk, random):
        here = [name for name, spec in REGISTRY.items() if spec.bundled or is_downloaded(spec)]
        return {"model": random.choice([*here, *list(REGISTRY)[:1]])}

    def do(self, desk, model):
        if desk.open:
            turn(desk.widget.choices.model, desk.widget.choices.model.findData(model))


class BackToNano(Deed):
    """A model whose weights are not here answers nothing."""

    weight = 15

    def choose(self, desk, random):
        return {} if desk.open and desk.open.model != "nano" else None

    def do(self, desk):
        if desk.open:
            turn(desk.widget.choices.model, desk.widget.choices.model.findData("nano"))


class BackToAnImage(Deed):
    """A person does not go on for long without an image, nor in 3-D."""

    weight = 8

    def choose(self, desk, random):
        return {} if desk.open and (desk.open.image is None or desk.viewer.dims.ndisplay == 3) else None

    def do(self, desk):
        desk.viewer.dims.ndisplay = 2
        if desk.open and desk.open.image is None:
            turn(desk.widget.choices.image, 1)


class ObjectSize(Deed):
    def choose(self, desk, random):
        return {"size": random.choice([0, 0, 20, 45])}

    def do(self, desk, size):
        if desk.open:
            desk.widget.choices.object_size.setValue(size)


class LayerContrast(Deed):
    weight = 0.5

    def do(self, desk):
        if desk.open:
            desk.pointer.press(desk.widget.choices.layer_contrast)


class TakePrompts(Deed):
    """From a layer that the user made."""

    weight = 1

    def choose(self, desk, random):
        return {"at": random.randrange(4), "each": random.random() < 0.3}

    def do(self, desk, at, each):
        if desk.open:
            source = desk.widget.prompts.source
            turn(source.layer, at)
            desk.pointer.press(source.each[Action.EACH] if each else source.use)


# Looking


class Look(Deed):
    """What only looks; it must not change anything by itself."""

    changes = False


class Hover(Look):
    weight = 8

    def choose(self, desk, random):
        return {"path": [desk.on_object(random) for _ in range(random.randint(1, 6))]}

    def do(self, desk, path):
        for at in path:
            desk.pointer.move(at)
            desk.wait(5)


class Zoom(Look):
    weight = 4

    def choose(self, desk, random):
        return {"at": desk.on_object(random), "notches": random.choice([-3, -1, 1, 2])}

    def do(self, desk, at, notches):
        for _ in range(abs(notches)):
            desk.pointer.wheel(at, 1 if notches > 0 else -1, "")


class ResetView(Look):
    weight = 2

    def do(self, desk):
        desk.viewer.reset_view()


class Scroll(Look):
    """Through the planes."""

    weight = 6

    def choose(self, desk, random):
        if desk.viewer.dims.ndim < 3:
            return None
        return {"at": desk.somewhere(random), "notches": random.choice([-4, -1, -1, 1, 1, 3])}

    def do(self, desk, at, notches):
        for _ in range(abs(notches)):
            desk.pointer.wheel(at, 1 if notches > 0 else -1, "control")
            desk.wait(10)


class Slider(Look):
    weight = 3

    def choose(self, desk, random):
        dims = desk.viewer.dims
        if dims.ndim < 3:
            return None
        axis = random.choice(dims.not_displayed) if dims.not_displayed else 0
        return {"axis": axis, "to": random.random()}

    def do(self, desk, axis, to):
        dims = desk.viewer.dims
        if axis < dims.ndim:
            dims.set_current_step(axis, round(to * (dims.nsteps[axis] - 1)))


class RollAxes(Look):
    weight = 1
    slow = True

    def choose(self, desk, random):
        return {"how": random.choice(["roll", "transpose"])}

    def do(self, desk, how):
        getattr(desk.viewer.dims, how)()


class RollBack(Look):
    weight = 2
    slow = True

    def do(self, desk):
        desk.viewer.dims.order = tuple(range(desk.viewer.dims.ndim))


class ThreeD(Look):
    weight = 0.7
    slow = True

    def do(self, desk):
        desk.viewer.dims.ndisplay = 3 if desk.viewer.dims.ndisplay == 2 else 2


class CandidateWheel(Deed):
    weight = 2

    def choose(self, desk, random):
        return {"at": desk.on_object(random), "notches": random.choice([-1, 1])}

    def do(self, desk, at, notches):
        desk.pointer.wheel(at, notches, "shift")


class Pause(Look):
    """Long enough for everything that happens by itself."""

    weight = 3

    def choose(self, desk, random):
        return {"ms": random.choice([100, 400, 1500])}

    def do(self, desk, ms):
        desk.wait(ms)


# Layers


class AddImage(Deed):
    weight = 0.7
    slow = True

    def choose(self, desk, random):
        if len(desk.viewer.layers) > MOST_LAYERS:
            return None
        return {"kind": random.choice([desk.kind, *KINDS]), "seed": random.randrange(1000)}

    def do(self, desk, kind, seed):
        desk.add_image(kind, seed)


class AddLabels(Deed):
    """Of the image's shape, empty or not."""

    weight = 1
    slow = True

    def choose(self, desk, random):
        return {"type": random.choice(["uint8", "uint16", "int32"]), "filled": random.random() < 0.5}

    def do(self, desk, type, filled):
        image = desk.open.image if desk.open else None
        if image is None or len(desk.viewer.layers) > MOST_LAYERS:
            return
        shape = tuple(image.level_shapes[0] if image.multiscale else image.data.shape)[: image.ndim]
        data = np.zeros([int(size) for size in shape], type)
        if filled:
            data[..., 20:40, 30:60] = 2
        desk.viewer.add_labels(data, scale=image.scale, translate=image.translate, units=image.units)


class AddPrompts(Deed):
    """A Points or Shapes layer of the user's."""

    weight = 0.7

    def choose(self, desk, random):
        return {"kind": random.choice(["points", "shapes"]), "seed": random.randrange(1000)}

    def do(self, desk, kind, seed):
        image = desk.open.image if desk.open else None
        if image is None or len(desk.viewer.layers) > MOST_LAYERS:
            return
        random = np.random.default_rng(seed)
        shape = np.array(image.level_shapes[0] if image.multiscale else image.data.shape)[: image.ndim]
        places = np.round(random.uniform(0.2, 0.8, (3, image.ndim)) * (shape - 1))
        if kind == "points":
            desk.viewer.add_points(places, scale=image.scale, units=image.units)
        else:
            corners = np.repeat(places[:1], 4, axis=0)
            corners[:, -2:] += [[0, 0], [0, 18], [18, 18], [18, 0]]
            desk.viewer.add_shapes([corners], shape_type="rectangle", scale=image.scale, units=image.units)


class LayerDeed(Deed):
    """A layer, hidden, shown, renamed, moved, duplicated or removed in napari's list."""

    weight = 4

    def choose(self, desk, random):
        deeds = ["hide", "hide", "show", "show", "rename", "move", "select", "remove", "opacity"]
        return {"layer": random.randrange(12), "deed": random.choice(deeds), "to": random.randrange(12)}

    def do(self, desk, layer, deed, to):
        layers = desk.viewer.layers
        layer = pick(list(layers), layer)
        if layer is None:
            return
        if deed in ("hide", "show"):
            layer.visible = deed == "show"
        elif deed == "rename":
            layer.name = f"layer {to}"
        elif deed == "move":
            layers.move(layers.index(layer), to % len(layers))
        elif deed == "select":
            layers.selection.active = layer
        elif deed == "opacity":
            layer.opacity = 0.3 + to / 20
        elif not (isinstance(layer, Image) and len([each for each in layers if isinstance(each, Image)]) == 1):
            layers.remove(layer)


class PlaceImage(Deed):
    """The image is given another scale or place while it is worked on."""

    weight = 0.4

    def choose(self, desk, random):
        return {"scale": random.choice([0.5, 1.0, 2.0]), "translate": random.choice([0.0, 7.5])}

    def do(self, desk, scale, translate):
        image = desk.open.image if desk.open else None
        if image is not None:
            image.scale = (*image.scale[:-2], scale, scale)
            image.translate = (*image.translate[:-1], translate)


# Panel and files


class ClosePanel(Deed):
    weight = 0.4
    slow = True

    def do(self, desk):
        desk.close_panel()


class OpenPanel(Deed):
    weight = 30
    slow = True

    def choose(self, desk, random):
        return None if desk.open else {}

    def do(self, desk):
        desk.open_panel()


class Save(Deed):
    weight = 1
    changes = False

    def do(self, desk):
        if desk.open:
            desk.pointer.press(desk.widget.save_button)


class OpenSession(Deed):
    weight = 0.4
    slow = True

    def do(self, desk):
        if desk.open:
            desk.pointer.press(desk.widget.open_button)


class RestoreRow(Deed):
    """What the panel offers to bring back."""

    weight = 1
    slow = True

    def choose(self, desk, random):
        if not desk.open or not desk.widget.restore_row.isVisible():
            return None
        return {"button": random.choice(["restore", "later", "discard"])}

    def do(self, desk, button):
        if desk.open:
            desk.pointer.press(getattr(desk.widget.restore_row, button))


DEEDS: tuple[type[Deed], ...] = (
    Click,
    HurriedClicks,
    ClickAndAccept,
    DragBox,
    Scribble,
    DrawShape,
    DrawPolygon,
    EditPrompts,
    TouchCanvas,
    Act,
    UndoRedo,
    Answer,
    Wanted,
    FindAndAccept,
    FindAlike,
    KeyboardCursor,
    Brush,
    Table,
    EditObjects,
    EditAndUndo,
    ChooseLabels,
    ChooseImage,
    ChooseModel,
    BackToNano,
    BackToAnImage,
    ObjectSize,
    LayerContrast,
    TakePrompts,
    Hover,
    Zoom,
    ResetView,
    Scroll,
    Slider,
    RollAxes,
    RollBack,
    ThreeD,
    CandidateWheel,
    Pause,
    AddImage,
    AddLabels,
    AddPrompts,
    LayerDeed,
    PlaceImage,
    ClosePanel,
    OpenPanel,
    Save,
    OpenSession,
    RestoreRow,
)


def plain_labels(desk: Desk) -> list[Labels]:
    """Labels layers that are not the plugin's."""
    is_own = desk.widget.controller.is_own if desk.open else None
    return [each for each in desk.viewer.layers if isinstance(each, Labels) and not (is_own and is_own(each))]


def pick(among: list[Any], number: int) -> Any:
    return among[number % len(among)] if among else None


def turn(combo: Any, at: int) -> None:
    """Choose in a list, as a person does: what is chosen already is not told of."""
    if combo.count() and at >= 0:
        combo.setCurrentIndex(at % combo.count())
