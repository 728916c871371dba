from dataclasses import dataclass, field

import pytest
import torch

from napari_sam.models.load import load_model
from napari_sam.models.small_work import alone_if


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
    """Threads of a small and a large encode, one click and many, and of two windows' clicks."""
    noted = Noted(model.network)
    model.network = noted
    features = model.encode(torch.rand(1, 3, 256, 256))
    model.encode(torch.rand(1, 3, 512, 512))
    point, label = torch.full((1, 1, 2), 100.0), torch.ones((1, 1), dtype=torch.long)
    model.decode(features, point, label, None, True)
    model.decode(features, point.expand(9, 1, 2), label.expand(9, 1), None, True)
    model.decode_each([features, features], point.expand(2, 1, 2), label.expand(2, 1), True)
    return noted.threads


@pytest.mark.usefixtures("two_threads")
def test_small_work_is_done_on_one_thread_where_the_others_sleep(monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    assert asked(load_model("nano", "cpu")) == {"encode": [1, 2], "decode": [1, 2], "decode_each": [1]}
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_threads_that_spin_share_all_work(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert asked(load_model("nano", "cpu")) == {"encode": [2, 2], "decode": [2, 2], "decode_each": [2]}


@pytest.mark.usefixtures("two_threads")
def test_all_threads_are_back_after_an_error(monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    seen = []

    def fail() -> None:
        with alone_if(True):
            seen.append(torch.get_num_threads())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [*seen, torch.get_num_threads()] == [1, 2]
