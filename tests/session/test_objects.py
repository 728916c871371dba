"""The table of accepted objects: what it tells, and what can be done with an object."""

import numpy as np
import pytest
from session_deeds import Z4, A, B, accept, stroke

from napari_sam.errors import UserError
from napari_sam.labels.paint import Collision
from napari_sam.planes.geometry import Mask
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.session.labels.object_row import Extent, physical_size
from napari_sam.session.labels.target import ArrayTarget


def test_a_row_tells_planes_prompts_and_size(session, main, target) -> None:
    session.prompts.add_point(Z4, A)
    session.prompts.add_point(Z4, Point(13, 13))
    main.settle(session)
    session.volume.propagate()
    main.settle(session)
    session.current.accept()
    accept(session, main, B)
    assert session.objects.labels == [1, 2]
    volume, flat = session.objects.row(1), session.objects.row(2)
    assert (volume.span, volume.n_planes, volume.n_prompts, volume.area) == (((1, 7),), 7, 2, 7 * 81)
    assert (volume.size, volume.unit) == (pytest.approx(7 * 81 * 2.0), "µm³")
    assert volume.confidence == pytest.approx(0.3)
    assert (flat.span, flat.n_planes, flat.area, flat.size, flat.unit) == (((4, 4),), 1, 81, 81.0, "µm²")
    assert session.objects.place(2) == (Z4, (28.0, 34.0))


@pytest.mark.parametrize(
    ("units", "expected"),
    [(("um", "um", "um"), (20.0, "µm³")), (("second", "um", "um"), (None, "")), (("pixel",) * 3, (None, ""))],
)
def test_sizes_are_physical_only_where_all_axes_are_lengths_of_one_unit(units, expected) -> None:
    source = ImageSource(np.zeros((4, 5, 6)), scale=(2, 1, 1), units=units)
    assert physical_size(Extent(10, (slice(0, 3), slice(0, 2), slice(0, 2))), (1, 2), source) == expected


def test_a_reopened_object_has_all_its_prompts_and_masks_and_replaces_its_pixels(session, main, engine, target) -> None:
    session.prompts.add_point(Z4, A)
    main.settle(session)
    session.volume.propagate()
    main.settle(session)
    masks = {plane: mask.pixels.tobytes() for plane, mask in session.current.draft.masks.items()}
    session.current.accept()
    asked = len(engine.segmented)
    session.objects.reopen(1)
    main.settle(session)
    assert len(engine.segmented) == asked
    assert session.prompts.on(Z4) == Prompts((A,))
    assert {plane: mask.pixels.tobytes() for plane, mask in session.current.draft.masks.items()} == masks
    assert (target.array == 1).sum() == 7 * 81
    assert session.current.label == 1
    # What was painted with its id on its planes goes; elsewhere it stays. Planes that it has no longer are cleared.
    session.labels.painted(target, stroke(target, 0, 40, 1))
    session.current.reject()
    session.prompts.set(Z4, Prompts((B,)))
    main.settle(session)
    session.current.accept()
    assert session.objects.labels == [1]
    np.testing.assert_array_equal(np.argwhere(target.array == 1).min(axis=0), [4, 24, 30])
    assert session.objects.row(1).area == (target.array == 1).sum() == 81
    assert session.current.label == 2


def test_paint_on_other_planes_survives_a_reopening(session, main, target) -> None:
    accept(session, main, A)
    session.objects.reopen(1)
    change = stroke(target, 0, 40, 1)
    change.revert(target.array)
    target.array[8, 0, 0] = 1
    box = (slice(8, 9), slice(0, 1), slice(0, 1))
    session.labels.painted(target, type(change).of(box, np.ones((1, 1, 1), bool), np.uint16(0), np.uint16(1)))
    session.current.accept()
    assert target.array[8, 0, 0] == 1
    assert session.objects.row(1).area == 82


def test_reopening_another_object_needs_a_free_desk(session, main, target) -> None:
    accept(session, main, A)
    accept(session, main, B)
    session.objects.reopen(1)
    session.objects.reopen(2)
    assert session.current.label == 2
    session.prompts.add_point(Z4, A)
    main.settle(session)
    with pytest.raises(UserError, match="accept or reject it first"):
        session.objects.reopen(1)
    assert session.current.draft.masks[Z4].area == 162


def test_a_chosen_candidate_is_chosen_when_the_object_is_reopened(session, main, engine, target) -> None:
    engine.ambiguous = True
    session.prompts.add_point(Z4, A)
    main.settle(session)
    session.prompts.choose_candidate(2)
    session.current.accept()
    session.objects.reopen(1)
    answer = session.current.draft.segmentations[Z4]
    assert (len(answer.candidates), answer.chosen, answer.mask.area) == (3, 2, 117)


