"""Addresses out of a header field such as To: groups, quoted strings, comments, folding.

What people write is taken: a semicolon between addresses, a group that is not closed, a source
route. What leaves unclear whom a message is for is refused: a missing comma, a bracket that is not closed.

Contract: what is returned is not verified yet: an address may still have no domain, or be none at
all. Work grows with the length of the text, not faster.

Spec: RFC 5322 sections 3.2.2 to 3.4 and 4.4; RFC 6532.
"""

import itertools
import re

from gateway.errors import BadAddress
from gateway.message.address import shown

_FOLD = re.compile(r"\r?\n(?=[ \t])")
_SPACE = re.compile(r"[ \t\r\n]+")
_TOKEN = re.compile(
    r'"(?:[^"\\]|\\.)*"'  # a quoted string
    r"|\[[^\[\]\\]*\]"  # an address literal
    r"|[<>,;:@.]"
    r'|[^ \t\r\n"\[\]<>,;:@.()\\]+',  # an atom
    re.DOTALL,
)
_COMMENT = re.compile(r"[^()\\]+|\\.|[()]", re.DOTALL)
_JOINTS = frozenset({"@", "."})
_ENDS = frozenset({",", ";"})


def parse_mailboxes(text: str) -> list[str]:
    """The addresses in the body of a field, without names, comments and brackets.

    Args:
        text: what stands behind the colon, folded or not.

    Raises:
        BadAddress: it is unclear what the addresses are.
    """
    reader = _Reader(text)
    for mark in _tokens(_FOLD.sub("", text)):
        reader.take(mark)
    return reader.finish()


class _Reader:
    """Puts marks together."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._found: list[str] = []
        self._words: list[str] = []
        self._inside: list[str] | None = None
        self._address: str | None = None

    def take(self, mark: str) -> None:
        if self._inside is not None:
            self._take_inside(self._inside, mark)
        elif mark == "<":
            self._refuse_if(self._address is not None, "an address follows another without a comma")
            self._inside = []
        elif mark in _ENDS:
            self._end_item()
        elif mark == ":":
            # The name of a group ends here.
            self._words.clear()
        else:
            self._refuse_if(self._address is not None or mark == ">", f"{mark!r} is not expected")
            self._words.append(mark)

    def finish(self) -> list[str]:
        self._refuse_if(self._inside is not None, "a bracket is not closed")
        self._end_item()
        return self._found

    def _take_inside(self, inside: list[str], mark: str) -> None:
        if mark != ">":
            inside.append(mark)
            return
        if inside[:1] == ["@"] and ":" in inside:
            # A source route; it has meant nothing for decades.
            inside = inside[inside.index(":") + 1 :]
        self._address = self._joined(inside)
        self._inside = None

    def _end_item(self) -> None:
        address = self._joined(self._words) if self._address is None and self._words else self._address
        if address is not None:
            self._refuse_if(not address, "an address is empty")
            self._found.append(address)
        self._address = None
        self._words = []

    def _joined(self, words: list[str]) -> str:
        for left, right in itertools.pairwise(words):
            is_apart = left not in _JOINTS and right not in _JOINTS
            self._refuse_if(is_apart, f"{left!r} and {right!r} are not one address: is a comma missing?")
        return "".join(words)

    def _refuse_if(self, is_wrong: bool, why: str) -> None:  # noqa: FBT001 - the condition itself
        if is_wrong:
            raise BadAddress(f"addresses {shown(self._text.strip())}: {why}")


def _tokens(text: str) -> list[str]:
    found = []
    at = 0
    while at < len(text):
        if space := _SPACE.match(text, at):
            at = space.end()
        elif text[at] == "(":
            at = _comment_end(text, at)
        elif token := _TOKEN.match(text, at):
            found.append(token[0])
            at = token.end()
        else:
            raise BadAddress(f"addresses {shown(text.strip())}: {text[at]!r} is not expected")
    return found


def _comment_end(text: str, at: int) -> int:
    depth = 0
    while part := _COMMENT.match(text, at):
        at = part.end()
        depth += {"(": 1, ")": -1}.get(part[0], 0)
        if depth == 0:
            return at
    raise BadAddress(f"addresses {shown(text.strip())}: a comment is not closed")
