"""A batch is killed at any moment: it goes on, and no file is ever there by half."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import killed_batches
import pytest

from napari_sam.batch.batch_state import STATE_FOLDER
from napari_sam.batch.run_batch import run_batch
from tests.batch_images import RECIPE, load_threshold, write_images

KILLS, IMAGES = 30, 6

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

Start = Callable[[Path], int]


@pytest.fixture
def start() -> Iterator[Start]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, killed_batches.__file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as forker:
        assert forker.stdin is not None
        assert forker.stdout is not None
        assert forker.stdout.readline() == "ready\n"

        def begin(recipe: Path) -> int:
            print(json.dumps([str(recipe)]), file=forker.stdin, flush=True)
            return int(forker.stdout.readline())

        yield begin
        forker.stdin.close()


def files_in(folder: Path) -> dict[str, bytes]:
    """All labels and tables, byte by byte but for the number that each TIFF has for itself, and when it was made."""
    paths = [path for path in folder.glob("cells-*") if path.name[0] != "."]
    own = re.compile(rb'UUID="[^"]+"|"date": "[^"]+"|&quot;date&quot;: &quot;[^&]+&quot;')
    return {path.name: own.sub(b"", path.read_bytes()) for path in paths}


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait(pid: int, seconds: float) -> bool:
    """Wait for the end of a process; tell whether it came."""
    until = time.monotonic() + seconds
    while alive(pid):
        if time.monotonic() > until:
            return False
        time.sleep(0.002)
    return True


def test_a_batch_that_is_killed_thirty_times_ends_with_the_same_files(tmp_path: Path, start: Start) -> None:
    write_images(tmp_path / "images", IMAGES)
    whole, recipe = tmp_path / "whole.toml", tmp_path / "recipe.toml"
    whole.write_text(RECIPE + '[outputs]\nfolder = "whole"\n\n[measure]\n')
    began = time.monotonic()
    summary = run_batch(whole, load=load_threshold)
    lasts = time.monotonic() - began
    assert not summary.failed
    expected = files_in(tmp_path / "whole")
    assert len(expected) == 3 * IMAGES
    chance, kills, rounds, at_work = random.Random(11), 0, 0, 0
    while kills < KILLS:
        folder = tmp_path / f"labels-{rounds}"
        recipe.write_text(RECIPE + f'[outputs]\nfolder = "{folder.name}"\n\n[measure]\n')
        before = -1
        while True:
            pid = start(recipe)
            # The first of a round is often killed while it begins, the others anywhere in a few images.
            if wait(pid, chance.uniform(0.0, 0.6 * lasts)):
                break
            os.kill(pid, signal.SIGKILL)
            assert wait(pid, 10)
            kills += 1
            there = files_in(folder)
            at_work += bool(there) and len(there) < 3 * IMAGES
            # What has its place is whole, and nothing is lost again.
            assert all(content == expected[name] for name, content in there.items())
            assert len(there) >= before
            before = len(there)
        assert wait(start(recipe), 60)
        found = files_in(folder)
        assert found == expected
        assert not list((folder / STATE_FOLDER).rglob("*.tif"))
        assert run_batch(recipe, load=load_threshold).before == IMAGES
        rounds += 1
    assert at_work > KILLS // 3, f"only {at_work} of {kills} kills, in {rounds} rounds, met a batch at work"


def test_one_that_is_interrupted_ends_with_a_sentence_and_goes_on(tmp_path: Path) -> None:
    write_images(tmp_path / "images", 60)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    command = [sys.executable, "-m", "napari_sam", "batch", str(recipe)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        # As at a terminal: what a shell starts in the background ignores it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert first.startswith("[1/60] ")
    done = 1 + out.count(" objects, ") + out.count(" object, ")
    assert f"Stopped after {done} of 60 images; the same command goes on." in err
    assert "Traceback" not in err
    labels = tmp_path / "labels"
    assert len(list(labels.glob("*.ome.tif"))) == done < 60
    assert not list((labels / STATE_FOLDER).rglob("*.tif"))
    assert "It was stopped" in (labels / "report.html").read_text()
