import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from training.checkpoint import read_checkpoint

RUN = """
import pickle, sys
from training.train import train
config, data, out, sizes = pickle.load(open(sys.argv[1], "rb"))
train(config, data, out, sizes=sizes)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["started_at_step", "waited"], ids=["as the worker starts", "in a step"])
def test_stopping_leaves_a_checkpoint_although_the_worker_is_told_too(
    number, moment, tiny_config, tiny_data, tiny_sizes, tmp_path
):
    # A step waits for its batch most of the time: the worker is slow, and dies first if it minds the signal.
    run = replace(tiny_config.run, steps=100_000, checkpoint_minutes=1000, workers=1)
    window = replace(tiny_config.window, side=128, sides={"128": 1.0}, layouts={"8x128": 1.0}, windows=8)
    config = replace(tiny_config, run=run, window=window)
    out, arguments = tmp_path / "run", tmp_path / "arguments"
    arguments.write_bytes(pickle.dumps((config, tiny_data, out, tiny_sizes)))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(arguments)],
        start_new_session=True,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        curve, deadline = out / "curve.jsonl", time.monotonic() + 60
        while time.monotonic() < deadline and not (curve.exists() and f'"{moment}"' in curve.read_text()):
            time.sleep(0.002)
        assert curve.exists()
        os.killpg(process.pid, number)
        _, errors = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, errors.decode()
    assert read_checkpoint(out).step > (0 if moment == "waited" else -1)
