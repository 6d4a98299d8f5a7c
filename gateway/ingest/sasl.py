"""What a client says to prove who it is: PLAIN and LOGIN. Pure.

States of an exchange::

    PLAIN   --response--> done
    LOGIN   --name--> --password--> done

Contract: ``take`` gets one decoded response after the other and returns the next challenge, or the
``Credentials``. Both mechanisms tell the password itself, so they are for connections nobody listens to.

Spec: RFC 4616 (PLAIN); draft-murchison-sasl-login (LOGIN); RFC 4954 section 4.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import RemoteProtocolError

NUL = "\0"


class BadResponse(RemoteProtocolError):
    """The client did not answer as the mechanism asks."""

    status = "5.5.2"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who somebody says to be, and the proof.

    Args:
        name: of the user.
        password: as it was said.
    """

    name: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials({self.name!r})"


class Exchange(Protocol):
    """One mechanism at work."""

    first_challenge: bytes
    """What is asked for when the client said nothing at first."""

    def take(self, response: bytes) -> bytes | Credentials:
        """Take a response; returns the next challenge, or what came of it.

        Raises:
            BadResponse: it is none.
        """


class Plain:
    """The mechanism PLAIN."""

    first_challenge = b""

    def take(self, response: bytes) -> Credentials:
        """See ``Exchange``."""
        parts = _text(response).split(NUL)
        if len(parts) != 3:  # noqa: PLR2004 - RFC 4616 section 2
            raise BadResponse("allowed: NUL name NUL password, in base64")
        acting_as, name, password = parts
        if acting_as not in {"", name}:
            raise BadResponse("nobody acts for others here", status="5.7.8")
        return Credentials(name, password)


class Login:
    """The mechanism LOGIN."""

    first_challenge = b"Username:"

    def __init__(self) -> None:
        self._name: str | None = None

    def take(self, response: bytes) -> bytes | Credentials:
        """See ``Exchange``."""
        text = _text(response)
        if self._name is None:
            self._name = text
            return b"Password:"
        return Credentials(self._name, text)


MECHANISMS: Mapping[str, Callable[[], Exchange]] = {"PLAIN": Plain, "LOGIN": Login}


def decode_response(line: str) -> bytes:
    """What a line of the exchange means.

    Raises:
        BadResponse: it is no base64.
    """
    try:
        return base64.b64decode(line.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise BadResponse("not in base64") from None


def encode_challenge(challenge: bytes) -> str:
    """A challenge as it is sent."""
    return base64.b64encode(challenge).decode("ascii")


def _text(response: bytes) -> str:
    try:
        return response.decode("utf-8")
    except UnicodeDecodeError:
        raise BadResponse("not in UTF-8") from None
