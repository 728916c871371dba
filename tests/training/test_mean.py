import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from training.mean import write_mean
from training.release import write_weights


def written(path, value: float, version: str, **about: str):
    state = {"weight": torch.full((2, 3), value), "counter": torch.tensor(int(value))}
    write_weights(state, path, {"version": version} | about)
    return path


def test_the_mean_of_weights_says_what_it_is_of(tmp_path):
    first = written(tmp_path / "a.safetensors", 1.0, "6", licence="old")
    second = written(tmp_path / "b.safetensors", 4.0, "7", licence="new")
    out = tmp_path / "mean.safetensors"
    write_mean([first, second], out)
    state = load_file(out)
    torch.testing.assert_close(state["weight"], torch.full((2, 3), 2.5, dtype=torch.float16))
    assert state["counter"].item() == 4
    with safe_open(out, "pt") as file:
        about = file.metadata()
    assert (about["version"], about["licence"]) == ("7", "new")
    assert json.loads(about["mean_of"]) == ["a.safetensors (version 6)", "b.safetensors (version 7)"]


def test_calibrated_and_uncalibrated_weights_have_no_mean(tmp_path):
    first = written(tmp_path / "a.safetensors", 1.0, "6", calibrated="{}")
    second = written(tmp_path / "b.safetensors", 4.0, "7")
    with pytest.raises(ValueError, match="calibrated"):
        write_mean([first, second], tmp_path / "mean.safetensors")


def test_weights_of_different_sizes_have_no_mean(tmp_path):
    first = written(tmp_path / "a.safetensors", 1.0, "6")
    other = tmp_path / "b.safetensors"
    write_weights({"weight": torch.zeros(3, 3), "counter": torch.tensor(1)}, other, {"version": "7"})
    with pytest.raises(ValueError, match="sizes"):
        write_mean([first, other], tmp_path / "mean.safetensors")
    assert not (tmp_path / "mean.safetensors").exists()
