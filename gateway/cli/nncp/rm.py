"""``nncp rm``: remove packets, markers, temporaries and locks from the spool."""

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path

from gateway.cli.nncp.context import Context, run_verb
from gateway.cli.nncp.flags import STATUS_OK, wrong_usage
from gateway.cli.nncp.only_node import only_node
from gateway.cli.nncp.standard_input import read_stdin
from gateway.cli.nncp.verbs import RM
from gateway.errors import ConfigError, StoreBusy, TooLarge
from gateway.spool.layout import Box
from gateway.spool.log import Log
from gateway.spool.removal import Remover, Selection

MAX_NAMES_BYTES = 64 * 1024 * 1024
"""A million names of packets; they are held in memory."""

_AGE = re.compile(r"(\d{1,12})([smhd])", re.ASCII)
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def run(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Run the command; returns its exit status."""
    return run_verb(RM, arguments, environ, _remove)


def _remove(context: Context) -> int:
    parsed, records = context.parsed, context.log
    remover = Remover(
        context.spool.layout,
        context.disk,
        before_seconds=_before_seconds(parsed.text("older")),
        is_dry_run=parsed.switch("dryrun"),
        tell=lambda path: records.info("rm", [("File", str(path))], f"File {path}: removed"),
        tell_held=lambda path, error: _tell_held(records, path, error),
    )
    if parsed.switch("tmp"):
        remover.remove_temporaries()
        return STATUS_OK
    if parsed.switch("lock"):
        remover.remove_locks()
        return STATUS_OK
    only = only_node(context)
    if only is None and not parsed.switch("all"):
        return wrong_usage(RM)
    selection = _selection(context)
    for node_id in sorted({node.id for node in context.book} if only is None else only):
        remover.remove_of(node_id, selection)
    return STATUS_OK


def _selection(context: Context) -> Selection:
    parsed = context.parsed
    return Selection(
        boxes=frozenset(box for box in Box if parsed.switch(box.value)),
        is_part=parsed.switch("part"),
        is_nock=parsed.switch("nock"),
        is_seen=parsed.switch("seen"),
        is_hdr=parsed.switch("hdr"),
        is_area=parsed.switch("area"),
        is_ack=parsed.switch("ack"),
        packets=_read_names() if parsed.switch("pkt") else None,
    )


def _read_names() -> frozenset[str]:
    """The last components of the paths on standard input.

    Raises:
        TooLarge: more than a spool can hold.
    """
    whole = bytearray()
    for piece in read_stdin():
        whole += piece
        if len(whole) > MAX_NAMES_BYTES:
            raise TooLarge(f"standard input: more than {MAX_NAMES_BYTES} bytes of names")
    return frozenset(os.path.basename(line.rstrip("/")) for line in os.fsdecode(bytes(whole)).splitlines())  # noqa: PTH119 - texts, not paths of ours


def _before_seconds(age: str) -> float | None:
    """The moment before which a file must have been changed.

    Raises:
        ConfigError: not a number with a unit.
    """
    if not age:
        return None
    match = _AGE.fullmatch(age)
    if match is None:
        raise ConfigError("can not parse -older: allowed is a number with s, m, h or d, such as 3d")
    return time.time() - int(match[1]) * _UNIT_SECONDS[match[2]]


def _tell_held(records: Log, path: Path, error: StoreBusy) -> None:
    records.error("rm", [("File", str(path))], error, f"File {path}: not removed")
