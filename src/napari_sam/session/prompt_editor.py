"""The changes of the prompts of the object in work."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from napari_sam.errors import UserError
from napari_sam.labels.label_masks import label_mask
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.session.compute.scheduler import Priority, Scheduler
from napari_sam.session.history.entry import EntryKind
from napari_sam.session.object.draft import Draft, PromptKind, PromptRequest
from napari_sam.session.object.prompt_answering import PromptAnswering
from napari_sam.session.status import SessionSignals, State, StatusReporter
from napari_sam.session.workspace import Workspace


class PromptEditor:
    """The editor that turns changes of prompts into requests.

    Parameters
    ----------
    workspace
        The object in work.
    answering
        Who answers.
    scheduler
        Where labels are read.
    signals
        Who is told of changes.
    reporter
        What the user is told.
    """

    def __init__(
        self,
        workspace: Workspace,
        answering: PromptAnswering,
        scheduler: Scheduler,
        signals: SessionSignals,
        reporter: StatusReporter,
    ) -> None:
        self._workspace = workspace
        self._answering = answering
        self._scheduler = scheduler
        self._signals = signals
        self._reporter = reporter
        self._earlier: dict[tuple[Plane, Prompts], PromptRequest] = {}
        self._earlier_of: Draft | None = None

    def forget_answers(self) -> None:
        """Forget what was answered earlier: it would be answered differently now."""
        self._earlier.clear()

    def set(self, prompts: Mapping[Plane, Prompts], label: int | None = None) -> None:
        """Replace the object's prompts on some planes, as one deed; its masks there follow.

        Where the object has had the same prompts before (the last click was removed, say), it has the same mask again:
        computed anew it would be a worse one, since the masks that were fed back on the way there are missing.

        Parameters
        ----------
        prompts
            By plane; empty ones to have none there.
        label
            The id in the target that accepting the object replaces, where that is new.

        Raises
        ------
        UserError
            If there is no image.
        """
        workspace = self._workspace
        changed = {plane: new for plane, new in prompts.items() if new != _prompts_on(workspace.draft, plane)}
        if not changed:
            return
        if self._answering.opened is None:
            raise UserError("Choose an image first.")
        self._reporter.clear()
        stopped, asked = [], []
        with workspace.deed(EntryKind.PROMPT, workspace.writer.target) as draft:
            if label is not None:
                draft.label, draft.refines = label, True
            if self._earlier_of is not draft:
                self._earlier, self._earlier_of = {}, draft
            for plane, new in changed.items():
                former = draft.requests.get(plane)
                stopped.append(former)
                if former is not None:
                    self._earlier[plane, former.prompts] = former
                earlier = self._earlier.get((plane, new))
                request: PromptRequest | None = None
                if earlier is not None and earlier.answer is not None:
                    request = earlier.again()
                elif new:
                    request = _request(draft, plane, new, self._answering.expected_size)
                draft.put(plane, request)
                asked.append(request)
        for left in stopped:
            if left is not None:
                self._answering.stop(left)
        for request in asked:
            if request is not None and request.answer is None:
                self._answering.ask(request)
        if any(request is None or request.answer is not None for request in asked):
            self._signals.masks_changed.emit()

    def expect_point(self, plane: Plane, point: Point) -> None:
        """Have the answer begun for a point that is about to be added on one plane, it seems."""
        draft = self._workspace.draft
        prompts = _prompts_on(draft, plane).with_point(point)
        self._answering.expect(_request(draft, plane, prompts, self._answering.expected_size))

    def expect_nothing(self) -> None:
        """Expect no point to be added after all."""
        self._answering.expect(None)

    def suppose_point(self, plane: Plane, point: Point) -> None:
        """Have the answer begun, where it would take long, for a first point that may be added on one plane.

        That is where the size of objects is not known, so that several levels are tried. The plane is to be embedded,
        or else the answer would depend on when it is.
        """
        answering, view = self._answering, self._answering.view
        known = bool(self._workspace.draft) or answering.expected_size is not None
        if not known and view.plane == plane and view.state is State.READY:
            answering.suppose(_request(self._workspace.draft, plane, Prompts((point,)), None))

    def choose(self, plane: Plane | None, candidate: int) -> None:
        """Take another candidate on one plane.

        Raises
        ------
        UserError
            If there is no mask on it.
        """
        request = None if plane is None else self._workspace.draft.requests.get(plane)
        if request is None or request.answer is None:
            raise UserError("There is no mask to choose from on this plane: click an object first.")
        chosen = candidate % len(request.answer.candidates)
        if request.shown is not None and request.shown.chosen == chosen:
            return
        with self._workspace.deed(EntryKind.CHOOSE) as draft:
            draft.choose(request.plane, chosen)
        self._signals.masks_changed.emit()

    def remove_last(self) -> None:
        """Take back the prompt that was given last, on whatever plane it is.

        Raises
        ------
        UserError
            If there is none.
        """
        draft = self._workspace.draft
        if not draft.order:
            raise UserError("There is no click to remove.")
        plane, kind = draft.order[-1]
        self.set({plane: _without_last(_prompts_on(draft, plane), kind)})
        self._signals.prompts_changed.emit()

    def clear(self, plane: Plane | None) -> None:
        """Remove the object's prompts on one plane.

        Raises
        ------
        UserError
            If there are none.
        """
        if plane is None or plane not in self._workspace.draft.requests:
            raise UserError("There are no prompts on this plane.")
        self.set({plane: Prompts()})
        self._signals.prompts_changed.emit()

    def set_mask(self, plane: Plane, mask: Mask, label: int | None) -> None:
        """Give the object a dense mask prompt on one plane, to be refined.

        Parameters
        ----------
        plane
            The plane.
        mask
            The mask.
        label
            The id in the target that accepting the object replaces, if it is one of the target's own labels.
        """
        draft = self._workspace.draft
        self.set({plane: replace(_prompts_on(draft, plane), mask=mask)}, None if draft else label)
        self._signals.prompts_changed.emit()
        self._signals.label_changed.emit()

    def refine_label(self, plane: Plane, labels: Any, label: int, *, own: bool) -> None:
        """Take a label as dense mask prompt.

        Parameters
        ----------
        plane
            The plane.
        labels
            A label array of the image's shape.
        label
            The id in it; not 0.
        own
            Whether `labels` is the target, so that accepting replaces the label.

        Raises
        ------
        UserError
            If the array does not fit the image, or the id is 0.
        """
        source = self._answering.source
        if source is None:
            raise UserError("Choose an image first.")
        if tuple(labels.shape) != source.shape:
            raise UserError(
                f"The labels have shape {tuple(labels.shape)} and the image has shape {source.shape}; "
                "only labels of the same shape can be prompts."
            )
        if label == 0:
            raise UserError("Label 0 is the background; pick a label to refine.")

        missing = f"Label {label} has no pixels on this plane."
        self.refine_mask(plane, lambda: label_mask(labels, plane, label), missing, label if own else None)

    def refine_mask(self, plane: Plane, read: Callable[[], Mask], missing: str, label: int | None) -> None:
        """Take a mask that is read on the inference thread as dense mask prompt.

        Parameters
        ----------
        plane
            The plane.
        read
            Reads the mask.
        missing
            What to tell if it is empty, in one sentence.
        label
            The id in the target that accepting the object replaces, if it is one of the target's own labels.

        Raises
        ------
        UserError
            If there is no image.
        """
        if self._answering.source is None:
            raise UserError("Choose an image first.")

        def found(mask: Mask) -> None:
            if mask.area:
                self.set_mask(plane, mask, label)
            else:
                self._reporter.fail(UserError(missing))

        self._scheduler.submit(
            "label prompt",
            lambda _: read(),
            priority=Priority.CLICK,
            on_result=found,
            on_error=self._reporter.fail,
        )


def _prompts_on(draft: Draft, plane: Plane) -> Prompts:
    request = draft.requests.get(plane)
    return Prompts() if request is None else request.prompts


def _request(draft: Draft, plane: Plane, prompts: Prompts, size: float | None) -> PromptRequest:
    """Make the request for prompts that replace the draft's; what is shown is fed back where they correct it."""
    former = draft.requests.get(plane)
    shown = None if former is None else former.shown
    fed = None
    if former is not None and shown is not None and _corrects(former.prompts, prompts):
        fed = shown.mask
    elif shown is None and plane in draft.proposal and prompts.box is None:
        fed = draft.proposal[plane].mask
    return PromptRequest(
        plane,
        prompts,
        fed=fed,
        fed_from=None if fed is None else draft.source_of(plane),
        object_size=size,
        former=shown,
        former_from=None if former is None else former.shown_from,
    )


def _corrects(old: Prompts, new: Prompts) -> bool:
    """Tell whether `new` is `old` and more, so that the old answer may be fed back."""
    return (
        new.points[: len(old.points)] == old.points
        and new.scribbles[: len(old.scribbles)] == old.scribbles
        and new.box == old.box
        and new.mask is old.mask
    )


def _without_last(prompts: Prompts, kind: PromptKind) -> Prompts:
    if kind is PromptKind.POINT:
        return replace(prompts, points=prompts.points[:-1])
    if kind is PromptKind.SCRIBBLE:
        return replace(prompts, scribbles=prompts.scribbles[:-1])
    if kind is PromptKind.BOX:
        return replace(prompts, box=None)
    return replace(prompts, mask=None)
