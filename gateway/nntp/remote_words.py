"""What a neighbour asks of its feed: lines of text, as FidoNet's AreaFix has them. Pure.

    +comp.lang.*        feed me these groups
    -comp.lang.perl     do not
    %LIST               which groups could I have
    %QUERY              which do I get
    %PAUSE  %RESUME     nothing for now; go on
    %RESCAN [PATTERN]   what passed and is still kept, once more
    %HELP

Contract: a request has at most so many lines that count, each of a limited length; what is not understood is
answered as such, and after a few of these lines the rest is not read: somebody wrote a letter.

Spec: FidoNet FSC-0057 for the words; ``docs/reference/news.md``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from gateway.nntp.wildmat import BadWildmat, Wildmat

COMMANDS_LIMIT_COUNT = 500
LINE_LIMIT_CHARS = 600
STRANGE_LIMIT_COUNT = 5
SHOWN_CHARS = 80
SIGNATURES = ("--", "---", "...")
QUOTES = (">", ";", "#")
"""At the front of lines that are not meant for us."""


class Verb(Enum):
    """What is asked for."""

    SUBSCRIBE = "+"
    UNSUBSCRIBE = "-"
    LIST = "%LIST"
    QUERY = "%QUERY"
    PAUSE = "%PAUSE"
    RESUME = "%RESUME"
    RESCAN = "%RESCAN"
    HELP = "%HELP"
    STRANGE = ""
    """Not understood."""


@dataclass(frozen=True, slots=True)
class Command:
    """One line.

    Args:
        verb: what is asked for.
        line: as it was written, printable and cut, for the answer.
        pattern: of groups; None where none is named.
    """

    verb: Verb
    line: str
    pattern: str | None = None


HELP_LINES = (
    "+PATTERN           feed me these newsgroups, such as +comp.lang.*",
    "-PATTERN           do not feed me these newsgroups",
    "%LIST              which newsgroups could I have",
    "%QUERY             which newsgroups do I get",
    "%PAUSE             feed me nothing for now",
    "%RESUME            go on",
    "%RESCAN [PATTERN]  articles that are still kept, once more",
    "%HELP              this text",
)
_PLAIN = {verb.value: verb for verb in Verb if verb.value.startswith("%")}
_SIGNS = {Verb.SUBSCRIBE.value: Verb.SUBSCRIBE, Verb.UNSUBSCRIBE.value: Verb.UNSUBSCRIBE}


def read_commands(text: str) -> list[Command]:
    """Read a request.

    Args:
        text: its lines; what stands behind a signature's mark is not read.
    """
    found: list[Command] = []
    for command in _commands(text):
        found.append(command)
        strange_count = sum(each.verb is Verb.STRANGE for each in found)
        if len(found) == COMMANDS_LIMIT_COUNT or strange_count == STRANGE_LIMIT_COUNT:
            break
    return found


def _commands(text: str) -> Iterator[Command]:
    for raw in text.splitlines():
        line = raw[:LINE_LIMIT_CHARS].strip()
        if line in SIGNATURES:
            return
        if line and not line.startswith(QUOTES):
            yield _command(line)


def _command(line: str) -> Command:
    shown = "".join(char if char.isprintable() else "?" for char in line[:SHOWN_CHARS])
    sign = _SIGNS.get(line[0])
    if sign is not None:
        pattern = _pattern(line[1:].strip())
        return Command(Verb.STRANGE if pattern is None else sign, shown, pattern)
    word, _, rest = line.partition(" ")
    verb = _PLAIN.get(word.upper(), Verb.STRANGE)
    rest = rest.strip()
    if verb is Verb.RESCAN and rest:
        pattern = _pattern(rest)
        return Command(Verb.STRANGE if pattern is None else verb, shown, pattern)
    return Command(Verb.STRANGE if rest else verb, shown)


def _pattern(text: str) -> str | None:
    """One pattern, without marks of its own, or None: it is none."""
    if not text or text[0] in "!@" or "," in text or any(char.isspace() for char in text):
        return None
    try:
        Wildmat.parse(text)
    except BadWildmat:
        return None
    return text
