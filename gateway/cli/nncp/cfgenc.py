"""``nncp-cfgenc``: encrypt a configuration with a passphrase, decrypt it, or show what it cost."""

import os
from collections.abc import Mapping
from pathlib import Path

from gateway.cli.nncp.context import fatal
from gateway.cli.nncp.flags import STATUS_OK, Parsed, parse, wrong_usage
from gateway.cli.nncp.standard_output import write_stdout
from gateway.cli.nncp.verbs import CFGENC
from gateway.config.passphrase import ask_new_passphrase, ask_passphrase
from gateway.errors import ConfigError, GatewayError, PacketError
from gateway.packet.eblob import SALT_BYTES, Costs, Eblob, decode_eblob, open_eblob, seal_eblob


def run(arguments: list[str], environ: Mapping[str, str]) -> int:  # noqa: ARG001 -- all verbs are called alike
    """Write the other form of a configuration to stdout.

    Args:
        arguments: what follows the verb.
        environ: the environment; not looked at.

    Returns:
        The exit status.
    """
    parsed = parse(CFGENC, arguments)
    if isinstance(parsed, int):
        return parsed
    if len(parsed.arguments) != 1:
        return wrong_usage(CFGENC)
    path = Path(parsed.arguments[0])
    try:
        write_stdout([_convert(path, parsed)])
    except PacketError as error:
        return fatal(CFGENC, f"{path}: {error}")
    except GatewayError as error:
        return fatal(CFGENC, error)
    return STATUS_OK


def _convert(path: Path, parsed: Parsed) -> bytes:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the configuration: {error.strerror or error}") from None
    if parsed.switch("dump"):
        return _describe(decode_eblob(raw)).encode()
    if parsed.switch("d"):
        blob = decode_eblob(raw)
        blob.costs.check()
        return open_eblob(blob, ask_passphrase())
    costs = Costs(parsed.number("s"), parsed.number("t"), parsed.number("p"))
    # Before the passphrase is typed twice.
    costs.check()
    return seal_eblob(raw, ask_new_passphrase(), costs, os.urandom(SALT_BYTES))


def _describe(blob: Eblob) -> str:
    lines = (
        "Strengthening function: Balloon with BLAKE2b-256",
        f"Memory space cost: {blob.costs.space_bytes} bytes",
        f"Number of rounds: {blob.costs.rounds}",
        f"Number of parallel jobs: {blob.costs.jobs}",
        f"Blob size: {len(blob.sealed)}",
    )
    return "".join(f"{line}\n" for line in lines)
