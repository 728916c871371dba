"""A click is answered while its button is held, and what turns out to be no click is not."""

import numpy as np
from plugin_hand import LEFT, RIGHT, SHIFT
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_sam.prompts.prompt import Prompts

A, B = (12, 12), (28, 34)


def test_the_answer_is_there_when_the_button_is_released(desk) -> None:
    desk.hand.hold(A, 20)
    desk.hand.until(lambda: len(desk.engine.segmented) == 1)
    assert not desk.session.current.draft
    assert len(desk.points.data) == 0
    desk.hand.release(A)
    desk.ready()
    assert desk.area() == 81
    assert len(desk.engine.segmented) == 1
    np.testing.assert_allclose(desk.points.data, [[4, 12, 12]], atol=0.2)


def test_excluding_is_answered_early_too(desk) -> None:
    desk.click(A)
    desk.click(B)
    desk.click(B, RIGHT)
    desk.ready()
    assert desk.area() == 81
    assert len(desk.engine.segmented) == 3


def test_a_box_is_not_answered_as_the_click_that_it_began_with(desk) -> None:
    desk.hand.drag((20, 26), (36, 44))
    desk.hand.until(lambda: desk.area() == 81)
    desk.ready()
    assert desk.engine.segmented[-1][1].box is not None
    assert not desk.session.prompts.on(desk.session.image.plane).points


def test_a_stroke_expects_no_click(desk) -> None:
    QTest.mousePress(desk.hand.canvas, LEFT, SHIFT, desk.hand.at(A))
    QTest.qWait(50)
    assert not desk.engine.segmented
    QTest.mouseRelease(desk.hand.canvas, LEFT, SHIFT, desk.hand.at(A))


def test_a_press_outside_the_image_expects_nothing(desk) -> None:
    desk.hand.hold((-3, 12), 50)
    assert not desk.engine.segmented
    desk.hand.release((-3, 12))
    assert desk.session.prompts.on(desk.session.image.plane) == Prompts()


def test_picking_a_label_expects_no_click(desk) -> None:
    desk.click(A)
    desk.hand.key(Qt.Key.Key_Return)
    desk.ready()
    asked = len(desk.engine.segmented)
    desk.widget.controller.start_picking()
    desk.hand.hold(A, 50)
    assert len(desk.engine.segmented) == asked
    desk.hand.release(A)
