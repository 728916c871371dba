"""Every engine against the contract."""

from functools import cache

import pytest

from napari_sam.models import load
from napari_sam.session.compute.engine import NetworkEngine
from napari_sam.testing.engine_contract import EngineContract
from napari_sam.testing.fake_engine import FakeEngine
from napari_sam.testing.fake_network import threshold_model

load_once = cache(load.load_model)


class TestFakeEngine(EngineContract):
    def make_engine(self) -> FakeEngine:
        return FakeEngine()


class TestAmbiguousFakeEngine(EngineContract):
    def make_engine(self) -> FakeEngine:
        return FakeEngine(ambiguous=True)


class TestNano(EngineContract):
    @pytest.fixture(autouse=True)
    def _loaded_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(load, "load_model", load_once)

    def make_engine(self) -> NetworkEngine:
        return NetworkEngine()


class TestThresholdNetwork(EngineContract):
    """All of the real engine but the network's weights."""

    @pytest.fixture(autouse=True)
    def _threshold_model(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loaded = load.load_model

        def load_model(name: str, *arguments, **options):
            return threshold_model() if name in ("nano", "threshold") else loaded(name, *arguments, **options)

        monkeypatch.setattr(load, "load_model", load_model)

    def make_engine(self) -> NetworkEngine:
        return NetworkEngine()
