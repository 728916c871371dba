"""Doubtful planes are gone through in turn."""

from hypothesis import given
from hypothesis import strategies as st

from napari_sam.session.propagation import next_in_turn, share_text


@given(st.lists(st.integers(), min_size=1, unique=True), st.integers())
def test_each_comes_once_in_order_then_the_first_again(order, elsewhere):
    at = next_in_turn(order, *({elsewhere} - set(order)))
    seen = []
    for _ in order:
        seen.append(at)
        at = next_in_turn(order, at)
    assert seen == order
    assert at == order[0]


def test_where_the_user_is_goes_before_where_he_was():
    assert next_in_turn([7, 3, 5], 3, 5) == 5
    assert next_in_turn([7, 3, 5], 4, 5) == 7
    assert next_in_turn([]) is None
    assert next_in_turn([], 3) is None


def test_shares_are_short():
    assert (share_text(0.412), share_text(0), share_text(1)) == (".41", ".00", "1.00")
