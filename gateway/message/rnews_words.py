"""The command line of ``rnews``, as batchers and UUCP call it.

Only standard input is taken. ``-N`` and ``-v`` mean nothing here: a batch is never given to a program, and
the log says what became of it. ``-h`` names who hands it in.

Spec: rnews(1) of INN.
"""

from collections.abc import Sequence

from gateway.errors import UsageFault
from gateway.message.address import shown

FLAGS = frozenset("Nv")
HOST = "h"


def parse_rnews(arguments: Sequence[str]) -> str:
    """Read the words behind the command's name; returns the name behind ``-h``, or "".

    Raises:
        UsageFault: an option that does not work here, or a file.
    """
    name, words = "", list(arguments)
    while words:
        letters = words.pop(0)
        if not letters.startswith("-"):
            raise UsageFault(f"{shown(letters)}: rnews reads standard input alone")
        letters = letters[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter == HOST:
                name, letters = letters or (words.pop(0) if words else ""), ""
            elif letter not in FLAGS:
                raise UsageFault(f"-{letter} is not an option of rnews that works here")
    return name
