from dataclasses import dataclass, field

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.models.device import WorkShares
from napari_sam.models.load import load_model
from napari_sam.nn.cancel import Cancelled


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@dataclass
class Noted:
    """A network that notes on how many threads it was asked, by what it was asked for."""

    network: object
    threads: dict[str, list[int]] = field(default_factory=lambda: {"encode": [], "decode": [], "decode_each": []})

    def __getattr__(self, name):
        value = getattr(self.network, name)
        if name not in ("encode", "decode", "decode_each"):
            return value

        def noted(*arguments):
            self.threads[name].append(torch.get_num_threads())
            return value(*arguments)

        return noted


def asked(model) -> dict[str, list[int]]:
    """Threads of a small and a large encode, one click and many, and of three windows' clicks."""
    noted = Noted(model.network)
    model.network = noted
    features = model.encode(torch.rand(1, 3, 256, 256))
    model.encode(torch.rand(1, 3, 512, 512))
    point, label = torch.full((1, 1, 2), 100.0), torch.ones((1, 1), dtype=torch.long)
    model.decode(features, point, label, None, True)
    model.decode(features, point.expand(9, 1, 2), label.expand(9, 1), None, True)
    model.decode_each([features] * 3, point.expand(3, 1, 2), label.expand(3, 1), None, True)
    return noted.threads


@pytest.mark.usefixtures("two_threads")
def test_small_work_is_done_on_one_thread_where_the_others_sleep(monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    assert asked(load_model("nano", "cpu")) == {"encode": [1, 2], "decode": [1, 2], "decode_each": [1, 1]}
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_threads_that_spin_share_all_work(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert asked(load_model("nano", "cpu")) == {"encode": [2, 2], "decode": [2, 2], "decode_each": [2]}


@pytest.mark.usefixtures("two_threads")
def test_all_threads_are_back_after_an_error():
    seen = []

    def fail(_: slice) -> None:
        seen.append(torch.get_num_threads())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        WorkShares().computed(1, fail)
    assert [*seen, torch.get_num_threads()] == [1, 2]


@pytest.mark.usefixtures("two_threads")
def test_what_is_shared_out_is_what_it_is_one_after_the_other(monkeypatch):
    model = load_model("nano", "cpu")
    torch.manual_seed(0)
    images, points = torch.rand(3, 3, 256, 256), torch.rand(5, 2, 2) * 256
    labels = torch.ones((5, 2), dtype=torch.long)

    def answers():
        encoded = model.encode(images)
        windows = [encoded.split()[at % 3] for at in range(5)]
        return encoded, model.decode_each(windows, points, labels, None, False)

    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    encoded, together = answers()
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    shared_encoded, shared = answers()

    torch.testing.assert_close(shared_encoded.embedding, encoded.embedding)
    torch.testing.assert_close(shared.logits, together.logits, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(shared.iou, together.iou)
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
@given(count=st.integers(1, 9), room=st.integers(0, 4))
def test_shares_cover_a_batch_once_and_in_order_however_little_memory_there_is(count, room):
    def compute(some: slice) -> list[int]:
        if some.stop - some.start > room:
            raise MemoryError
        return list(range(some.start, some.stop))

    parts = WorkShares().computed(count, compute)
    assert (parts is None) == (room == 0)
    if parts is not None:
        assert [each for part in parts for each in part] == list(range(count))


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("failing", [0, 3])
def test_an_error_of_any_share_is_told_when_all_have_ended(failing):
    ended = []

    def compute(some: slice) -> int:
        ended.append(some.start)
        if some.start <= failing < some.stop:
            raise Cancelled
        return some.start

    with pytest.raises(Cancelled):
        WorkShares().computed(4, compute)
    assert sorted(ended) == [0, 2]
    assert torch.get_num_threads() == 2
