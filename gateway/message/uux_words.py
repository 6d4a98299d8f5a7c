"""The command line of ``uux``, as the UUCP recipes of Postfix, Exim and INN write it.

``uux - -r -z -aFROM -gC NODE!rmail RECIPIENT...`` hands standard input to a command at a
neighbour. Here the command must be one that takes mail or news: it is never run, the message goes to the
neighbour as any other does.

Spec: uux(1) of Taylor UUCP; UUCP_README of Postfix.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from gateway.errors import UsageFault
from gateway.message.address import shown

FLAGS = frozenset("cCjlnprvWzb")
WITH_VALUE = frozenset("agsxI")
REDIRECTIONS = ("<", ">", "|", ";")


class RemoteCommand(Enum):
    """What may be run at a neighbour."""

    RMAIL = "rmail"
    RSMTP = "rsmtp"
    RNEWS = "rnews"


_COMMANDS = {command.value: command for command in RemoteCommand} | {"cunbatch": RemoteCommand.RNEWS}


@dataclass(frozen=True, slots=True)
class UuxWords:
    """What a command line says.

    Args:
        node: name of the neighbour.
        command: what takes the input there.
        recipients: its arguments, without the parentheses that guard them.
        requestor: behind -a: who is to be told of failures.
    """

    node: str
    command: RemoteCommand
    recipients: tuple[str, ...]
    requestor: str | None


def parse_uux(arguments: Sequence[str]) -> UuxWords:
    """Read the words behind the command's name.

    Raises:
        UsageFault: an option that is not known, or a command that takes neither mail nor news.
    """
    requestor, rest = _take_options(list(arguments))
    # The command and its arguments may come as one word.
    rest[:1] = rest[0].split() if rest else []
    if not rest:
        raise UsageFault("a command is missing, allowed: NODE!rmail RECIPIENT... or NODE!rsmtp")
    target, *words = rest
    node, mark, name = target.partition("!")
    if not mark or not node:
        raise UsageFault(f"{shown(target)} names no neighbour, allowed: NODE!rmail or NODE!rsmtp")
    if name not in _COMMANDS:
        raise UsageFault(f"{shown(name)} is not run for others, allowed: {', '.join(_COMMANDS)}")
    return UuxWords(node, _COMMANDS[name], tuple(map(_unguarded, words)), requestor)


def _take_options(words: list[str]) -> tuple[str | None, list[str]]:
    """The requestor, and what follows the options."""
    requestor = None
    while words and words[0].startswith("-"):
        letters = words.pop(0)[1:]
        if letters.startswith("-"):
            _check_long(letters)
            continue
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in WITH_VALUE:
                value = letters or (words.pop(0) if words else "")
                requestor = value if letter == "a" else requestor
                break
            if letter not in FLAGS:
                raise UsageFault(f"-{letter} is not an option of uux that works here")
    return requestor, words


def _check_long(letters: str) -> None:
    if letters not in {"-stdin", "-nouucico", "-notification=error", "-notification=no"}:
        raise UsageFault(f"-{letters} is not an option of uux that works here")


def _unguarded(word: str) -> str:
    if word.startswith(REDIRECTIONS):
        raise UsageFault(f"{shown(word)}: nothing but standard input can be handed over")
    return word[1:-1] if word.startswith("(") and word.endswith(")") else word
