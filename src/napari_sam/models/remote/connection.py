"""The connection to the machine that computes: it may break and come back, and nobody without the token is answered."""

import http.client
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from typing import NamedTuple

from napari_sam._version import __version__
from napari_sam.errors import UserError, UserNotice
from napari_sam.models.remote.messages import (
    HELLO,
    MOST_BYTES,
    PATHS,
    PROTOCOL,
    PROTOCOL_HEADER,
    MalformedMessage,
    Message,
    RefusalSent,
    read,
    written,
)
from napari_sam.models.remote.server_address import ServerAddress
from napari_sam.nn.cancel import CancelToken

# Seconds, all chosen. Whoever cancels notices nothing of a twentieth of a second.
_POLL_S = 0.05
_CONNECT_S = 5.0
_SILENCE_S = 300.0
"""A large network takes minutes for a window on a slow processor, with several asking; silence beyond is a failure."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 3.0
_UNSAID_S = 0.5
"""A line that comes back sooner is not told of: a frame would come and go."""
OPENING_S = 4.0
"""How long a machine is waited for that never answered: its address may be wrong."""


class Answer(NamedTuple):
    """The answer to a request: its HTTP status, the protocol that the other side speaks, and what it says."""

    status: int
    protocol: str
    content: bytes


OK, MISSING, REFUSED, MALFORMED, UNKNOWN_TOKEN, OTHER_VERSION, BUSY = 200, 409, 422, 400, 401, 426, 503
_PASSING = (BUSY, 502, 504)
"""What a server that stops or starts, or a tunnel before it, answers: it is asked again."""


class ServerConnection:
    """A connection over which one request is answered after the other; lost connections are made again.

    Any thread may close it; the others use it one at a time.

    Parameters
    ----------
    address
        The machine.
    token
        What it knows its users by.
    on_change
        Called, on the thread that asks, when `waiting` is different; without it, a notice is given.

    Attributes
    ----------
    waiting : str
        One sentence while the machine does not answer, and it is tried again; empty otherwise.
    """

    def __init__(self, address: ServerAddress, token: str, on_change: Callable[[], None] | None = None) -> None:
        self.address = address
        self.waiting = ""
        self._token = token
        self._on_change = on_change
        self._answered = False
        self._lost: float | None = None
        self._closed = threading.Event()
        self._open: http.client.HTTPConnection | None = None
        self._turn = threading.Lock()

    def ask(self, message: Message, cancel: CancelToken | None = None) -> Answer:
        """Send a message and wait for its answer, however often the connection breaks.

        Parameters
        ----------
        message
            Of a kind that `PATHS` has.
        cancel
            Checked all the while.

        Returns
        -------
        Answer
            Its status is OK or MISSING.

        Raises
        ------
        UserError
            If the machine refuses, speaks another version, never answered, or the connection was closed.
        Cancelled
            If `cancel` was set.
        """
        path, body = PATHS[type(message)], written(message)
        with self._turn:
            try:
                return self._checked(self._asked(path, body, cancel))
            finally:
                self._say("")

    def close(self) -> None:
        """End what is waited for; nothing is asked any more."""
        self._closed.set()
        # Whoever waits notices by itself, and drops it.
        if self._turn.acquire(blocking=False):
            self._drop()
            self._turn.release()

    def __del__(self) -> None:
        self._drop()

    def _asked(self, path: str, body: bytes, cancel: CancelToken | None) -> Answer:
        pause, begun = 0.0, time.monotonic()
        while True:
            self._wait(pause, cancel)
            used = self._open is not None
            try:
                answer = self._exchanged(path, body, cancel)
            except ssl.SSLCertVerificationError as error:
                self._drop()
                raise UserError(
                    f"{self.address} cannot prove who it is ({error.verify_message}): name the file of its certificate "
                    "in SSL_CERT_FILE."
                ) from error
            except (OSError, http.client.HTTPException) as error:
                self._drop()
                reason = str(error) or type(error).__name__
            except BaseException:
                self._drop()
                raise
            else:
                if answer.status not in _PASSING:
                    self._answered, self._lost = True, None
                    return answer
                self._drop()
                used, reason = False, "it is busy, or starting"
            if used:
                # A connection that was idle may have been closed meanwhile, which says nothing about the machine.
                continue
            if not self._answered and time.monotonic() - begun > OPENING_S:
                raise UserError(
                    f"{self.address} does not answer ({reason}): start `napari-sam serve` there, or correct the "
                    "address."
                )
            # What was given up meanwhile does not count anew.
            self._lost = self._lost or time.monotonic()
            if time.monotonic() - self._lost >= _UNSAID_S:
                self._say(f"The other machine, {self.address}, does not answer; trying again.")
            pause = min(max(_FIRST_PAUSE_S, 2 * pause), _LONGEST_PAUSE_S)

    def _checked(self, answer: Answer) -> Answer:
        if answer.status == UNKNOWN_TOKEN:
            raise UserError(
                f"{self.address} does not know this token: give the one that `napari-sam serve` printed there."
            )
        if answer.protocol != str(PROTOCOL):
            other = "runs another version of napari-sam-stacks" if answer.protocol else "is no `napari-sam serve`"
            raise UserError(f"{self.address} {other}: install version {__version__} on both machines.")
        if answer.status in (OK, MISSING):
            return answer
        if answer.status == REFUSED:
            with suppress(MalformedMessage):
                raise UserError(read(answer.content, RefusalSent).sentence)
        raise UserError(
            f"{self.address} could not compute this (it answered {answer.status}); see what `napari-sam serve` printed "
            "there."
        )

    def _say(self, waiting: str) -> None:
        # What never answered is told of when it is given up.
        if waiting == self.waiting or (waiting and not self._answered):
            return
        self.waiting = waiting
        if self._on_change is not None:
            self._on_change()
        elif waiting:
            warnings.warn(waiting, UserNotice, stacklevel=2)

    def _wait(self, seconds: float, cancel: CancelToken | None) -> None:
        until = time.monotonic() + seconds
        while True:
            self._check(cancel)
            left = until - time.monotonic()
            if left <= 0:
                return
            self._closed.wait(min(left, _POLL_S))

    def _check(self, cancel: CancelToken | None) -> None:
        if self._closed.is_set():
            raise UserError(f"Nothing is computed on {self.address} any more: it was given up.")
        if cancel is not None:
            cancel.check()

    def _exchanged(self, path: str, body: bytes, cancel: CancelToken | None) -> Answer:
        """Ask once. It is waited for beside this thread, so that this one may give up at any moment."""
        connection = self._open = self._open or self._made()
        answer: Future[Answer] = Future()
        threading.Thread(
            target=self._exchange, args=(connection, path, body, answer), name="napari-sam remote", daemon=True
        ).start()
        while True:
            try:
                return answer.result(_POLL_S)
            except NotYet:
                if answer.done():
                    raise
            self._check(cancel)

    def _exchange(
        self, connection: http.client.HTTPConnection, path: str, body: bytes, future: "Future[Answer]"
    ) -> None:
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/msgpack",
            PROTOCOL_HEADER: str(PROTOCOL),
        }
        try:
            if connection.sock is None:
                connection.connect()
                _keep_alive(connection)
                if connection is not self._open:
                    # It was given up before there was anything to break off.
                    connection.close()
                    raise http.client.HTTPException("given up")
                # Whoever refuses a request does not read it: an answer could be lost while a long one is sent.
                welcome = _said(connection, HELLO, b"", headers)
                if welcome.status != OK:
                    future.set_result(welcome)
                    return
            future.set_result(_said(connection, path, body, headers))
        except BaseException as error:
            future.set_exception(error)

    def _made(self) -> http.client.HTTPConnection:
        where = (self.address.host, self.address.port)
        if self.address.secure:
            return http.client.HTTPSConnection(*where, timeout=_CONNECT_S, context=ssl.create_default_context())
        return http.client.HTTPConnection(*where, timeout=_CONNECT_S)

    def _drop(self) -> None:
        """Break the connection off: the other side drops what it was asked, and a thread that waits here ends."""
        connection, self._open = self._open, None
        if connection is None:
            return
        if connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        connection.close()


def _said(connection: http.client.HTTPConnection, path: str, body: bytes, headers: dict[str, str]) -> Answer:
    connection.request("POST", path, body, headers)
    response = connection.getresponse()
    content = response.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise http.client.HTTPException("its answer is too long")
    return Answer(response.status, response.getheader(PROTOCOL_HEADER, ""), content)


def _keep_alive(connection: http.client.HTTPConnection) -> None:
    """Have a machine noticed that is gone without a word: after 25 seconds, where the system lets us choose."""
    connected: socket.socket | None = connection.sock
    assert connected is not None
    connected.settimeout(_SILENCE_S)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 25_000)):
        option = getattr(socket, name, None)
        if option is not None:
            with suppress(OSError):
                connected.setsockopt(socket.IPPROTO_TCP, option, value)
