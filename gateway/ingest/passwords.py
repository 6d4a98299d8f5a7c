"""Passwords of those who submit mail: kept as scrypt hashes, in a file that ``nncp-gateway passwd`` keeps.

One line for each user, in the order of their names::

    alice:$scrypt$ln=14,r=8,p=5$SALT$HASH

Salt and hash are base64 without padding; the parameters stand beside them, so that others may be chosen
later. Empty lines and lines that begin with # are passed over.

Contract: a password is checked in the same time whether the user is known or not, and compared in
constant time. Nothing here ever shows a password or a hash. Checking takes some tenths of a second of a
processor and 16 MiB; callers do it in a thread, a few at a time.

Spec: RFC 7914 (scrypt); RFC 8265 section 4 (passwords are compared in NFC); the cost is the least that
OWASP's password storage guide recommends for 16 MiB.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.durable import Disk, store_errors
from gateway.errors import ConfigError

FILE_MODE = 0o600
SALT_BYTES = 16
HASH_BYTES = 32
PASSWORD_MIN_CHARS = 8
PASSWORD_LIMIT_BYTES = 1000
MEMORY_LIMIT_BYTES = 512 << 20
"""What a line of the file may ask for."""

HEADER = "# Users of nncp-gateway. Change it with: nncp-gateway passwd USER\n"

_NAME = re.compile(r"[A-Za-z0-9._@+][A-Za-z0-9._@+-]{0,63}")
_ALLOWED_NAME = "1 to 64 letters, digits and . _ @ + -, with no - in front"
_HASH = re.compile(r"\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)")


@dataclass(frozen=True, slots=True)
class Cost:
    """Parameters of scrypt.

    Args:
        log_n: CPU and memory, as a power of two.
        r: size of a block.
        p: how often.
    """

    log_n: int = 14
    r: int = 8
    p: int = 5

    @property
    def memory_bytes(self) -> int:
        """What a check takes, about."""
        return 128 * self.r * ((1 << self.log_n) + self.p + 2)


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """What is kept of a password."""

    cost: Cost
    salt: bytes
    digest: bytes

    @classmethod
    def parse(cls, text: str) -> "PasswordHash | None":
        """Read what ``text`` wrote; None: it can't be used."""
        match = _HASH.fullmatch(text)
        if match is None:
            return None
        cost = Cost(int(match[1]), int(match[2]), int(match[3]))
        if not 1 <= cost.log_n < 16 * cost.r or cost.p < 1 or cost.memory_bytes > MEMORY_LIMIT_BYTES:
            return None
        try:
            return cls(cost, _unbase64(match[4]), _unbase64(match[5]))
        except binascii.Error:
            return None

    @property
    def text(self) -> str:
        """As it stands in the file."""
        cost = f"ln={self.cost.log_n},r={self.cost.r},p={self.cost.p}"
        return f"$scrypt${cost}${_base64(self.salt)}${_base64(self.digest)}"

    def is_of(self, password: str) -> bool:
        """Whether it is the hash of a password; takes its time."""
        found = _scrypt(password, self.salt, self.cost, len(self.digest))
        return hmac.compare_digest(found, self.digest)


def hash_password(password: str, cost: Cost | None = None) -> PasswordHash:
    """Make the hash of a new password.

    Raises:
        ConfigError: nobody should have it.
    """
    if len(password) < PASSWORD_MIN_CHARS or len(_secret(password)) > PASSWORD_LIMIT_BYTES:
        allowed = f"{PASSWORD_MIN_CHARS} characters or more, {PASSWORD_LIMIT_BYTES} bytes or less"
        raise ConfigError(f"the password has {len(password)} characters; allowed: {allowed}")
    if not password.isprintable():
        raise ConfigError("the password holds a control character; allowed: what can be printed")
    salt = secrets.token_bytes(SALT_BYTES)
    cost = cost or Cost()
    return PasswordHash(cost, salt, _scrypt(password, salt, cost, HASH_BYTES))


def check_name(name: str) -> None:
    """Make sure a user may be called so.

    Raises:
        ConfigError: not so.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!a} is no name of a user; allowed: {_ALLOWED_NAME}")


def read_passwords(path: Path) -> dict[str, PasswordHash]:
    """Read the file; one that is missing has no users.

    Raises:
        ConfigError: a line can't be read; neither name nor hash is told.
        StoreError: the file can't be read.
    """
    found: dict[str, PasswordHash] = {}
    with store_errors(path, "read"):
        try:
            lines = path.read_text("utf-8", "replace").splitlines()
        except FileNotFoundError:
            return found
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, text = line.strip().partition(":")
        hashed = PasswordHash.parse(text)
        if hashed is None or not _NAME.fullmatch(name) or name in found:
            raise ConfigError(f"{path}, line {number}: is not NAME:$scrypt$..., or names a user again")
        found[name] = hashed
    return found


def write_passwords(path: Path, users: Mapping[str, PasswordHash], disk: Disk) -> None:
    """Replace the file; a crash leaves the old one or the new one.

    Raises:
        StoreError: the disk refused.
    """
    lines = [f"{name}:{hashed.text}\n" for name, hashed in sorted(users.items())]
    disk.write_file(path, "".join([HEADER, *lines]).encode(), FILE_MODE)


class Passwords:
    """The users, as the file has them now; it is read again when it has changed.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._users: dict[str, PasswordHash] = {}
        self._state: tuple[int, int, int] | None = None

    def check(self, name: str, password: str) -> bool:
        """Whether somebody is who they say; takes its time, whatever the answer.

        Raises:
            ConfigError: the file can't be read.
            StoreError: the same.
        """
        self._refresh()
        hashed = self._users.get(name)
        # A user that is not known costs as much as one that is.
        return (hashed or self._nobody()).is_of(password) and hashed is not None

    def _nobody(self) -> PasswordHash:
        anybody = next(iter(self._users.values()), None)
        return PasswordHash(anybody.cost if anybody else Cost(), bytes(SALT_BYTES), bytes(HASH_BYTES))

    def _refresh(self) -> None:
        with store_errors(self._path, "look at"):
            try:
                status = self._path.stat()
                state = (status.st_mtime_ns, status.st_size, status.st_ino)
            except FileNotFoundError:
                state = (0, 0, 0)
        if state != self._state:
            self._users = read_passwords(self._path)
            self._state = state


def _scrypt(password: str, salt: bytes, cost: Cost, size_bytes: int) -> bytes:
    secret = unicodedata.normalize("NFC", password).encode("utf-8", "surrogateescape")
    return hashlib.scrypt(
        secret,
        salt=salt,
        n=1 << cost.log_n,
        r=cost.r,
        p=cost.p,
        maxmem=2 * cost.memory_bytes,
        dklen=size_bytes,
    )


def _secret(password: str) -> bytes:
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogateescape")


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii").rstrip("=")


def _unbase64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