def test_deleting_takes_every_pixel_and_is_undone(session, main, target) -> None:
    accept(session, main, A)
    session.labels.painted(target, stroke(target, 30, 3, 1))
    before = target.array.copy()
    session.objects.reopen(1)
    session.objects.delete(1)
    assert not target.array.any()
    assert not session.current.draft
    assert not len(session.objects)
    session.history.undo()
    np.testing.assert_array_equal(target.array, before)
    assert session.objects.row(1).area == 85
    assert session.prompts.on(Z4) == Prompts((A,))


def test_renaming_and_another_id(session, main, target) -> None:
    accept(session, main, A)
    session.objects.rename(1, "soma")
    session.objects.relabel(1, 12)
    assert session.objects.labels == [12]
    assert session.objects.row(12).name == "soma"
    assert (target.array == 12).sum() == 81
    assert session.current.label == 13
    accept(session, main, B)
    with pytest.raises(UserError, match="already"):
        session.objects.relabel(12, 13)
    for _ in range(4):
        session.history.undo()
    assert (target.array == 1).sum() == 81
    assert session.objects.row(1).name == ""
    assert session.current.label == 2


def test_the_id_of_the_next_object_is_the_users(session, main, target) -> None:
    session.current.set_label(40)
    accept(session, main, A)
    assert (target.array == 40).sum() == 81
    assert session.current.label == 41
    with pytest.raises(UserError, match="already"):
        session.current.set_label(40)
    with pytest.raises(UserError, match="start at 1"):
        session.current.set_label(-1)
    with pytest.raises(UserError, match="65535"):
        session.current.set_label(70_000)
    session.history.undo()
    assert session.current.label == 40


@pytest.mark.parametrize("deed", ["reopen", "delete", "row", "place"])
def test_an_object_that_is_not_there_is_told(session, target, deed) -> None:
    with pytest.raises(UserError, match="no accepted object 5"):
        getattr(session.objects, deed)(5)


def test_each_target_has_its_own_table(session, main, target) -> None:
    accept(session, main, A)
    other = ArrayTarget(np.zeros((9, 40, 50), np.uint8))
    session.labels.choose(other, next_label=1)
    assert not len(session.objects)
    accept(session, main, B)
    session.labels.choose(target)
    main.settle(session)
    assert session.objects.place(1)[1] == (12.0, 12.0)
    session.history.undo()
    assert not other.array.any()
    assert session.objects.labels == [1]


def test_five_hundred_objects_on_a_hundred_planes_take_little_memory(main, engine) -> None:
    """Each has a mask of some hundred pixels across on every plane, with logits, as the network gives them."""
    from napari_sam.planes.geometry import Plane
    from napari_sam.session.labels.object_row import ObjectRow
    from napari_sam.session.object.draft import Draft
    from napari_sam.volume.carry import PropagatedPlane

    rows, columns = np.mgrid[:120, :120]
    logits = np.zeros((256, 256), np.float32)
    proposal = {}
    for z in range(100):
        disc = (rows - 60) ** 2 + (columns - 60 + 5 * np.sin(z)) ** 2 < (35 + 15 * np.sin(z / 9)) ** 2
        mask = Mask.from_pixels(disc, (z, 2 * z))
        proposal[Plane((1, 2), (z, 0, 0))] = PropagatedPlane(z, Mask(mask.box, mask.pixels, 0.9, logits), 0.8)
    row = ObjectRow.of(Draft(proposal=proposal), 7, "")
    assert row.nbytes * 500 < 100 * 2**20
    for plane, mask in Draft(proposal=dict(row.state().proposal)).masks.items():
        np.testing.assert_array_equal(mask.pixels, proposal[plane].mask.pixels)


def test_overwritten_objects_shrink_in_the_table(session, main, target) -> None:
    accept(session, main, A)
    accept(session, main, A, Collision.OVERWRITE)
    assert [session.objects.row(label).area for label in (1, 2)] == [0, 81]
    session.history.undo()
    assert session.objects.row(1).area == 81


def test_an_object_that_was_painted_over_can_have_another_id_and_be_deleted(session, main, target) -> None:
    accept(session, main, A)
    session.objects.relabel(1, 5)
    session.labels.painted(target, stroke(target, 4, 4, 3, size=24))
    session.objects.relabel(5, 16)
    assert session.objects.row(16).area == 0
    session.objects.delete(16)
    assert session.objects.labels == []
    session.history.undo()
    assert session.objects.labels == [16]
