"""Bringing sessions back into the viewer: unfinished ones, and saved ones."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from psygnal import Signal

from napari_sam.errors import UserError
from napari_sam.planes.image_source import ImageSource
from napari_sam.plugin.controller import SegmentController
from napari_sam.plugin.layers.layer_axes import path_of
from napari_sam.session.compute.scheduler import Priority
from napari_sam.session.record.autosave import Autosave
from napari_sam.session.record.log_folder import SessionFolder
from napari_sam.session.record.object_record import ObjectRecord
from napari_sam.session.record.recovery import Awaited, Recovered, Unfinished, discard, recover, unfinished_sessions
from napari_sam.session.record.restored import Restored
from napari_sam.session.record.versions import Version


class SessionRestorer:
    """A restorer that knows which sessions did not end as they should, and brings them back.

    What reads files runs on the inference thread.

    Parameters
    ----------
    controller
        Of the viewer.
    autosave
        The log of the session that runs.
    parent
        The folder of logs.

    Signals
    -------
    offered(Unfinished or None)
        A session that may be restored or discarded; None if there is none (any more).
    """

    offered = Signal(object)

    def __init__(self, controller: SegmentController, autosave: Autosave, parent: Path) -> None:
        self._controller = controller
        self._session = controller.session
        self._autosave = autosave
        self._parent = parent
        self._waiting: list[Unfinished] = []

    @property
    def offer(self) -> Unfinished | None:
        """The session that is offered."""
        return self._waiting[0] if self._waiting else None

    def look(self) -> None:
        """Look for unfinished sessions."""
        self._session.scheduler.submit(
            "unfinished",
            lambda _: unfinished_sessions(self._parent),
            priority=Priority.PREFETCH,
            on_result=self._found,
            on_error=self._failed,
        )

    def restore_latest(self) -> None:
        """Look for unfinished sessions again, whatever was put off, and bring the latest one back."""
        self._session.scheduler.submit(
            "unfinished",
            lambda _: unfinished_sessions(self._parent),
            priority=Priority.CLICK,
            on_result=self._restore_found,
            on_error=self._failed,
        )

    def discard(self) -> None:
        """Remove the session that is offered; the next one is offered then."""
        if self._waiting:
            discard(self._waiting.pop(0).path)
            self.offered.emit(self.offer)

    def later(self) -> None:
        """Offer nothing more this time."""
        self._waiting.clear()
        self.offered.emit(None)

    def restore(self) -> None:
        """Bring the session that is offered back, with its image if that is not open.

        Raises
        ------
        UserError
            If its image is not there, or another window has the session.
        """
        offer = self.offer
        if offer is None:
            raise UserError("There is no unfinished session.")
        self._choose_image(offer)
        source = self._session.image.source
        assert source is not None
        folder = SessionFolder.claim(offer.path)
        if folder is None:
            raise UserError("Another window has brought this session back already.")

        def read(_: object) -> Recovered:
            recovered = recover(offer.path)
            recovered.image.recognise(source)
            return recovered

        def failed(error: Exception) -> None:
            folder.release()
            self._failed(error)

        self._session.scheduler.submit(
            "restore",
            read,
            priority=Priority.CLICK,
            on_result=partial(self._recovered, folder, source),
            on_error=failed,
        )

    def open(self, path: str | Path) -> None:
        """Go on with a saved session, on the chosen image.

        Raises
        ------
        UserError
            If no image is chosen.
        """
        from napari_sam.session.record.session_file import open_session

        source = self._session.image.source
        if source is None:
            raise UserError("Choose the image that the session was made on first.")
        self._read(lambda: open_session(path, source), source)

    def open_version(self, version: Version) -> None:
        """Go on with an earlier version, on the chosen image; the file that it is a version of stays as it is.

        Raises
        ------
        UserError
            If no image is chosen.
        """
        source = self._session.image.source
        if source is None:
            raise UserError("Choose the image that the labels are of first.")
        self._read(lambda: version.read(source), source)

    # Inside

    def _read(self, read: Callable[[], tuple[Restored, ObjectRecord | None]], source: ImageSource) -> None:
        """Read what was saved, off the main thread, and go on with it."""
        self._session.scheduler.submit(
            "restore",
            lambda _: read(),
            priority=Priority.CLICK,
            on_result=partial(self._opened, source),
            on_error=self._failed,
        )

    def _found(self, found: list[Unfinished]) -> None:
        self._waiting = found
        self.offered.emit(self.offer)

    def _restore_found(self, found: list[Unfinished]) -> None:
        self._found(found)
        try:
            self.restore()
        except UserError as error:
            self._controller.told.emit(str(error))

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, UserError):
            self._session.crashed.emit(error)
        self._controller.told.emit(str(error))

    def _choose_image(self, offer: Unfinished) -> None:
        """Have the session's image chosen: the chosen one if it fits, else another layer, else its file."""
        if self._fits(offer):
            return
        fits = [layer for layer in self._controller.images.layers if path_of(layer) == offer.image.path]
        if not fits and offer.image.path and Path(offer.image.path).exists():
            opened = self._controller.viewer.open(offer.image.path)
            fits = [layer for layer in opened if layer in self._controller.images.layers]
        if fits:
            self._controller.images.choose(fits[0])
        if not self._fits(offer):
            self._controller.images.choose_stored_channels(offer.image.n_channels, offer.image.shown)
        if not self._fits(offer):
            name = offer.image.path or f"of shape {offer.image.shape}"
            channels = offer.image.n_channels
            with_channels = f", with a layer for each of its {channels} channels," if channels > 1 else ""
            raise UserError(f"Open the image {name}{with_channels} first; then restore the session.")

    def _fits(self, offer: Unfinished) -> bool:
        """Tell whether the chosen image may be that of a session, by its shape and channels."""
        source, image = self._session.image.source, offer.image
        if source is None or source.shape != image.shape:
            return False
        return image.rgb or source.rgb or source.n_channels == image.n_channels

    def _is_chosen(self, source: ImageSource) -> bool:
        """Tell whether the image is still chosen that something was read for; say so if it is not."""
        if self._session.image.source is source:
            return True
        self._controller.told.emit("Another image was chosen meanwhile: choose the one of that session, and try again.")
        return False

    def _opened(self, source: ImageSource, found: tuple[Restored, ObjectRecord | None]) -> None:
        restored, draft = found
        if self._is_chosen(source):
            self._take([restored], draft, 0)

    def _recovered(self, folder: SessionFolder, source: ImageSource, recovered: Recovered) -> None:
        """Show everything that was read, and forget the old log once all of it is in the new one."""
        if not self._is_chosen(source):
            folder.release()
            return
        session = self._session
        if recovered.model and recovered.model != session.model.name:
            session.model.choose(recovered.model)
        if recovered.object_size != session.model.object_size:
            session.model.set_object_size(recovered.object_size)
        at = recovered.draft_target if recovered.draft_target is not None else len(recovered.targets) - 1
        if not self._take(list(recovered.targets), recovered.draft, at, recovered.waiting, folder.remove):
            folder.release()
            return
        self._waiting = [each for each in self._waiting if each.path != folder.path]
        self.offered.emit(self.offer)
        if not all(each.complete for each in recovered.targets):
            self._controller.told.emit(
                "The session was killed before the labels that it began with were all logged: some of them are missing."
            )

    def _take(
        self,
        restored: list[Restored],
        draft: ObjectRecord | None,
        at: int,
        awaited: tuple[Awaited, ...] = (),
        logged: Callable[[], None] | None = None,
    ) -> bool:
        """Make layers of labels, choose one, go on with what waits and the object in work; tell whether that worked."""
        try:
            targets = [self._controller.targets.add_restored(each) for each in restored]
            if targets:
                self._controller.choose_target(targets[at].layer)
            for each in awaited:
                self._session.current.restore_waiting(each.record, targets[each.target], each.collision)
            if draft is not None:
                self._session.current.restore(draft)
        except UserError as error:
            self._controller.told.emit(str(error))
            return False
        if logged is not None:
            left = len(targets)

            def one_logged() -> None:
                nonlocal left
                left -= 1
                if left <= 0:
                    # What was in work, and what waits, is logged by now, or very soon: it changed.
                    self._autosave.wait_written()
                    logged()

            for target in targets:
                self._autosave.begin_with(target, one_logged)
            if not targets:
                one_logged()
        return True
