import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.demo.aim import (
    Aim,
    aim_at_known,
    aim_at_likely,
    around,
    innermost,
    largest_error,
    likely_correction,
    middle_plane,
)
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Prompts
from napari_sam.segment.segmentation import Segmentation


def test_the_middle_plane_shows_the_last_two_axes() -> None:
    source = ImageSource(np.zeros((4, 9, 20, 30), np.uint8))
    assert middle_plane(source) == Plane((2, 3), (2, 4, 0, 0))


def test_the_known_object_is_whole_bright_and_central() -> None:
    known = np.zeros((9, 40, 40), np.int32)
    known[0:6, 18:24, 18:24] = 1  # cut by the first plane
    known[2:7, 10:16, 16:22] = 2  # dim
    known[2:7, 23:31, 17:25] = 3
    known[4, 22:32, 16:26] = 3
    known[2:7, 1:9, 1:9] = 4  # far off
    image = np.where(known == 2, 5, np.where(known > 0, 50, 0))
    aim = aim_at_known(known, image)
    assert aim.label == 3
    assert aim.plane == Plane((1, 2), (4, 0, 0))
    assert known[4, aim.row, aim.column] == 3
    assert (aim.row, aim.column) == (26, 20)


def test_a_lone_cut_object_is_taken_all_the_same() -> None:
    known = np.zeros((3, 10, 10), np.int32)
    known[:, :5, :5] = 7
    assert aim_at_known(known, known).label == 7


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 8), st.integers(0, 8))
def test_innermost_lies_inside_and_as_deep_as_can_be(height: int, width: int, row0: int, column0: int) -> None:
    pixels = np.zeros((24, 24), bool)
    pixels[row0 : row0 + height, column0 : column0 + width] = True
    row, column = innermost(pixels)
    depth = min(row - row0 + 1, row0 + height - row, column - column0 + 1, column0 + width - column)
    assert depth == (min(height, width) + 1) // 2


def test_the_largest_error_decides_the_click() -> None:
    known = np.zeros((20, 20), bool)
    known[5:15, 5:15] = True
    missing = known.copy()
    missing[5:15, 5:11] = False
    click = largest_error(missing, known)
    assert click.positive
    assert known[round(click.row), round(click.column)]
    assert not missing[round(click.row), round(click.column)]
    too_much = known.copy()
    too_much[0:5, 5:15] = True
    click = largest_error(too_much, known)
    assert not click.positive
    assert not known[round(click.row), round(click.column)]


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 20), st.integers(1, 20))
def test_clicks_around_a_mask_add_inside_and_exclude_outside(row: int, column: int, height: int, width: int) -> None:
    mask = Mask((row, column, row + height, column + width), np.ones((height, width), bool))
    clicks = around(mask, (52, 52))
    assert clicks
    for click in clicks:
        assert mask.painted((52, 52))[round(click.row), round(click.column)] == click.positive


def test_the_correction_is_the_one_that_makes_the_model_surest() -> None:
    mask = Mask((20, 20, 40, 40), np.ones((20, 20), bool))
    wanted = around(mask, (60, 60))[3]

    class Surest:
        def segment(self, plane: Plane, prompts: Prompts, **_: object) -> Segmentation:
            return Segmentation((Mask(mask.box, mask.pixels, 0.9 if prompts.points[-1] == wanted else 0.5),))

    first = Aim(Plane((0, 1), (0, 0)), 30, 30)
    assert likely_correction(first, mask, Surest(), (60, 60)) == wanted  # type: ignore[arg-type]


class BrightnessSegmenter:
    """Answers with the bright square around a click, and is surest of the brightest."""

    def __init__(self, image: np.ndarray) -> None:
        self.image = image

    def segment(self, plane: Plane, prompts: Prompts, **_: object) -> Segmentation:
        at = round(prompts.points[0].row), round(prompts.points[0].column)
        value = int(self.image[plane.index[0]][at])
        pixels = (self.image[plane.index[0]] == value) & (value > 0)
        cropped = Mask.from_pixels(pixels)
        return Segmentation((Mask(cropped.box, cropped.pixels, predicted_iou=value / 255),))


@pytest.mark.parametrize("order", [(120, 200), (200, 120)])
def test_without_knowledge_the_model_s_best_object_is_taken(order: tuple[int, int]) -> None:
    image = np.zeros((3, 96, 96), np.uint8)
    image[1, 30:44, 20:34], image[1, 52:66, 60:74] = order
    source = ImageSource(image)
    aim = aim_at_likely(source, BrightnessSegmenter(image), middle_plane(source))  # type: ignore[arg-type]
    assert image[1, aim.row, aim.column] == 200


def test_where_nothing_is_found_it_clicks_the_middle() -> None:
    source = ImageSource(np.zeros((3, 50, 60), np.uint8))
    aim = aim_at_likely(source, BrightnessSegmenter(source.array()), middle_plane(source))  # type: ignore[arg-type]
    assert (aim.plane.index[0], aim.row, aim.column) == (1, 25, 30)
