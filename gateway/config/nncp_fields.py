"""Reads the fields of a configuration with NNCP's rules of type, and collects all faults.

Contract: keys are found whatever their case; null is the same as absent; a fault is noted with
its path (``neigh.bob.freq.minsize``) and what is allowed, never with the value; reading goes on,
so that one run tells everything. Keys that nobody asked for become warnings.
"""

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.config.nncp_document import Object
from gateway.errors import BadIdentifier
from gateway.ids import decode_base32, parse_nice

UNSIGNED_LIMIT = 1 << 64
SIGNED_LIMIT = 1 << 63
KIB = 1024

_KEY_LIKE = re.compile(r"[A-Z2-7]{16,}", re.ASCII)
_UNQUOTED = " (a text without quotes goes on to the end of its line, with all comments and commas)"


@dataclass(slots=True)
class Findings:
    """What is wrong with a configuration.

    Args:
        errors: what forbids its use, each with the path of its key.
        warnings: what the Go tools pass over.
    """

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def refuse(self, path: str, text: str) -> None:
        """Note a fault."""
        self.errors.append(_without_keys(f"{path}: {text}"))

    def warn(self, path: str, text: str) -> None:
        """Note something that is odd and not forbidden."""
        self.warnings.append(_without_keys(f"{path}: {text}"))


def _without_keys(line: str) -> str:
    # A misplaced quote or colon can make a private key a name, and names are shown.
    return _KEY_LIKE.sub("(base32)", line)


def join(path: str, key: str) -> str:
    """Name a key inside an object."""
    return f"{path}.{key}" if path else key


