"""A server on a thread of the test, with a network whose answers can be worked out by hand."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from napari_sam.models.model import Model
from napari_sam.models.remote.connection import ServerConnection
from napari_sam.models.remote.remote_model import RemoteModel, open_remote
from napari_sam.models.remote.server_address import ServerAddress
from napari_sam.serve.listening import make_server
from napari_sam.serve.served_models import OpenModel, ServedModels
from napari_sam.serve.server import ModelServer
from napari_sam.testing.fake_network import threshold_model

TOKEN = "a-token-of-the-tests"


def threshold(name: str, precision: str) -> Model:
    del name, precision
    return threshold_model()


class RunningServer:
    """A server that can be killed and started again at the same address."""

    def __init__(self, open_model: OpenModel = threshold, max_bytes: int | None = None, **options) -> None:
        self._open_model, self._max_bytes, self._options = open_model, max_bytes, options
        self.port = 0
        self.start()

    def start(self) -> None:
        self.app = ModelServer(ServedModels(self._open_model, self._max_bytes), TOKEN)
        self._server = make_server(self.app, "127.0.0.1", self.port, **self._options)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        until = time.monotonic() + 20
        while not self._server.started and time.monotonic() < until:
            time.sleep(0.005)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]

    def kill(self) -> None:
        """Break off whatever is going on, and forget everything."""
        self._server.force_exit = self._server.should_exit = True
        for connection in list(self._server.server_state.connections):
            connection.loop.call_soon_threadsafe(connection.transport.abort)
        self._thread.join(20)
        self.app.close()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self, on_change=None, token: str = TOKEN) -> ServerConnection:
        return ServerConnection(ServerAddress.read(self.address), token, on_change)

    def model(self, on_change=None, name: str = "threshold") -> RemoteModel:
        return open_remote(self.connect(on_change), name, "float32")


@contextmanager
def running(open_model: OpenModel = threshold, max_bytes: int | None = None, **options) -> Iterator[RunningServer]:
    server = RunningServer(open_model, max_bytes, **options)
    try:
        yield server
    finally:
        server.kill()


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]
