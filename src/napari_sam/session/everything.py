"""Everything on a plane or in a stack: found in one go, proposed, and accepted together."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from napari_sam.discover.kinds import ObjectKind
from napari_sam.discover.proposals import Proposals, Region, Wanted
from napari_sam.discover.volume_proposals import VolumeProposals
from napari_sam.errors import UserError
from napari_sam.labels.label_masks import PlaneInLabels, all_masks_on_plane, label_mask
from napari_sam.labels.paint import Collision
from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.segment.segmentation import Segmentation, Setup
from napari_sam.session.batch import Batch
from napari_sam.session.batch_plan import BatchResults
from napari_sam.session.compute.engine import Engine, OpenedImage
from napari_sam.session.compute.scheduler import Priority, Scheduler
from napari_sam.session.object.draft import Draft, FoundOrigin, PromptRequest
from napari_sam.session.object.prompt_answering import PromptAnswering
from napari_sam.session.propagation import depth_axes
from napari_sam.session.status import SessionSignals, StatusReporter
from napari_sam.session.workspace import Workspace
from napari_sam.volume.carry import planes_to_reach

_KEY = "everything"
_MASKS_AT_ONCE = 64
"""Masks made between two chances for a click to go first: about 10 ms of them (chosen)."""


@dataclass(frozen=True)
class Search:
    """What was looked for.

    Parameters
    ----------
    plane
        On which plane; of a stack, which one was in view.
    axis
        The axis along which objects were linked; None on a plane.
    movement
        See `Everything.find_volumes`.
    alike
        Ids of the objects that others were to be like, none where they were those of before; None for everything.
    """

    plane: Plane
    axis: int | None = None
    movement: float | None = None
    alike: tuple[int, ...] | None = None


@dataclass(eq=False)
class _Found:
    """What was found on a plane or in a stack.

    Parameters
    ----------
    plane, region, setup
        Where, and by what; of a stack the plane that was in view.
    proposals
        All of them.
    selected
        Those that are chosen by what is wanted, the surest first.
    most
        How many there would be if the least sure were wanted too, of any size.
    dropped
        Those that the user does not want, whatever else is wanted.
    """

    plane: Plane
    region: Region | None
    setup: Setup | None
    proposals: Proposals | VolumeProposals
    selected: list[int] = field(default_factory=list)
    most: int = 0
    dropped: set[int] = field(default_factory=set)

    def select(self, wanted: Wanted) -> None:
        self.selected = self.proposals.chosen(wanted)
        self.most = max(
            len(self.proposals.chosen(Wanted(0.0, overlap=wanted.overlap, likeness=0.0))), len(self.selected)
        )

    def masks_on(self, plane: Plane) -> dict[int, Mask]:
        if isinstance(self.proposals, VolumeProposals):
            return self.proposals.masks_on(plane)
        return {at: self.proposals.mask(at) for at in range(len(self.proposals))} if plane == self.plane else {}


class Everything:
    """Everything on a plane or in a stack: a proposal, at most one, that lives until it is accepted or discarded.

    It stays with its planes and image, whatever is in view: other planes, other labels and objects in work leave it
    alone. Another image, model or contrast drops it. It is in no file before it is accepted.

    Parameters
    ----------
    scheduler, engine
        Where it is computed, and by what.
    workspace
        The labels.
    answering
        Who knows the image and the plane in view.
    batch
        What writes many objects.
    signals
        Who is told when something is different.
    reporter
        What the user is told.

    Attributes
    ----------
    progress : (int, int)
        Areas looked at, and areas to look at as far as is known.
    search : Search or None
        What was looked for last, though it may be accepted by now.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        engine: Engine,
        workspace: Workspace,
        answering: PromptAnswering,
        batch: Batch,
        signals: SessionSignals,
        reporter: StatusReporter,
    ) -> None:
        self._scheduler = scheduler
        self._engine = engine
        self._workspace = workspace
        self._answering = answering
        self._batch = batch
        self._signals = signals
        self._reporter = reporter
        self._wanted = Wanted()
        self._found: _Found | None = None
        self._kind: ObjectKind | None = None
        self._active = False
        self.progress = (0, 0)
        self.search: Search | None = None

    @property
    def active(self) -> bool:
        """True while it is being found."""
        return self._active

    @property
    def plane(self) -> Plane | None:
        """The plane that the proposal is of, or of a stack the one that was in view then; None without one."""
        return None if self._found is None else self._found.plane

    @property
    def proposals(self) -> Proposals | VolumeProposals | None:
        """Everything that is proposed; None if nothing is."""
        return None if self._found is None else self._found.proposals

    @property
    def kind(self) -> ObjectKind | None:
        """The kind of object that was looked for last; it holds for other planes and images as well."""
        return self._kind

    @property
    def wanted(self) -> Wanted:
        """What is wanted of the proposals, also of those that are found next; nothing is computed anew."""
        return self._wanted

    @wanted.setter
    def wanted(self, wanted: Wanted) -> None:
        if wanted == self._wanted:
            return
        self._wanted = wanted
        if self._found is not None:
            self._found.select(wanted)
            self._signals.proposals_changed.emit()

    @property
    def selected(self) -> list[int]:
        """Those that are wanted, with those that the user dropped; the surest first."""
        return [] if self._found is None else list(self._found.selected)

    @property
    def chosen(self) -> list[int]:
        """Those that will be accepted: the selected ones but those that the user dropped."""
        found = self._found
        return [] if found is None else [at for at in found.selected if at not in found.dropped]

    @property
    def most(self) -> int:
        """How many would be selected if the least sure were wanted too, of any size."""
        return 0 if self._found is None else self._found.most

    def find(self, region: Region | None = None) -> None:
        """Find everything on the plane in view; a former proposal stays until the new one is there.

        Clicks go first.

        Parameters
        ----------
        region
            Only objects whose middle lies inside; None for the whole plane.

        Raises
        ------
        UserError
            If there is no image or no plane in view.
        """
        plane, opened = self._in_view()
        self.search = Search(plane)
        self._look(
            plane, opened, region, lambda token: self._engine.everything(opened.segmenter(), plane, region, token)
        )

    def find_volumes(
        self,
        axis: int | None = None,
        start: int | None = None,
        stop: int | None = None,
        region: Region | None = None,
        movement: float | None = None,
    ) -> None:
        """Find everything in the stack that the plane in view is of; as `find` does otherwise.

        Parameters
        ----------
        axis
            The data axis that crosses its planes; None for the likeliest depth of those that are not displayed.
        start, stop
            First and last position along it, inclusive; None for the ends of the image.
        region
            As of `find`.
        movement
            How far an object moves at most from plane to plane, in pixels, where the axis is time; see `link`.

        Raises
        ------
        UserError
            If there is no image with such an axis and such planes, or no plane in view.
        """
        plane, opened = self._in_view()
        along = next(iter(depth_axes(opened.source, plane.axes)), None) if axis is None else axis
        if along is None:
            raise UserError("This image has a single plane: there is no stack to look in.")
        first, last = planes_to_reach(opened.source.shape, plane, along, start, stop)
        overlap = self._wanted.overlap
        self.search = Search(plane, along, movement)
        self._look(
            plane,
            opened,
            region,
            lambda token: self._engine.volumes(
                opened.segmenter(),
                plane,
                along,
                start=first,
                stop=last,
                overlap=overlap,
                region=region,
                movement=movement,
                cancel=token,
            ),
        )

    def find_alike(self, labels: Sequence[int] = (), region: Region | None = None) -> None:
        """Find the objects on the plane in view that are like some accepted ones; as `find` does otherwise.

        Objects that are accepted there already are not proposed again.

        Parameters
        ----------
        labels
            Ids of the objects, wherever in the stack they lie; of one that is not on the plane in view, the plane
            counts on which it was begun. Without any, what was looked for last, perhaps in another image.
        region
            As of `find`.

        Raises
        ------
        UserError
            If there is no image or no plane in view, no accepted object of an id, or nothing was looked for before.
        """
        plane, opened = self._in_view()
        target, kind = self._workspace.writer.target, None if labels else self._kind
        examples: list[tuple[Plane, Mask]] = []
        known: list[Mask] = []
        if not labels and kind is None:
            raise UserError("Choose the accepted object first that others are to be like.")
        if target is not None:
            table = self._workspace.writer.table_of(target)
            table.unwritten.write()
            here = all_masks_on_plane(target.array, PlaneInLabels.itself(plane, opened.source.shape))
            known = list(here.values())
            for label in dict.fromkeys(labels):
                if label not in table.rows:
                    raise UserError(f"There is no accepted object {label}.")
                key = plane if label in here else table.rows[label].key
                examples.append((key, here.get(label) or label_mask(target.array, key, label)))
        elif labels:
            raise UserError("Choose the labels first that hold the object.")
        before = self._found
        # What was found a moment ago on the same place is not looked for again.
        everything = (
            before.proposals
            if before is not None
            and (before.plane, before.region) == (plane, region)
            and isinstance(before.proposals, Proposals)
            and before.proposals.likeness is None
            else None
        )

        def alike(token: CancelToken) -> Iterator[tuple[int, int] | ObjectKind | Proposals]:
            segmenter = opened.segmenter()
            sought = kind or self._engine.describe_kind(segmenter, examples, token)
            yield sought
            yield from self._engine.alike(segmenter, plane, sought, known, everything, region, token)

        self.search = Search(plane, alike=tuple(dict.fromkeys(labels)))
        self._look(plane, opened, region, alike)

    def drop(self, at: int) -> None:
        """Leave one proposal out, whatever is wanted."""
        if self._found is not None and at not in self._found.dropped:
            self._found.dropped.add(at)
            self._signals.proposals_changed.emit()

    def keep(self, at: int) -> None:
        """Take one proposal that was dropped in again."""
        if self._found is not None and at in self._found.dropped:
            self._found.dropped.discard(at)
            self._signals.proposals_changed.emit()

    def toggle(self, at: int) -> None:
        """Drop one proposal, or keep it if it was dropped."""
        if self._found is not None and at in self._found.dropped:
            self.keep(at)
        else:
            self.drop(at)

    def masks_on(self, plane: Plane) -> dict[int, Mask]:
        """Return what all proposals, chosen or not, have on a plane; nothing where they are not."""
        return {} if self._found is None else self._found.masks_on(plane)

    def covers(self, plane: Plane) -> bool:
        """Tell whether a plane is among those that were looked at."""
        found = self._found
        if found is None:
            return False
        if isinstance(found.proposals, Proposals):
            return plane == found.plane
        axis = found.proposals.axis
        return plane.axes == found.plane.axes and plane.at(axis, 0) == found.plane.at(axis, 0)

    def at(self, row: float, column: float, plane: Plane | None = None) -> int | None:
        """Find the selected proposal at a position: one that is kept before one that was dropped.

        Parameters
        ----------
        row, column
            The position.
        plane
            On which plane; None for the one that it was found on.
        """
        found = self._found
        if found is None:
            return None
        pixel, masks = (round(row), round(column)), found.masks_on(plane or found.plane)
        for each in sorted(found.selected, key=found.dropped.__contains__):
            mask = masks.get(each)
            if mask is None:
                continue
            inside = pixel[0] - mask.box[0], pixel[1] - mask.box[1]
            if (
                all(0 <= place < size for place, size in zip(inside, mask.pixels.shape, strict=True))
                and (mask.pixels[inside])
            ):
                return each
        return None

    def accept(self, collision: Collision = Collision.KEEP) -> None:
        """Write all that is chosen into the labels, as one entry of the journal; then there is no proposal any more.

        Where other labels keep their pixels, objects that lie on them by more than the overlap that is wanted are left
        out: they are there already.

        Parameters
        ----------
        collision
            What happens to pixels of labels that are there; see `Batch.segment`.

        Raises
        ------
        UserError
            If nothing is chosen, or there are no labels to write into.
        """
        found, target = self._found, self._workspace.writer.target
        if found is None:
            raise UserError("There is nothing to accept: find everything on a plane first.")
        chosen = self.chosen
        if not chosen:
            raise UserError("None of the proposed objects is chosen: want less confidence or likeness, or other sizes.")
        if target is None:
            raise UserError("Choose the labels to write into first.")
        results = BatchResults(target, crowded=self._wanted.overlap)
        for at in chosen:
            draft = _draft(found, at, self._wanted)
            results.objects.extend((plane, draft) for plane in draft.masks)
        self._batch.write_found(results, collision, lambda: self._accepted(found))

    def discard(self) -> None:
        """Drop the proposal, or what is being found, and tell so."""
        if self._found is not None:
            self._reporter.note = "What was proposed is dropped."
        self._forget()

    def cancel(self) -> None:
        """Stop finding, and tell so; a former proposal stays."""
        self.stop()
        self._reporter.note = "Stopped; nothing new is proposed."
        self._reporter.report()

    def stop(self) -> None:
        """Stop finding."""
        self._scheduler.cancel(_KEY)
        self._active = False

    def leave(self) -> None:
        """Drop the proposal because what it was made by, or on, is another one, and say so."""
        lost = self._active or self._found is not None
        self._forget()
        if lost:
            self._reporter.note = (
                "What was proposed on a plane is gone: the image, its contrast or the model is another one."
            )

    def _in_view(self) -> tuple[Plane, OpenedImage]:
        plane, opened = self._answering.view.plane, self._answering.opened
        if plane is None or opened is None:
            raise UserError("Choose an image and show one of its planes first.")
        return plane, opened

    def _look(
        self,
        plane: Plane,
        opened: OpenedImage,
        region: Region | None,
        look: Callable[[CancelToken], Iterator[tuple[int, int] | ObjectKind | Proposals | VolumeProposals]],
    ) -> None:
        """Look for objects on the inference thread, and propose what is found."""
        self._reporter.clear()
        self.stop()
        self._active, self.progress = True, (0, 0)
        wanted = self._wanted

        def steps(token: CancelToken) -> Iterator[tuple[int, int] | ObjectKind | _Found | None]:
            for each in look(token):
                if not isinstance(each, Proposals | VolumeProposals):
                    yield each
                    continue
                if isinstance(each, Proposals):
                    # Here, so that the sliders find them ready.
                    for start in range(0, len(each), _MASKS_AT_ONCE):
                        token.check()
                        for at in range(start, min(start + _MASKS_AT_ONCE, len(each))):
                            each.mask(at)
                        yield None
                found = _Found(plane, region, opened.setup, each)
                found.select(wanted)
                yield found

        def step(each: tuple[int, int] | ObjectKind | _Found | None) -> None:
            if isinstance(each, _Found):
                self._take(each, wanted)
            elif isinstance(each, ObjectKind):
                self._kind = each
            elif each is not None:
                self.progress = each
            self._reporter.report()

        self._scheduler.submit_steps(
            _KEY, steps, priority=Priority.PROPAGATION, on_step=step, on_done=self._done, on_error=self._failed
        )
        self._reporter.report()

    def _take(self, found: _Found, wanted: Wanted) -> None:
        if self._wanted != wanted:
            found.select(self._wanted)
        self._found = found if len(found.proposals) else None
        self._signals.proposals_changed.emit()

    def _done(self) -> None:
        self._active = False
        if self._found is not None:
            # How many they are changes with every slider: that is told beside these.
            self._reporter.note = "Objects are proposed: choose by sliders and clicks."
        else:
            self._reporter.note = "Nothing was found there."
        self._reporter.report()

    def _failed(self, error: Exception) -> None:
        self._active = False
        self._reporter.fail(error)

    def _accepted(self, found: _Found) -> None:
        if self._found is found:
            self._forget()

    def _forget(self) -> None:
        self.stop()
        if self._found is not None:
            self._found = None
            self._signals.proposals_changed.emit()
        self._reporter.report()


def _draft(found: _Found, at: int, wanted: Wanted) -> Draft:
    """Make an object of a proposal: prompted where it was asked for, with what came of it."""
    proposals, draft = found.proposals, Draft()
    if isinstance(proposals, Proposals):
        plane, mask, origin = found.plane, proposals.mask(at), proposals.proposals[at].origin
        confidence = proposals.proposals[at].confidence
        likeness = None if proposals.likeness is None else float(proposals.likeness[at])
    else:
        volume, likeness = proposals.volumes[at], None
        plane, key, origin = found.plane.at(proposals.axis, volume.key), volume.planes[volume.key], volume.origin
        assert key.mask is not None
        mask, confidence = key.mask, volume.confidence
        draft.proposal = {found.plane.at(proposals.axis, position): each for position, each in volume.planes.items()}
        del draft.proposal[plane]
    request = PromptRequest(plane, Prompts((Point(*origin.point),)))
    request.asked.found = FoundOrigin(origin, confidence, wanted, likeness)
    request.take(Segmentation((mask,), 0, (origin.area,)), found.setup)
    draft.put(plane, request)
    return draft
