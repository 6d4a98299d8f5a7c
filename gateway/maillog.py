"""The mail log: one line for each message and outcome, made to be searched with grep.

Each line is ``event=... key=value ...``, the keys of ``KEYS`` first and in that order. Values never
contain control characters or line breaks, so a sender can't forge a line; one with a space is quoted.
"""

import logging

_LOG = logging.getLogger("gateway.mail")
VALUE_LIMIT_CHARS = 500
KEYS = ("id", "message_id", "from_", "to", "client", "node", "batch", "packet", "size", "status", "text")
"""The keys that most lines have, in the order in which they stand."""

_PLACE = {key: place for place, key in enumerate(KEYS)}


def log_mail(event: str, **values: str | int | None) -> None:
    """Write one line.

    Args:
        event: what happened: received, batched, sent, unpacked, relayed, slowed, duplicate, quarantined,
            delivered, deferred, refused, dead, reported, unreported, held, released, retried, expired,
            dropped, moved, replayed.
        values: by key; underscores become dashes (``from_`` is ``from``); None leaves the key out.
    """
    words = [f"event={event}"]
    words += [
        f"{key.rstrip('_').replace('_', '-')}={_clean(value)}"
        for key, value in sorted(values.items(), key=_place)
        if value is not None
    ]
    _LOG.info(" ".join(words))


def _place(item: tuple[str, str | int | None]) -> int:
    return _PLACE.get(item[0], len(KEYS))


def _clean(value: str | int) -> str:
    text = str(value)[:VALUE_LIMIT_CHARS]
    if not text.isprintable():
        text = "".join(char if char.isprintable() else "?" for char in text)
    if text == "" or " " in text or '"' in text:
        text = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text
