"""``nncp-cfgnew``: new keys, in a configuration or in the section of an area."""

import os
import sys
from collections.abc import Mapping

from gateway.cli.nncp.context import fatal
from gateway.cli.nncp.flags import STATUS_OK, parse
from gateway.cli.nncp.verbs import CFGNEW
from gateway.config.hjson_text import render_area, render_new_config
from gateway.packet.keys import generate_keys, node_id_of


def run(arguments: list[str], environ: Mapping[str, str]) -> int:  # noqa: ARG001 -- all verbs are called alike
    """Print new keys on stdout.

    Args:
        arguments: what follows the verb.
        environ: the environment; not looked at.

    Returns:
        The exit status.
    """
    parsed = parse(CFGNEW, arguments)
    if isinstance(parsed, int):
        return parsed
    if parsed.switch("yggdrasil"):
        return fatal(CFGNEW, "-yggdrasil: the Yggdrasil network is not supported")
    is_commented = not parsed.switch("nocomments")
    keys = generate_keys(os.urandom)
    area = parsed.text("area")
    if area:
        # An area has one X25519 pair, and its id is the hash of the public half.
        area_id = node_id_of(keys.exchpub)
        rendered = render_area(area, area_id, keys.exchpub, keys.exchprv, is_commented=is_commented)
    else:
        rendered = render_new_config(keys, is_commented=is_commented)
    sys.stdout.write(rendered)
    return STATUS_OK
