"""What the session is doing, as the user reads it."""

from napari_sam.plugin.panel.status_line import StatusLine
from napari_sam.session.status import State, Status


def test_nothing_below_moves_when_a_sentence_of_two_lines_comes(qapp):
    line = StatusLine()
    heights = []
    # napari's style reaches the panel when it is docked.
    line.setStyleSheet("QLabel { font-size: 17pt; padding: 5px }")
    for sentence in ("", "One line.", "One line.\nAnother line."):
        line.show_status(Status(State.READY, sentence))
        heights.append(line.sizeHint().height())
    assert heights[0] == heights[1] == heights[2]
