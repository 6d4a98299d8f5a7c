"""Where the value of a header field is read from, when one is asked for of many articles.

Spec: RFC 3977 sections 8.3 and 8.5.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gateway.nntp.article import field_value
from gateway.nntp.overview import clean

_IN_OVERVIEW = ("subject", "from", "date", "message-id", "references", ":bytes", ":lines")
"""In the order of ``overview_fields``."""


@dataclass(frozen=True, slots=True)
class FieldReader:
    """How to read one field.

    Args:
        column: where it is, in ``article`` as ``a`` or ``content`` as ``c``.
        is_in_content: the second is needed.
        read: the value, from the column.
    """

    column: str
    is_in_content: bool
    read: Callable[[bytes], bytes]


def field_reader(field: str, host: str) -> FieldReader:
    """How to read a field.

    Args:
        field: its name in any case, or ``:bytes`` or ``:lines``.
        host: our name in Xref.
    """
    name = field.lower()
    if name == "xref":
        return FieldReader("CAST(a.places AS BLOB)", is_in_content=False, read=partial(_xref, host))
    if name in _IN_OVERVIEW:
        return FieldReader(
            "a.overview", is_in_content=False, read=partial(_from_overview, _IN_OVERVIEW.index(name))
        )
    return FieldReader("c.head", is_in_content=True, read=partial(_from_head, name))


def _xref(host: str, places: bytes) -> bytes:
    return host.encode() + b" " + places


def _from_overview(place: int, overview: bytes) -> bytes:
    return overview.split(b"\t")[place]


def _from_head(name: str, head: bytes) -> bytes:
    return clean(field_value(head, name) or b"")
