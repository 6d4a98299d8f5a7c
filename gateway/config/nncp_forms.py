"""The forms of an NNCP configuration: Hjson or JSON text, that text encrypted, or a directory.

Contract: all of them come out as one and the same tree. Every fault is a ``ConfigError`` that
names the file, and quotes nothing of it.

Spec: NNCP manual, Configuration file, Configuration directory and EBlob format.
"""

from pathlib import Path

from gateway.config.nncp_directory import read_directory
from gateway.config.nncp_document import Object, parse_document
from gateway.config.passphrase import PROMPT, Ask, ask_passphrase
from gateway.errors import ConfigError, PacketError

ENCRYPTED_START = b"NNCPB"

TEXT, ENCRYPTED, DIRECTORY = "an Hjson file", "an encrypted configuration", "a directory"


def form_of(path: Path) -> str:
    """Which form stands at a path, as a word for messages; what can't be read counts as text."""
    if path.is_dir():
        return DIRECTORY
    try:
        with path.open("rb") as opened:
            return ENCRYPTED if opened.read(len(ENCRYPTED_START)) == ENCRYPTED_START else TEXT
    except OSError:
        return TEXT


def read_document(path: Path, ask: Ask = ask_passphrase) -> Object:
    """Read a configuration.

    Args:
        path: the file or directory.
        ask: asks for the passphrase of an encrypted file.

    Raises:
        ConfigError: it cannot be read or opened, is not UTF-8, or is neither Hjson nor JSON.
    """
    if path.is_dir():
        return read_directory(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the configuration: {error.strerror or error}") from None
    if raw.startswith(ENCRYPTED_START):
        raw = _open(path, raw, ask)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}: line {line}: not UTF-8") from None
    return parse_document(text, path)


def _open(path: Path, raw: bytes, ask: Ask) -> bytes:
    # Imported late: the cipher's library takes 20 ms, and most configurations are plain.
    from gateway.packet.eblob import decode_eblob, open_eblob  # noqa: PLC0415

    try:
        blob = decode_eblob(raw)
        # Before somebody types a passphrase for nothing.
        blob.costs.check()
        return open_eblob(blob, ask(PROMPT))
    except (PacketError, ConfigError) as error:
        raise ConfigError(f"{path}: {error}") from None
