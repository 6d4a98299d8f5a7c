"""``nncp-gateway``: what is started, under whatever name.

A mail server's pipe and a tosser start it for each message or packet. If a daemon runs, they are done
as soon as it has taken what they bring; so nothing but that is imported here.
"""

import gc
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes longer to import than all else here
    from collections.abc import Mapping

PROGRAM = "nncp-gateway"
NNCP_WORD = "nncp"
NNCP_PREFIX = "nncp-"
PIPE_WORD = "pipe"
PIPE_NAMES = ("sendmail", "rmail", "rsmtp", "rnews", "uux")
"""Names that mail servers call; ``links --mail`` makes them."""
DAEMON_WORDS = ("send", "receive")
"""Commands that a daemon does for us."""
OPTIONS_WITH_VALUE = ("-c", "--config")
HELP = ("-h", "--help")


def main() -> None:
    """Run the command line of this process and end it."""
    status = run(words_of(sys.argv), os.environ)
    # Everything goes with the process now; Python would look through all of it for cycles first.
    gc.freeze()
    sys.exit(status)


def words_of(argv: list[str]) -> list[str]:
    """What to run, by the name under which we were started.

    Args:
        argv: that name, perhaps with a path, and the arguments.
    """
    name, *arguments = argv
    command = name.rpartition("/")[2]
    if command.startswith(NNCP_PREFIX) and command != PROGRAM:
        return [NNCP_WORD, command, *arguments]
    return [PIPE_WORD, command, *arguments] if command in PIPE_NAMES else arguments


def run(arguments: list[str], environ: "Mapping[str, str]") -> int:
    """Run one command.

    Args:
        arguments: what follows the program's name.
        environ: the environment.

    Returns:
        The exit status.
    """
    status = _hand_over(arguments, environ)
    if status is not None:
        return status
    from gateway.cli.program import run_program  # noqa: PLC0415 - the rest of the program

    return run_program(arguments, environ)


def config_option(options: list[str]) -> str | None:
    """The value of the last ``-c``, as click reads it."""
    value = None
    words = iter(options)
    for word in words:
        if word in OPTIONS_WITH_VALUE:
            value = next(words, None)
        elif word.startswith("--config="):
            value = word.partition("=")[2]
        elif word.startswith("-c"):
            value = word[2:]
    return value


def command_place(arguments: list[str]) -> int:
    """Where the command's name stands, whether or not its arguments make sense; the length: nowhere."""
    at = 0
    while at < len(arguments):
        if arguments[at] in OPTIONS_WITH_VALUE:
            at += 1
        elif not arguments[at].startswith("-"):
            return at
        at += 1
    return len(arguments)


def _hand_over(arguments: list[str], environ: "Mapping[str, str]") -> int | None:
    """Let the daemon do it; None: it is nothing for a daemon, or there is none."""
    at = command_place(arguments)
    words = arguments[at:]
    if not words or words[0] not in DAEMON_WORDS or any(word in HELP for word in words):
        return None
    from gateway.cli.pipe_client import hand_over  # noqa: PLC0415 - only for these commands
    from gateway.config.state_place import find_state_directory  # noqa: PLC0415
    from gateway.handover import frames  # noqa: PLC0415

    directory = find_state_directory(config_option(arguments[:at]), environ)
    if directory is None:
        return None
    node, author = (
        os.fsencode(environ.get(name, "")) for name in (frames.NODE_VARIABLE, frames.AUTHOR_VARIABLE)
    )
    node = frames.join_origin(node, author)
    return hand_over(words[0], words[1:], node, directory, sys.stdin.fileno(), _write)


def _write(fd: int, data: bytes) -> None:
    """Write to our standard output (1) or standard error (2)."""
    stream = sys.stdout if fd == 1 else sys.stderr
    stream.write(data.decode("utf-8", "replace"))
    stream.flush()


if __name__ == "__main__":
    main()
