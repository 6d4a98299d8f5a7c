"""All checks of files and permissions of one node together."""

import os
from collections.abc import Iterator
from pathlib import Path

from gateway.durable import store_errors
from gateway.status import permissions
from gateway.status.permissions import Finding

_PRIVATE_KEY_ENDING = "prv"


def check_node(*, gateway_file: Path, nncp_file: Path, state_directory: Path, spool: Path) -> list[Finding]:
    """What is not as it should be.

    Args:
        gateway_file: ``gateway.toml``.
        nncp_file: the NNCP configuration, with private keys: a file or a directory.
        state_directory: of our queue.
        spool: NNCP's.

    Raises:
        StoreError: something can't be looked at.
    """
    findings: list[Finding] = []
    with store_errors(gateway_file, "look at"):
        findings += permissions.check_trusted(gateway_file)
    with store_errors(nncp_file, "look at"):
        findings += _check_nncp(nncp_file)
    findings += permissions.check_directory(state_directory, "node.state_directory")
    spool_findings = list(permissions.check_directory(spool, "spool of the NNCP configuration"))
    if not spool_findings:
        with store_errors(spool, "look into"):
            spool_findings += permissions.check_umask(spool, _umask())
            spool_findings += permissions.check_owners(spool)
    return findings + spool_findings


def _check_nncp(path: Path) -> Iterator[Finding]:
    """The NNCP configuration: a file, or a directory with a file for each value."""
    if not path.is_dir():
        yield from permissions.check_trusted(path)
        yield from permissions.check_secret(path)
        return
    for part in (path, *sorted(path.rglob("*"))):
        yield from permissions.check_trusted(part)
        if part.name.endswith(_PRIVATE_KEY_ENDING):
            yield from permissions.check_secret(part)


def _umask() -> int:
    """The umask of this process; it can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
