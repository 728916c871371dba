"""The command that computes for others, as a process of its own, killed and started again."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from running_server import free_port

import napari_sam
from napari_sam.models.remote.server_address import TOKEN_VARIABLE
from napari_sam.prompts.prompt import Point, Prompts
from tests.cli.conftest import Run, Target

TOKEN = "a-token-of-these-tests"


class Server:
    """`napari-sam serve`."""

    def __init__(self, *words: str, token: str | None = TOKEN) -> None:
        self.port = free_port()
        self._words, self._token = words, token
        self.printed: list[str] = []
        self.start()

    def start(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        if self._token is not None:
            environment[TOKEN_VARIABLE] = self._token
        command = [sys.executable, "-m", "napari_sam", "serve", "--port", str(self.port), "--device", "cpu"]
        self.process = subprocess.Popen(
            [*command, "--precision", "float32", *self._words],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
        )
        self.printed = []
        while not any("On the other machine" in line for line in self.printed):
            line = self.process.stdout.readline()
            assert line, self.printed
            self.printed.append(line)

    def end(self, how: int = signal.SIGKILL) -> int:
        self.process.send_signal(how)
        self.process.communicate(timeout=30)
        return self.process.returncode

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server("--model", "nano")
    yield server
    server.end()


def test_what_is_segmented_there_is_what_is_segmented_here(
    run: Run, server: Server, stack: Path, target: Target, tmp_path: Path, monkeypatch
) -> None:
    here, there = tmp_path / "here.tif", tmp_path / "there.tif"
    words = ("segment", stack, "--point", target.in_stack, "--precision", "float32", "-o")
    assert run(*words, here, "--device", "cpu").status == 0
    ended = run(*words, there, "--device", server.address, "--token", TOKEN)
    assert ended.status == 0, ended.err
    np.testing.assert_array_equal(tifffile.imread(here), tifffile.imread(there))
    monkeypatch.setenv(TOKEN_VARIABLE, "another-token-than-that")
    ended = run(*words, there, "--device", server.address)
    assert ended.status == 2
    assert ended.sentences == [
        f"napari-sam: {server.address} does not know this token: give the one that `napari-sam serve` printed there."
    ]
    assert not any(TOKEN in line for line in server.printed)


def test_a_server_that_is_killed_and_started_again_goes_on(server: Server, stack: Path, target: Target) -> None:
    opened = napari_sam.open_stack(stack, device=server.address, token=TOKEN, precision="float32")
    plane, prompts = napari_sam.plane_at(opened, target.z), Prompts((Point(target.row, target.column),))
    before = opened.segment(plane, prompts)
    assert server.end() == -signal.SIGKILL
    server.start()
    # Nothing is sent but names and prompts, until the server says what it lost.
    after = opened.segment(plane, prompts, areas=before.areas)
    np.testing.assert_array_equal(before.mask.logits, after.mask.logits)


def test_a_server_without_a_token_makes_one_and_stops_when_asked(server: Server) -> None:
    # Both run at once, so that only the start of one is waited for.
    other = Server(token=None)
    (line,) = [line for line in other.printed if line.startswith("Token: ")]
    token = line.removeprefix("Token: ").strip()
    assert len(token) >= 40
    model = napari_sam.load_model("nano", other.address, token=token)
    assert model.name == "nano"
    assert other.end(signal.SIGTERM) in (0, -signal.SIGTERM)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--device", "http://box"), "computes itself"),
        (("--token", "short"), "16 characters or more"),
        (("--token", "with some spaces in it"), "no space"),
        (("--key", "key.pem"), "belong together"),
        (("--model", "unknown"), "no model"),
    ],
)
def test_what_a_server_cannot_do_is_told(run: Run, words: tuple[str, ...], sentence: str) -> None:
    ended = run("serve", *words)
    assert ended.status == 2
    assert sentence in ended.sentences[0]


def test_a_port_that_is_taken_is_told(run: Run, server: Server) -> None:
    ended = run("serve", "--port", server.port, "--token", TOKEN)
    assert ended.status == 2
    assert "choose another with --port" in ended.sentences[0]
