"""Delivery by the sendmail command of the local mail server, one run a message.

The command gets ``-f SENDER -- RECIPIENT...`` behind its own arguments, and the message with LF line
ends on its standard input. No shell is involved, and an address that could be read as an option is
refused, although ``--`` stands in front: what the mail server calls next may not have it.

Contract: the end of input makes sendmail send. So a message that can't be read to its end kills the
command before its input is closed. A command that runs too long is killed with its children.

Spec: sendmail(1) of Postfix and Exim; sysexits(3).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.deliver.command_run import ENVIRONMENT, run_command
from gateway.deliver.outcome import of_exit, of_os_error
from gateway.deliver.target import Body, Job, same_for_all
from gateway.errors import ConfigError
from gateway.message.address import RECIPIENT_STATUS, SENDER_STATUS, is_option_like
from gateway.message.lines import lf_chunks
from gateway.msgqueue.entry import Outcome, QueuedMessage, Verdict

__all__ = ["ENVIRONMENT", "SendmailTarget", "SendmailTargetSettings", "refuse_own_program"]

ARGUMENTS_LIMIT_BYTES = 32 << 10
"""Recipients of one run; far below the kernel's limit, which the environment shares."""
RECIPIENT_LIMIT_COUNT = 100
"""Recipients of one run; RFC 5321 section 4.5.3.1.8 makes every server take so many."""
OWN_PROGRAMS = frozenset({"nncp-gateway", "nncp-gateway-pipe"})
"""What a command of ours is called, once links are followed. One that a script starts finds LOOP_VARIABLE."""


@dataclass(frozen=True, slots=True)
class SendmailTargetSettings:
    """Which command.

    Args:
        command: absolute path and fixed arguments; ``-i`` must be among them, or a line with a lone
            dot ends the message.
        timeout_seconds: longest run.
    """

    command: tuple[str, ...] = ("/usr/sbin/sendmail", "-i")
    timeout_seconds: float = 300.0


def refuse_own_program(program: str) -> None:
    """Make sure that a command is not this program under another name: it would get its own mail again.

    Raises:
        ConfigError: it is.
    """
    if Path(program).resolve().name in OWN_PROGRAMS:
        raise ConfigError(
            f"{program} is nncp-gateway itself, and mail would go round; allowed: the mail"
            " server's own command, such as /usr/sbin/sendmail"
        )


class SendmailTarget:
    """Delivers by a command.

    Args:
        settings: which.

    Raises:
        ConfigError: the command has no absolute path, or is this program under another name.
    """

    def __init__(self, settings: SendmailTargetSettings) -> None:
        if not settings.command or not Path(settings.command[0]).is_absolute():
            raise ConfigError(f"the sendmail command {settings.command!r} must begin with an absolute path")
        refuse_own_program(settings.command[0])
        self._settings = settings
        self._name = Path(settings.command[0]).name

    def deliver(self, jobs: Iterator[Job]) -> Iterator[Sequence[Outcome]]:
        """Try to deliver messages; see ``Target``."""
        for job in jobs:
            yield self._deliver(job.message, job.body)

    def close(self) -> None:
        """Nothing is kept between messages."""

    def _deliver(self, message: QueuedMessage, body: Body) -> Sequence[Outcome]:
        sender = message.envelope.sender
        if is_option_like(sender):
            text = f"sender {sender} could be taken for an option"
            return same_for_all(message, Outcome(Verdict.REFUSED, SENDER_STATUS, text))
        outcomes: dict[str, Outcome] = {}
        for recipient in message.envelope.recipients:
            if is_option_like(recipient):
                text = f"recipient {recipient} could be taken for an option"
                outcomes[recipient] = Outcome(Verdict.REFUSED, RECIPIENT_STATUS, text)
        accepted = [recipient for recipient in message.envelope.recipients if recipient not in outcomes]
        for group in _groups(accepted):
            outcome = self._run([*self._settings.command, "-f", sender or "<>", "--", *group], body)
            outcomes.update(dict.fromkeys(group, outcome))
        return [outcomes[recipient] for recipient in message.envelope.recipients]

    def _run(self, argv: Sequence[str], body: Body) -> Outcome:
        try:
            ended = run_command(argv, lf_chunks(body()), self._settings.timeout_seconds)
        except OSError as error:
            return of_os_error(f"cannot start {argv[0]}", error)
        if ended.is_late:
            text = (
                f"{self._name} did not end within {self._settings.timeout_seconds:g} seconds and was killed"
            )
            return Outcome(Verdict.DEFERRED, "4.4.7", text, is_cut=True)
        if ended.status == 0 and not ended.is_fed:
            return Outcome(Verdict.DEFERRED, "4.3.0", f"{self._name} ended before it had read the message")
        return of_exit(self._name, ended.status, ended.output)


def _groups(recipients: Sequence[str]) -> Iterator[list[str]]:
    """The recipients in runs of bounded length."""
    group: list[str] = []
    used_bytes = 0
    for recipient in recipients:
        size_bytes = len(recipient.encode("utf-8")) + 1
        if group and (len(group) >= RECIPIENT_LIMIT_COUNT or used_bytes + size_bytes > ARGUMENTS_LIMIT_BYTES):
            yield group
            group, used_bytes = [], 0
        group.append(recipient)
        used_bytes += size_bytes
    if group:
        yield group
