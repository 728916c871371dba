"""The autosave: everything that a session does is written to its log."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from napari_sam.errors import UserError
from napari_sam.export.provenance import program_versions
from napari_sam.planes.image_identity import ImageIdentity, fingerprint_steps
from napari_sam.session.compute.scheduler import PostToMain, Priority, weak_callback
from napari_sam.session.labels.target import Target
from napari_sam.session.notices import Notice, NoticeKind, Remedy
from napari_sam.session.record.event_json import label_type
from napari_sam.session.record.log_file import WORTH_COMPACTING, LogWriter, RecordKind
from napari_sam.session.record.log_folder import FOLDER_VARIABLE, SessionFolder, remember_folder
from napari_sam.session.record.log_records import (
    VERSION,
    BaseDoneRecord,
    BeginRecord,
    ImageRecord,
    TargetRecord,
    base_records,
    draft_records,
    drop_records,
    put_records,
    target_records,
)
from napari_sam.session.record.log_watch import BEHIND_S, FIRST_RETRY_S, LAST_RETRY_S, LogWatch, has_room, reason_of
from napari_sam.session.record.object_record import record_of
from napari_sam.session.record.recording import Done
from napari_sam.session.record.session_file import image_form
from napari_sam.session.session import Session

OWN_FOLDER = "napari-sam sessions"
"""Name of the folder of logs inside one that the user chose."""


class Autosave:
    """The follower of a session, which keeps its log.

    Every method is called on the main thread. What is packed, and what is written, is so on a thread of its own.

    Parameters
    ----------
    session
        The session.
    parent
        The folder that session folders are made in.
    post_to_main
        See `Scheduler`.
    on_error
        Called on the main thread with why there is no log any more, in one sentence; once until there is one again.
    enabled
        False to keep no log at all.

    Attributes
    ----------
    ask_folder : callable or None
        Asks the user for another folder and calls `move_to`; None where there is nobody to ask.
    """

    def __init__(
        self,
        session: Session,
        parent: Path,
        post_to_main: PostToMain,
        on_error: Callable[[UserError], None],
        *,
        enabled: bool = True,
    ) -> None:
        self._session = session
        self._parent = self._log_parent = parent
        self._post = post_to_main
        self._on_error = on_error
        self._folder: SessionFolder | None = None
        self._writer: LogWriter | None = None
        self._failed = False
        self._enabled = enabled
        self.ask_folder: Callable[[], None] | None = None
        self._watch: LogWatch | None = None
        # What stays on disk until the log that takes its place is complete.
        self._kept: SessionFolder | None = None
        self._behind = self._off = False
        self._retry_s, self._retry_at = FIRST_RETRY_S, float("inf")
        self._images: dict[int, ImageIdentity] = {}
        self._targets: dict[Target, int] = {}
        self._numbered = 0
        self._based: set[int] = set()
        self._saved: dict[Target, tuple[Done, ...] | None] = {}
        self._dirty = self._asked = self._lost = False
        session.record.recordings.put.connect(self._put)
        session.record.recordings.dropped.connect(self._dropped)
        session.record.recordings.forgotten.connect(self._forgotten)
        session.saved.connect(self._save)
        # The journal tells of prompts that are not answered yet: that may take long.
        for signal in (
            session.history_changed,
            session.prompts_changed,
            session.masks_changed,
            session.label_changed,
        ):
            signal.connect(self._touch)

    @property
    def folder(self) -> Path | None:
        """Folder of the log; None while there is nothing to log."""
        return None if self._folder is None else self._folder.path

    @property
    def unsaved(self) -> bool:
        """True if labels were changed that were not saved since, or are yet to be changed by what was accepted."""
        return (
            self._lost
            or bool(self._session.record.waiting)
            or any(
                self._session.record.recordings.of(target).done != self._saved.get(target, ())
                for target in self._targets
            )
        )

    def begin_with(self, target: Target, then: Callable[[], None]) -> None:
        """Log labels that were restored; `then` is called on the main thread when all of them are in the log."""
        writer = self._open()
        if writer is None:
            return
        self._number(target, writer, then)
        # They are in no file but the log.
        self._saved[target] = None

    def wait_written(self, timeout: float = 10.0) -> bool:
        """Block until everything is on disk; False if that takes longer."""
        self._collect()
        return self._writer is None or self._writer.wait_written(timeout)

    def close(self) -> None:
        """End the log. It stays, to be restored, if labels were changed and not saved."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        keep = self.unsaved
        if self._writer is not None:
            if keep:
                self._collect()
            self._writer.close()
        for folder in (self._folder, self._kept):
            if folder is not None and keep:
                folder.release()
            elif folder is not None:
                folder.remove()
        self._writer = self._folder = self._kept = None
        # Whatever was asked of it a moment ago begins no other log.
        self._failed, self._enabled = True, False

    def move_to(self, folder: Path) -> None:
        """Write the log into another folder from now on: all that there is, then all that is done.

        It is found there after a crash by whoever looks where logs usually are.

        Parameters
        ----------
        folder
            A folder of its own is made in it.

        Raises
        ------
        UserError
            If there is no room, or it cannot be written to.
        """
        if not has_room(folder, 0):
            raise UserError(f"{folder} cannot be written to, or has no room; choose another folder.")
        self._begin_anew(folder / OWN_FOLDER)

    def retry(self) -> None:
        """Write the log again where it was, with all that there is.

        Raises
        ------
        UserError
            If there is still no room.
        """
        if not has_room(self._log_parent, self._size_left()):
            raise UserError(f"{self._log_parent} still has no room, or cannot be written to; choose another folder.")
        self._go_on()

    # Inside, on the main thread

    def _open(self) -> LogWriter | None:
        if self._writer is None and self._enabled and not self._failed:
            try:
                self._folder = SessionFolder.create(self._log_parent)
            except OSError as error:
                self._fail(None, error)
                return None
            # The thread keeps nothing alive: a session that is dropped without being closed ends.
            failed = partial(weak_callback(self._writing_failed), self._folder)
            self._writer = LogWriter(self._folder.log, weak_callback(self._tick), failed)
            self._writer.start()
            begin = BeginRecord(VERSION, program_versions(), datetime.now(UTC).isoformat())
            self._writer.write(lambda: iter([(RecordKind.BEGIN, begin)]))
            self._start_watch()
        return self._writer

    def _go_on(self) -> None:
        if self._off:
            self._begin_anew(self._log_parent)

    def _begin_anew(self, parent: Path) -> None:
        """Begin another log, with all that there is; the former one stays until this one is complete."""
        if not self._enabled:
            return
        if self._writer is not None:
            # It is behind: whatever it still writes takes nothing from the new one.
            self._writer.close(0)
        self._keep_former()
        targets = dict.fromkeys((*self._targets, *self._session.record.recordings.targets))
        self._targets, self._based, self._numbered = {}, set(), 0
        self._failed, self._log_parent = False, parent
        writer = self._open()
        if writer is None:
            self._targets = dict.fromkeys(targets, 0)
            return
        folder, left = self._folder, len(targets) + 1

        def one_logged() -> None:
            nonlocal left
            left -= 1
            if not left:
                self._complete(folder)

        for number in self._images:
            self._write_image(number)
        self._image()
        for target in targets:
            number = self._number(target, writer, one_logged)
            done = self._session.record.recordings.of(target).done
            if done:
                writer.write(partial(put_records, number, done, number in self._based, label_type(target.array.dtype)))
        self._dirty = True
        self._collect()
        writer.write(lambda: iter(()), partial(self._post, one_logged))

    def _keep_former(self) -> None:
        """Keep the last complete log on disk, and what is left of one that never was complete no longer."""
        if self._folder is not None and self._kept is not None:
            self._folder.remove()
        elif self._folder is not None:
            self._kept = self._folder
        self._writer = self._folder = None

    def _complete(self, folder: SessionFolder | None) -> None:
        """Forget the former log: all of it is in the new one."""
        if folder is None or folder is not self._folder:
            return
        if self._kept is not None:
            if self._lost:
                # Only there is what was done to labels that are gone since.
                self._kept.release()
            else:
                with suppress(OSError):
                    self._kept.remove()
            self._kept = None
        self._retry_s, self._behind, self._off, notice = FIRST_RETRY_S, False, False, None
        try:
            remember_folder(self._parent, self._log_parent)
        except OSError as error:
            notice = Notice(
                f"Autosave goes on in {self._log_parent}, but {self._parent} cannot be written ({reason_of(error)}): "
                f"after a crash, name the new folder in the environment variable {FOLDER_VARIABLE}.",
                grave=False,
            )
        self._session.notices.show(NoticeKind.AUTOSAVE, notice)

    def _start_watch(self) -> None:
        if self._watch is None:
            self._watch = LogWatch(self._look)

    def _look(self) -> None:
        # On the thread of the watch.
        writer = self._writer
        if self._failed:
            if time.monotonic() >= self._retry_at and has_room(self._log_parent, self._size_left()):
                self._retry_at = float("inf")
                self._post(weak_callback(self._go_on))
        elif writer is not None and (writer.lag > BEHIND_S) != self._behind:
            self._post(partial(weak_callback(self._show_behind), writer))

    def _size_left(self) -> int:
        """Return the bytes of the log that ended: so much a new one takes, as far as that can be known."""
        kept = self._kept
        try:
            return 0 if kept is None else min(kept.log.stat().st_size, WORTH_COMPACTING)
        except OSError:
            return 0

    def _show_behind(self, writer: LogWriter) -> None:
        if writer is not self._writer or self._failed or self._kept is not None:
            return
        self._behind = writer.lag > BEHIND_S
        sentence = (
            f"Autosave is behind by more than {BEHIND_S:.0f} seconds: {self._log_parent} is slow to write to. "
            "Save before you close napari, or choose another folder."
        )
        notice = Notice(sentence, self._remedies(), grave=False) if self._behind else None
        self._session.notices.show(NoticeKind.AUTOSAVE, notice)

    def _remedies(self, *more: Remedy) -> tuple[Remedy, ...]:
        if self.ask_folder is None:
            return more
        tip = "Write the log of this session somewhere else: all that was done, and all that is done from now on."
        return (Remedy("Another folder…", tip, self.ask_folder), *more)

    def _forgotten(self, target: Target, done: tuple[Done, ...]) -> None:
        # A layer may be removed by mistake, and napari does not bring it back: the log does.
        if self._targets.pop(target, None) is not None:
            self._lost = self._lost or done != self._saved.get(target, ())

    def _save(self, target: Target, done: tuple[Done, ...]) -> None:
        self._saved[target] = done

    def _writing_failed(self, folder: SessionFolder, error: Exception) -> None:
        # On the writing thread.
        self._post(partial(weak_callback(self._fail), folder, error))

    def _fail(self, folder: SessionFolder | None, error: Exception) -> None:
        """Say that there is no log any more, and go on with one when there is room."""
        if self._failed or folder is not self._folder:
            return
        again = self._off
        self._failed = self._off = True
        self._behind = False
        self._keep_former()
        self._retry_at = time.monotonic() + self._retry_s
        self._retry_s = min(2 * self._retry_s, LAST_RETRY_S)
        self._start_watch()
        reason = f"{self._log_parent}: {reason_of(error)}"
        sentence = (
            f"Autosave is off ({reason}): what you do now is lost if napari stops. Save often, or make room: then it "
            "goes on by itself, with all that was done."
        )
        tip = "Write the log again where it was, with all that was done."
        remedies = self._remedies(Remedy("Try again", tip, self.retry))
        self._session.notices.show(NoticeKind.AUTOSAVE, Notice(sentence, remedies))
        if not again:
            self._on_error(UserError(f"Autosave is off ({reason}): save often, or make room."))

    def _put(self, target: Target, done: list[Done]) -> None:
        writer = self._open()
        self._image()
        if writer is not None:
            number = self._number(target, writer)
            writer.write(
                partial(put_records, number, tuple(done), number in self._based, label_type(target.array.dtype))
            )

    def _dropped(self, target: Target, done: Done) -> None:
        writer = self._open()
        if writer is not None:
            number = self._number(target, writer)
            writer.write(partial(drop_records, number, done))

    def _touch(self) -> None:
        self._dirty = True
        if self._writer is None and (self._session.current.draft or self._session.record.waiting):
            # From now on the writing thread asks.
            self._collect()

    def _tick(self) -> None:
        # On the writing thread. One question at a time: the main thread may be busy.
        writer = self._writer
        if (self._dirty or (writer is not None and writer.unsettled)) and not self._asked:
            self._asked = True
            self._post(weak_callback(self._answer))

    def _answer(self) -> None:
        """Settle the log at this moment, when nothing is half done."""
        if self._writer is not None:
            self._writer.settle()
        self._collect()

    def _collect(self) -> None:
        """Have the object in work written, and those that wait for their masks, if they may be other ones."""
        self._asked = False
        if not self._dirty or self._failed:
            return
        self._dirty = False
        session = self._session
        draft, waiting, source = session.current.draft, session.record.waiting, session.image.source
        if source is None or (not draft and not waiting and self._writer is None):
            return
        writer = self._open()
        if writer is None:
            return
        self._image()
        record = record_of(draft.state, draft.label) if draft else None
        accepted = [
            (
                {
                    # By this it is told from what was written since.
                    "serial": entry.serial,
                    "image": each.draft.image,
                    "target": self._number(each.target, writer),
                    "collision": each.collision,
                },
                record_of(each.draft.state, each.draft.label),
            )
            for entry, each in waiting.items()
        ]
        about = {
            "image": session.image.number,
            "target": None if session.labels.target is None else self._targets.get(session.labels.target),
            "model": session.model.name,
            "object_size": session.model.object_size,
            "contrast": None if session.image.contrast is None else session.image.contrast.limits,
        }
        writer.write(partial(draft_records, about, record, accepted))

    def _image(self) -> None:
        """Note the image, for this log and for those that may take its place."""
        session = self._session
        image, source = session.image.number, session.image.source
        if source is None or image in self._images or not self._enabled:
            return
        self._images[image] = ImageIdentity.unread(source)

        def write(fingerprint: str) -> None:
            self._images[image] = replace(self._images[image], fingerprint=fingerprint)
            session.record.compare(image, fingerprint)
            self._write_image(image)

        def identify() -> None:
            found: list[str] = []
            session.scheduler.submit_steps(
                ("identity", image),
                lambda _: fingerprint_steps(source),
                priority=Priority.PREFETCH,
                on_step=found.append,
                on_done=lambda: write(found[-1]),
            )

        self._write_image(image)
        # This may be in the middle of the first click on the image: its request, which comes next, goes first.
        session.scheduler.post(identify)

    def _write_image(self, number: int) -> None:
        if self._writer is not None and not self._failed:
            about = image_form(self._images[number])
            self._writer.write(lambda: iter([(RecordKind.IMAGE, ImageRecord(number, about))]))

    def _number(self, target: Target, writer: LogWriter, then: Callable[[], None] | None = None) -> int:
        written = None if then is None else partial(self._post, then)
        if target in self._targets:
            number = self._targets[target]
            if written is not None:
                # What is written slowly is so in order: after the labels of before, if there were any.
                writer.write_slowly(iter(()), (RecordKind.BASE_DONE, BaseDoneRecord(number)), written)
            return number
        self._numbered += 1
        number = self._targets[target] = self._numbered
        prior = self._session.record.recordings.of(target).prior
        empty = prior is None and self._session.labels.began_empty(target)
        array = target.array
        about = TargetRecord(number, target.name, tuple(array.shape), label_type(array.dtype), empty)
        writer.write(partial(target_records, about, prior), written if empty else None)
        if not empty:
            self._based.add(number)
            writer.write_slowly(base_records(number, array), (RecordKind.BASE_DONE, BaseDoneRecord(number)), written)
        return number
