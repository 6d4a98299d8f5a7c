"""Who a client of NNTP says to be: AUTHINFO USER, PASS and SASL PLAIN.

States::

    NOBODY --USER--> NAMED --PASS--> asked --281--> KNOWN
    NOBODY --SASL PLAIN--> CHALLENGED --response--> asked --281--> KNOWN
    asked --481--> NOBODY

Contract: a password is taken only where nobody listens, unless the operator allows otherwise.

Spec: RFC 4643; RFC 4616 (PLAIN).
"""

import base64
import binascii

from gateway.nntp.answers import Answers
from gateway.nntp.events import AuthenticationRequested

CANCEL = "*"
EMPTY = "="
"""An initial response of nothing: RFC 4643 section 2.4.1."""
_SYNTAX = "501 syntax error"
_PLAIN_PARTS = 3


class Authentication:
    """The AUTHINFO commands of one connection.

    Args:
        answers: where answers go.
        is_offered: somebody may authenticate at all.
        is_clear_allowed: also without TLS.
        is_tls: the connection has TLS from its beginning.

    Attributes:
        is_tls: the connection has TLS.
        is_done: the client is known.
        is_challenged: the next line is a response, not a command.
    """

    __slots__ = (
        "_answers",
        "_is_clear_allowed",
        "_is_offered",
        "_name",
        "is_challenged",
        "is_done",
        "is_tls",
    )

    def __init__(self, answers: Answers, *, is_offered: bool, is_clear_allowed: bool, is_tls: bool) -> None:
        self._answers = answers
        self._is_offered = is_offered
        self._is_clear_allowed = is_clear_allowed
        self._name: str | None = None
        self.is_tls = is_tls
        self.is_done = False
        self.is_challenged = False

    @property
    def can_help(self) -> bool:
        """Whether who authenticates may be allowed more."""
        return self._is_offered and not self.is_done

    @property
    def is_open(self) -> bool:
        """Whether a password is taken now."""
        return self.can_help and (self.is_tls or self._is_clear_allowed)

    def take(self, line: str) -> AuthenticationRequested | None:
        """Take an AUTHINFO command.

        Args:
            line: the command without its line end.
        """
        words = line.split(None, 2)
        kind, argument = words[1].upper() if len(words) > 1 else "", words[2] if len(words) > 2 else ""  # noqa: PLR2004
        if kind not in {"USER", "PASS", "SASL"} or not argument:
            self._answers.say(_SYNTAX)
        elif not self.can_help:
            self._answers.say("502 authentication is not for this connection, or done")
        elif not self.is_open:
            self._answers.say("483 TLS is needed first")
        elif kind == "USER":
            self._name = argument
            self._answers.say("381 password required")
        elif kind == "PASS":
            return self._password(argument)
        else:
            return self._sasl(argument.split())
        return None

    def take_response(self, line: str) -> AuthenticationRequested | None:
        """Take what the client answers to a challenge."""
        self.is_challenged = False
        if line == CANCEL:
            self._answers.say("481 cancelled")
            return None
        return self._response(line)

    def _password(self, password: str) -> AuthenticationRequested | None:
        name, self._name = self._name, None
        if name is None:
            self._answers.say("482 AUTHINFO USER comes first")
            return None
        return self._ask(name, password)

    def _sasl(self, words: list[str]) -> AuthenticationRequested | None:
        if words[0].upper() != "PLAIN" or len(words) > 2:  # noqa: PLR2004 - mechanism and response
            self._answers.say("503 mechanism not known; PLAIN is")
        elif len(words) == 1:
            self.is_challenged = True
            self._answers.say(f"383 {EMPTY}")
        else:
            return self._response(words[1])
        return None

    def _response(self, text: str) -> AuthenticationRequested | None:
        try:
            raw = b"" if text == EMPTY else base64.b64decode(text.encode("ascii"), validate=True)
            parts = raw.decode("utf-8").split("\0")
        except (UnicodeError, binascii.Error):
            self._answers.say("482 not base64 of UTF-8")
            return None
        if len(parts) != _PLAIN_PARTS or not parts[1] or parts[0] not in {"", parts[1]}:
            self._answers.say("481 allowed: NUL name NUL password")
            return None
        return self._ask(parts[1], parts[2])

    def _ask(self, name: str, password: str) -> AuthenticationRequested:
        return self._answers.ask(lambda ticket: AuthenticationRequested(ticket, name, password))
