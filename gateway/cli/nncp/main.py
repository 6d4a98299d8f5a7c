"""``nncp VERB ARGUMENTS``: finds the verb and runs it; only that verb's module is imported."""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import cast

STATUS_FAILED = 1
COMMAND_PREFIX = "nncp-"

Run = Callable[[list[str], Mapping[str, str]], int]

MODULES: Mapping[str, str] = {
    "ack": "gateway.cli.nncp.ack",
    "bundle": "gateway.cli.nncp.bundle",
    "call": "gateway.cli.nncp.call",
    "caller": "gateway.cli.nncp.caller",
    "check": "gateway.cli.nncp.check_",
    "daemon": "gateway.cli.nncp.daemon",
    "log": "gateway.cli.nncp.log_",
    "cfgdir": "gateway.cli.nncp.cfgdir",
    "cfgenc": "gateway.cli.nncp.cfgenc",
    "cfgmin": "gateway.cli.nncp.cfgmin",
    "cfgnew": "gateway.cli.nncp.cfgnew",
    "cronexpr": "gateway.cli.nncp.cronexpr",
    "exec": "gateway.cli.nncp.exec_",
    "file": "gateway.cli.nncp.file_",
    "freq": "gateway.cli.nncp.freq",
    "hash": "gateway.cli.nncp.hash_",
    "pkt": "gateway.cli.nncp.pkt",
    "reass": "gateway.cli.nncp.reass",
    "rm": "gateway.cli.nncp.rm",
    "stat": "gateway.cli.nncp.stat_",
    "toss": "gateway.cli.nncp.toss",
    "trns": "gateway.cli.nncp.trns",
    "xfer": "gateway.cli.nncp.xfer",
}


def main(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Run one verb.

    Args:
        arguments: the verb (with or without ``nncp-``) and what follows it.
        environ: the environment.

    Returns:
        The exit status, that of the Go command.
    """
    name = arguments[0].removeprefix(COMMAND_PREFIX) if arguments else ""
    module = MODULES.get(name)
    if module is None:
        problem = f"unknown verb {name!r}" if name else "a verb is missing"
        print(f"nncp: {problem}, allowed: {', '.join(MODULES)}", file=sys.stderr)
        return STATUS_FAILED
    run = cast("Run", importlib.import_module(module).run)
    return run(arguments[1:], environ)
