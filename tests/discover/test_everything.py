import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_sam.discover.everything import propose_again, propose_everything
from napari_sam.discover.proposals import Proposals, Wanted
from napari_sam.models.load import load_model
from napari_sam.nn.cancel import Cancelled, CancelToken
from napari_sam.nn.image_encoder import VitConfig
from napari_sam.nn.sam import Sam, SamConfig
from napari_sam.planes.contrast import measure_contrast
from napari_sam.planes.geometry import Plane, overlap
from napari_sam.planes.image_source import ImageSource
from napari_sam.sample import generate_stack
from napari_sam.segment.segmenter import Segmenter
from napari_sam.testing.fake_network import threshold_model


@pytest.fixture(scope="module")
def nano():
    return load_model("nano")


def everything(segmenter: Segmenter, plane: Plane, **how) -> Proposals:
    *steps, found = propose_everything(segmenter, plane, **how)
    assert isinstance(found, Proposals)
    done = [step[0] for step in steps]
    assert done == sorted(done)
    assert all(step[0] <= step[1] for step in steps)
    return found


def opened(nano, pixels: np.ndarray) -> tuple[Segmenter, Plane]:
    source = ImageSource(pixels)
    plane = Plane((pixels.ndim - 2, pixels.ndim - 1), (pixels.shape[0] // 2, 0, 0)[: pixels.ndim])
    return Segmenter(nano, source, measure_contrast(source, plane.axes)), plane


def discs(shape: tuple[int, int], centres: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Bright discs on noise, and their labels."""
    rows, columns = np.indices(shape)
    labels = np.zeros(shape, int)
    for label, (row, column) in enumerate(centres, 1):
        labels[(rows - row) ** 2 + (columns - column) ** 2 < radius**2] = label
    rng = np.random.default_rng(0)
    pixels = ndimage.gaussian_filter((labels > 0) * 120.0, 1) + rng.normal(20, 6, shape)
    return pixels.clip(0, 255).astype(np.uint8), labels


def matched(found: np.ndarray, truth: np.ndarray) -> list[int]:
    """How many of the labels found have an IoU of at least .5 with each true one."""
    counts = []
    for label in range(1, truth.max() + 1):
        here = truth == label
        counts.append(
            sum(
                np.count_nonzero(here & (found == other)) >= 0.5 * np.count_nonzero(here | (found == other))
                for other in np.unique(found[here])
                if other
            )
        )
    return counts


def test_nuclei_of_a_plane_are_found_without_a_prompt(nano):
    sample = generate_stack()
    segmenter, plane = opened(nano, sample.nuclei)
    found = everything(segmenter, plane)
    labels = found.labels(found.chosen(Wanted()))
    truth = sample.nucleus_labels[plane.index[0]]
    _, truth = np.unique(np.where(np.bincount(truth.ravel())[truth] > 60, truth, 0), return_inverse=True)
    counts = matched(labels, truth.reshape(labels.shape))
    assert np.mean(counts) > 0.75
    assert max(counts) == 1
    # Another day, one of them alone.
    at = found.chosen(Wanted())[0]
    again = propose_again(segmenter, plane, found.proposals[at].origin)
    assert again is not None
    assert overlap(again, found.mask(at)) > 0.99


def test_a_network_without_maps_is_asked_on_a_grid(nano, monkeypatch):
    encode = nano.network.encode
    monkeypatch.setattr(nano.network, "encode", lambda *given: encode(*given)._replace(maps=None))
    pixels, truth = discs((400, 400), np.array([(80, 80), (80, 300), (300, 200)]), 40)
    segmenter, plane = opened(nano, pixels)
    found = everything(segmenter, plane)
    labels = found.labels(found.chosen(Wanted(confidence=0.5, smallest=50)))
    assert matched(labels, truth) == [1, 1, 1]
    # What a sure proposal covers is not asked about again.
    assert found.prompts < 2 * 16 * 16


def test_a_published_architecture_is_asked_window_by_window(monkeypatch):
    """Random weights find nothing that means anything: what counts is how they are asked."""
    torch.manual_seed(0)
    encoder = VitConfig(dim=16, depth=2, heads=2, global_blocks=(1,), image_side=64, attention_window=3)
    model = threshold_model(64)
    monkeypatch.setattr(model, "network", Sam(SamConfig(encoder, 32, (2, 8), 2, 2, 32)).eval())
    asked = []
    decode = model.network.decode

    def counted(features, points, *rest):
        asked.append(len(points))
        assert ((points > -1) & (points < 64)).all()
        return decode(features, points, *rest)

    monkeypatch.setattr(model.network, "decode", counted)
    segmenter, plane = opened(model, discs((100, 90), np.array([(40, 40)]), 12)[0])
    found = everything(segmenter, plane)
    assert found.prompts == sum(asked)
    # 16 x 16 places a window at two levels, each asked by one window.
    assert 256 < found.prompts < 2 * 4 * 256


def test_only_what_has_its_middle_in_the_region_is_proposed(nano):
    segmenter, plane = opened(nano, generate_stack().nuclei)
    region = (60.0, 40.0, 180.0, 160.0)
    found = everything(segmenter, plane, region=region)
    assert len(found)
    points = np.array([each.origin.point for each in found.proposals])
    assert (points >= region[:2]).all()
    assert (points <= region[2:]).all()


@pytest.mark.parametrize("shift", [0, 29])
def test_nothing_is_lost_or_doubled_where_encoded_areas_meet(nano, shift):
    # Rows 640 to 900 lie in two areas, whose common border goes through the middle.
    rows = np.arange(30, 1480, 60) + shift
    centres = np.array([(row, column + 7 * (at % 3)) for at, row in enumerate(rows) for column in (30, 84)])
    pixels, truth = discs((1540, 120), centres, 17)
    segmenter, plane = opened(nano, pixels)
    assert len(segmenter.embedder.covering(plane, (1.0, 1.0))) > 1
    found = everything(segmenter, plane)
    labels = found.labels(found.chosen(Wanted()))
    assert matched(labels, truth) == [1] * len(centres)
    assert labels.max() == len(centres)


def test_cancelling_ends_it(nano):
    segmenter, plane = opened(nano, generate_stack().nuclei)
    token = CancelToken()
    steps = propose_everything(segmenter, plane, cancel=token)
    next(steps)
    token.cancel()
    with pytest.raises(Cancelled):
        list(steps)


def test_an_empty_plane_has_nothing(nano):
    segmenter, plane = opened(nano, np.zeros((120, 140), np.uint8))
    found = everything(segmenter, plane)
    assert not found.labels(found.chosen(Wanted(confidence=0.9))).any()
