"""``nncp toss``: do what the received packets ask for, once or for ever.

SIGTERM and SIGINT let the packet at hand be finished: a handler that gets only a part of its input
would act on it. A second one ends the handler too.
"""

import dataclasses
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

from gateway.cli.nncp.autotoss import notice_settings
from gateway.cli.nncp.context import Context, fatal, run_verb
from gateway.cli.nncp.flags import STATUS_FAILED, STATUS_OK
from gateway.cli.nncp.only_node import only_node
from gateway.cli.nncp.verbs import TOSS
from gateway.ids import parse_nice
from gateway.toss.tosser import Tosser, TossSettings

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Run the command; returns its exit status."""
    try:
        return run_verb(TOSS, arguments, environ, _toss)
    except KeyboardInterrupt:
        return fatal(TOSS, "interrupted: the handler at work was killed, and its packet stays")


def _toss(context: Context) -> int:
    settings = _settings(context)
    only = only_node(context)
    cycle_seconds = context.parsed.number("cycle")
    with _stopped_by_signals() as stop:
        tosser = Tosser(
            context.book,
            context.spool,
            context.log,
            settings,
            is_stopping=stop.is_set,
            progress=context.progress,
        )
        result = tosser.run_once(only)
        if not cycle_seconds:
            return STATUS_FAILED if result.bad_count or stop.is_set() else STATUS_OK
        while not stop.wait(cycle_seconds):
            tosser.run_once(only)
    return STATUS_OK


def _settings(context: Context) -> TossSettings:
    """Read the command line.

    Raises:
        BadIdentifier: a niceness is not known.
    """
    parsed = context.parsed
    return dataclasses.replace(
        notice_settings(context.config.notify),
        nice=parse_nice(parsed.text("nice")),
        is_dry_run=parsed.switch("dryrun"),
        is_seen_marked=parsed.switch("seen"),
        no_file=parsed.switch("nofile"),
        no_freq=parsed.switch("nofreq"),
        no_exec=parsed.switch("noexec"),
        no_trns=parsed.switch("notrns"),
        no_area=parsed.switch("noarea"),
        no_ack=parsed.switch("noack"),
        is_ack_made=parsed.switch("gen-ack"),
    )


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """Turn the first signal to stop into an event, and a second one into KeyboardInterrupt."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            # A third one must not disturb the killing of the handler.
            for number in STOP_SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in STOP_SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
