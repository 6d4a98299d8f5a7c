r"""Overview: one line of tabs for each article, that readers show lists of articles from.

    number \t Subject \t From \t Date \t Message-ID \t References \t bytes \t lines \t Xref: host group:number

Contract: no field can break its line: tabs, NUL and line ends in it are blanks.

Spec: RFC 3977 sections 8.3 and 8.4.
"""

from gateway.nntp.article import header_end, header_fields, unfolded

OVERVIEW_FORMAT = (
    *(b"Subject:", b"From:", b"Date:", b"Message-ID:", b"References:"),
    *(b"Bytes:", b"Lines:", b"Xref:full"),
)
"""What LIST OVERVIEW.FMT answers: of the two allowed spellings of bytes and lines the one that INN has."""
METADATA = (b":bytes", b":lines")
FIELD_LIMIT_BYTES = 8192
"""What is kept of one field: References of a long thread; one line must not fill a reader's memory."""

_FIELDS = (b"subject", b"from", b"date", b"message-id", b"references")
_BLANKS = bytes.maketrans(b"\t\0\r\n", b"    ")


def clean(value: bytes) -> bytes:
    """A value as it stands in overview and HDR answers: RFC 3977 section 8.3.2."""
    return unfolded(value).translate(_BLANKS)


def overview_fields(article: bytes) -> bytes:
    """The part of the line that is the same in every group: Subject to lines.

    Args:
        article: whole, CRLF line ends.
    """
    found: dict[bytes, bytes] = {}
    for field in header_fields(article):
        if field.name in _FIELDS:
            found.setdefault(field.name, clean(field.value)[:FIELD_LIMIT_BYTES])
    figures = (b"%d" % len(article), b"%d" % line_count(article))
    return b"\t".join((*(found.get(name, b"") for name in _FIELDS), *figures))


def line_count(article: bytes) -> int:
    """Lines of the body: RFC 3977 section 8.1."""
    # The empty line is none of them.
    return max(article.count(b"\r\n", header_end(article)) - 1, 0)


def overview_line(number: int, fields: bytes, xref: bytes = b"") -> bytes:
    """One line of OVER, without its line end.

    Args:
        number: of the article in the group, 0 if it was asked for by its Message-ID.
        fields: what ``overview_fields`` gave.
        xref: our name, then each group with the article's number in it, as Xref has it; b"": none.
    """
    return b"%d\t%b\t%b" % (number, fields, b"Xref: " + xref if xref else b"")
