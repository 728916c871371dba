"""What a session is doing, from what its parts are doing."""

from napari_sam.session.batch import Batch
from napari_sam.session.propagation import Propagation
from napari_sam.session.saving import Saving
from napari_sam.session.segmenting import Segmenting
from napari_sam.session.state import State, Status
from napari_sam.session.work import Work


def current_status(
    segmenting: Segmenting, work: Work, propagation: Propagation, batch: Batch, saving: Saving, error: str, note: str
) -> Status:
    """The one thing that is worth telling; `error` and `note` are the sentences for the user."""
    view = segmenting.view
    if segmenting.source is None:
        return Status(State.NO_IMAGE, "Choose an image.")
    if propagation.active:
        return Status(State.PROPAGATING, error, *propagation.progress)
    if batch.active:
        return Status(State.SEGMENTING, error, *batch.progress)
    if work.draft.in_flight or work.finishing:
        return Status(State.SEGMENTING, error)
    if error:
        return Status(State.ERROR, error)
    if saving.active:
        return Status(State.SAVING)
    if view.plane is None:
        return Status(State.NO_PLANE, view.why_none)
    if view.state is State.READY:
        return Status(State.READY, note)
    return Status(view.state, note, *view.progress)
