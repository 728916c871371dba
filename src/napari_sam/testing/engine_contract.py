"""The contract of engines: whatever answers prompts on the planes of an image, and carries objects along an axis."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from napari_sam.discover.proposals import Proposals, Region, Wanted
from napari_sam.discover.volume_proposals import VolumeProposals
from napari_sam.errors import UserError
from napari_sam.nn.cancel import Cancelled, CancelToken
from napari_sam.planes.geometry import Mask, Plane, Window, overlap
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Box, Point, Prompts, Scribble
from napari_sam.segment.segmentation import Segmentation
from napari_sam.session.compute.engine import Engine, PlaneSegmenter
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.session import Session
from napari_sam.testing.event_loop import ManualEventLoop
from napari_sam.testing.refusal import check_sentence, refused
from napari_sam.volume.carry import PropagatedPlane

SHAPE = (7, 80, 96)
MIDDLE = Plane((1, 2), (3, 0, 0))
CLICK, OTHER_CLICK = Prompts((Point(30, 34),)), Prompts((Point(56, 74),))
BOX = Prompts(box=Box(16, 20, 44, 48))
SAME = 0.95
"""IoU of masks that are the same but for rounding in float32."""


def two_balls() -> NDArray[np.uint8]:
    """(7, 80, 96) uint8: a bright ball around (3, 30, 34), a smaller one around (3, 56, 74), on a dim ground."""
    z, row, column = np.indices(SHAPE)
    stack = np.full(SHAPE, 20, np.uint8)
    stack[((z - 3) * 4) ** 2 + (row - 30) ** 2 + (column - 34) ** 2 <= 13**2] = 220
    stack[((z - 3) * 4) ** 2 + (row - 56) ** 2 + (column - 74) ** 2 <= 10**2] = 200
    return stack


class EngineContract(ABC):
    """What must hold for every engine of a session.

    Make a subclass, named `Test...`, that says how the engine is made. The engine has to find, from a click in its
    middle or a box around it, a bright ball on dark ground.

    Attributes
    ----------
    model : str
        A model that the engine opens images with.
    unknown_model : str
        One that it does not have.
    """

    model: ClassVar[str] = "nano"
    unknown_model: ClassVar[str] = "unknown"

    @abstractmethod
    def make_engine(self) -> Engine:
        """Make an engine that has opened nothing yet."""

    # Opening

    def test_a_model_that_is_not_there_is_refused(self) -> None:
        """An unknown model is told in a sentence."""
        with refused("an unknown model"):
            self.make_engine().open(self.unknown_model, ImageSource(two_balls()), None, MIDDLE.axes)

    def test_an_image_is_opened_as_before(self) -> None:
        """With the setup and the areas of an answer, another engine gives the same answer to the bit."""
        segmenter = self._open()
        other = self.make_engine().open_as(segmenter.setup, ImageSource(two_balls()))
        assert other.setup == segmenter.setup
        for prompts in (OTHER_CLICK, CLICK, BOX):
            answer = segmenter.segment(MIDDLE, prompts)
            assert_same_answer(other.segment(MIDDLE, prompts, areas=answer.areas), answer)

    def test_it_computes_on_another_device(self) -> None:
        """The device that is chosen is told, and what is opened from then on answers."""
        engine = self.make_engine()
        engine.watch_waiting(lambda: None)
        engine.compute_on("cpu")
        assert engine.device == "cpu"
        segmenter = engine.open(self.model, ImageSource(two_balls()), None, MIDDLE.axes)
        assert not segmenter.waiting
        self._check(segmenter.segment(MIDDLE, CLICK), MIDDLE)

    # Answers

    def test_a_click_and_a_box_find_the_object(self) -> None:
        """The object is found on every pair of displayed axes, in whatever order."""
        segmenter = self._open()
        center = (3, 30, 34)
        for axes in ((1, 2), (2, 1), (1, 0), (0, 2)):
            plane = Plane(axes, center)
            row, column = plane.from_data(center)
            answer = segmenter.segment(plane, Prompts((Point(row, column),)), object_size=26)
            self._check(answer, plane)
            assert answer.mask.painted(plane.shape(SHAPE))[round(row), round(column)], f"not below the click on {plane}"
        truth = Mask.from_pixels(two_balls()[3] == 220)
        for prompts in (CLICK, BOX, Prompts(mask=truth), Prompts(scribbles=(Scribble(((30, 28), (30, 40))),))):
            answer = segmenter.segment(MIDDLE, prompts, object_size=26)
            self._check(answer, MIDDLE)
            assert max(overlap(mask, truth) for mask in answer.candidates) > 0.5, f"not found by {prompts}"

    def test_the_same_request_has_the_same_answer(self) -> None:
        """Asked again on the areas that were used, the answer is the same to the bit, whatever came between."""
        segmenter = self._open()
        answer = segmenter.segment(MIDDLE, CLICK)
        again = segmenter.segment(MIDDLE, CLICK, areas=answer.areas)
        assert_same_answer(again, answer)
        segmenter.segment(MIDDLE, OTHER_CLICK)
        segmenter.segment(MIDDLE.at(0, 2), BOX)
        assert_same_answer(segmenter.segment(MIDDLE, CLICK, areas=answer.areas), answer)

    def test_a_former_answer_is_corrected(self) -> None:
        """A mask that is given as the previous one is read, not changed."""
        segmenter = self._open()
        previous = frozen(segmenter.segment(MIDDLE, CLICK).mask)
        prompts = CLICK.with_point(Point(4, 4, positive=False))
        answer = segmenter.segment(MIDDLE, prompts, previous=previous)
        self._check(answer, MIDDLE)
        assert not answer.mask.painted(MIDDLE.shape(SHAPE))[4, 4]

    def test_one_candidate_or_several_as_asked(self) -> None:
        """`multimask` False gives a single candidate."""
        segmenter = self._open()
        assert len(segmenter.segment(MIDDLE, CLICK, multimask=False).candidates) == 1
        self._check(segmenter.segment(MIDDLE, CLICK, multimask=True), MIDDLE)

    def test_nothing_that_is_given_is_written_to(self) -> None:
        """Images and masks that cannot be written to are as good as others."""
        pixels = two_balls()
        pixels.flags.writeable = False
        engine = self.make_engine()
        segmenter = engine.open(self.model, ImageSource(pixels), None, MIDDLE.axes)
        mask = frozen(Mask.from_pixels(two_balls()[3] == 220))
        segmenter.segment(MIDDLE, Prompts(mask=mask))
        keys = {3: mask}
        list(engine.propagate(segmenter, MIDDLE, keys, 0, start=0, stop=6))
        assert list(keys) == [3]
        assert keys[3] is mask

    def test_images_with_channels_and_colours(self) -> None:
        """Channels on any axis, RGB, and values of 16 bits or float."""
        stack = two_balls()
        images = (
            ImageSource(np.stack([stack, stack // 2]), channel_axis=0),
            ImageSource(np.stack([stack] * 4, axis=2), channel_axis=2),
            ImageSource(np.stack([stack] * 3, axis=-1), rgb=True),
            ImageSource(stack.astype(np.uint16) * 100),
            ImageSource(stack / np.float32(255)),
        )
        for image in images:
            segmenter = self.make_engine().open(self.model, image, None, MIDDLE.axes)
            self._check(segmenter.segment(MIDDLE, CLICK, object_size=26), MIDDLE)

    def test_an_empty_image_has_no_strange_answer(self) -> None:
        """Where there is nothing to see, the answer is a mask all the same, be it empty."""
        segmenter = self.make_engine().open(self.model, ImageSource(np.zeros(SHAPE, np.uint8)), None, MIDDLE.axes)
        self._check(segmenter.segment(MIDDLE, CLICK), MIDDLE)

    # Refusals

    def test_prompts_that_make_no_sense_are_refused(self) -> None:
        """No prompt at all, a prompt outside the plane, a plane that is not there; what follows is answered."""
        segmenter = self._open()
        answer = segmenter.segment(MIDDLE, CLICK)
        for what, prompts in NONSENSE.items():
            with refused(what):
                segmenter.segment(MIDDLE, prompts)
        for position in (-1, 7):
            with refused(f"plane {position} of seven"):
                segmenter.segment(MIDDLE.at(0, position), CLICK)
        assert_same_answer(segmenter.segment(MIDDLE, CLICK, areas=answer.areas), answer)

    def test_an_object_that_cannot_be_carried_is_refused(self) -> None:
        """No key mask, an axis that is displayed or not there, planes that are not there."""
        engine, segmenter = self._opened()
        keys = {3: segmenter.segment(MIDDLE, CLICK).mask}

        def carry(keys: dict[int, Mask], axis: int, start: int, stop: int) -> list[PropagatedPlane]:
            return list(engine.propagate(segmenter, MIDDLE, keys, axis, start=start, stop=stop))

        with refused("no key mask"):
            carry({}, 0, 0, 6)
        for axis in (1, 3):
            with refused(f"axis {axis}"):
                carry(keys, axis, 0, 6)
        for start, stop in ((-1, 6), (0, 7), (5, 2)):
            with refused(f"planes {start} to {stop} of seven"):
                carry(keys, 0, start, stop)

    # Cancelling

    def test_what_is_cancelled_ends(self) -> None:
        """A token that is set ends every computation, though it be at hand; what follows is answered as ever."""
        engine, segmenter = self._opened()
        answer = segmenter.segment(MIDDLE, CLICK)
        token = CancelToken()
        token.cancel()
        keys = {3: answer.mask}
        computations: dict[str, Callable[[], object]] = {
            "a click that was answered before": lambda: segmenter.segment(MIDDLE, CLICK, cancel=token),
            "a click elsewhere": lambda: segmenter.segment(MIDDLE.at(0, 2), CLICK, cancel=token),
            "embedding": lambda: list(segmenter.prepare(MIDDLE.at(0, 1), cancel=token)),
            "several objects": lambda: list(segmenter.segment_each([(MIDDLE, BOX)], cancel=token)),
            "propagation": lambda: list(engine.propagate(segmenter, MIDDLE, keys, 0, start=0, stop=6, cancel=token)),
        }
        for what, compute in computations.items():
            try:
                compute()
            except Cancelled:
                continue
            raise AssertionError(f"this was not cancelled: {what}")
        assert_same_answer(segmenter.segment(MIDDLE, CLICK, areas=answer.areas), answer)

    def test_a_propagation_is_cancelled_on_the_way(self) -> None:
        """A token that is set between two planes ends a propagation there."""
        engine, segmenter = self._opened()
        keys = {3: segmenter.segment(MIDDLE, BOX).mask}
        token = CancelToken()
        reached = engine.propagate(segmenter, MIDDLE, keys, 0, start=0, stop=6, cancel=token)
        next(reached)
        token.cancel()
        try:
            list(reached)
        except Cancelled:
            return
        raise AssertionError("the propagation went on")

    # Ahead of need

    def test_a_plane_is_embedded_in_steps(self) -> None:
        """The steps count up to their total, which stays; a click is answered afterwards."""
        segmenter = self._open()
        for size in (None, 26.0):
            steps = list(segmenter.prepare(MIDDLE, (30.0, 34.0), size))
            assert len({total for _, total in steps}) <= 1, steps
            done = [done for done, _ in steps]
            assert done == sorted(done), steps
            assert not steps or done[-1] == steps[-1][1], steps
            assert segmenter.room(MIDDLE, size) >= 0
        self._check(segmenter.segment(MIDDLE, CLICK), MIDDLE)

    def test_a_rehearsal_leaves_no_trace(self) -> None:
        """What is rehearsed is what is answered then, and no other answer depends on it."""
        segmenter, without = self._open(), self._open()
        rehearsed = segmenter.rehearse(MIDDLE, CLICK)
        assert_same_answer(segmenter.segment(MIDDLE, OTHER_CLICK), without.segment(MIDDLE, OTHER_CLICK))
        if rehearsed is None:
            return
        segmenter = self._open()
        rehearsed = segmenter.rehearse(MIDDLE, CLICK)
        assert rehearsed is not None
        segmenter.take_in(MIDDLE, rehearsed)
        assert_same_answer(rehearsed, self._open().segment(MIDDLE, CLICK))
        assert_same_answer(segmenter.segment(MIDDLE, CLICK, areas=rehearsed.areas), rehearsed)

    # Several objects, and objects in stacks

    def test_several_objects_are_answered_in_their_order(self) -> None:
        """One answer for each, a refusal in its place, and that of `segment` up to rounding."""
        segmenter = self._open()
        assert segmenter.objects_at_once >= 1
        asked = [(MIDDLE, BOX), (MIDDLE, Prompts()), (MIDDLE.at(0, 2), BOX), (MIDDLE, OTHER_CLICK)]
        answers = [each for each in segmenter.segment_each(asked) if each is not None]
        assert len(answers) == len(asked), answers
        for (plane, prompts), answer in zip(asked, answers, strict=True):
            if not prompts:
                assert isinstance(answer, UserError), f"no prompt was answered by {answer}"
                check_sentence(answer)
                continue
            assert isinstance(answer, Segmentation), f"{prompts} was answered by {answer}"
            self._check(answer, plane)
            alone = self._open().segment(plane, prompts)
            assert overlap(answer.mask, alone.mask) > SAME, f"{prompts} is another object when it is alone"
        assert not [each for each in segmenter.segment_each([]) if each is not None]

    def test_an_object_is_carried_along_an_axis(self) -> None:
        """Each plane of the range once but for the key planes, the nearest first; the same again on the same areas."""
        engine, segmenter = self._opened()
        keys = {3: segmenter.segment(MIDDLE, BOX).mask}
        carried = list(engine.propagate(segmenter, MIDDLE, keys, 0, start=1, stop=6))
        self._check_carried(carried, 1, 6, 3)
        assert any(each.mask is not None for each in carried), "the object was carried nowhere"
        for whole in (self._opened(), (engine, segmenter)):
            areas = [area for each in carried for area in each.areas]
            again = list(whole[0].propagate(whole[1], MIDDLE, keys, 0, start=1, stop=6, areas=areas))
            assert [each.index for each in again] == [each.index for each in carried]
            for one, other in zip(again, carried, strict=True):
                assert (one.confidence, one.stopped) == (other.confidence, other.stopped)
                _assert_same_mask(one.mask, other.mask)
        ends = list(engine.propagate(segmenter, MIDDLE, keys, 0))
        self._check_carried(ends, 0, 6, 3)

    # Everything at once

    def test_everything_on_a_plane_is_proposed(self) -> None:
        """Both balls, each once; in a region only what has its middle there; progress counts up to its total.

        An engine whose model cannot do that says so in a sentence.
        """
        engine, segmenter = self._opened()
        proposals = self._proposed(engine, segmenter)
        if proposals is None:
            return
        wanted = Wanted(confidence=0.3)
        chosen = proposals.chosen(wanted)
        labels = proposals.labels(chosen)
        assert labels.shape == MIDDLE.shape(SHAPE)
        for value, (row, column) in ((220, (30, 34)), (200, (56, 74))):
            assert labels[row, column], f"nothing is proposed at {(row, column)}"
            truth = Mask.from_pixels(two_balls()[3] == value)
            assert overlap(Mask.from_pixels(labels == labels[row, column]), truth) > 0.5, "another object is proposed"
        assert labels[30, 34] != labels[56, 74]
        for at in chosen:
            check_mask(proposals.mask(at), MIDDLE.shape(SHAPE))
            assert 0 <= proposals.proposals[at].confidence <= 1
        some = self._proposed(engine, segmenter, (0.0, 0.0, 45.0, 60.0))
        assert some is not None
        there = some.labels(some.chosen(wanted))
        assert there[30, 34]
        assert not there[56, 74], "something is proposed outside of the region"

    def test_a_proposal_is_computed_again(self) -> None:
        """By its origin alone, another engine finds the same mask, up to rounding."""
        engine, segmenter = self._opened()
        proposals = self._proposed(engine, segmenter)
        if proposals is None:
            return
        other, afresh = self._opened()
        for at in proposals.chosen(Wanted(confidence=0.3)):
            again = other.propose_again(afresh, MIDDLE, proposals.proposals[at].origin)
            assert again is not None, "it is not found again"
            assert overlap(again, proposals.mask(at)) > SAME

    def test_finding_everything_is_cancelled(self) -> None:
        """A token that is set ends it, at once or on the way."""
        engine, segmenter = self._opened()
        for steps in (0, 1):
            token = CancelToken()
            try:
                proposing = engine.everything(segmenter, MIDDLE, cancel=token)
                for _ in range(steps):
                    next(proposing)
            except UserError as error:
                check_sentence(error)
                return
            token.cancel()
            try:
                list(proposing)
            except Cancelled:
                continue
            raise AssertionError(f"it went on after {steps} steps")

    def test_everything_in_a_stack_is_proposed(self) -> None:
        """Both balls, each as one object over its planes; in a range no plane outside; a token that is set ends it."""
        engine, segmenter = self._opened()
        if self._proposed(engine, segmenter) is None:
            return
        *steps, found = engine.volumes(segmenter, MIDDLE, 0)
        assert isinstance(found, VolumeProposals), "no proposals in the end"
        assert all(not isinstance(step, VolumeProposals) and 0 <= step[0] <= step[1] for step in steps)
        chosen = found.chosen(Wanted(confidence=0.3))
        labels = np.zeros(SHAPE, np.int32)
        found.paint(labels, chosen, range(1, len(chosen) + 1))
        for value, (row, column) in ((220, (30, 34)), (200, (56, 74))):
            own, truth = labels == labels[3, row, column], two_balls() == value
            assert labels[3, row, column], f"nothing is proposed at {(row, column)}"
            assert (own & truth).sum() > 0.5 * (own | truth).sum(), "another object is proposed"
        for each in found.volumes:
            assert 0 <= each.confidence <= 1
            assert each.key in each.planes, "it is not on the plane that it was found on"
            for position, reached in each.planes.items():
                assert reached.index == position
                assert reached.mask is not None
                check_mask(reached.mask, MIDDLE.shape(SHAPE))
        *_, some = engine.volumes(segmenter, MIDDLE, 0, start=2, stop=3)
        assert isinstance(some, VolumeProposals)
        assert {at for each in some.volumes for at in each.planes} <= {2, 3}, "something lies outside of the range"
        token = CancelToken()
        proposing = engine.volumes(segmenter, MIDDLE, 0, cancel=token)
        next(proposing)
        token.cancel()
        try:
            list(proposing)
        except Cancelled:
            return
        raise AssertionError("it went on after it was cancelled")

    def test_what_is_like_an_object_is_proposed(self) -> None:
        """By one ball the other one is found, which is alike: not the ball itself, nor anything outside a region."""
        engine, segmenter = self._opened()
        if self._proposed(engine, segmenter) is None:
            return
        first, second = (Mask.from_pixels(two_balls()[3] == value) for value in (220, 200))
        kind = engine.describe_kind(segmenter, [(MIDDLE, first)])
        for region in (None, (45.0, 60.0, 65.0, 90.0)):
            *_, found = engine.alike(segmenter, MIDDLE, kind, [first], None, region)
            assert isinstance(found, Proposals), "no proposals in the end"
            assert found.likeness is not None, "nothing says how alike they are"
            assert len(found.likeness) == len(found)
            assert ((found.likeness >= 0) & (found.likeness <= 1)).all()
            masks = [found.mask(at) for at in found.chosen(Wanted(likeness=0.3))]
            assert max((overlap(mask, second) for mask in masks), default=0) > 0.5, "the other one is not found"
            assert max((overlap(mask, first) for mask in masks), default=0) < 0.5, "the example is proposed again"
        nothing = Mask((0, 0, 0, 0), np.zeros((0, 0), bool))
        try:
            engine.describe_kind(segmenter, [(MIDDLE, nothing)])
        except UserError as error:
            check_sentence(error)
        else:
            raise AssertionError("an example without a pixel is taken")

    def _proposed(self, engine: Engine, segmenter: PlaneSegmenter, region: Region | None = None) -> Proposals | None:
        try:
            *steps, proposals = engine.everything(segmenter, MIDDLE, region)
        except UserError as error:
            check_sentence(error)
            return None
        counted = [each for each in steps if isinstance(each, tuple)]
        assert len(counted) == len(steps), "proposals before the last step"
        assert isinstance(proposals, Proposals), "no proposals in the end"
        done = [each for each, _ in counted]
        assert done == sorted(done), steps
        assert all(each <= total for each, total in counted), steps
        return proposals

    def test_a_session_works_with_it(self) -> None:
        """A click is answered, carried, accepted and undone; all of it computed on a thread of the session's."""
        labels = np.zeros(SHAPE, np.uint16)
        loop = ManualEventLoop()
        session = Session(loop.post, engine=self.make_engine(), model=self.model)
        try:
            session.image.choose(ImageSource(two_balls()), axes=MIDDLE.axes)
            session.image.set_view(MIDDLE, (30.0, 34.0))
            session.labels.choose(ArrayTarget(labels), next_label=1)
            session.prompts.set(MIDDLE, BOX)
            # Not until all is settled: every plane would be embedded ahead.
            loop.run_until(lambda: MIDDLE in session.current.draft.masks, 120)
            session.volume.propagate(0, 2, 4)
            loop.run_until(lambda: not session.volume.active, 120)
            masks = dict(session.current.draft.masks)
            session.current.accept()
            for plane, mask in masks.items():
                np.testing.assert_array_equal(labels[plane.index[0]] == 1, mask.painted(plane.shape(SHAPE)))
            assert np.count_nonzero(labels) == sum(mask.area for mask in masks.values()) > 0
            session.history.undo()
            assert not labels.any()
        finally:
            assert session.close()

    def _open(self) -> PlaneSegmenter:
        return self._opened()[1]

    def _opened(self) -> tuple[Engine, PlaneSegmenter]:
        engine = self.make_engine()
        return engine, engine.open(self.model, ImageSource(two_balls()), None, MIDDLE.axes)

    def _check(self, answer: Segmentation, plane: Plane) -> None:
        """Check what must hold for an answer on a plane."""
        assert answer.candidates, "an answer without a candidate"
        assert 0 <= answer.chosen < len(answer.candidates)
        for mask in answer.candidates:
            check_mask(mask, plane.shape(SHAPE))
        ious = [mask.predicted_iou for mask in answer.candidates if mask.area]
        if ious and not np.isnan(ious).any():
            assert answer.mask.predicted_iou == max(ious), "the chosen candidate is not the most likely one"

    def _check_carried(self, carried: Sequence[PropagatedPlane], start: int, stop: int, key: int) -> None:
        """Check what must hold for an object that was carried from one key plane."""
        positions = [each.index for each in carried]
        assert len(set(positions)) == len(positions), f"a plane comes twice: {positions}"
        assert key not in positions
        above = [position for position in positions if position > key]
        below = [position for position in positions if position < key]
        assert above == list(range(key + 1, key + 1 + len(above))), above
        assert below == list(range(key - 1, key - 1 - len(below), -1)), below
        assert all(start <= position <= stop for position in positions), positions
        for each in carried:
            assert 0 <= each.confidence <= 1
            if each.mask is None:
                assert each.confidence == 0
            else:
                assert each.mask.area
                check_mask(each.mask, SHAPE[1:])


