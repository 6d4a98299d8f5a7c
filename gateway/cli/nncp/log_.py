"""``nncp log``: the log as lines for a person."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway.cli.nncp.context import Context, fatal, run_verb
from gateway.cli.nncp.flags import STATUS_OK
from gateway.cli.nncp.standard_output import write_stdout
from gateway.cli.nncp.verbs import SHOWLOG
from gateway.spool.log_reader import LogReader


def run(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Run the command; returns its exit status."""
    return run_verb(SHOWLOG, arguments, environ, _show)


def _show(context: Context) -> int:
    path = Path(context.parsed.text("log") or context.config.log)
    reader = LogReader(path)
    write_stdout(_lines(reader, is_debugging=context.parsed.switch("debug")))
    if reader.stray_count:
        return fatal(SHOWLOG, f"{path}: {reader.stray_count} lines belong to no record")
    return STATUS_OK


def _lines(reader: LogReader, *, is_debugging: bool) -> Iterator[bytes]:
    for record in reader.records():
        if is_debugging:
            yield os.fsencode(" ".join(f"{name}:{value!r}" for name, value in record.fields) + "\n")
        yield os.fsencode(record.line() + "\n")
