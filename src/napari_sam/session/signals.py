"""What a session tells."""

from psygnal import Signal

from napari_sam.session.state import Status


class SessionSignals:
    """The signals of a `Session`, emitted on the main thread.

    Signals
    -------
    status_changed(Status)
        What the session is doing.
    prompts_changed()
        The session changed the prompts itself (removed, cleared, finished or brought back an object).
    masks_changed()
        The masks of the object being worked on are different.
    labels_changed(Target, tuple[slice, ...])
        The labels changed inside a box.
    writing()
        Labels are about to change by themselves: strokes that are being drawn are to be told of first.
    objects_changed()
        The table of objects is different.
    history_changed()
        What can be undone or redone is different.
    saved(Target, tuple[Done, ...])
        Labels are in a file, as they were when just that had been done to them.
    label_changed()
        `current_label` is different.
    collided(Collides)
        A batch is done and meets pixels of other labels: `Session.write_batch` says what becomes of it.
    crashed(Exception)
        A computation raised something unexpected.
    """

    status_changed = Signal(Status)
    prompts_changed = Signal()
    masks_changed = Signal()
    labels_changed = Signal(object, tuple)
    writing = Signal()
    objects_changed = Signal()
    history_changed = Signal()
    saved = Signal(object, tuple)
    label_changed = Signal()
    collided = Signal(object)
    crashed = Signal(Exception)
