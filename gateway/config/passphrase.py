"""Asks for a passphrase on the terminal: never echoed, never an argument, never in the environment.

Contract: the prompt goes to standard error; the answer is read from standard input when that is a
terminal, else from the terminal that controls the process, so that standard input can be a body.
Without any terminal it is an error at once: a daemon must not wait for what nobody types.
"""

import contextlib
import os
import termios
from collections.abc import Callable, Iterator

from gateway.errors import ConfigError

PROMPT = "Passphrase:"
REPEAT_PROMPT = "Repeat passphrase:"
STDIN, STDERR = 0, 2
TERMINAL = "/dev/tty"
LIMIT_BYTES = 4095
"""What a terminal's line discipline takes for one line."""

_LOCAL_MODES = 3

Ask = Callable[[str], bytes]


def ask_passphrase(prompt: str = PROMPT) -> bytes:
    """Ask once.

    Args:
        prompt: without a space behind it.

    Returns:
        What was typed, without the line end; may be empty.

    Raises:
        ConfigError: there is no terminal, or it was closed.
    """
    # Silent first: who answers at once must not see it either.
    with _terminal() as fd, _without_echo(fd):
        os.write(STDERR, prompt.encode())
        try:
            return _read_line(fd)
        finally:
            os.write(STDERR, b"\n")


def ask_new_passphrase(ask: Ask = ask_passphrase) -> bytes:
    """Ask for a new passphrase, twice.

    Raises:
        ConfigError: the two differ, or there is no terminal.
    """
    passphrase = ask(PROMPT)
    if ask(REPEAT_PROMPT) != passphrase:
        raise ConfigError("Passphrases do not match")
    return passphrase


@contextlib.contextmanager
def _terminal() -> Iterator[int]:
    if os.isatty(STDIN):
        yield STDIN
        return
    try:
        fd = os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        raise ConfigError(
            "a passphrase is needed, and there is no terminal to ask for it; allowed: start this from a"
            " terminal, or use a configuration that is not encrypted"
        ) from None
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def _without_echo(fd: int) -> Iterator[None]:
    try:
        before = termios.tcgetattr(fd)
        silent = list(before)
        silent[_LOCAL_MODES] &= ~termios.ECHO
        silent[_LOCAL_MODES] |= termios.ICANON | termios.ISIG
        termios.tcsetattr(fd, termios.TCSAFLUSH, silent)
    except termios.error as error:
        raise ConfigError(f"the terminal cannot be used to ask for a passphrase: {error.args[-1]}") from None
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _read_line(fd: int) -> bytes:
    line = b""
    while b"\n" not in line and len(line) <= LIMIT_BYTES:
        try:
            piece = os.read(fd, LIMIT_BYTES)
        except OSError:
            piece = b""
        if not piece:
            raise ConfigError("the terminal was closed before a passphrase was typed")
        line += piece
    return line.partition(b"\n")[0].removesuffix(b"\r")
