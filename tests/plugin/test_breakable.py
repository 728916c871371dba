"""Long words are broken, so that they do not make the panel wide."""

from qtpy.QtWidgets import QLabel

from napari_sam.plugin.panel.widgets import breakable

NAME = "20261103_embryo4_nuclei_timelapse_overnight_position12_deconvolved.ome.tif"
PLACE = "\u200b"


def test_ordinary_sentences_are_left_alone():
    sentence = "Propagated to 7 more planes; doubtful: 1, 2."
    assert breakable(sentence) == sentence
    assert breakable("") == ""


def test_a_name_is_broken_between_its_parts():
    broken = breakable(f"Saved {NAME}.")
    assert broken.replace(PLACE, "") == f"Saved {NAME}."
    assert f"20261103_{PLACE}embryo4_{PLACE}nuclei_" in broken
    assert max(len(part) for part in broken.replace(" ", PLACE).split(PLACE)) <= 16


def test_a_word_without_parts_is_broken_anywhere():
    assert breakable("x" * 40).split(PLACE) == ["x" * 16, "x" * 16, "x" * 8]


def test_a_label_with_a_long_name_is_narrow(qapp):
    widths = []
    for text in (NAME, breakable(NAME), "deconvolved.ome.tif"):
        label = QLabel(text)
        label.setWordWrap(True)
        widths.append(label.minimumSizeHint().width())
    assert widths[1] <= widths[2] < widths[0] / 2