class Section:
    """One object of the configuration.

    Args:
        findings: where faults are noted.
        path: where it stands, empty for the root.
        values: its keys and values.
        are_names: True where the keys are names that the operator chose: those have a case.
    """

    def __init__(self, findings: Findings, path: str, values: Object, *, are_names: bool = False) -> None:
        self.findings = findings
        self.path = path
        self._are_names = are_names
        self._values: dict[str, tuple[str, object]] = {}
        repeated = list(values.repeated)
        for key, value in values.items():
            if self._fold(key) in self._values:
                repeated.append(key)
            self._values[self._fold(key)] = (key, value)
        for key in repeated:
            self.warn(key, "given more than once, the last one counts")

    def warn(self, key: str, text: str) -> None:
        """Note something that is not forbidden."""
        self.findings.warn(join(self.path, key), text)

    def refuse(self, key: str, text: str) -> None:
        """Note a fault; ``text`` must not quote the value."""
        self.findings.refuse(join(self.path, key), text)

    def unread(self) -> list[str]:
        """The keys that were not read yet."""
        return [key for key, _ in self._values.values()]

    def finish(self) -> None:
        """Warn of the keys that nobody read."""
        for key in self.unread():
            self.warn(key, "unknown key")

    def text(self, key: str) -> str | None:
        """A text."""
        value = self._take(key)
        if value is None or isinstance(value, str):
            return value
        self._wrong(key, value, "a text" if isinstance(value, list | dict) else "a text, in quotes")
        return None

    def flag(self, key: str) -> bool | None:
        """True or false."""
        value = self._take(key)
        if value is None or isinstance(value, bool):
            return value
        self._wrong(key, value, "true or false")
        return None

    def integer(self, key: str, minimum: int = 0, limit: int = UNSIGNED_LIMIT, unit: str = "") -> int | None:
        """A whole number from ``minimum`` to below ``limit``."""
        value = self._take(key)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and minimum <= value < limit:
            return value
        bounds = f" from {minimum}" if minimum > -SIGNED_LIMIT else ""
        self._wrong(key, value, f"a whole number{unit}{bounds}, without quotes")
        return None

    def signed(self, key: str) -> int | None:
        """A whole number, negative ones included."""
        return self.integer(key, -SIGNED_LIMIT, SIGNED_LIMIT)

    def kib(self, key: str, minimum: int = 0) -> int | None:
        """A size, written in KiB; in bytes."""
        size_kib = self.integer(key, minimum, UNSIGNED_LIMIT // KIB, " of KiB")
        return None if size_kib is None else size_kib * KIB

    def nice(self, key: str) -> int | None:
        """A niceness, as text."""
        value = self.text(key)
        if value is None:
            return None
        try:
            return parse_nice(value)
        except BadIdentifier as error:
            self.refuse(key, str(error))
            return None

    def absolute_path(self, key: str) -> str | None:
        """An absolute path of the file system, cleaned."""
        value = self.text(key)
        if value is None:
            return None
        if not value.startswith("/") or "\0" in value:
            self.refuse(key, "a path that is not absolute, allowed: one that starts with /")
            return None
        return "/" + posixpath.normpath(value).lstrip("/")

    def key_bytes(self, key: str, size_bytes: int, *, is_required: bool = True) -> bytes | None:
        """A key or an id in base32; private keys pass here, so the value is in no error."""
        value = self._take(key)
        allowed = f"{-(-size_bytes * 8 // 5)} characters of base32 (A-Z, 2-7)"
        if value is None:
            if is_required:
                self.refuse(key, f"missing, allowed: {allowed}")
            return None
        if not isinstance(value, str):
            self._wrong(key, value, allowed)
            return None
        try:
            return decode_base32(value, size_bytes)
        except BadIdentifier as error:
            hint = _UNQUOTED if " " in value or "," in value else ""
            self.refuse(key, f"{error}, allowed: {allowed}{hint}")
            return None

    def texts(self, key: str) -> tuple[str, ...] | None:
        """A list of texts."""
        value = self._take(key)
        if value is None:
            return None
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        self._wrong(key, value, 'a list of texts, such as ["a", "b"]')
        return None

    def section(self, key: str) -> "Section | None":
        """An object whose keys are NNCP's."""
        return self._object(key, are_names=False)

    def required_section(self, key: str) -> "Section | None":
        """An object that may not be absent or null; None is noted as an error."""
        value = self._take(key)
        if isinstance(value, Object):
            return Section(self.findings, join(self.path, key), value)
        self._wrong(key, value, "an object {...}")
        return None

    def names(self, key: str) -> "Section | None":
        """An object whose keys are names that the operator chose."""
        return self._object(key, are_names=True)

    def named_sections(self, key: str) -> Iterator[tuple[str, "Section"]]:
        """An object of names, whose values are objects; all of them."""
        names = self.names(key)
        if names is not None:
            for name in names.unread():
                section = names.section(name)
                if section is not None:
                    yield name, section

    def listed_sections(self, key: str) -> Iterator["Section"]:
        """A list of objects."""
        value = self._take(key)
        if value is None:
            return
        if not isinstance(value, list):
            self._wrong(key, value, "a list of objects [{...}]")
            return
        for number, item in enumerate(value):
            path = f"{key}.{number}"
            if isinstance(item, Object):
                yield Section(self.findings, join(self.path, path), item)
            else:
                self._wrong(path, item, "an object {...}")

    def _fold(self, key: str) -> str:
        return key if self._are_names else key.lower()

    def _take(self, key: str) -> object:
        _, value = self._values.pop(self._fold(key), (key, None))
        return value

    def _object(self, key: str, *, are_names: bool) -> "Section | None":
        value = self._take(key)
        if isinstance(value, Object):
            return Section(self.findings, join(self.path, key), value, are_names=are_names)
        if value is not None:
            self._wrong(key, value, "an object {...}")
        return None

    def _wrong(self, key: str, value: object, allowed: str) -> None:
        hint = _UNQUOTED if isinstance(value, str) and (" " in value or "," in value) else ""
        self.refuse(key, f"{_describe(value)}, allowed: {allowed}{hint}")


def _describe(value: object) -> str:
    # bool first: it is an int too.
    for kind, name in _NAMES_OF_KINDS:
        if isinstance(value, kind):
            return name
    return "null"


_NAMES_OF_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "true or false"),
    ((int, float), "a number"),
    (str, "a text"),
    (list, "a list"),
    (dict, "an object"),
)
