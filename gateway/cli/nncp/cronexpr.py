"""``nncp-cronexpr``: the next times that a cron expression names."""

import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from gateway.cli.nncp.context import fatal
from gateway.cli.nncp.flags import STATUS_OK, parse
from gateway.cli.nncp.verbs import CRONEXPR
from gateway.errors import ConfigError
from gateway.schedule.cron import parse_cron
from gateway.schedule.local_time import next_instant

NANOSECONDS = 1_000_000_000


def run(arguments: list[str], environ: Mapping[str, str]) -> int:  # noqa: ARG001 -- all verbs are called alike
    """Print the next times of an expression on stdout.

    Args:
        arguments: what follows the verb.
        environ: the environment; not looked at.

    Returns:
        The exit status.
    """
    parsed = parse(CRONEXPR, arguments)
    if isinstance(parsed, int):
        return parsed
    try:
        cron = parse_cron(" ".join(parsed.arguments))
    except ConfigError as error:
        return fatal(CRONEXPR, error)
    now_ns = time.time_ns()
    print(f"Now:\t{_rfc3339(now_ns)}")
    moment = now_ns / NANOSECONDS
    for number in range(parsed.number("num")):
        found = next_instant(cron, moment)
        if found is None:
            break
        moment = found
        print(f"{number}:\t{_rfc3339(int(moment) * NANOSECONDS)}")
    sys.stdout.flush()
    return STATUS_OK


def _rfc3339(moment_ns: int) -> str:
    seconds, nanoseconds = divmod(moment_ns, NANOSECONDS)
    fraction = f".{nanoseconds:09}".rstrip("0").rstrip(".")
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"
