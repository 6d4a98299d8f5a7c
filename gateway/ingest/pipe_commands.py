"""The commands that local programs hand mail in by, by their names: what each makes of its input.

Who runs them, the daemon for a program on its socket or a process of their own, makes no difference
to what becomes of a message.
"""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from gateway.errors import BadIdentifier, ConfigError, UsageFault
from gateway.exits import Caller
from gateway.handover.frames import AUTHOR_VARIABLE, NODE_VARIABLE
from gateway.ids import NodeId
from gateway.ingest.batch import BatchIntake
from gateway.ingest.handover import Handover
from gateway.ingest.mail_command import LocalUser, Passage, Submission
from gateway.ingest.pipe import PipeIntake
from gateway.ingest.rnews import RnewsIntake
from gateway.message.address import shown
from gateway.message.rnews_words import parse_rnews
from gateway.message.send_words import parse_send
from gateway.message.sendmail_words import Mode, parse_sendmail
from gateway.message.uux_words import RemoteCommand, parse_uux

SEND = "send"
RECEIVE = "receive"
HANDLES = frozenset({"sendmail", "rmail", "rsmtp", "nncp-rmail-v1", "rnews", "newsfix"})
"""Names under which a tosser may start us as well; then they are the handles of ``receive``."""
NO_NEWS_TEXT = "news is not taken here: pathhost in [news] of gateway.toml is missing"


@dataclass(frozen=True, slots=True)
class PipeRequest:
    """A command that somebody runs.

    Args:
        name: of the command.
        arguments: as they were given, undecodable bytes as surrogates.
        node: who sent the packet that started it, in a tosser's words; "": no tosser did.
        user: who runs it.
        author: who signed it, in a tosser's words, if it came by an area and that was checked; "": else.
    """

    name: str
    arguments: tuple[str, ...]
    node: str
    user: LocalUser
    author: str = ""

    @property
    def is_tossed(self) -> bool:
        """Whether it takes in what a neighbour sent."""
        return self.name == RECEIVE or (bool(self.node) and self.name in HANDLES)

    @property
    def caller(self) -> Caller:
        """Who reads the exit status."""
        return Caller.HANDLER if self.is_tossed else Caller.PIPE


class Wish(Enum):
    """What is wanted other than to hand over a body."""

    SMTP = "smtp"


class Receiving(Protocol):
    """A payload on its way to the inbox."""

    def write(self, chunk: bytes) -> None:
        """Append bytes."""

    def finish(self) -> object:
        """Take it in; when this returns, it is on disk."""

    def discard(self) -> None:
        """Forget it. Idempotent."""


BeginReceive = Callable[[str, tuple[bytes, ...], NodeId, NodeId | None], Receiving]
"""Begins to take in a payload: by handle, arguments, who sent it, and its author if an area brought it."""


