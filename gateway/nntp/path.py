"""Path: where an article has been, and our own name in front of it.

    Path: us.example!!peer.example!.POSTED.192.0.2.7!not-for-mail
              our name, behind it how we know the source: !! its name is the first; .MISMATCH. it is another;
              .SEEN. we know no name of it

Contract: all that relaying changes of an article is Path, and Xref, which is each server's own and goes.

Spec: RFC 5536 section 3.1.5; RFC 5537 sections 3.2 and 3.6.
"""

import functools
import re
from collections.abc import Collection
from typing import NamedTuple

from gateway.nntp.article import Article, header_end

IDENTITY_LIMIT_CHARS = 253
"""A host name's; RFC 5536 sets no limit."""
LINE_LIMIT_BYTES = 998
"""RFC 5536 section 2.2."""

_IDENTITY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_DELIMITER = re.compile(r"[!\s]+")
_NOT_IN_DIAGNOSTIC = re.compile(r"[^A-Za-z0-9._:\[\]-]")
_DIAGNOSTIC = "."


class Source(NamedTuple):
    """Who handed an article in.

    Args:
        names: its names in Path; none: we know none.
        address: how else we know it, for the diagnostic.
    """

    names: tuple[str, ...] = ()
    address: str = ""


def is_path_identity(text: str) -> bool:
    """Whether a text may be somebody's name in Path: RFC 5536 section 3.1.5."""
    return len(text) <= IDENTITY_LIMIT_CHARS and _IDENTITY.fullmatch(text) is not None


@functools.lru_cache(maxsize=256)
def path_identities(path: str) -> tuple[str, ...]:
    """The names of the agents an article passed, the last one first.

    Args:
        path: value of Path. Diagnostics and the last entry, which names no agent, are left out.
    """
    # Each feed asks again about the article that is looked at.
    *entries, _ = _DELIMITER.split(path.strip())
    return tuple(entry for entry in entries if entry and not entry.startswith(_DIAGNOSTIC))


def hop_count(path: str) -> int:
    """How many agents an article passed."""
    return len(path_identities(path))


def is_in_path(path: str, names: tuple[str, ...]) -> bool:
    """Whether an article passed an agent of one of these names, in any case of letters."""
    return bool(names) and not _lowered_identities(path).isdisjoint(_lowered(names))


@functools.lru_cache(maxsize=256)
def _lowered_identities(path: str) -> frozenset[str]:
    return frozenset(map(str.lower, path_identities(path)))


@functools.lru_cache(maxsize=256)
def _lowered(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(str.lower, names))


def relayed(article: bytes, own: str, source: Source, read: Article) -> bytes:
    """What we pass on: our name in Path, without Xref.

    Args:
        article: one that ``read_article`` takes.
        own: our name.
        source: who handed it in.
        read: what ``read_article`` gives.

    Spec: RFC 5537 sections 3.2.1 and 3.6.
    """
    header = article[: read.header_bytes]
    if read.has_xref:
        header = _without_xref(header)
    start = _path_start(header)
    front = _front(own, read.path, source)
    rest = header[start + len("Path:") :].lstrip(b" \t")
    line_bytes = len(front) + rest.index(b"\r\n")
    body = memoryview(article)[read.header_bytes :]
    # A fold of nothing is none: what stands behind the colon may be folded already.
    fold = b"\r\n\t" if line_bytes > LINE_LIMIT_BYTES and not rest.startswith(b"\r\n") else b""
    return b"".join((header[:start], front, fold, rest, body))


def _without_xref(header: bytes) -> bytes:
    start = header.find(b"\r\nXref:")
    end = header.find(b"\r\n", start + 2)
    if start >= 0 and header[end + 2 : end + 3] not in {b" ", b"\t"}:
        header = header[:start] + header[end:]
    # One that goes on in another line, is written in other letters or is not the only one, as few are.
    return without_fields(header, ("xref",)) if b"xref:" in header.lower() else header


def _path_start(header: bytes) -> int:
    if header.startswith(b"Path:"):
        return 0
    before = header.find(b"\r\nPath:")
    if before < 0:
        # In other letters, which few write.
        before = (b"\r\n" + header.lower()).find(b"\r\npath:") - len(b"\r\n")
    if before < -len(b"\r\n"):
        raise AssertionError("internal error: an article without Path was to be relayed")
    return before + len(b"\r\n")


@functools.lru_cache(maxsize=256)
def _front(own: str, path: str, source: Source) -> bytes:
    return f"Path: {own}!{_diagnostic(path, source.names, source.address)}".encode("ascii")


def without_fields(article: bytes, names: Collection[str]) -> bytes:
    """An article or header section without some fields.

    Args:
        article: CRLF line ends.
        names: of the fields, in any case.
    """
    end = header_end(article)
    lowered = b"\r\n" + article[:end].lower()
    present = tuple(name.lower() for name in names if f"\r\n{name.lower()}:".encode("ascii") in lowered)
    return _removal(present).sub(b"", article[:end]) + article[end:] if present else article


@functools.lru_cache(maxsize=16)
def _removal(names: tuple[str, ...]) -> re.Pattern[bytes]:
    words = b"|".join(re.escape(name.encode("ascii")) for name in names)
    return re.compile(rb"^(?:" + words + rb"):[^\n]*\n(?:[ \t][^\n]*\n)*", re.IGNORECASE | re.MULTILINE)


def _diagnostic(path: str, names: tuple[str, ...], address: str) -> str:
    """What stands between our name and the path so far: RFC 5537 section 3.2.1, steps 2 to 4."""
    if not names:
        return f".SEEN.{_word(address)}!" if address else ""
    first = _DELIMITER.split(path.strip(), maxsplit=1)[0]
    if first.lower() in _lowered(names):
        return "!"
    return f".MISMATCH.{_word(names[0])}!"


def _word(text: str) -> str:
    return _NOT_IN_DIAGNOSTIC.sub("-", text)
