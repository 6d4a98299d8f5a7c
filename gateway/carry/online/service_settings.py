"""What the online carrier of a daemon is told: values from its configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class OnlineSettings:
    """What the online carrier of a daemon does.

    Args:
        listen: where calls are taken: ``HOST:PORT``, ``[IPv6]:PORT``.
        is_calling: whether neighbours are called as their ``calls`` say.
        session_limit_count: sessions at once of those who call us.
        heard_on: patterns of interfaces on which announcements of neighbours are heard; only a caller
            wants them.
        announce_seconds: by pattern of interfaces, how often we are announced, if we take calls.
    """

    listen: tuple[str, ...] = ()
    is_calling: bool = False
    session_limit_count: int = 128
    heard_on: tuple[str, ...] = ()
    announce_seconds: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_wanted(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.listen) or self.is_calling
