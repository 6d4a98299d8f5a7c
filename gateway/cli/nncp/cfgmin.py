"""``nncp-cfgmin``: the part of a configuration that neighbours may see."""

import sys
from collections.abc import Mapping

from gateway.cli.nncp.context import fatal, read_config
from gateway.cli.nncp.flags import STATUS_OK, parse
from gateway.cli.nncp.verbs import CFGMIN
from gateway.config.hjson_text import render_public_config
from gateway.errors import GatewayError


def run(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Print the public part of the configuration on stdout.

    Args:
        arguments: what follows the verb.
        environ: the environment.

    Returns:
        The exit status.
    """
    parsed = parse(CFGMIN, arguments)
    if isinstance(parsed, int):
        return parsed
    try:
        config = read_config(CFGMIN, parsed, environ)
    except GatewayError as error:
        return fatal(CFGMIN, error)
    sys.stdout.write(render_public_config(str(config.spool), config.log, config.book))
    return STATUS_OK
