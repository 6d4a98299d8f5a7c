"""``nncp-cfgdir``: a configuration as a directory, and back to one text."""

import sys
from collections.abc import Mapping
from pathlib import Path

from gateway.cli.nncp.context import fatal
from gateway.cli.nncp.flags import STATUS_OK, Parsed, parse, wrong_usage
from gateway.cli.nncp.verbs import CFGDIR
from gateway.config.hjson_document import render_document
from gateway.config.nncp import NncpConfig, check_document, config_path, is_syncing
from gateway.config.nncp_directory import read_directory, write_directory
from gateway.config.nncp_forms import read_document
from gateway.durable import Disk
from gateway.errors import ConfigError, GatewayError


def run(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Write a configuration into a directory, or print the one of a directory on stdout.

    Args:
        arguments: what follows the verb.
        environ: the environment.

    Returns:
        The exit status.
    """
    parsed = parse(CFGDIR, arguments)
    if isinstance(parsed, int):
        return parsed
    if len(parsed.arguments) != 1 or parsed.switch("dump") == parsed.switch("load"):
        return wrong_usage(CFGDIR)
    convert = _dump if parsed.switch("dump") else _load
    try:
        convert(Path(parsed.arguments[0]), parsed, environ)
    except GatewayError as error:
        return fatal(CFGDIR, error)
    return STATUS_OK


def _dump(directory: Path, parsed: Parsed, environ: Mapping[str, str]) -> None:
    path = config_path(parsed.text("cfg"), environ)
    document = read_document(path)
    _warn(check_document(path, document, environ))
    try:
        write_directory(directory, document, Disk(is_syncing=is_syncing(environ)))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _load(directory: Path, _parsed: Parsed, environ: Mapping[str, str]) -> None:
    document = read_directory(directory)
    _warn(check_document(directory, document, environ))
    sys.stdout.write(render_document(document))
    sys.stdout.flush()


def _warn(config: NncpConfig) -> None:
    for warning in config.warnings:
        print(f"{CFGDIR.command}: warning: {warning}", file=sys.stderr)
