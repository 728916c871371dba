"""What a run on another machine needs, one command after the other, in seconds instead of minutes."""

import json

import pytest
from safetensors import safe_open

from training import judge, pack, train

SETTINGS = """
[network]
blocks = [1, 1, 1, 1, 1]
[data]
sets = { discs = 1.0, stack = 1.0 }
validation_fraction = 0.3
synthetic_share = 0.0
[window]
side = 64
sides = { 64 = 1.0 }
layouts = { 1x64 = 1.0 }
windows = 1
diameters = [[1, 12, 30]]
[prompt]
per_window = 1
rounds = 1
[run]
minutes = 60
validation_objects = 1
log_steps = 1
threads = 1
workers = 0
[release]
known = ["discs"]
objects = 1
"""


@pytest.mark.usefixtures("one_process")
def test_sets_are_packed_trained_on_for_a_while_and_the_weights_judged(tiny_data, tmp_path, capsys):
    config, packed, run = tmp_path / "run.toml", tmp_path / "packed", tmp_path / "run"
    config.write_text(SETTINGS)
    pack.main(["--config", str(config), "--data", str(tiny_data), "-o", str(packed)])
    common = ["--config", str(config), "--data", str(packed)]
    train.main([*common, "--out", str(run), "--minutes", "0.001", "--release", "77"])
    weights = run / "nano-77.safetensors"
    with safe_open(weights, "pt") as file:
        about = file.metadata()
    assert about["version"] == "77"
    assert int(about["steps"]) >= 1
    assert json.loads(about["config"])["run"]["minutes"] == 0.001
    lines = [json.loads(line) for line in (run / "curve.jsonl").read_text().splitlines()]
    assert any("loss" in line for line in lines)
    assert "validation" in lines[-1]
    same = tmp_path / "same.safetensors"
    same.write_bytes(weights.read_bytes())
    capsys.readouterr()
    judge.main([*common, str(weights), str(same)])
    printed = capsys.readouterr().out.splitlines()
    scores = [line for line in printed if line.startswith("score ")]
    assert len(scores) == 2
    assert scores[0] == scores[1]
    assert printed[-1] == "same.safetensors: not released"


@pytest.fixture
def one_process(monkeypatch):
    """The run has its environment already, so that it need not start itself again."""
    for name, value in train.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
