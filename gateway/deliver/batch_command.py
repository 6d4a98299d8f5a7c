"""Delivery by a command that takes batches of SMTP commands, such as ``exim -bS``: many messages in one run.

Such a command stops at the first fault. Exim says then how many messages it had taken before: these are
delivered, the next one is to blame and gets a run of its own, which decides about it, and those behind go
into another run. So no message is given twice, and one that can't be taken holds up no other. What Exim would
stop at is found before anything is written: addresses are checked, small messages read whole. A large one
has a run of its own; when it can't be read to its end, the command is killed before it has seen the end.

When a run ends in any other way (killed, too late, a status of its own), nobody knows how many messages it
took. All of them are tried again, each alone.

Spec: RFC 2442; the Exim specification, "Batched SMTP".
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from gateway.deliver.command_run import Ended, run_command
from gateway.deliver.outcome import of_error, of_exit, of_os_error, of_reply, one_line
from gateway.deliver.sendmail_command import refuse_own_program
from gateway.deliver.target import Job
from gateway.errors import BadAddress, ConfigError, GatewayError
from gateway.message.address import SENDER_STATUS, check_mailbox, has_common_domain, is_domain, shown
from gateway.message.lines import DotStuffer, uncut
from gateway.msgqueue.entry import Outcome, Verdict
from gateway.msgqueue.store import INLINE_BODY_BYTES

MESSAGES_LIMIT_COUNT = 10
"""Of one run: few enough that several runs share what is due, and as many as Exim delivers at once where
``smtp_accept_queue_per_connection`` has its default; those behind them would wait for its next queue run."""

_TAKEN = re.compile(rb"^(\d{1,9}) previous messages? (?:was|were) successfully processed", re.MULTILINE)
_REPLY = re.compile(rb"^ *([45]\d\d)[ -]([^\r\n]*)", re.MULTILINE)
"""Exim writes its reports to standard output and to standard error."""
_STOPPED = frozenset({1, 2})
"""Statuses of Exim after a fault: some messages taken, or none."""
_NONE_TAKEN = 2


@dataclass(frozen=True, slots=True)
class BatchTargetSettings:
    """Which command.

    Args:
        command: absolute path and arguments, ``-bS`` among them.
        own_name: our host name, for the greeting.
        timeout_seconds: longest run.
    """

    command: tuple[str, ...]
    own_name: str
    timeout_seconds: float = 300.0


@dataclass(slots=True)
class _Part:
    """One message in a batch.

    Args:
        job: which.
        outcomes: by recipient, as far as it is known.
        content: all that is written of it, if it is small.
    """

    job: Job
    outcomes: dict[str, Outcome]
    content: bytes | None = None

    @property
    def recipients(self) -> list[str]:
        """Whose outcome is not known."""
        return [one for one in self.job.message.envelope.recipients if one not in self.outcomes]

    def answers(self) -> list[Outcome]:
        """What became of it, in the order of its recipients."""
        return [self.outcomes[recipient] for recipient in self.job.message.envelope.recipients]

    def settle(self, outcome: Outcome) -> None:
        """Say what became of the rest."""
        self.outcomes |= dict.fromkeys(self.recipients, outcome)

    def chunks(self) -> Iterator[bytes]:
        """All that is written of it.

        Raises:
            GatewayError: it can't be read, or holds a stray byte.
        """
        envelope = self.job.message.envelope
        lines = [f"MAIL FROM:<{envelope.sender}>", *(f"RCPT TO:<{one}>" for one in self.recipients)]
        yield "".join(f"{line}\r\n" for line in (*lines, "DATA")).encode("utf-8")
        stuffer = DotStuffer()
        for piece in uncut(self.job.body()):
            yield stuffer.feed(piece)
        yield stuffer.finish()


class BatchTarget:
    """Delivers by a command that takes batches.

    Args:
        settings: which.

    Raises:
        ConfigError: the command has no absolute path, or is this program; or our name is no host name.
    """

    def __init__(self, settings: BatchTargetSettings) -> None:
        if not settings.command or not Path(settings.command[0]).is_absolute():
            raise ConfigError(f"the command {settings.command!r} must begin with an absolute path")
        if not is_domain(settings.own_name):
            raise ConfigError(f"{settings.own_name!r} is not a host name to greet a mail server with")
        refuse_own_program(settings.command[0])
        self._settings = settings
        self._name = Path(settings.command[0]).name

    def deliver(self, jobs: Iterator[Job]) -> Iterator[Sequence[Outcome]]:
        """Try to deliver messages; see ``Target``."""
        is_more = True
        while is_more:
            parts: list[_Part] = []
            is_more = False
            for job in jobs:
                parts.append(_part_of(job))
                is_more = parts[-1].content is None or len(parts) >= MESSAGES_LIMIT_COUNT
                if is_more:
                    break
            waiting = deque(parts)
            for _ in self._runs([part for part in parts if part.recipients]):
                # At once: what is answered can't be given twice, whatever happens in the next run.
                while waiting and not waiting[0].recipients:
                    yield waiting.popleft().answers()

    def close(self) -> None:
        """Nothing is kept between runs."""

    def _runs(self, parts: Sequence[_Part]) -> Iterator[None]:
        """Give messages to the command, in as many runs as it takes; yields after each of them."""
        small = [part for part in parts if part.content is not None]
        groups = deque([small, *([part] for part in parts if part.content is None)])
        while groups:
            group = groups.popleft()
            if not group:
                continue
            taken = self._run(group)
            for part in group[:taken]:
                part.settle(Outcome(Verdict.DELIVERED, "2.0.0", f"{self._name}: accepted"))
            rest = [part for part in group[taken:] if part.recipients]
            groups.extendleft([rest[1:], rest[:1]])
            yield
        yield

    def _run(self, group: Sequence[_Part]) -> int:
        """Run the command once; returns how many messages it took before it met a fault.

        The first one behind them is settled if it was alone; all are if nobody knows how many were taken.
        """
        greeting = f"HELO {self._settings.own_name}\r\n".encode()
        written = chain((greeting,), *(_written(part) for part in group), (b"QUIT\r\n",))
        try:
            ended = run_command(self._settings.command, written, self._settings.timeout_seconds)
        except OSError as error:
            for part in group:
                part.settle(of_os_error(f"cannot start {self._settings.command[0]}", error))
            return 0
        except GatewayError as error:
            group[0].settle(of_error(error))
            return 0
        taken = taken_count(ended, len(group))
        if taken is None:
            why = self._unknown(ended)
            for part in group:
                part.settle(why)
            return 0
        if len(group) == 1 and taken == 0:
            group[0].settle(self._fault(ended))
        return taken

    def _unknown(self, ended: Ended) -> Outcome:
        if ended.is_late:
            seconds = self._settings.timeout_seconds
            return Outcome(
                Verdict.DEFERRED,
                "4.4.7",
                f"{self._name} did not end within {seconds:g} seconds and was killed",
                is_cut=True,
            )
        said = of_exit(self._name, ended.status, ended.output)
        text = one_line(f"it is not known what {self._name} took: {said.text}")
        return Outcome(Verdict.DEFERRED, "4.3.0", text, is_cut=True)

    def _fault(self, ended: Ended) -> Outcome:
        """What a command says of the only message in its batch."""
        reply = _REPLY.search(ended.output)
        if reply is None:
            text = one_line(f"{self._name}: {ended.output.decode('utf-8', 'replace')}")
            return Outcome(Verdict.DEFERRED, "4.3.0", text)
        return of_reply(self._name, int(reply[1]), [reply[2].decode("utf-8", "replace")])


def _part_of(job: Job) -> _Part:
    """A message as it goes into a batch, with what can't go settled."""
    envelope = job.message.envelope
    part = _Part(job, {})
    try:
        if envelope.sender:
            _check(envelope.sender)
    except BadAddress as error:
        part.outcomes = dict.fromkeys(
            envelope.recipients, Outcome(Verdict.REFUSED, SENDER_STATUS, str(error))
        )
        part.content = b""
        return part
    for recipient in envelope.recipients:
        try:
            _check(recipient)
        except BadAddress as error:
            part.outcomes[recipient] = of_error(error)
    if job.message.size_bytes <= INLINE_BODY_BYTES:
        try:
            part.content = b"".join(part.chunks())
        except GatewayError as error:
            part.settle(of_error(error))
            part.content = b""
    return part


def _check(address: str) -> None:
    check_mailbox(address, is_utf8_allowed=True)
    if not has_common_domain(address):
        raise BadAddress(
            f"{shown(address)} can not be given to a batch command: its domain must be letters, digits,"
            " hyphens and dots"
        )


def _written(part: _Part) -> Iterable[bytes]:
    return part.chunks() if part.content is None else (part.content,)


def taken_count(ended: Ended, count: int) -> int | None:
    """How many messages of a batch were taken before a fault, or all; None: nobody knows.

    Args:
        ended: how the command ended.
        count: messages in the batch.
    """
    if ended.is_late:
        return None
    if ended.status == 0:
        return count if ended.is_fed else None
    if ended.status not in _STOPPED:
        return None
    if ended.status == _NONE_TAKEN:
        return 0
    match = _TAKEN.search(ended.output)
    return int(match[1]) if match is not None and 0 < int(match[1]) < count else None
