"""The address of the machine that computes, and its token; needs nothing that computing there does."""

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from napari_sam.errors import UserError

TOKEN_VARIABLE = "NAPARI_SAM_TOKEN"
DEFAULT_PORT = 8765
SCHEMES = ("http", "https")


def is_address(device: str) -> bool:
    """Tell whether a device is another machine."""
    return device.partition("://")[0].lower() in SCHEMES and "://" in device


@dataclass(frozen=True)
class ServerAddress:
    """The address of a machine that computes.

    Parameters
    ----------
    secure
        Whether the connection is encrypted.
    host, port
        Where it listens.
    """

    secure: bool
    host: str
    port: int

    @classmethod
    def read(cls, text: str) -> "ServerAddress":
        """Read an address, `http://HOST:PORT` or `https://HOST:PORT`.

        Raises
        ------
        UserError
            If it is none.
        """
        try:
            parts = urlsplit(text.strip())
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None
        if parts.scheme not in SCHEMES or not parts.hostname or extra:
            raise UserError(f"{text!r} is no address of another machine: write http://HOST:{DEFAULT_PORT}.")
        return cls(parts.scheme == "https", parts.hostname, DEFAULT_PORT if port is None else port)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{SCHEMES[self.secure]}://{host}:{self.port}"


def given_token(token: str | None) -> str:
    """Return the token that was given, or else the one in the environment.

    Raises
    ------
    UserError
        If there is none, or it cannot be sent.
    """
    found = (token or os.environ.get(TOKEN_VARIABLE, "")).strip()
    if not found:
        raise UserError(
            "Another machine wants a token: give the one that `napari-sam serve` printed there, or set "
            f"{TOKEN_VARIABLE}."
        )
    if not found.isascii() or not found.isprintable() or " " in found:
        raise UserError("A token has letters, digits and signs, and no space: give the one that was printed.")
    return found