class PipeCommands:
    """All of them.

    Args:
        singles: takes single messages.
        batches: takes batches.
        begin_receive: takes what neighbours sent.
        new_id: makes a part of Message-IDs.
        news: takes news; None: there is none here.
    """

    def __init__(
        self,
        singles: PipeIntake,
        batches: BatchIntake,
        begin_receive: BeginReceive,
        new_id: Callable[[], str],
        news: RnewsIntake | None = None,
    ) -> None:
        self._news_intake = news
        self._singles = singles
        self._batches = batches
        self._begin_receive = begin_receive
        self._new_id = new_id

    def begin(self, request: PipeRequest) -> Handover | Wish:
        """Begin to do what is wanted.

        Raises:
            UsageFault: the command is not known, or its arguments make no sense.
            GatewayError: it can't be done, as the arguments tell already.
        """
        if request.is_tossed:
            return self._receive(request)
        command = _COMMANDS.get(request.name)
        if command is None:
            known = ", ".join(sorted({*_COMMANDS, RECEIVE}))
            raise UsageFault(f"{shown(request.name)} is no command for mail or news, allowed: {known}")
        return command(self, request)

    def _send(self, request: PipeRequest) -> Handover:
        sender, recipients = parse_send(request.arguments)
        return self._singles.begin(sender, recipients, request.user.origin)

    def _sendmail(self, request: PipeRequest) -> Handover | Wish:
        words = parse_sendmail(request.arguments)
        if words.mode is Mode.SMTP:
            return Wish.SMTP
        if words.mode is Mode.BATCH:
            return self._batches.begin(request.user.origin)
        return Submission(self._singles, words, request.user, self._new_id)

    def _rmail(self, request: PipeRequest) -> Handover:
        recipients = request.arguments
        if recipients[:1] == ("--",):
            recipients = recipients[1:]
        elif option := next((word for word in recipients if word.startswith("-")), None):
            raise UsageFault(f"{shown(option)} is no recipient; rmail knows no options")
        return Passage(self._singles, recipients, request.user.name, request.user, None)

    def _rsmtp(self, request: PipeRequest) -> Handover:
        if request.arguments:
            raise UsageFault("rsmtp takes no arguments: the recipients stand in the batch")
        return self._batches.begin(request.user.origin)

    def _uux(self, request: PipeRequest) -> Handover:
        words = parse_uux(request.arguments)
        if words.command is RemoteCommand.RSMTP:
            return self._batches.begin(request.user.origin, words.node)
        if words.command is RemoteCommand.RNEWS:
            return self._news().begin(request.user.origin, node=words.node)
        sender = words.requestor or request.user.name
        return Passage(self._singles, words.recipients, sender, request.user, words.node)

    def _rnews(self, request: PipeRequest) -> Handover:
        return self._news().begin(request.user.origin, name=parse_rnews(request.arguments))

    def _news(self) -> RnewsIntake:
        if self._news_intake is None:
            raise ConfigError(NO_NEWS_TEXT)
        return self._news_intake

    def _receive(self, request: PipeRequest) -> Handover:
        handle, arguments = request.name, request.arguments
        if handle == RECEIVE:
            if not arguments or arguments[0] not in HANDLES:
                raise UsageFault(f"receive: a handle is missing, allowed: {', '.join(sorted(HANDLES))}")
            handle, arguments = arguments[0], arguments[1:]
        args = tuple(os.fsencode(word) for word in arguments)
        node = read_node(request.node, NODE_VARIABLE)
        author = read_node(request.author, AUTHOR_VARIABLE) if request.author else None
        return _Received(lambda: self._begin_receive(handle, args, node, author))


class _Received:
    """A payload of a neighbour on its way in; see ``Handover``."""

    def __init__(self, begin: Callable[[], Receiving]) -> None:
        self._begin = begin
        self._receiving: Receiving | None = None

    @staticmethod
    def may_block(size_bytes: int) -> bool:  # noqa: ARG004 - as ``Handover`` has it
        """See ``Handover``: all of it is written to a file."""
        return True

    def write(self, piece: bytes) -> None:
        """See ``Handover``."""
        self._begun().write(piece)

    def close(self) -> "Future[None]":
        """See ``Handover``."""
        self._begun().finish()
        taken: Future[None] = Future()
        taken.set_result(None)
        self.discard()
        return taken

    @staticmethod
    def done() -> str:
        """See ``Handover``."""
        return ""

    def discard(self) -> None:
        """See ``Handover``."""
        if self._receiving is not None:
            self._receiving.discard()

    def _begun(self) -> Receiving:
        if self._receiving is None:
            self._receiving = self._begin()
        return self._receiving


def read_node(text: str, name: str) -> NodeId:
    """The node that a tosser says a packet is from.

    Args:
        text: what it says.
        name: of the variable in which it does.

    Raises:
        ConfigError: it says none.
    """
    if not text:
        raise ConfigError(f"{name} is not set; receive is started by an NNCP tosser, which sets it")
    try:
        return NodeId.parse(text)
    except BadIdentifier as error:
        raise ConfigError(f"{name}: {error}; allowed: the id of a node") from None


_COMMANDS: Mapping[str, Callable[[PipeCommands, PipeRequest], Handover | Wish]] = {
    SEND: PipeCommands._send,  # noqa: SLF001 - a table of this class's own methods
    "sendmail": PipeCommands._sendmail,  # noqa: SLF001
    "rmail": PipeCommands._rmail,  # noqa: SLF001
    "rsmtp": PipeCommands._rsmtp,  # noqa: SLF001
    "rnews": PipeCommands._rnews,  # noqa: SLF001
    "uux": PipeCommands._uux,  # noqa: SLF001
}
