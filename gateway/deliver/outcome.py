"""What a reply, an exit status or an error means for a message. One table decides; pure.

Rule: refused is only what was said clearly about this message or its recipient. Everything else is
tried again, because a message that waits can still be delivered or looked at, and one that is
refused by mistake is as good as lost. ``docs/reference/delivery.md`` shows the table to operators.

Spec: RFC 3463; RFC 5321 section 4.2; sysexits(3).
"""

import re
import signal
from collections.abc import Sequence

from gateway.errors import GatewayError
from gateway.msgqueue.entry import Outcome, Verdict

TEXT_LIMIT_CHARS = 300
"""Of an outcome's text: enough to understand, short enough for one log line."""

EXIT_OUTCOMES: dict[int, tuple[Verdict, str, str]] = {
    0: (Verdict.DELIVERED, "2.0.0", "accepted"),
    65: (Verdict.REFUSED, "5.6.0", "data format error"),
    67: (Verdict.REFUSED, "5.1.1", "user unknown"),
    68: (Verdict.REFUSED, "5.1.2", "host name unknown"),
    75: (Verdict.DEFERRED, "4.3.0", "temporary failure"),
    77: (Verdict.REFUSED, "5.7.0", "permission denied"),
    # Faults of the machine or its configuration: the message itself is not to blame.
    64: (Verdict.DEFERRED, "4.3.5", "command line usage error"),
    66: (Verdict.DEFERRED, "4.3.0", "cannot open input"),
    69: (Verdict.DEFERRED, "4.3.0", "service unavailable"),
    70: (Verdict.DEFERRED, "4.3.0", "internal software error"),
    71: (Verdict.DEFERRED, "4.3.0", "system error"),
    72: (Verdict.DEFERRED, "4.3.5", "critical system file missing"),
    73: (Verdict.DEFERRED, "4.3.0", "cannot create output file"),
    74: (Verdict.DEFERRED, "4.3.0", "input/output error"),
    76: (Verdict.DEFERRED, "4.5.0", "remote error in protocol"),
    78: (Verdict.DEFERRED, "4.3.5", "configuration error"),
    126: (Verdict.DEFERRED, "4.3.5", "command cannot be executed"),
    127: (Verdict.DEFERRED, "4.3.5", "command not found"),
}
"""What an exit status means; any other number is tried again."""

_VERDICTS = {"2": Verdict.DELIVERED, "4": Verdict.DEFERRED, "5": Verdict.REFUSED}
_STATUS = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?=\s|$)")


def of_exit(program: str, exit_status: int, output: bytes) -> Outcome:
    """Judge a command by how it ended.

    A command that fails may say why, as for Postfix's pipe: ``4.2.1 text`` or ``5.1.1 text`` at the
    start of its output counts more than the status.

    Args:
        program: its name, for the text.
        exit_status: 0 to 255, or the negative number of the signal that killed it.
        output: the beginning of what it wrote.
    """
    said = one_line(output.decode("utf-8", "replace"))
    if exit_status < 0:
        return Outcome(
            Verdict.DEFERRED, "4.3.0", one_line(f"{program} was killed by {_signal(-exit_status)}")
        )
    verdict, status, meaning = EXIT_OUTCOMES.get(exit_status, (Verdict.DEFERRED, "4.3.0", "unknown status"))
    if verdict is Verdict.DELIVERED:
        return Outcome(verdict, status, one_line(f"{program}: {said or meaning}"))
    match = _STATUS.match(said)
    if match is not None and match[1] != "2":
        return Outcome(_VERDICTS[match[1]], match[0], one_line(f"{program}: {said[match.end() :].strip()}"))
    detail = f": {said}" if said else ""
    return Outcome(verdict, status, one_line(f"{program} exited with {exit_status} ({meaning}){detail}"))


def of_reply(server: str, code: int, lines: Sequence[str]) -> Outcome:
    """Judge an SMTP reply that ends the matter for a message or a recipient.

    Args:
        server: name of the server, for the text.
        code: the three digits.
        lines: the texts of its lines.
    """
    first = str(code)[0]
    text = one_line(" ".join(lines))
    if first not in _VERDICTS:
        return Outcome(
            Verdict.DEFERRED, "4.5.0", one_line(f"{server} gave an unexpected reply: {code} {text}")
        )
    match = _STATUS.match(text)
    status = match[0] if match is not None and match[1] == first else f"{first}.0.0"
    return Outcome(_VERDICTS[first], status, one_line(f"{server} said: {code} {text}"))


def of_error(error: GatewayError) -> Outcome:
    """Judge an error of ours that kept a message from being delivered."""
    verdict = Verdict.DEFERRED if error.is_temporary else Verdict.REFUSED
    return Outcome(verdict, error.status, one_line(str(error)))


def of_os_error(what: str, error: OSError) -> Outcome:
    """Judge a refusal of the operating system: it says nothing about the message, so it is tried again."""
    return Outcome(Verdict.DEFERRED, "4.3.0", one_line(f"{what}: {error.strerror or error}"))


def one_line(text: str) -> str:
    """A text as one printable line of bounded length."""
    words = " ".join(text[: 4 * TEXT_LIMIT_CHARS].split())
    is_clean = words.isprintable()
    clean = words if is_clean else "".join(char if char.isprintable() else "?" for char in words)
    return clean if len(clean) <= TEXT_LIMIT_CHARS else clean[: TEXT_LIMIT_CHARS - 3] + "..."


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
