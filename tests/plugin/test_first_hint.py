"""The three gestures are shown on the first start, until they are dismissed."""

from napari_sam.plugin.settings import recall


def test_the_hint_is_shown_until_it_is_dismissed(make_desk) -> None:
    first = make_desk()
    rows = first.widget.prompts
    assert rows.hint.isVisible()
    assert not rows.help.isVisible()
    first.hand.press(rows.hint.dismiss_button)
    assert not rows.hint.isVisible()
    assert rows.help.isVisible()
    assert recall("gestures seen") is True
    second = make_desk()
    assert second.widget.prompts.hint is None
    assert second.widget.prompts.help.isVisible()
