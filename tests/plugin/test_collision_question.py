"""Keep, overwrite, or ask: the question is a row of the panel and never blocks."""

import threading

import numpy as np
import pytest
from plugin_hand import SHIFT
from qtpy.QtCore import Qt

from napari_sam.labels.paint import Collision
from napari_sam.plugin.actions import Action


@pytest.fixture
def target(bench):
    labels = np.zeros((9, 40, 50), np.uint16)
    labels[4, 8:10, 8:10] = 3
    layer = bench.viewer.add_labels(labels, scale=(2.0, 1.0, 1.0))
    bench.controller.choose_target(layer)
    bench.settle()
    bench.controller.collision = Collision.ASK
    return layer


@pytest.mark.parametrize(
    ("answer", "taken"), [(Action.ACCEPT, 77), (Action.ACCEPT_OVERWRITING, 81), (Action.REJECT, 0)]
)
def test_the_keys_answer_while_there_is_a_question(bench, target, answer, taken) -> None:
    bench.click(4, 12, 12)
    bench.controller.do(Action.ACCEPT)
    assert bench.controller.asked.pixels == {3: 4}
    assert not (target.data == 4).any()
    bench.controller.do(answer)
    assert bench.controller.asked is None
    assert (target.data == 4).sum() == taken
    assert bool(bench.session.current.draft) is (answer is Action.REJECT)


def test_nothing_met_is_nothing_asked(bench, target) -> None:
    bench.click(4, 28, 34)
    bench.controller.do(Action.ACCEPT)
    assert bench.controller.asked is None
    assert (target.data == 4).sum() == 81


def test_a_changed_object_makes_the_question_out_of_date(bench, target) -> None:
    bench.click(4, 12, 12)
    bench.controller.do(Action.ACCEPT)
    bench.click(4, 28, 34)
    assert bench.controller.asked is None
    assert bench.session.current.draft


def test_accepting_before_the_mask_is_there_asks_when_it_is(bench, target) -> None:
    gate = bench.engine.gate = threading.Event()
    bench.controller.canvas.clicked(np.array([4.0, 12, 12]), True)
    bench.controller.do(Action.ACCEPT)
    assert "as soon as the mask is there" in bench.told[-1]
    gate.set()
    bench.settle()
    assert bench.controller.asked.pixels == {3: 4}


def test_accepting_before_the_mask_is_there_goes_on_where_nothing_is_met(bench, target) -> None:
    gate = bench.engine.gate = threading.Event()
    bench.controller.canvas.clicked(np.array([4.0, 28, 34]), True)
    bench.controller.do(Action.ACCEPT)
    gate.set()
    bench.settle()
    assert (target.data == 4).sum() == 81


def test_the_next_object_asks_too(bench, target) -> None:
    bench.click(4, 12, 12)
    bench.controller.do(Action.NEXT)
    assert bench.controller.asked is not None
    assert bench.session.current.draft


def test_shift_and_enter_overwrites_this_once(bench, target) -> None:
    bench.controller.collision = Collision.KEEP
    bench.click(4, 12, 12)
    bench.controller.do(Action.ACCEPT_OVERWRITING)
    assert (target.data == 4).sum() == 81
    assert bench.controller.collision is Collision.KEEP


def test_the_question_in_the_window(desk) -> None:
    labels = np.zeros((9, 40, 50), np.uint16)
    labels[4, 8:10, 8:10] = 6
    layer = desk.viewer.add_labels(labels, name="mine")
    choice = desk.widget.choices.labels
    choice.setCurrentIndex(choice.findText("mine"))
    desk.hand.press(desk.widget.prompts.draw)
    rows = desk.widget.object.collision
    assert rows.choices[Collision.KEEP].isChecked()
    assert not rows.question.isVisible()
    rows.choices[Collision.ASK].setChecked(True)
    desk.click((12, 12))
    desk.hand.key(Qt.Key.Key_Return)
    assert rows.question.isVisible()
    assert "4 pixels of label 6" in rows.sentence.text()
    desk.hand.press(rows.back)
    assert not rows.question.isVisible()
    desk.hand.key(Qt.Key.Key_Return)
    desk.hand.key(Qt.Key.Key_Return, SHIFT)
    assert not rows.question.isVisible()
    assert (layer.data == 7).sum() == 81
    desk.hand.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert (layer.data == 6).sum() == 4
    desk.hand.key(Qt.Key.Key_Return)
    desk.hand.press(rows.keep)
    assert (layer.data == 7).sum() == 77
