"""What every verb works with: configuration, spool, disk and log, opened from the common flags."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.nncp.flags import STATUS_FAILED, Parsed, Verb, parse
from gateway.config.nncp import NncpConfig, config_path, is_syncing, load_nncp_config
from gateway.durable import Disk
from gateway.errors import ConfigError, GatewayError
from gateway.nodes import Book
from gateway.spool.log import Log
from gateway.spool.progress import Progress, open_progress
from gateway.spool.store import Spool


@dataclass(frozen=True, slots=True)
class Context:
    """An opened configuration and what was made from it.

    Args:
        verb: the running verb.
        parsed: its command line.
        config: the configuration.
        disk: syncs unless NNCPNOSYNC is set.
        spool: the spool that flags, environment or configuration name.
        log: the log that they name.
        progress: shows how far a long step is, or nothing.
        environ: the environment.
    """

    verb: Verb
    parsed: Parsed
    config: NncpConfig
    disk: Disk
    spool: Spool
    log: Log
    progress: Progress
    environ: Mapping[str, str]

    @property
    def book(self) -> Book:
        """The nodes of the configuration."""
        return self.config.book


Body = Callable[[Context], int]


def run_verb(verb: Verb, arguments: list[str], environ: Mapping[str, str], body: Body) -> int:
    """Parse the flags, open the context, run the body; a fault becomes one line and status 1.

    Args:
        verb: the verb and its flags.
        arguments: what follows the verb.
        environ: the environment.
        body: the verb's own work; returns the exit status.
    """
    parsed = parse(verb, arguments)
    if isinstance(parsed, int):
        return parsed
    try:
        return body(open_context(verb, parsed, environ))
    except GatewayError as error:
        return fatal(verb, error)


def fatal(verb: Verb, error: GatewayError | str) -> int:
    """Say why the verb ends, even with ``-quiet``.

    Returns:
        The exit status.
    """
    for line in str(error).splitlines():
        print(f"{verb.command}: {line}", file=sys.stderr)
    return STATUS_FAILED


def read_config(verb: Verb, parsed: Parsed, environ: Mapping[str, str]) -> NncpConfig:
    """Read the configuration that flag or environment name, and apply its umask.

    Raises:
        ConfigError: it cannot be used.
    """
    config = load_nncp_config(config_path(parsed.text("cfg"), environ), environ)
    config.apply_umask()
    if not parsed.switch("quiet"):
        for warning in config.warnings:
            print(f"{verb.command}: warning: {warning}", file=sys.stderr)
    return config


def open_context(verb: Verb, parsed: Parsed, environ: Mapping[str, str]) -> Context:
    """Open what a verb works with.

    Raises:
        ConfigError: the configuration cannot be used, or flags contradict each other.
    """
    if parsed.switch("progress") and parsed.switch("noprogress"):
        raise ConfigError("simultaneous -progress and -noprogress")
    config = read_config(verb, parsed, environ)
    disk = Disk(is_syncing=is_syncing(environ))
    root = Path(parsed.text("spool") or config.spool)
    log = Log(
        parsed.text("log") or config.log,
        quiet=parsed.switch("quiet"),
        debug=parsed.switch("debug"),
    )
    return Context(
        verb=verb,
        parsed=parsed,
        config=config,
        disk=disk,
        spool=Spool(root.absolute(), disk, nohdr=config.nohdr),
        log=log,
        progress=_open_progress(parsed, config),
        environ=environ,
    )


def _open_progress(parsed: Parsed, config: NncpConfig) -> Progress:
    is_off = parsed.switch("noprogress") or parsed.switch("quiet") or bool(config.noprogress)
    return open_progress(is_wanted=not is_off, is_forced=parsed.switch("progress"))
