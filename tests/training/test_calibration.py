import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open

from napari_sam.nn.nano import Nano
from training.batches import Batches
from training.calibration import Scales, apply_scales, calibrate, measure_scales
from training.image_source import FixedImages
from training.release import release
from training.train import read_images, train


@pytest.fixture
def network(tiny_sizes):
    torch.manual_seed(0)
    return Nano(tiny_sizes).eval()


def test_scales_multiply_what_is_predicted_and_nothing_else(network):
    features, points = network.encode(torch.rand(1, 3, 64, 64)), torch.rand(3, 2, 2) * 64
    with torch.inference_mode():
        before = network.decode_all(features, points, torch.ones(3, 2, dtype=torch.long))
        apply_scales(network, Scales(0.5, 0.8))
        after = network.decode_all(features, points, torch.ones(3, 2, dtype=torch.long))
    torch.testing.assert_close(after.iou, before.iou * torch.tensor([0.5, 0.8, 0.8, 0.8]))
    torch.testing.assert_close(after.logits, before.logits, rtol=0, atol=0)


def test_scaled_predictions_are_true_on_average(network, tiny_config, tiny_data, tmp_path):
    _, held_out = read_images(tiny_config, tiny_data, tmp_path)
    sources = [(1.0, FixedImages(images)) for images in held_out.values()]
    last = network.mask_decoder.iou_prediction_head.layers[-1]
    torch.nn.init.constant_(last.bias, 0.7)

    def measured():
        torch.manual_seed(0)
        return measure_scales(network, iter(Batches(sources, tiny_config, 0)), 12, tiny_config)

    apply_scales(network, measured())
    again = measured()
    assert (again.single, again.candidates) == pytest.approx((1, 1), abs=1e-3)


def test_a_released_file_is_calibrated_once(tiny_config, tiny_data, tiny_sizes, tmp_path, monkeypatch):
    monkeypatch.setattr("training.calibration.ON_A_PROCESSOR", {"windows": 2, "layouts": {"2x64": 1.0}})
    monkeypatch.setattr("training.calibration.nano_config", lambda _: tiny_sizes)
    config = replace(tiny_config, run=replace(tiny_config.run, steps=1))
    train(config, tiny_data, tmp_path / "run", sizes=tiny_sizes)
    released, calibrated = tmp_path / "released.safetensors", tmp_path / "calibrated.safetensors"
    release(tmp_path / "run", released, "7")

    scales = calibrate(released, tiny_data, calibrated, batches=8)

    with safe_open(calibrated, "pt") as file, safe_open(released, "pt") as before:
        assert json.loads(file.metadata()["calibrated"]) == {"single": scales.single, "candidates": scales.candidates}
        assert {key: text for key, text in file.metadata().items() if key != "calibrated"} == before.metadata()
        changed = [
            name
            for name in file.keys()  # noqa: SIM118
            if not torch.equal(file.get_tensor(name), before.get_tensor(name))
        ]
    assert {name.rsplit(".", 1)[0] for name in changed} == {"mask_decoder.iou_prediction_head.layers.2"}
    with pytest.raises(ValueError, match="already"):
        calibrate(calibrated, tiny_data, tmp_path / "twice.safetensors")
