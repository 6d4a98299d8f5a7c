"""Patterns over names of newsgroups.

    comp.*,!comp.binaries.*,@*.sex*

Contract: the last pattern of a list that matches a name decides; where none does, the name does not
match. ``!`` makes a pattern say no, ``@`` makes it say poison: an article in one such group is not fed at
all, whatever its other groups are. Matching takes no more than length of pattern times length of name.

Spec: RFC 3977 section 4; INN newsfeeds(5) for ``@``.
"""

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from gateway.errors import MessageError

PATTERNS_LIMIT_CHARS = 65536
"""Patterns of a command are far shorter; those of a configuration list a hierarchy or two."""
REMEMBERED_GROUPS_COUNT = 5
"""Of an article: what is said of these together is kept, of more it is looked for anew."""
REMEMBERED_COUNT = 1024
"""Sets of groups; then all are looked for anew."""
NAME_LIMIT_CHARS = 497
"""A longer name does not fit in a command line of NNTP: RFC 3977 section 3.1."""

_NOT_IN_PATTERN = re.compile(r"[\[\]\\!@,\s\x00-\x1f\x7f]")
_NAME = re.compile(r"(?!\.)(?:\.?[^\s\x00-\x1f\x7f!*,.?@\[\]\\:;/<>\"()]++)+")


class BadWildmat(MessageError):
    """A text is no list of patterns."""

    status = "5.5.4"


class Verdict(Enum):
    """What a list says of a name."""

    YES = "yes"
    NO = "no"
    POISON = "poison"


_MARKS = {"!": Verdict.NO, "@": Verdict.POISON}


@dataclass(frozen=True, slots=True)
class Wildmat:
    """A list of patterns; make one with ``parse``.

    Args:
        text: as it was written.
        rules: what matches, and what is said then, the last one first.
    """

    text: str
    rules: tuple[tuple[re.Pattern[str], Verdict], ...] = field(compare=False)
    _known: dict[tuple[str, ...], bool] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What is said of the newsgroups of articles: most are in the same few."""

    @classmethod
    def parse(cls, text: str) -> "Wildmat":
        """Read a list of patterns.

        Args:
            text: patterns between commas, ``*`` and ``?`` in them, ``!`` or ``@`` in front of some;
                blanks around a pattern count for nothing, and an empty text matches no name.

        Raises:
            BadWildmat: an empty pattern, or a character that stands for nothing in patterns.

        Spec: RFC 3977 section 4.1.
        """
        if len(text) > PATTERNS_LIMIT_CHARS:
            raise BadWildmat(f"the patterns are longer than {PATTERNS_LIMIT_CHARS} characters")
        words = [word.strip() for word in text.split(",")] if text.strip() else []
        return cls(text, tuple(_rule(word) for word in reversed(words)))

    def verdict(self, name: str) -> Verdict:
        """What the list says of a name."""
        return self.decision(name) or Verdict.NO

    def decision(self, name: str) -> Verdict | None:
        """What the last pattern that matches a name says; None: there is none."""
        for pattern, verdict in self.rules:
            if pattern.fullmatch(name):
                return verdict
        return None

    def matches(self, name: str) -> bool:
        """Whether the last pattern that matches a name says yes."""
        return self.verdict(name) is Verdict.YES

    def takes(self, groups: tuple[str, ...]) -> bool:
        """Whether an article in these groups is meant: one of them matches, and none is poison."""
        known = self._known.get(groups)
        if known is None:
            known = are_meant(map(self.verdict, groups))
            # The names of many would take much memory.
            if len(groups) <= REMEMBERED_GROUPS_COUNT:
                if len(self._known) >= REMEMBERED_COUNT:
                    self._known.clear()
                self._known[groups] = known
        return known

    def is_poison(self, name: str) -> bool:
        """Whether the last pattern that matches a name keeps the whole article away."""
        return self.verdict(name) is Verdict.POISON


def are_meant(verdicts: Iterable[Verdict]) -> bool:
    """Whether an article is meant of whose groups this is said: one is, and none is poison."""
    is_meant = False
    for verdict in verdicts:
        if verdict is Verdict.POISON:
            return False
        is_meant = is_meant or verdict is Verdict.YES
    return is_meant


def is_newsgroup_name(text: str) -> bool:
    """Whether a text can be the name of a newsgroup.

    More than RFC 5536 section 3.1.4 has: peers take names in UTF-8. Nothing in it can break a line,
    a pattern or a Path.
    """
    return len(text) <= NAME_LIMIT_CHARS and _is_name(text)


@functools.lru_cache(maxsize=4096)
def _is_name(text: str) -> bool:
    # The same few groups are in nearly all articles.
    return _NAME.fullmatch(text) is not None


def _rule(word: str) -> tuple[re.Pattern[str], Verdict]:
    verdict = _MARKS.get(word[:1], Verdict.YES)
    pattern = word if verdict is Verdict.YES else word[1:]
    if not pattern:
        raise BadWildmat("an empty pattern: allowed are patterns such as comp.* between single commas")
    if bad := _NOT_IN_PATTERN.search(pattern):
        raise BadWildmat(f"{bad[0]!r} in a pattern; allowed: names with * and ?, ! or @ in front")
    return _compiled(pattern), verdict


@functools.lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    first, *others = (_exact(part) for part in re.sub(r"\*+", "*", pattern).split("*"))
    if not others:
        return re.compile(first, re.DOTALL)
    *middle, last = others
    # Each part is looked for once, as early as it can be: nothing in front of the last is tried again.
    return re.compile(first + "".join(f"(?>.*?{part})" for part in middle) + ".*" + last, re.DOTALL)


def _exact(part: str) -> str:
    return "".join("." if char == "?" else re.escape(char) for char in part)
