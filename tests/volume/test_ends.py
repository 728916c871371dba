"""How it is found out that an object has ended, by models that know and by models that draw what they are told."""

import numpy as np
import pytest

from napari_sam.models.load import load_model
from napari_sam.models.model import Model
from napari_sam.planes.contrast import Contrast
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.segment.segmenter import Segmenter
from napari_sam.testing.fake_network import ObedientNetwork, threshold_model
from napari_sam.volume.carry import PropagatedPlane
from napari_sam.volume.evidence import REVISION, Stop
from napari_sam.volume.propagate import propagate, propagate_each

LAST = 4
"""The object ends here."""


def rod(planes: int = 9) -> np.ndarray:
    """A bright rod on dark ground, and where it has ended the same pixels as a part of something much larger."""
    rows, columns = np.ogrid[:160, :160]
    distance = np.hypot(rows - 80, columns - 80)
    volume = np.zeros((planes, 160, 160), np.float32)
    volume[:, distance < 24] = 1
    volume[LAST + 1 :, (distance > 34) | (abs(rows - 80) < 10) & (columns > 80)] = 1
    return volume


def carried(model: Model, volume: np.ndarray, stop: int | None = None) -> list[PropagatedPlane]:
    segmenter = Segmenter(model, ImageSource(volume), Contrast(((0.0, 1.0),)))
    key = Mask.from_pixels(rod()[0] > 0.5)
    return list(propagate(segmenter, Plane((1, 2), (0, 0, 0)), {0: key}, 0, stop=stop))


def test_a_model_that_draws_what_it_is_told_is_stopped_by_what_a_click_finds():
    *found, end = carried(threshold_model(256, "vit_b", ObedientNetwork), rod())
    assert [each.index for each in found] == list(range(1, LAST + 1))
    assert (end.index, end.stopped) == (LAST + 1, Stop.DOUBTFUL)


def test_a_model_that_knows_where_objects_end_is_believed():
    found = carried(threshold_model(256, "nano", ObedientNetwork), rod())
    assert len(found) == len(rod()) - 1
    assert all(each.mask is not None for each in found)


@pytest.mark.parametrize(("name", "decodes"), [("nano", 1), ("vit_b", 2)])
def test_decodes_on_every_plane(name, decodes):
    model = threshold_model(256, name)
    assert len(carried(model, rod(), LAST)) == LAST
    # The key plane's mask is decoded too, for what speaks for it.
    assert len(model.network.decoded) == decodes * (LAST + 1)


def test_nano_itself_decodes_every_plane_once(monkeypatch):
    model, masks = load_model("nano", "cpu"), []
    decode = model.network.decode

    def counting(features, points, labels, mask, multimask):
        masks.append(mask)
        return decode(features, points, labels, mask, multimask)

    monkeypatch.setattr(model.network, "decode", counting)
    volume = 0.2 + 0.6 * rod() + np.random.default_rng(0).normal(0, 0.05, rod().shape)
    found = carried(model, volume.astype(np.float32), LAST)
    assert len(found) == LAST
    assert all(each.mask is not None for each in found)
    assert len(masks) == LAST + 1
    assert None not in masks


DIM = 7
"""From here on it is dimmer, on ground that is nearly as bright."""


def fading_rod() -> np.ndarray:
    volume = rod(13)
    volume[:] = volume[0]
    volume[DIM:] = np.where(rod()[0] > 0.5, 0.66, 0.45)
    rows, columns = np.ogrid[:160, :160]
    volume[DIM] = np.where(np.hypot(rows - 80, columns - 80) < 22, 0.7, 0.45)
    return volume


@pytest.mark.parametrize("others", [False, True])
@pytest.mark.parametrize(("revision", "reached"), [(1, 12), (REVISION, DIM)])
def test_beyond_a_weak_key_plane_the_surest_one_is_the_standard(revision, reached, others):
    volume = fading_rod()
    segmenter = Segmenter(threshold_model(256), ImageSource(volume), Contrast(((0.0, 1.0),)))
    keys = {at: Mask.from_pixels(volume[at] > 0.5) for at in (2, 4, DIM)}
    objects = {1: keys, **({2: {2: Mask.from_pixels(np.ones((4, 4), bool), (150, 150))}} if others else {})}
    found = propagate_each(segmenter, Plane((1, 2), (0, 0, 0)), objects, 0, revision=revision)
    beyond = [each.index for name, each in found if name == 1 and each.index > DIM and each.mask is not None]
    assert max(beyond, default=DIM) == reached
