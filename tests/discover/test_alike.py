import numpy as np
import pytest
import torch
from scipy import ndimage

from benchmarks.two_kinds import two_kinds
from napari_sam.discover.alike import describe_kind, propose_alike
from napari_sam.discover.everything import propose_again, propose_everything
from napari_sam.discover.proposals import Proposals, Wanted
from napari_sam.errors import UserError
from napari_sam.models.load import load_model
from napari_sam.nn.cancel import Cancelled, CancelToken
from napari_sam.planes.contrast import measure_contrast
from napari_sam.planes.geometry import Mask, Plane, overlap
from napari_sam.planes.image_source import ImageSource
from napari_sam.segment.segmenter import Segmenter
from napari_sam.testing.fake_network import threshold_model

PLANE = Plane((0, 1), (0, 0))


@pytest.fixture(scope="module")
def nano():
    return load_model("nano")


@pytest.fixture(scope="module")
def sizes():
    return two_kinds("sizes", 3)


def opened(model, pixels: np.ndarray) -> Segmenter:
    source = ImageSource(pixels)
    return Segmenter(model, source, measure_contrast(source, (0, 1)))


def alike(segmenter: Segmenter, plane: Plane, kind, **how) -> Proposals:
    *steps, found = propose_alike(segmenter, plane, kind, **how)
    assert isinstance(found, Proposals)
    assert found.likeness is not None
    assert found.likeness.shape == (len(found),)
    done = [step[0] for step in steps]
    assert done == sorted(done)
    assert all(step[0] <= step[1] for step in steps)
    return found


def kinds_found(found: Proposals, made) -> list[int]:
    """The kind of the true object that most of each chosen proposal lies on; -1 for none."""
    labels = found.labels(found.chosen(Wanted()))
    best = [np.bincount(made.labels[labels == at]).argmax() for at in range(1, int(labels.max()) + 1)]
    return [int(made.kinds[label]) if label else -1 for label in best]


@pytest.mark.parametrize("kind", [0, 1])
def test_of_two_kinds_on_a_plane_the_one_of_the_example_is_found(nano, sizes, kind):
    segmenter = opened(nano, sizes.image)
    label = int(np.flatnonzero(sizes.kinds == kind)[2])
    example = Mask.from_pixels(sizes.labels == label)
    found = alike(segmenter, PLANE, describe_kind(segmenter, [(PLANE, example)]), known=[example])
    there = kinds_found(found, sizes)
    others = int((sizes.kinds[1:] == kind).sum()) - 1
    assert set(there) == {kind}
    assert len(there) >= 0.9 * others
    # The example is there already.
    assert not any(overlap(found.mask(at), example) > 0.4 for at in range(len(found)))


def test_examples_of_another_image_do_as_well_and_the_kind_needs_no_image(nano, sizes):
    label = int(np.flatnonzero(sizes.kinds == 1)[0])
    kind = describe_kind(opened(nano, sizes.image), [(PLANE, Mask.from_pixels(sizes.labels == label))])
    other = two_kinds("sizes", 4)
    found = alike(opened(nano, other.image), PLANE, kind)
    there = kinds_found(found, other)
    assert set(there) == {1}
    assert len(there) >= 0.9 * (other.kinds[1:] == 1).sum()


def test_the_order_of_examples_changes_nothing_and_what_is_known_is_not_looked_for_again(nano, sizes):
    segmenter = opened(nano, sizes.image)
    *_, everything = propose_everything(segmenter, PLANE)
    labels = np.flatnonzero(sizes.kinds == 0)[1:4]
    examples = [(PLANE, Mask.from_pixels(sizes.labels == label)) for label in labels]
    found = alike(segmenter, PLANE, describe_kind(segmenter, examples), everything=everything)
    again = alike(segmenter, PLANE, describe_kind(segmenter, examples[::-1]), everything=everything)
    np.testing.assert_array_equal(again.likeness, found.likeness)
    known = {id(each) for each in everything.proposals}
    assert sum(id(each) in known for each in found.proposals) == len(everything)
    at = found.chosen(Wanted())[-1]
    mask = propose_again(segmenter, PLANE, found.proposals[at].origin)
    assert mask is not None
    assert overlap(mask, found.mask(at)) > 0.99


def test_without_auxiliary_maps_similar_places_are_asked_and_no_grid(nano, monkeypatch, sizes):
    encode = nano.network.encode
    monkeypatch.setattr(nano.network, "encode", lambda *given: encode(*given)._replace(maps=None))
    monkeypatch.setattr(nano.network, "fully_convolutional", False, raising=False)
    monkeypatch.setattr(nano.network, "encode_multiple", 256, raising=False)
    segmenter = opened(nano, sizes.image)
    label = int(np.flatnonzero(sizes.kinds == 0)[2])
    example = Mask.from_pixels(sizes.labels == label)
    found = alike(segmenter, PLANE, describe_kind(segmenter, [(PLANE, example)]), known=[example])
    assert 0 < found.prompts < 256
    there = kinds_found(found, sizes)
    assert there.count(0) >= 0.5 * (sizes.kinds[1:] == 0).sum()


def test_any_network_with_an_embedding_will_do():
    pixels = np.zeros((96, 120), np.uint8)
    for row, column in ((20, 20), (20, 80), (70, 40)):
        pixels[row - 6 : row + 7, column - 6 : column + 7] = 255
    segmenter = opened(threshold_model(64), pixels)
    numbered = ndimage.label(pixels)[0]
    example = Mask.from_pixels(numbered == 1)
    found = alike(segmenter, PLANE, describe_kind(segmenter, [(PLANE, example)]), known=[example])
    labels = found.labels(found.chosen(Wanted(likeness=0.2)))
    assert not labels[20, 20]
    assert labels[20, 80]
    assert labels[70, 40]


def test_what_makes_no_sense_is_told(nano, sizes):
    segmenter = opened(nano, sizes.image)
    nothing = Mask((0, 0, 0, 0), np.zeros((0, 0), bool))
    for examples in ([], [(PLANE, nothing)]):
        with pytest.raises(UserError, match="no object to find others like"):
            describe_kind(segmenter, examples)
    other = opened(threshold_model(64), sizes.image)
    kind = describe_kind(other, [(PLANE, Mask.from_pixels(sizes.labels == 1))])
    with pytest.raises(UserError, match="another model"):
        next(propose_alike(segmenter, PLANE, kind))


def test_cancelling_ends_it_and_an_empty_plane_has_nothing(nano, sizes):
    segmenter = opened(nano, sizes.image)
    kind = describe_kind(segmenter, [(PLANE, Mask.from_pixels(sizes.labels == 1))])
    token = CancelToken()
    steps = propose_alike(segmenter, PLANE, kind, cancel=token)
    next(steps)
    token.cancel()
    with pytest.raises(Cancelled):
        list(steps)
    assert not alike(opened(nano, np.zeros((120, 140), np.uint8)), PLANE, kind).chosen(Wanted(likeness=0.9))
    assert torch.is_grad_enabled()