NONSENSE = {
    "no prompt": Prompts(),
    "a point above the plane": Prompts((Point(-2, 5),)),
    "a point beside the plane": Prompts((Point(5, 96),)),
    "a point that is nowhere": Prompts((Point(30, 34), Point(float("nan"), 5))),
    "a box beyond the plane": Prompts(box=Box(10, 10, 90, 20)),
    "a scribble that leaves the plane": Prompts(scribbles=(Scribble(((10, 10), (10, 120))),)),
    "a mask beside the plane": Prompts(mask=Mask.from_pixels(np.ones((4, 4), bool), (100, 100))),
}


def check_mask(mask: Mask, shape: tuple[int, int]) -> None:
    """Check that a mask lies on a plane of (rows, columns), in a tight box, and says how sure it is as it should."""
    assert mask.pixels.dtype == bool
    row0, column0, row1, column1 = mask.box
    if mask.area:
        assert 0 <= row0 < row1 <= shape[0], f"rows {row0} to {row1} of {shape[0]}"
        assert 0 <= column0 < column1 <= shape[1], f"columns {column0} to {column1} of {shape[1]}"
        edges = (mask.pixels[0], mask.pixels[-1], mask.pixels[:, 0], mask.pixels[:, -1])
        assert all(edge.any() for edge in edges), f"the box {mask.box} is larger than the mask"
    assert not np.isinf(mask.predicted_iou)
    assert (mask.logits is None) == (mask.window is None)
    if mask.logits is not None and isinstance(mask.window, Window):
        assert mask.logits.shape == mask.window.shape
        assert mask.logits.dtype == np.float32
        assert np.isfinite(mask.logits).all()


