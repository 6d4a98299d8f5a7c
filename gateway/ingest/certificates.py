"""Our certificate and its key: loaded at the start, and again when the files have changed.

Contract: what was loaded stays in use until there is something that works in its place: a renewal that
has only written one of the files, or a wrong one, breaks nothing.

Spec: RFC 3207; RFC 8314 (submission over TLS); RFC 8996 (no TLS before 1.2).
"""

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import ConfigError

ALLOWED = "a certificate and its key in PEM, without a passphrase"

_LOG = logging.getLogger(__name__)

_State = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where they are.

    Args:
        certificate: PEM, with the certificates that lead to a root behind ours.
        key: PEM, without a passphrase; may be the same file.
    """

    certificate: Path
    key: Path


class Certificates:
    """The context that connections are secured with.

    Args:
        files: of the certificate.

    Raises:
        ConfigError: they can't be used.

    Attributes:
        context: always the same object.
    """

    def __init__(self, files: CertificateFiles) -> None:
        self._files = files
        self._state = _state_of(files)
        self.context = load_context(files)

    def refresh(self) -> None:
        """Load the files again if they have changed; to be called before each connection is secured."""
        try:
            state = _state_of(self._files)
            if state == self._state:
                return
            self._state = state
            load_context(self._files)
            # The same object stays in use: listeners hold it.
            _load(self.context, self._files)
        except ConfigError as error:
            _LOG.error("the certificate stays as it was: %s", error)
        else:
            _LOG.info("%s was read again", self._files.certificate)


def load_context(files: CertificateFiles) -> ssl.SSLContext:
    """Load certificate and key.

    Raises:
        ConfigError: they can't be read, or do not fit together.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, files)
    return context


def _load(context: ssl.SSLContext, files: CertificateFiles) -> None:
    try:
        # Without a password here OpenSSL would ask on the terminal.
        context.load_cert_chain(files.certificate, files.key, password="")
    except ssl.SSLError as error:
        reason = (error.reason or "can't be read").lower().replace("_", " ")
        text = f"{files.certificate} with key {files.key}: {reason}"
        raise ConfigError(
            f"{text}; allowed: a certificate and its key in PEM, without a passphrase"
        ) from None
    except OSError as error:
        raise ConfigError(f"{_unreadable(files)} can't be read: {error.strerror}") from None


def _unreadable(files: CertificateFiles) -> Path:
    for path in (files.certificate, files.key):
        try:
            with path.open("rb"):
                pass
        except OSError:
            return path
    return files.certificate


def _state_of(files: CertificateFiles) -> _State:
    found = []
    for path in (files.certificate, files.key):
        try:
            status = path.stat()
        except OSError as error:
            raise ConfigError(f"{path} can't be read: {error.strerror}") from None
        found.append((status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(found)
