"""Our own program, as a command that works in an environment without a PATH.

A tosser starts handlers with hardly any environment, so what ``accept`` writes into the NNCP
configuration is an absolute command; and our own tosser recognises it there, to run the handler
within its own process.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

PROGRAM_NAME = "nncp-gateway"
CLIENT_NAME = "nncp-gateway-pipe"
"""The script behind the names that mail servers call."""
MODULE_WORDS = ("-m", "gateway.cli.main")
CONFIG_FLAGS = ("-c", "--config")
RECEIVE_WORD = "receive"
PIPE_WORD = "pipe"
HANDLES = ("rsmtp", "sendmail", "rmail", "nncp-rmail-v1", "rnews", "newsfix")


def own_command() -> tuple[str, ...]:
    """The words that start this program, the first an absolute path."""
    started_as = Path(sys.argv[0])
    for candidate in (started_as, Path(sys.executable).with_name(PROGRAM_NAME)):
        if candidate.name == PROGRAM_NAME and os.access(candidate, os.X_OK):
            return (str(candidate.absolute()),)
    return (str(Path(sys.executable).absolute()), *MODULE_WORDS)


def is_own_command(words: Sequence[str]) -> int:
    """How many words at the front start this very program; 0: they start another."""
    if not words:
        return 0
    if Path(words[0]).name == PROGRAM_NAME:
        found = shutil.which(PROGRAM_NAME) if "/" not in words[0] else words[0]
        return int(found is not None and _is_same(found, own_command()[0]))
    is_module = tuple(words[1:3]) == MODULE_WORDS and _is_same(words[0], sys.executable)
    return 1 + len(MODULE_WORDS) if is_module else 0


def handler_command(config_path: Path, handle: str) -> tuple[str, ...]:
    """What a neighbour's handle starts."""
    return (*own_command(), CONFIG_FLAGS[0], str(config_path), RECEIVE_WORD, handle)


def find_handle(words: Sequence[str], config_path: Path, default_path: Path) -> str | None:
    """The handle that a configured command receives with this program and this configuration.

    Args:
        words: the command, as it stands in the NNCP configuration.
        config_path: of the configuration this process uses.
        default_path: what counts when the command names none.

    Returns:
        The handle, or None: it is another command, to be run as a process of its own.
    """
    rest = list(words[is_own_command(words) :])
    if len(rest) == len(words):
        return None
    named = default_path
    if len(rest) > 1 and rest[0] in CONFIG_FLAGS:
        named, rest = Path(rest[1]), rest[2:]
    is_receive = len(rest) == 2 and rest[0] == RECEIVE_WORD and rest[1] in HANDLES  # noqa: PLR2004
    return rest[1] if is_receive and _is_same(named, config_path) else None


def _is_same(one: str | Path, other: str | Path) -> bool:
    try:
        return os.path.samefile(one, other)  # noqa: PTH121 - either may be a text
    except OSError:
        return False
