"""The mail log: one line for each message and outcome, made to be searched with grep.

Each line is ``event=... key=value ...``, the keys of ``KEYS`` first and in that order. Values never
contain control characters or line breaks, so a sender can't forge a line; one with a space is quoted.
"""

import functools
import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

_LOG = logging.getLogger("gateway.mail")
VALUE_LIMIT_CHARS = 500
HELD_LIMIT_COUNT = 1000
"""Lines that wait to be written together: a batch may have 100,000."""
KEYS = ("id", "message_id", "from_", "to", "client", "node", "batch", "packet", "size", "status", "text")
"""The keys that most lines have, in the order in which they stand."""

_RECURRENT = frozenset(("to", "client", "node", "batch", "packet", "status"))
"""The keys whose values stand in many lines."""
_PLACE = {key: place for place, key in enumerate(KEYS)}


class _Together(threading.local):
    """The lines of this thread that wait; None: each is written as it comes."""

    held: list[str] | None = None


_together = _Together()


@contextmanager
def lines_together() -> Iterator[None]:
    """Let the lines that this thread writes meanwhile reach their file by as few calls as possible."""
    if _together.held is not None:
        yield
        return
    held = _together.held = []
    try:
        yield
    finally:
        _together.held = None
        _write(held)


class LineHandler(logging.Handler):
    """A handler that takes lines as they are: to make a record of each costs more than all else of it."""

    def take_lines(self, lines: Sequence[str]) -> None:
        """Take lines, without their moment."""
        raise NotImplementedError

    def emit(self, record: logging.LogRecord) -> None:
        """Take what comes by another way."""
        self.take_lines([record.getMessage()])


def log_mail(event: str, **values: str | int | None) -> None:
    """Write one line.

    Args:
        event: what happened: received, batched, sent, unpacked, relayed, slowed, duplicate, quarantined,
            delivered, deferred, refused, dead, reported, unreported, held, released, retried, expired,
            dropped, moved, replayed.
        values: by key; underscores become dashes (``from_`` is ``from``); None leaves the key out.
    """
    _put([_line(event, values)])


def log_alike(
    event: str,
    keys: tuple[str, ...],
    rows: Iterable[tuple[str | int | None, ...]],
    **shared: str | int | None,
) -> None:
    """Write lines that differ in the values of some keys alone, which is quicker than one by one.

    Args:
        event: see ``log_mail``.
        keys: in the order of ``KEYS``.
        rows: of each line the values for them.
        shared: what all lines have besides; see ``log_mail``.
    """
    pattern = _pattern(event, keys, tuple(shared.items()))
    lines: list[str] = []
    for row in rows:
        shown = [_shown(value) for value in row if value is not None]
        if len(shown) == len(keys):
            lines.append(pattern % tuple(shown))
        else:
            lines.append(_line(event, {**dict(zip(keys, row, strict=True)), **shared}))
        if len(lines) >= HELD_LIMIT_COUNT:
            _put(lines)
            lines = []
    _put(lines)


def _line(event: str, values: Mapping[str, str | int | None]) -> str:
    line = f"event={event}"
    for key, front, is_recurrent in _fronts(tuple(values)):
        value = values[key]
        if value is not None:
            line += _known_word(front, value) if is_recurrent else _word(front, value)
    return line


def _put(lines: list[str]) -> None:
    held = _together.held
    if held is None:
        _write(lines)
        return
    held += lines
    if len(held) >= HELD_LIMIT_COUNT:
        _write(held)
        held.clear()


def _write(lines: Sequence[str]) -> None:
    handlers = _LOG.handlers
    if not lines or not _LOG.isEnabledFor(logging.INFO):
        return
    if len(handlers) == 1 and isinstance(handlers[0], LineHandler) and not _LOG.propagate:
        handlers[0].take_lines(lines)
        return
    for line in lines:
        _LOG.info("%s", line)


@functools.lru_cache(maxsize=256)
def _pattern(event: str, keys: tuple[str, ...], shared: tuple[tuple[str, str | int | None], ...]) -> str:
    """A line with marks for the values of the keys."""
    values = dict(shared)
    pattern, marked = f"event={event}", []
    for key, front, _ in _fronts((*keys, *values)):
        if key in keys:
            pattern += f"{front}%s"
            marked.append(key)
        elif (value := values[key]) is not None:
            pattern += _word(front, value).replace("%", "%%")
    if marked != list(keys):
        raise AssertionError(f"internal error: the keys {keys} do not stand in this order in a line")
    return pattern


@functools.lru_cache(maxsize=256)
def _fronts(keys: tuple[str, ...]) -> tuple[tuple[str, str, bool], ...]:
    """Keys in the order in which they stand, with how they are written, and whether their values recur."""
    in_order = sorted(keys, key=lambda key: _PLACE.get(key, len(KEYS)))
    return tuple((key, f" {key.rstrip('_').replace('_', '-')}=", key in _RECURRENT) for key in in_order)


def _word(front: str, value: str | int) -> str:
    return front + _shown(value)


def _shown(value: str | int) -> str:
    return str(value) if isinstance(value, int) else _clean(value)


_known_word = functools.lru_cache(maxsize=1024)(_word)


def _clean(value: str) -> str:
    # An enumeration's text is not what an f-string makes of it everywhere.
    text = str(value)[:VALUE_LIMIT_CHARS]
    if not text.isprintable():
        text = "".join(char if char.isprintable() else "?" for char in text)
    if text == "" or " " in text or '"' in text:
        text = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text
