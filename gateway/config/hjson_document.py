"""Writes a whole NNCP configuration as Hjson, as nncp-cfgdir -load prints it.

Contract: the text reads back as the same configuration; keys stand in the order of the table, and
names are sorted. It holds the private keys: it is for the operator's own file.

Spec: Hjson syntax; NNCP manual, nncp-cfgdir.
"""

from collections.abc import Iterator

from gateway.config.hjson_text import quote_key, quote_text
from gateway.config.nncp_document import Object
from gateway.config.nncp_shape import ROOT, Entry, Kind, members_of

_INDENT = "  "


def render_document(document: Object) -> str:
    """Write a configuration.

    Args:
        document: a tree that was found to be in order.

    Returns:
        The text, with a line end behind the last brace.
    """
    return "\n".join(["{", *_members(document, Entry("", Kind.OBJECT, ROOT), _INDENT), "}", ""])


def _members(value: object, entry: Entry, indent: str) -> Iterator[str]:
    for name, member, inner in members_of(value, entry):
        if entry.kind is Kind.NUMBERED:
            yield f"{indent}{{"
            yield from _members(inner, member, indent + _INDENT)
            yield f"{indent}}}"
        elif inner is not None:
            yield from _member(f"{indent}{quote_key(name)}:", member, inner, indent)
        elif member.when_absent:
            yield f"{indent}{name}: {member.when_absent}"


def _member(head: str, entry: Entry, value: object, indent: str) -> Iterator[str]:
    if isinstance(value, list):
        yield f"{head} ["
        if entry.kind is Kind.NUMBERED:
            yield from _members(value, entry, indent + _INDENT)
        else:
            yield from (f"{indent}{_INDENT}{_quote(item)}" for item in value)
        yield f"{indent}]"
    elif isinstance(value, Object):
        yield f"{head} {{"
        yield from _members(value, entry, indent + _INDENT)
        yield f"{indent}}}"
    elif isinstance(value, str):
        yield f"{head} {_quote(value)}"
    else:
        yield f"{head} {str(value).lower()}"


def _quote(text: str) -> str:
    quoted = quote_text(text)
    if quoted == text:
        return text
    # As the Go tools: no backslashes where three quotes do, which swallow white space at the edge.
    is_plain_inside = text.replace("\t", " ").isprintable() and "'''" not in text
    is_plain_outside = text == text.strip() and "'" not in text[:1] + text[-1:]
    return f"'''{text}'''" if "\\" in quoted and is_plain_inside and is_plain_outside else quoted
