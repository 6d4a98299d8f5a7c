"""Commands that move no mail, and what a client is told that says something else.

They are counted: a client that only talks is sent away in the end.

Spec: RFC 5321 sections 3.5, 4.1.1.5 to 4.1.1.10 and 7.3.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from typing import ClassVar

from gateway.ingest.connection import SmtpConnection
from gateway.ingest.reply import Reply
from gateway.ingest.settings import SmtpSettings

Command = Callable[[str], Awaitable[None]]

_FORBIDDEN = frozenset({b"CONNECT", b"GET", b"HEAD", b"OPTIONS", b"POST", b"PUT"})
"""A browser that was made to talk to us."""
_NOT_OFFERED = frozenset({b"AUTH", b"STARTTLS", b"BDAT", b"ETRN", b"TURN", b"SEND", b"SAML", b"SOML"})
_OK = Reply(250, "2.0.0", "Ok")


class SmallCommands(SmtpConnection):
    """A connection that knows them; subclasses move mail.

    Args:
        settings: of the endpoint.
        loop: the running event loop.
    """

    COMMANDS: ClassVar[frozenset[bytes]] = frozenset({b"RSET", b"NOOP", b"QUIT", b"VRFY", b"EXPN", b"HELP"})
    """What may be said: the words that commands begin with; ``smtp_WORD`` is what each does."""

    def __init__(self, settings: SmtpSettings, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(settings, loop)
        self._idle_commands_count = 0

    async def _run(self, verb: bytes, arg: str) -> None:
        if verb in self.COMMANDS:
            command: Command = getattr(self, f"smtp_{verb.decode('ascii')}")
            await command(arg)
        elif verb in _FORBIDDEN:
            self.leave(Reply(421, "4.7.0", "this is not a web server, closing"))
        elif verb in _NOT_OFFERED:
            self.fault(Reply(502, "5.5.1", f"{verb.decode()} is not offered here"))
        else:
            self.fault(Reply(500, "5.5.2", "command not known"))

    @abstractmethod
    def _set_post_data_state(self) -> None:
        """Forget the message begun."""

    async def smtp_RSET(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name for a command
        """Forget the message begun."""
        if arg:
            self.fault(Reply(501, "5.5.4", "allowed: RSET alone"))
            return
        self._count_idle()
        self._set_post_data_state()
        self.reply(_OK)

    async def smtp_NOOP(self, arg: str) -> None:  # noqa: ARG002, N802 - as above
        """Do nothing."""
        self._count_idle()
        self.reply(_OK)

    async def smtp_QUIT(self, arg: str) -> None:  # noqa: ARG002, N802 - as above
        """Say goodbye."""
        self.leave(Reply(221, "2.0.0", "Bye"))

    async def smtp_VRFY(self, arg: str) -> None:  # noqa: N802 - as above
        """Answer neither yes nor no: who exists is nobody's business."""
        self._count_idle()
        if arg:
            self.reply(Reply(252, "2.5.0", "not verified: send mail to find out"))
        else:
            self.fault(Reply(501, "5.5.4", "allowed: VRFY address"))

    async def smtp_EXPN(self, arg: str) -> None:  # noqa: ARG002, N802 - as above
        """There are no lists here."""
        self.fault(Reply(502, "5.5.1", "EXPN is not offered here"))

    async def smtp_HELP(self, arg: str) -> None:  # noqa: ARG002, N802 - as above
        """Name the commands."""
        self._count_idle()
        self.reply(Reply(214, "2.0.0", " ".join(verb.decode() for verb in sorted(self.COMMANDS))))

    def _count_idle(self) -> None:
        self._idle_commands_count += 1
        if self._idle_commands_count > self._settings.max_idle_commands:
            self.count_error()

    def _forgive(self) -> None:
        """Count from here on: a message was taken."""
        self._errors_count = self._idle_commands_count = 0
