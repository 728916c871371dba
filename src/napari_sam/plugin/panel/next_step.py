"""The one thing to do next, found from what there is; the panel has its button stand out."""

from dataclasses import dataclass
from enum import StrEnum

from napari_sam.plugin.controller import SegmentController
from napari_sam.session.object.draft import Draft
from napari_sam.session.status import State


class Step(StrEnum):
    """A thing to do next."""

    OPEN_IMAGE = "open an image"
    CHOOSE_IMAGE = "choose an image"
    DOWNLOAD_MODEL = "download the model"
    CHOOSE_MODEL = "choose another model"
    PROMPT = "prompt"
    PROPAGATE = "propagate"
    ACCEPT = "accept"
    ACCEPT_FOUND = "accept all found"
    ANSWER = "answer"
    SAVE = "save"


@dataclass(frozen=True)
class Situation:
    """What there is, as far as it tells what to do next.

    Parameters
    ----------
    offered
        Whether the viewer has images to choose from.
    chosen
        Whether one is chosen.
    downloadable
        Whether the chosen model has to be downloaded first.
    usable
        Whether the model can be used, or it is not known yet.
    in_view
        Whether a plane is in view.
    busy
        Whether an object is being propagated, or many are being made or found.
    asked
        Whether there is a question about pixels of other objects.
    masked
        Whether the object in work has a mask, or is about to have one.
    stacked
        Whether there is an axis to carry it along.
    carried
        Whether it was carried along from all of its key planes.
    proposed
        Whether everything that was found on a plane waits to be accepted.
    unsaved
        Whether labels were changed since they were saved.
    """

    offered: bool = False
    chosen: bool = False
    downloadable: bool = False
    usable: bool = True
    in_view: bool = False
    busy: bool = False
    asked: bool = False
    masked: bool = False
    stacked: bool = False
    carried: bool = False
    proposed: bool = False
    unsaved: bool = False


def next_step(situation: Situation) -> Step | None:
    """Find the one thing to do next.

    Parameters
    ----------
    situation
        What there is.

    Returns
    -------
    Step or None
        None while there is something to wait for, or nothing to be done here.
    """
    here = situation
    if here.asked:
        return Step.ANSWER
    if not here.chosen:
        return Step.CHOOSE_IMAGE if here.offered else Step.OPEN_IMAGE
    if here.downloadable:
        return Step.DOWNLOAD_MODEL
    if not here.usable:
        return Step.CHOOSE_MODEL
    if here.busy:
        return None
    if here.masked:
        return Step.PROPAGATE if here.stacked and here.in_view and not here.carried else Step.ACCEPT
    if here.proposed:
        return Step.ACCEPT_FOUND
    # Between two objects: what is done is worth more than what is yet to be done.
    if here.unsaved:
        return Step.SAVE
    return Step.PROMPT if here.in_view else None


def carried_from_all(draft: Draft) -> bool:
    """Tell whether an object was carried along from all of its key planes, as they are now."""
    carried = draft.carried
    if carried is None:
        return False
    along = [plane for plane in draft.key_masks if plane.axes == carried.plane.axes]
    return all(carried.keys.get(plane.index[carried.axis]) == draft.source_of(plane) for plane in along)


def situation_of(controller: SegmentController, *, downloadable: bool, unsaved: bool) -> Situation:
    """Look at what there is.

    Parameters
    ----------
    controller
        Whose session and viewer.
    downloadable, unsaved
        See `Situation`.
    """
    session, draft = controller.session, controller.session.current.draft
    state = session.status.state
    return Situation(
        offered=bool(controller.images.layers),
        chosen=controller.image is not None,
        downloadable=downloadable,
        usable=state is not State.ERROR or session.model.setup is not None,
        in_view=session.image.plane is not None,
        busy=session.volume.active or session.batch.active or session.everything.active,
        asked=controller.asked is not None,
        masked=bool(draft.masks) or bool(draft.in_flight),
        stacked=bool(controller.propagation_axes),
        carried=carried_from_all(draft),
        proposed=bool(session.everything.chosen),
        unsaved=unsaved,
    )
