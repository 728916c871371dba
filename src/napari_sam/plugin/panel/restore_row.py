"""The row that offers an unfinished session."""

import time
from pathlib import Path

from napari_sam.plugin.panel.widgets import FramedRow, breakable, button, row
from napari_sam.plugin.session_restorer import SessionRestorer
from napari_sam.session.record.recovery import Unfinished


class RestoreRow(FramedRow):
    """A row that says which session did not end as it should; hidden while there is none.

    Parameters
    ----------
    restoring
        What brings it back.
    """

    def __init__(self, restoring: SessionRestorer) -> None:
        super().__init__()
        self.restore = button("Restore", "", "Bring back its labels, its objects and the object that was in work.")
        self.discard = button("Discard", "", "Remove it for good; the next one, if any, is offered then.")
        self.later = button("Later", "", "Leave it: it is offered again next time, for a month.")
        self.rows.addLayout(row(self.restore, self.discard, self.later))
        restoring.offered.connect(self.show_offer)
        self.show_offer(restoring.offer)

    def show_offer(self, offer: Unfinished | None) -> None:
        """Offer a session, or nothing."""
        self.setVisible(offer is not None)
        if offer is not None:
            self.sentence.setText(breakable(offer_sentence(offer, time.time())))


def offer_sentence(offer: Unfinished, now: float) -> str:
    """Say what is offered, in a sentence.

    Parameters
    ----------
    offer
        The session.
    now
        Seconds since 1970.
    """
    image = Path(offer.image.path).name or f"an image of shape {offer.image.shape}"
    changes = "1 change" if offer.deeds == 1 else f"{offer.deeds} changes"
    return f"A session on {image} was not finished: {changes} to labels, the last {_ago(now - offer.changed)}."


def _ago(seconds: float) -> str:
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count = int(seconds // length)
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"
