"""Ages, times and texts of strangers, as they are shown to people."""

from datetime import UTC, datetime

_MINUTE_SECONDS = 60
_HOUR_SECONDS = 3600
_DAY_SECONDS = 86_400


def age_text(seconds: float) -> str:
    """A stretch of time in its largest unit, such as ``5m``."""
    if seconds < _MINUTE_SECONDS:
        return f"{seconds:.0f}s"
    if seconds < _HOUR_SECONDS:
        return f"{seconds / _MINUTE_SECONDS:.0f}m"
    if seconds < _DAY_SECONDS:
        return f"{seconds / _HOUR_SECONDS:.0f}h"
    return f"{seconds / _DAY_SECONDS:.0f}d"


def when_text(wall_seconds: float) -> str:
    """A moment in UTC; a clock may have shown one that no calendar has."""
    try:
        return datetime.fromtimestamp(wall_seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return "at a time that is no date"


def clean(text: str) -> str:
    """A text that does nothing to a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)
