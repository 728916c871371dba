"""Everything in a stack, found on its planes, linked and carried on."""

import numpy as np
import pytest
from scipy import ndimage

from napari_sam.discover import volumes
from napari_sam.discover.linking import PlaneObject
from napari_sam.discover.proposals import ProposalOrigin, Wanted
from napari_sam.discover.volume_proposals import VolumeProposals
from napari_sam.discover.volumes import label_volumes, propose_volumes
from napari_sam.errors import UserError
from napari_sam.models.load import load_model
from napari_sam.nn.cancel import Cancelled, CancelToken
from napari_sam.planes.contrast import measure_contrast
from napari_sam.planes.geometry import Mask, Plane, Window
from napari_sam.planes.image_source import ImageSource
from napari_sam.sample import StackRecipe, generate_stack
from napari_sam.segment.segmenter import Segmenter
from napari_sam.volume.carry import PropagatedPlane

FIRST = Plane((1, 2), (0, 0, 0))
ORIGIN = ProposalOrigin((1.0, 1.0), 0.0, Window((0.0, 0.0), (1.0, 1.0), (64, 64)), 0)
SAMPLE = generate_stack(StackRecipe(shape=(8, 80, 80)), seed=2)


@pytest.fixture(scope="module")
def nano():
    return load_model("nano")


def opened(nano, pixels: np.ndarray, scale=None) -> Segmenter:
    source = ImageSource(pixels, scale=scale)
    return Segmenter(nano, source, measure_contrast(source, (source.ndim - 2, source.ndim - 1)))


def everything(segmenter: Segmenter, plane: Plane = FIRST, axis: int = 0, **how) -> VolumeProposals:
    *steps, found = propose_volumes(segmenter, plane, axis, **how)
    assert isinstance(found, VolumeProposals)
    assert all(0 <= done <= total for done, total in steps)
    done = [step[0] for step in steps]
    assert done == sorted(done)
    return found


def ious(labels: np.ndarray, truth: np.ndarray, fewest: int) -> np.ndarray:
    """Of every true object on `fewest` planes or more, the best 3-D IoU of a label."""
    best = []
    for label in np.unique(truth)[1:]:
        here = truth == label
        if here.any(axis=(1, 2)).sum() >= fewest:
            others = [other for other in np.unique(labels[here]) if other]
            best.append(
                max((np.sum(here & (labels == at)) / np.sum(here | (labels == at)) for at in others), default=0)
            )
    return np.array(best)


@pytest.fixture(scope="module")
def found(nano) -> VolumeProposals:
    return everything(opened(nano, SAMPLE.nuclei))


def test_nuclei_of_a_stack_are_found_as_volumes(found) -> None:
    labels = np.zeros(SAMPLE.nuclei.shape, np.int32)
    chosen = found.chosen(Wanted())
    found.paint(labels, chosen, range(1, len(chosen) + 1))
    best = ious(labels, SAMPLE.nucleus_labels, 3)
    assert len(best) > 8
    assert (best >= 0.5).mean() > 0.8
    confidences = [each.confidence for each in found.volumes]
    assert confidences == sorted(confidences, reverse=True)
    for each in found.volumes:
        assert list(each.planes) == sorted(each.planes)
        assert 0 < each.found <= len(each.planes)
        assert all(reached.mask is not None and reached.mask.area for reached in each.planes.values())


def test_volumes_reach_planes_on_which_they_were_not_found(nano, found, monkeypatch) -> None:
    # The fifth plane is not looked at.
    look = volumes.propose_everything

    def blind(segmenter, plane, **how):
        if plane.index[0] != 5:
            return look(segmenter, plane, **how)
        return look(segmenter, plane, **{**how, "region": (-9.0, -9.0, -8.0, -8.0)})

    monkeypatch.setattr(volumes, "propose_everything", blind)
    through = everything(opened(nano, SAMPLE.nuclei))
    across = [each for each in through.volumes if {4, 6} <= set(each.planes)]
    assert len(across) > 4
    assert np.mean([5 in each.planes for each in across]) > 0.9
    kept = [each for each in found.volumes if {4, 5, 6} <= set(each.planes)]
    assert len(across) >= 0.7 * len(kept)


def test_what_is_wanted_chooses_volumes(found) -> None:
    everything_there = found.chosen(Wanted(0.0))
    assert everything_there == list(range(len(found)))
    middle = float(np.median([each.diameter for each in found.volumes]))
    small, large = found.chosen(Wanted(0.0, largest=middle)), found.chosen(Wanted(0.0, smallest=middle))
    assert small
    assert large
    assert {found.volumes[at].diameter <= middle for at in small} == {True}
    assert {found.volumes[at].diameter >= middle for at in large} == {True}


def test_a_diameter_counts_the_depth_of_planes(nano, found) -> None:
    deep = everything(opened(nano, SAMPLE.nuclei, scale=(4.0, 0.5, 0.5)), carried=False)
    flat = everything(opened(nano, SAMPLE.nuclei), carried=False)
    of_deep, of_flat = (np.sort([each.diameter for each in some.volumes]) for some in (deep, flat))
    np.testing.assert_allclose(of_deep, of_flat * 8 ** (1 / 3))


