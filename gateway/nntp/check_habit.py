"""Whether a peer is asked first (CHECK), or articles go to it unasked.

Each question costs a turn and the peer's time, for nothing with a peer that takes nearly all. One that has
most of it already would get each article for nothing. So what became of the last articles decides, as it
does in innfeed. What is not known yet is asked.

Spec: RFC 4644 section 2.1; innfeed.conf(5) of INN: no-check-high, no-check-low, no-check-filter.
"""

HIGH_SHARE = 0.95
"""Above it nothing is asked; a new connection gets there with 150 articles in a row."""
LOW_SHARE = 0.90
"""Below it the peer is asked again."""
FILTER_COUNT = 50
"""Articles that count, about."""


class CheckHabit:
    """What a peer did with the last articles; it may outlive a connection."""

    __slots__ = ("_is_asking", "_taken_share")

    def __init__(self) -> None:
        self._taken_share = 0.0
        self._is_asking = True

    @property
    def is_asking(self) -> bool:
        """Whether the next article is asked for first."""
        return self._is_asking

    def note(self, *, is_taken: bool) -> None:
        """Say what became of an article.

        Args:
            is_taken: the peer had not had it, and took it.
        """
        self._taken_share += (is_taken - self._taken_share) / FILTER_COUNT
        if self._taken_share > HIGH_SHARE:
            self._is_asking = False
        elif self._taken_share < LOW_SHARE:
            self._is_asking = True
