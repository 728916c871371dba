import json
from dataclasses import replace

import pytest

from napari_sam.models import advice
from napari_sam.models.advice import (
    ENCODING_COST,
    MachineSpeed,
    general_advice,
    how_long,
    known_speed,
    measured_speed,
    model_advice,
)
from napari_sam.models.registry import REGISTRY

LAPTOP = MachineSpeed("cpu", 150.0, 150.0)
GPU = MachineSpeed("cuda", 20_000.0, 60_000.0)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SAM_CACHE", str(tmp_path / "downloads"))
    return tmp_path / "downloads"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.004, "0.1 s"), (0.21, "0.2 s"), (9.4, "9 s"), (61.0, "61 s"), (250.0, "4 min")]
)
def test_durations_in_words(seconds, words):
    assert how_long(seconds) == words


def test_advice_says_what_a_model_is_for_and_how_long_it_takes():
    assert model_advice(REGISTRY["vit_b_lm"], LAPTOP) == (
        "For cells and nuclei in light microscopy, fluorescent or label-free. About 9 s a plane of 1024 x 1024 here."
    )
    assert "0.6 s" in model_advice(REGISTRY["nano"], LAPTOP)
    assert "About" not in model_advice(REGISTRY["nano"], None)
    own = replace(REGISTRY["vit_b"], name="own", architecture="vit", suits="", description="Weights from own.pt")
    assert model_advice(own, LAPTOP) == "Weights from own.pt."


def test_a_faster_machine_is_advised_larger_models():
    slow, fast = general_advice(replace(LAPTOP, float32=50.0)), general_advice(GPU)
    assert "vit_t_lm for cells" in slow
    assert "vit_b_em_organelles for organelles" in general_advice(LAPTOP)
    assert "vit_l_lm for cells" in fast
    assert all(advice.startswith("Begin with nano") for advice in (slow, fast))


def test_every_architecture_of_the_registry_has_a_cost():
    assert set(ENCODING_COST) == {spec.architecture for spec in REGISTRY.values()}


def test_speed_is_measured_once_and_remembered(cache, monkeypatch):
    assert known_speed() is None

    first = measured_speed()

    assert first.float32 > 0
    assert first.nano > 0
    (file,) = cache.iterdir()
    assert json.loads(file.read_text())["device"] == first.device
    monkeypatch.setattr(advice, "_measured", lambda: pytest.fail("measured again"))
    assert measured_speed() == known_speed() == first


@pytest.mark.parametrize("content", ["", "[]", '{"device": "cpu"}', '{"gpu": 1}'])
def test_a_damaged_file_is_measured_anew(cache, content):
    measured_speed()
    (file,) = cache.iterdir()
    file.write_text(content)
    assert known_speed() is None
    assert measured_speed() == known_speed()


def test_a_folder_that_cannot_be_written_is_no_hindrance(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NAPARI_SAM_CACHE", str(tmp_path / "file" / "downloads"))
    assert measured_speed().float32 > 0
    assert known_speed() is None
