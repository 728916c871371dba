"""The server: who may ask, how much, and one thread that computes what is asked, in turn.

It is an ASGI application, run by uvicorn. Whoever does not know the token is refused before anything of the request is
read; requests are POSTs of one message each (`napari_sam.models.remote.messages`), of bounded size.
"""

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from napari_sam._version import __version__
from napari_sam.errors import UserError
from napari_sam.models.remote.connection import BUSY, MALFORMED, MISSING, OK, OTHER_VERSION, REFUSED, UNKNOWN_TOKEN
from napari_sam.models.remote.messages import (
    HELLO,
    MOST_BYTES,
    PATHS,
    PROTOCOL,
    PROTOCOL_HEADER,
    ImagesMissing,
    MalformedMessage,
    Message,
    RefusalSent,
    read,
    written,
)
from napari_sam.nn.cancel import Cancelled, CancelToken
from napari_sam.serve.served_models import ServedModels

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MOST_BODY = 2 * MOST_BYTES
"""Bound on a request: its images, and its prompts with their masks."""
BODY_S = 120.0
"""Seconds in which a request must be here: of 256 MB, on a line of 20 Mbit/s (chosen)."""
MOST_CONNECTIONS = 64
"""Connections at once, chosen: each client has one."""
NOT_FOUND, WRONG_METHOD, TOO_LONG, TOO_SLOW, TOO_LARGE, FAILED = 404, 405, 411, 408, 413, 500

log = logging.getLogger("napari_sam.serve")


class _Refused(Exception):
    """A request that is not answered, with the status that says why."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class ModelServer:
    """A server of models, as an ASGI application.

    Parameters
    ----------
    models
        What computes.
    token
        What users are known by.
    """

    def __init__(self, models: ServedModels, token: str) -> None:
        self._models = models
        self._token = f"Bearer {token}".encode()
        self._thread = ThreadPoolExecutor(1, "napari-sam-serve")
        self._kinds = {path: kind for kind, path in PATHS.items()}

    def close(self) -> None:
        """End the thread that computes."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        try:
            status, content = await self._answered(scope, receive)
        except _Refused as refused:
            status, content = refused.status, b""
        except Cancelled:
            # Nobody is there any more.
            return
        headers = [
            (b"content-type", b"application/msgpack"),
            (b"content-length", str(len(content)).encode()),
            (b"cache-control", b"no-store"),
        ]
        if status != UNKNOWN_TOKEN:
            headers += [(PROTOCOL_HEADER.encode(), str(PROTOCOL).encode()), (b"x-version", __version__.encode())]
        if status not in (OK, MISSING, REFUSED):
            # What is on its way still is not read.
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _answered(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if not hmac.compare_digest(headers.get(b"authorization", b""), self._token):
            raise _Refused(UNKNOWN_TOKEN)
        if headers.get(PROTOCOL_HEADER.encode()) != str(PROTOCOL).encode():
            raise _Refused(OTHER_VERSION)
        if scope["method"] != "POST":
            raise _Refused(WRONG_METHOD)
        kind = self._kinds.get(scope["path"])
        if kind is None and scope["path"] != HELLO:
            raise _Refused(NOT_FOUND)
        body = await self._body(headers, receive)
        if kind is None:
            return OK, b""
        try:
            message = read(body, kind)
            del body
            answer = await self._computed(message, receive)
        except MalformedMessage as error:
            log.warning("A request was malformed: %s", error)
            return MALFORMED, written(RefusalSent(str(error)[:2000]))
        except UserError as error:
            return REFUSED, written(RefusalSent(str(error)[:2000]))
        except Cancelled:
            raise
        except Exception:
            log.exception("A request could not be answered")
            raise _Refused(FAILED) from None
        return MISSING if isinstance(answer, ImagesMissing) else OK, written(answer)

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytearray:
        told = headers.get(b"content-length", b"")
        if not told.isdigit():
            raise _Refused(TOO_LONG)
        if int(told) > MOST_BODY:
            raise _Refused(TOO_LARGE)
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_S):
                while True:
                    part = await receive()
                    if part["type"] == "http.disconnect":
                        raise Cancelled
                    body += part.get("body", b"")
                    if len(body) > MOST_BODY:
                        raise _Refused(TOO_LARGE)
                    if not part.get("more_body", False):
                        return body
        except TimeoutError:
            raise _Refused(TOO_SLOW) from None

    async def _computed(self, message: Message, receive: Receive) -> Message:
        """Have a message answered in its turn; what nobody waits for any more is dropped."""
        token = CancelToken()
        try:
            computing = asyncio.get_running_loop().run_in_executor(self._thread, self._models.answer, message, token)
        except RuntimeError:
            # The server stops.
            raise _Refused(BUSY) from None
        gone = asyncio.ensure_future(_until_gone(receive))
        waited: set[asyncio.Future[Any]] = {computing, gone}
        try:
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if not computing.done():
                token.cancel()
            return await computing
        finally:
            gone.cancel()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
