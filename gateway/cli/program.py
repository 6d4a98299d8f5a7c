"""Finds the command and turns what came of it into an exit status.

Only the module of the command at hand is imported: a handler or a pipe starts a process for each
packet or message. ``nncp VERB`` goes to the NNCP verbs, past everything else here.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.main import NNCP_WORD, PROGRAM, command_place, config_option
from gateway.errors import GatewayError, UsageFault
from gateway.exits import IO, OK, Caller, exit_status, pipe_line

if TYPE_CHECKING:
    import click

_CALLERS = {"send": Caller.PIPE, "pipe": Caller.PIPE, "receive": Caller.HANDLER}
"""Who calls a command; all others are called by people and scripts."""
NNCP_CONFIG_VARIABLE = "NNCPCFG"


def run_program(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Run one command; see ``gateway.cli.main.run``."""
    command = next(iter(arguments[command_place(arguments) :]), "")
    if command == NNCP_WORD:
        return _run_nncp(arguments, environ)
    caller = _CALLERS.get(command, Caller.OWN)
    try:
        return _run_click(arguments, environ)
    except BrokenPipeError:
        # Whoever read us went away. Python would complain again when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return IO if caller is Caller.OWN else exit_status(BrokenPipeError(), caller)
    except GatewayError as error:
        _say(error, caller)
        return exit_status(error, caller)
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - a bug must not become a status that bounces mail
        _say_bug(error, caller)
        return exit_status(error, caller)


def _run_nncp(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Run an NNCP verb; ``-c FILE`` before it stands for the NNCP configuration that FILE names."""
    from gateway.cli.nncp.main import main as run_nncp  # noqa: PLC0415 - its modules only for it
    from gateway.config.state_place import PATH_VARIABLE  # noqa: PLC0415

    place = arguments.index(NNCP_WORD)
    words = arguments[place + 1 :]
    own_config = config_option(arguments[:place])
    if own_config is not None:
        environ = {**environ, PATH_VARIABLE: own_config}
    if own_config is None or NNCP_CONFIG_VARIABLE in environ or _has_cfg_flag(words):
        return run_nncp(words, environ)
    from gateway.config.gateway_toml import read_nncp_path  # noqa: PLC0415

    try:
        path = read_nncp_path(Path(own_config))
    except GatewayError as error:
        _say(error, Caller.OWN)
        return exit_status(error, Caller.OWN)
    return run_nncp(words, {**environ, NNCP_CONFIG_VARIABLE: str(path)})


def _has_cfg_flag(words: list[str]) -> bool:
    return any(word.startswith("-") and word.lstrip("-").partition("=")[0] == "cfg" for word in words)


def _run_click(arguments: list[str], environ: Mapping[str, str]) -> int:
    import click  # noqa: PLC0415 - the nncp verbs do without it

    from gateway.cli.commands import COMMANDS  # noqa: PLC0415

    try:
        result = COMMANDS.main(arguments, PROGRAM, standalone_mode=False, obj=environ)
    except click.UsageError as error:
        raise UsageFault(_usage_text(error)) from None
    except click.ClickException as error:
        raise UsageFault(error.format_message()) from None
    except click.Abort:
        raise KeyboardInterrupt from None
    except SystemExit:
        # What click makes of a reader that went away.
        raise BrokenPipeError from None
    sys.stdout.flush()
    return result if isinstance(result, int) else OK


def _usage_text(error: "click.UsageError") -> str:
    where = "" if error.ctx is None else f" (see {error.ctx.command_path} --help)"
    return f"{error.format_message()}{where}"


def _say(error: GatewayError, caller: Caller) -> None:
    if caller is Caller.PIPE:
        print(pipe_line(error))
        return
    for line in str(error).splitlines():
        print(f"{PROGRAM}: {line}", file=sys.stderr)


def _say_bug(error: Exception, caller: Caller) -> None:
    import traceback  # noqa: PLC0415 - hardly ever needed

    print(f"{PROGRAM}: a fault of this program, please report it:", file=sys.stderr)
    traceback.print_exception(error)
    if caller is Caller.PIPE:
        print(pipe_line(error))
