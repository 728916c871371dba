"""A server on this machine that misbehaves as told."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Server:
    """What the server sends, and how badly.

    Parameters
    ----------
    breaks_after
        Bytes of a body after which the connection ends, answer by answer; the last one holds for all further answers.
    """

    content: bytes = b""
    url: str = ""
    breaks_after: list[int] = field(default_factory=list)
    stalls_after: int | None = None
    claims: int | None = None
    silent_about_length: bool = False
    in_chunks: bool = False
    ignores_range: bool = False
    resumes_at: int | None = None
    redirects: int = 0
    redirects_to: str | None = None
    statuses: list[int] = field(default_factory=list)
    pause_per_chunk: float = 0.0
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        wanted = handler.headers.get("Range")
        self.requests.append((handler.path, wanted))
        if self.statuses:
            handler.send_error(self.statuses.pop(0))
            return
        if self.redirects:
            self.redirects -= 1
            handler.send_response(302)
            handler.send_header("Location", self.redirects_to or f"{self.url}/elsewhere/{self.redirects}")
            handler.end_headers()
            return
        start = 0
        if wanted and not self.ignores_range:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(self.content):
                handler.send_response(416)
                handler.end_headers()
                return
            start = start if self.resumes_at is None else self.resumes_at
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        else:
            handler.send_response(200)
        body = self.content[start:]
        if self.in_chunks:
            handler.send_header("Transfer-Encoding", "chunked")
        elif not self.silent_about_length:
            handler.send_header("Content-Length", str(self.claims if self.claims is not None else len(body)))
        handler.end_headers()
        self._send(handler, body)

    def _send(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        limit = len(body)
        if self.breaks_after:
            limit = self.breaks_after[0] if len(self.breaks_after) == 1 else self.breaks_after.pop(0)
        for begin in range(0, min(limit, len(body)), 10_000):
            if self.stalls_after is not None and begin >= self.stalls_after:
                handler.wfile.flush()
                self.ended.wait(5)
                return
            time.sleep(self.pause_per_chunk)
            try:
                piece = body[begin : min(begin + 10_000, limit)]
                handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if self.in_chunks else piece)
            except (BrokenPipeError, ConnectionResetError):
                return
        if self.in_chunks and limit >= len(body):
            handler.wfile.write(b"0\r\n\r\n")


@pytest.fixture
def server() -> Iterator[Server]:
    serving = Server()

    class Handler(BaseHTTPRequestHandler):
        # The only version in which a body may come in chunks.
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            serving.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield serving
    serving.ended.set()
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], None]:
    def wait(happened: Callable[[], bool]) -> None:
        until = time.monotonic() + 10
        while not happened():
            assert time.monotonic() < until, "it did not happen"
            time.sleep(0.01)

    return wait