def test_stacks_of_an_image_have_other_ids_and_ranges_hold(nano) -> None:
    both = np.stack([SAMPLE.nuclei[:4], SAMPLE.nuclei[4:]])
    segmenter = opened(nano, both)
    shares: list[float] = []
    labels, count = label_volumes(
        segmenter,
        [Plane((2, 3), (at, 0, 0, 0)) for at in (0, 1)],
        1,
        Wanted(),
        start=1,
        stop=2,
        told=shares.append,
    )
    assert sorted(np.unique(labels)) == list(range(count + 1))
    assert not set(np.unique(labels[0])) & set(np.unique(labels[1])) - {0}
    assert not labels[:, 0].any()
    assert not labels[:, 3].any()
    assert labels[0, 1:3].any()
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_columns_before_rows_are_painted_where_they_lie(nano) -> None:
    rolled = everything(opened(nano, SAMPLE.nuclei[:3]), Plane((2, 1), (0, 0, 0)), carried=False)
    labels = np.zeros((3, 80, 80), np.int32)
    chosen = rolled.chosen(Wanted(0.5))
    rolled.paint(labels, chosen, range(1, len(chosen) + 1))
    assert chosen
    assert (ious(labels, SAMPLE.nucleus_labels[:3], 3) >= 0.5).mean() > 0.6


def test_what_cannot_be_done_is_said(nano) -> None:
    segmenter = opened(nano, SAMPLE.nuclei)
    for how, sentence in (
        ({"axis": 1}, "is displayed"),
        ({"axis": 3}, "does not exist"),
        ({"start": 5, "stop": 3}, "do not exist"),
        ({"movement": 0.0}, "distance in pixels"),
    ):
        with pytest.raises(UserError, match=sentence):
            everything(segmenter, **how)


def test_it_is_cancelled(nano) -> None:
    token = CancelToken()
    steps = propose_volumes(opened(nano, SAMPLE.nuclei), FIRST, 0, cancel=token)
    next(steps)
    token.cancel()
    with pytest.raises(Cancelled):
        list(steps)


def test_nothing_is_found_in_nothing(nano) -> None:
    assert not len(everything(opened(nano, np.zeros((3, 40, 40), np.uint8))))


def test_what_is_carried_to_the_same_place_is_one_object(nano, monkeypatch) -> None:
    # The planes 3 and 4 are not looked at: too many to link over.
    look = volumes.propose_everything

    def blind(segmenter, plane, **how):
        if plane.index[0] not in (3, 4):
            return look(segmenter, plane, **how)
        return look(segmenter, plane, **{**how, "region": (-9.0, -9.0, -8.0, -8.0)})

    monkeypatch.setattr(volumes, "propose_everything", blind)
    through = everything(opened(nano, SAMPLE.nuclei))
    across = [each for each in through.volumes if {2, 3, 4, 5} <= set(each.planes)]
    assert len(across) > 3
    for each in across:
        for position in (3, 4):
            mask = each.planes[position].mask
            assert mask is not None
            # Nobody has taken every other pixel of it.
            assert mask.area > 0.7 * np.count_nonzero(ndimage.binary_closing(np.pad(mask.pixels, 3), iterations=2))


def test_one_mask_is_made_of_two() -> None:
    def ring(outer: bool) -> Mask:
        pixels = np.zeros((12, 12), bool)
        pixels[2:10, 2:10] = True
        pixels[4:8, 4:8] = False
        return Mask.from_pixels(pixels if outer else (np.pad(np.ones((4, 4), bool), 4)), (20, 30))

    found = PlaneObject(0, ring(outer=True), 0.9, 0.9, ORIGIN)
    other = PlaneObject(6, ring(outer=True), 0.7, 0.9, ORIGIN)
    far = PlaneObject(1, Mask.from_pixels(np.ones((5, 5), bool), (0, 0)), 0.8, 0.9, ORIGIN)
    reached = [
        {0: PropagatedPlane(0, found.mask, 0.9), 3: PropagatedPlane(3, ring(outer=True), 0.6)},
        {1: PropagatedPlane(1, far.mask, 0.8), 3: PropagatedPlane(3, far.mask, 0.5)},
        {3: PropagatedPlane(3, ring(outer=True), 0.8), 6: PropagatedPlane(6, other.mask, 0.7)},
    ]
    joined, planes = volumes._joined([[found], [far], [other]], reached)
    assert [[each.position for each in volume] for volume in joined] == [[0, 6], [1]]
    assert sorted(planes[0]) == [0, 3, 6]
    assert planes[0][3].confidence == 0.8
    united = volumes._united([{3: reached[0][3]}, {3: PropagatedPlane(3, ring(outer=False), 0.3)}])[3].mask
    assert united is not None
    assert united.area == 64
    # Two that were found on one plane are two.
    assert len(volumes._joined([[found], [PlaneObject(0, far.mask, 0.8, 0.9, ORIGIN)]], reached[:2])[0]) == 2
