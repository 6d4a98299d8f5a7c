"""Whether a peer that refuses an article has it already.

INN answers TAKETHIS with a bare 439, whether it has the article or does not want it; so do others. Where the
answer does not begin with "Duplicate", as behind IHAVE, STAT tells the two apart. It names no article in its
430, so these answers are known by their order, and by codes that no other command of a feeder has.

Contract: each refusal that is asked about comes back once, from ``take`` or ``give_up``. A peer that lets
feeders not use STAT is not asked again.

Spec: RFC 3977 section 6.2.4; RFC 4644 section 2.5.
"""

import re
from collections import deque
from dataclasses import dataclass, replace

_THERE = 223
_NOT_THERE = 430
_OTHERS = frozenset((238, 239, 400, 431, 438, 439))
"""What CHECK and TAKETHIS are answered with, and what ends a connection."""
_SAYS_DUPLICATE = re.compile(r"(?:<[^ ]*> )?duplicate\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a peer said of an article that it got.

    Args:
        message_id: of the article.
        code: of the answer.
        text: of the answer.
        is_seen: STAT found the article there.
    """

    message_id: str
    code: int
    text: str
    is_seen: bool = False

    @property
    def is_there(self) -> bool:
        """Whether the peer has it, as far as is known."""
        return self.is_seen or _SAYS_DUPLICATE.match(self.text) is not None


class SecondLook:
    """The questions about refused articles on one connection."""

    __slots__ = ("_asked", "_is_answered")

    def __init__(self) -> None:
        self._asked: deque[Refusal] = deque()
        self._is_answered = True

    def ask(self, refusal: Refusal) -> str | None:
        """The command that asks, or None: all is known, or the peer does not answer."""
        if refusal.is_there or not self._is_answered:
            return None
        self._asked.append(refusal)
        return f"STAT {refusal.message_id}"

    def take(self, code: int, text: str) -> Refusal | None:
        """Take an answer of the peer.

        Returns:
            The refusal that was asked about, with what is known now; None: it answers something else.
        """
        if not self._asked or code in _OTHERS:
            return None
        refusal = self._asked.popleft()
        self._is_answered = code in {_THERE, _NOT_THERE}
        return replace(refusal, is_seen=code == _THERE and refusal.message_id in text.split(" "))

    def give_up(self) -> list[Refusal]:
        """All that had no answer: they were refused, whatever for."""
        left = list(self._asked)
        self._asked.clear()
        return left
