"""Labels that cannot be accepted into stand in the list all the same, greyed, and say why."""

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_sam.plugin.layers import label_obstacles

SHAPE = (9, 40, 50)


def reasons(bench) -> dict[str, str]:
    return {layer.name: obstacle for layer, obstacle in bench.controller.targets.offered.items()}


def negative() -> np.ndarray:
    array = np.zeros(SHAPE, np.int32)
    array[0, 0, 0] = -1
    return array


def test_each_layer_says_why_it_is_not_offered(bench) -> None:
    bench.viewer.add_labels(np.zeros(SHAPE, np.uint16), name="fits")
    bench.viewer.add_labels(np.zeros((9, 20, 25), np.uint8), name="half", scale=(2, 2, 2))
    bench.viewer.add_labels(negative(), name="signed")
    bench.viewer.add_labels(np.zeros(SHAPE, np.uint8), name="locked").editable = False
    said = reasons(bench)
    assert list(said) == ["locked", "signed", "half", "fits"]
    assert said["fits"] == ""
    assert "has shape (9, 20, 25) and the image (9, 40, 50)" in said["half"]
    assert "negative ids (-1)" in said["signed"]
    assert "is locked" in said["locked"]
    assert [layer.name for layer in bench.controller.targets.fitting] == ["fits"]


def test_negative_ids_are_refused_before_the_work_and_not_once_they_are_mended(bench) -> None:
    layer = bench.viewer.add_labels(negative(), name="signed")
    bench.controller.choose_target(layer)
    assert "negative ids (-1), which cannot be saved" in bench.told[-1]
    assert bench.session.labels.target is None
    layer.data[0, 0, 0] = 0
    bench.controller.choose_target(layer)
    assert bench.controller.target_layer is layer


def test_large_labels_are_looked_through_in_the_background(bench, monkeypatch) -> None:
    monkeypatch.setattr(label_obstacles, "AT_ONCE", 10)
    told = []
    bench.controller.layers_changed.connect(lambda: told.append(reasons(bench)["signed"]))
    layer = bench.viewer.add_labels(negative(), name="signed")
    assert told[0] == ""
    bench.settle()
    assert "negative" in told[-1]
    layer.data[0, 0, 0] = 0
    layer.name = "signed"
    assert "negative" in reasons(bench)["signed"]
    bench.settle()
    assert reasons(bench)["signed"] == ""


@pytest.fixture
def entries(desk):
    """By text of an entry of the list, whether it can be chosen, and its tooltip."""
    box = desk.widget.choices.labels

    def read() -> dict[str, tuple[bool, str]]:
        return {
            box.itemText(at): (box.model().item(at).isEnabled(), box.itemData(at, Qt.ItemDataRole.ToolTipRole) or "")
            for at in range(box.count())
        }

    return read


def test_the_list_greys_them_with_the_reason_as_tooltip_as_long_as_it_is_true(desk, entries) -> None:
    layer = desk.viewer.add_labels(np.zeros(SHAPE, np.uint8), name="mine")
    desk.viewer.add_labels(np.zeros((9, 20, 25), np.uint8), name="half", scale=(1, 2, 2))
    desk.viewer.add_labels(np.zeros((40, 50), np.uint8), name="flat")
    desk.viewer.add_labels(np.zeros(SHAPE, np.uint8), name="moved", translate=(0, 5, 5))
    assert entries()["New labels layer"] == (True, "")
    assert entries()["mine"] == (True, "")
    assert entries()["half"][0] is entries()["flat"][0] is False
    assert "shape (9, 20, 25)" in entries()["half"][1]
    assert entries()["moved"][0] is True
    assert "lies elsewhere" in entries()["moved"][1]
    layer.editable = False
    assert entries()["mine"][0] is False
    assert "locked" in entries()["mine"][1]
    layer.editable = True
    assert entries()["mine"] == (True, "")
    layer.data = np.zeros((9, 20, 25), np.uint8)
    assert entries()["mine"][0] is False
