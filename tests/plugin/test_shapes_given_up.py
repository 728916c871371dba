"""Shapes that are given up while they are drawn."""

import numpy as np
from qtpy.QtCore import Qt


def test_a_polygon_that_is_given_up_leaves_the_others_as_they_are(desk) -> None:
    hand = desk.hand
    # A scribble that excludes, which has another colour.
    hand.drag((6, 24), (6, 40), Qt.MouseButton.RightButton)
    hand.until(lambda: len(desk.shapes.data) == 1)
    before = desk.shapes.edge_color.copy()
    hand.press(desk.widget.prompts.shapes)
    hand.key(Qt.Key.Key_P)
    assert desk.shapes.mode == "add_polygon"
    hand.click((28, 34))
    hand.key(Qt.Key.Key_Escape)
    assert len(desk.shapes.data) == 1
    np.testing.assert_allclose(desk.shapes.edge_color, before)
    hand.press(desk.widget.prompts.draw)
    hand.click((12, 12))
    hand.until(lambda: bool(desk.session.current.draft.key_masks))
    assert len(desk.points.data) == 1