def frozen(mask: Mask) -> Mask:
    """Return a mask whose arrays cannot be written to."""
    pixels, logits = mask.pixels.copy(), None if mask.logits is None else mask.logits.copy()
    pixels.flags.writeable = False
    if logits is not None:
        logits.flags.writeable = False
    return Mask(mask.box, pixels, mask.predicted_iou, logits, mask.window)


def assert_same_answer(one: Segmentation, other: Segmentation) -> None:
    """Check that two answers are the same to the last bit."""
    assert one.chosen == other.chosen
    assert len(one.candidates) == len(other.candidates)
    for found, expected in zip(one.candidates, other.candidates, strict=True):
        _assert_same_mask(found, expected)


def _assert_same_mask(one: Mask | None, other: Mask | None) -> None:
    assert (one is None) == (other is None)
    if one is None or other is None:
        return
    assert one.box == other.box
    assert one.window == other.window
    np.testing.assert_array_equal(one.pixels, other.pixels)
    np.testing.assert_array_equal(one.predicted_iou, other.predicted_iou)
    if one.logits is not None or other.logits is not None:
        np.testing.assert_array_equal(_array(one.logits), _array(other.logits))


def _array(values: NDArray[Any] | None) -> NDArray[Any]:
    return np.zeros(0) if values is None else values
