"""The shape of an NNCP configuration: which keys there are, in the order in which they are written.

Contract: one table for whoever takes a configuration apart or puts it together: the directory
form, and its way back to Hjson. Whether values are allowed is not decided here.

Spec: NNCP manual, Configuration file and Configuration directory.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from gateway.config.nncp_document import Object


class Kind(Enum):
    """What a key holds."""

    TEXT = auto()
    NUMBER = auto()
    FLAG = auto()
    TEXTS = auto()
    OBJECT = auto()
    NAMED = auto()
    """An object whose keys are names that the operator chose."""
    NUMBERED = auto()
    """A list of objects."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One key.

    Args:
        key: its name.
        kind: what it holds.
        members: of the object, or of each object in it.
        of: what each name holds, for NAMED.
        is_secret: a private key.
        when_absent: what is written in its place when it is absent; empty: nothing.
    """

    key: str
    kind: Kind
    members: tuple["Entry", ...] = ()
    of: Kind = Kind.OBJECT
    is_secret: bool = False
    when_absent: str = ""


def _texts(*keys: str) -> tuple[Entry, ...]:
    return tuple(Entry(key, Kind.TEXT, is_secret=key.endswith("prv")) for key in keys)


def _numbers(*keys: str) -> tuple[Entry, ...]:
    return tuple(Entry(key, Kind.NUMBER) for key in keys)


def _flags(*keys: str) -> tuple[Entry, ...]:
    return tuple(Entry(key, Kind.FLAG) for key in keys)


_EXEC = Entry("exec", Kind.NAMED, of=Kind.TEXTS)
_PAIR = _texts("from", "to")
_RATES = _numbers("rxrate", "txrate")
_TIMES = _numbers("onlinedeadline", "maxonlinetime")

_LINK = Entry(
    "link",
    Kind.OBJECT,
    (
        *_flags("thin"),
        *_texts("padding"),
        *_numbers("ping-interval", "handshake-deadline", "stall-deadline", "silence-deadline"),
        *_numbers("max-bytes", "chunk"),
    ),
)
"""Ours alone: the Go tools pass it over, and write it nowhere."""

_CALL = (
    *_texts("cron", "nice", "xx"),
    *_RATES,
    *_texts("addr"),
    *_TIMES,
    *_flags("when-tx-exists", "nock", "mcd-ignore"),
    *_flags("autotoss", "autotoss-doseen", "autotoss-nofile", "autotoss-nofreq", "autotoss-noexec"),
    *_flags("autotoss-notrns", "autotoss-noarea", "autotoss-noack", "autotoss-gen-ack"),
    _LINK,
)
_NODE = (
    *_texts("id", "exchpub", "signpub", "noisepub", "incoming"),
    _EXEC,
    Entry("freq", Kind.OBJECT, (*_texts("path"), *_numbers("chunked", "minsize", "maxsize"))),
    Entry("ack", Kind.OBJECT, (*_numbers("minsize"), *_texts("nice"))),
    Entry("via", Kind.TEXTS),
    Entry("calls", Kind.NUMBERED, _CALL),
    Entry("addrs", Kind.NAMED, of=Kind.TEXT),
    *_RATES,
    *_TIMES,
    _LINK,
)
_AREA = (
    *_texts("id", "pub", "prv"),
    Entry("subs", Kind.TEXTS, when_absent="[]"),
    *_texts("incoming"),
    _EXEC,
    *_flags("allow-unknown"),
)
_NOTIFY = (
    Entry("file", Kind.OBJECT, _PAIR),
    Entry("freq", Kind.OBJECT, _PAIR),
    Entry("exec", Kind.NAMED, _PAIR),
)
_SELF = _texts("id", "exchpub", "exchprv", "signpub", "signprv", "noisepub", "noiseprv")

ROOT = (
    *_texts("spool", "log", "umask"),
    *_flags("noprogress", "nohdr"),
    Entry("mcd-listen", Kind.TEXTS),
    Entry("mcd-send", Kind.NAMED, of=Kind.NUMBER),
    Entry("notify", Kind.OBJECT, _NOTIFY),
    Entry("self", Kind.OBJECT, _SELF, when_absent="null"),
    Entry("neigh", Kind.NAMED, _NODE),
    Entry("areas", Kind.NAMED, _AREA),
    Entry("yggdrasil-aliases", Kind.NAMED, of=Kind.TEXT),
)


def value_of(values: Mapping[str, object], entry: Entry) -> object:
    """The value under a key, whatever its case; what says nothing is None: null, false, an empty list.

    Args:
        values: an object of the configuration, checked before.
        entry: the key.
    """
    found: object = None
    for key, value in values.items():
        if key.lower() == entry.key:
            found = value
    if found is False or (isinstance(found, list) and not found):
        return None
    return int(found) if isinstance(found, float) else found


def members_of(values: object, entry: Entry) -> list[tuple[str, Entry, object]]:
    """The parts of an object or list, each with its name and what it is.

    Args:
        values: what stands under the key.
        entry: the key, of kind OBJECT, NAMED or NUMBERED.

    Returns:
        In the order in which they are written: by the table, or names sorted, or as in the list.
    """
    if isinstance(values, list):
        part = Entry("", Kind.OBJECT, entry.members)
        return [(str(number), part, value) for number, value in enumerate(values)]
    if not isinstance(values, Object):
        raise AssertionError("internal error: the configuration was not checked")  # noqa: TRY004 -- a bug
    if entry.kind is Kind.NAMED:
        part = Entry("", entry.of, entry.members)
        return [(name, part, value) for name, value in sorted(values.items()) if value is not None]
    return [(member.key, member, value_of(values, member)) for member in entry.members]
