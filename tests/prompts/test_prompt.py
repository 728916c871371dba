import numpy as np

from napari_sam.planes.mask import Mask
from napari_sam.prompts.prompt import Box, Point, Prompts


def test_a_box_sorts_its_corners():
    assert Box(9, 8, 2, 3) == Box(2, 3, 9, 8)


def test_prompts_without_anything_are_false():
    assert not Prompts()
    assert Prompts((Point(1, 2),))
    assert Prompts(box=Box(0, 0, 1, 1))
    assert Prompts(mask=Mask.from_pixels(np.ones((2, 2), bool)))


def test_adding_a_point_keeps_the_order_and_the_original():
    first = Prompts((Point(1, 2),))
    second = first.with_point(Point(3, 4, positive=False))
    assert first.points == (Point(1, 2),)
    assert second.points == (Point(1, 2), Point(3, 4, positive=False))
