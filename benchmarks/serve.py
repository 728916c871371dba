"""How long clicks take on another machine, for one client and for several, and whether each gets its own answer.

    python -m benchmarks.serve [--clients 8] [--clicks 20] [--address http://HOST:PORT]

Without an address, `napari-sam serve` is started here as a process of its own, on the same processor: what is compared
then is what the way there and back costs. Each client is a thread with an image of its own (a generated stack), and
clicks nuclei of it: first on planes that nobody looked at, then again where the plane is embedded. Every answer is
compared, to the bit, with the one that is computed here. With an address, the token is that in NAPARI_SAM_TOKEN.
"""

import argparse
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from napari_sam.models.load import load_model
from napari_sam.models.model import Model
from napari_sam.models.remote.connection import ServerConnection
from napari_sam.models.remote.messages import Message, written
from napari_sam.models.remote.server_address import TOKEN_VARIABLE
from napari_sam.planes.contrast import measure_contrast
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.sample import StackRecipe, generate_stack
from napari_sam.segment.segmentation import Segmentation
from napari_sam.segment.segmenter import Segmenter

SHAPE = (12, 256, 256)
OBJECT_SIZE = 24.0


@dataclass
class Client:
    """A client: its image, its clicks, and what came of them."""

    seed: int
    clicks: int
    first: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)
    answers: list[Segmentation] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stack = generate_stack(StackRecipe(shape=SHAPE), seed=self.seed)
        chance = np.random.default_rng(self.seed)
        inside = np.argwhere(self.stack.nucleus_labels > 0)
        self.places = inside[chance.choice(len(inside), self.clicks, replace=False)]

    def work(self, model: Model) -> None:
        source = ImageSource(self.stack.nuclei)
        segmenter = Segmenter(model, source, measure_contrast(source, (1, 2)))
        for z, row, column in self.places.tolist():
            plane, prompts = Plane((1, 2), (z, 0, 0)), Prompts((Point(row, column),))
            for times, areas in ((self.first, ()), (self.again, None)):
                begun = time.perf_counter()
                given = self.answers[-1].areas if areas is None else areas
                self.answers.append(segmenter.segment(plane, prompts, object_size=OBJECT_SIZE, areas=given))
                times.append(time.perf_counter() - begun)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@contextmanager
def started() -> Iterator[tuple[str, str]]:
    """A server here; yields its address and its token."""
    port, token = free_port(), secrets.token_urlsafe(32)
    command = [sys.executable, "-m", "napari_sam", "serve", "--port", str(port), "--device", "cpu", "--model", "nano"]
    environment = {**os.environ, TOKEN_VARIABLE: token}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stdout:
                if line.startswith("On the other machine"):
                    break
            yield f"http://127.0.0.1:{port}", token
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)


class Scale:
    """Weighs what is sent and what comes back, of all connections."""

    def __init__(self) -> None:
        self.sent = self.received = self.messages = 0
        ask = ServerConnection.ask

        def weighed(connection: ServerConnection, message: Message, cancel=None):
            answer = ask(connection, message, cancel)
            self.sent += len(written(message))
            self.received += len(answer.content)
            self.messages += 1
            return answer

        ServerConnection.ask = weighed


def median_ms(times: list[float]) -> str:
    return f"{1000 * np.median(times):7.1f} {1000 * np.quantile(times, 0.95):7.1f}"


def together(clients: list[Client], models: list[Model]) -> float:
    threads = [
        threading.Thread(target=client.work, args=(model,)) for client, model in zip(clients, models, strict=True)
    ]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begun


def mixed_up(ours: Client, theirs: Client) -> int:
    """Count the answers that are not, to the bit, those that were computed here, or are lost."""
    wrong = abs(len(ours.answers) - len(theirs.answers))
    for mine, other in zip(ours.answers, theirs.answers, strict=False):
        same = len(mine.candidates) == len(other.candidates) and all(
            np.array_equal(a.logits, b.logits) for a, b in zip(mine.candidates, other.candidates, strict=True)
        )
        wrong += not same
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--clicks", type=int, default=20)
    parser.add_argument("--address")
    given = parser.parse_args()
    here = [Client(seed, given.clicks) for seed in range(given.clients)]
    local = load_model("nano", "cpu")
    for client in here:
        client.work(local)
    rows = [("here, one after the other", here)]
    with started() if given.address is None else running_already(given.address) as (address, token):
        scale = Scale()
        alone = Client(0, given.clicks)
        alone.work(load_model("nano", address, token=token))
        rows.append(("there, 1 client", [alone]))
        weight = (scale.sent, scale.received, scale.messages)
        many = [Client(seed, given.clicks) for seed in range(given.clients)]
        seconds = together(many, [load_model("nano", address, token=token) for _ in many])
        rows.append((f"there, {given.clients} clients", many))
    print(f"{'ms: median, 95th percentile of':<28}{'first click':>16}{'click again':>17}")
    for name, clients in rows:
        first = [each for client in clients for each in client.first]
        again = [each for client in clients for each in client.again]
        print(f"{name:<28} {median_ms(first)}  {median_ms(again)}")
    asked = sum(len(client.answers) for client in many)
    wrong = sum(mixed_up(*each) for each in zip(here, many, strict=True)) + mixed_up(here[0], alone)
    print(f"{asked} answers to {given.clients} clients in {seconds:.1f} s, {wrong} lost or mixed up")
    print(
        f"1 client: {weight[2]} messages, {weight[0] / weight[2] / 1e3:.0f} kB sent and "
        f"{weight[1] / weight[2] / 1e3:.0f} kB received by each"
    )
    sys.exit(bool(wrong))


@contextmanager
def running_already(address: str) -> Iterator[tuple[str, str]]:
    yield address, os.environ[TOKEN_VARIABLE]


if __name__ == "__main__":
    main()
