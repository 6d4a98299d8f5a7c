"""Make a neighbour known: its keys and handles in the NNCP file, its routes in ``gateway.toml``.

Contract: both files are changed as text, in place, so that comments stay. What comes out is
loaded and compared before a file is replaced: everything that was there is still the same. The
file as it was stays beside it as ``NAME.bak``. Doing it twice changes nothing; what disagrees
with what is there is refused. Keys are never shown.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from gateway.config.edit_hjson import HjsonText
from gateway.config.gateway_toml import build_config, parse_gateway_text
from gateway.config.nncp import NncpConfig, load_nncp_config
from gateway.config.nncp_forms import TEXT, form_of
from gateway.config.own_program import HANDLES, handler_command
from gateway.config.public_block import PublicBlock
from gateway.config.toml_edit import Terms, append_neighbour
from gateway.durable import Disk, store_errors
from gateway.errors import ConfigError
from gateway.ids import encode_base32
from gateway.nodes import SELF_NAME, Book, Node
from gateway.packet.keys import PublicKeys

BACKUP_SUFFIX = ".bak"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Whom to accept, and on what terms.

    Args:
        name: what we call the neighbour.
        block: its public keys, as it gave them.
        domains: patterns whose mail goes to it.
        understands: ``sendmail``, ``bsmtp`` or ``gateway``; None: as the block or the file says.
        via: names of the nodes its packets travel through.
        is_handles_kept: leave handles alone that start another command.
    """

    name: str
    block: PublicBlock
    domains: tuple[str, ...] = ()
    understands: str | None = None
    via: tuple[str, ...] = ()
    is_handles_kept: bool = False


def accept(config_path: Path, wish: Acceptance, environ: Mapping[str, str], disk: Disk) -> list[str]:
    """Write a neighbour into both files.

    Args:
        config_path: of ``gateway.toml``.
        wish: the neighbour.
        environ: for reading the NNCP configuration.
        disk: how files are changed.

    Returns:
        What was changed, in words; empty: all of it was there already.

    Raises:
        ConfigError: it disagrees with what is there, or a file can't be edited.
    """
    config_path = config_path.resolve()
    gateway_text = _read(config_path)
    file = parse_gateway_text(config_path, gateway_text)
    nncp_path = (config_path.parent / file.node.nncp_config).resolve()
    form = form_of(nncp_path)
    if form is not TEXT:
        raise ConfigError(
            f"{nncp_path}: is {form}, which accept can't edit; allowed: {TEXT}. Add the neighbour there by"
            " hand (a directory: its keys below neigh; an encrypted one: nncp cfgenc -d, accept, nncp cfgenc)"
        )
    nncp = load_nncp_config(nncp_path, environ)
    _refuse_conflicts(nncp, wish)
    nncp_text = _read(nncp_path)
    new_nncp_text, nncp_changes = _edit_nncp(nncp_path, nncp_text, nncp.book, wish, config_path)
    terms = Terms(wish.name, wish.domains, wish.understands, wish.block.understands)
    new_gateway_text, gateway_changes = append_neighbour(config_path, gateway_text, file, terms)
    with _Candidate(disk, nncp_path, new_nncp_text) as nncp_candidate:
        new_nncp = load_nncp_config(nncp_candidate.path, environ)
        _compare(nncp, replace(new_nncp, path=nncp_path), wish.name)
        new_file = parse_gateway_text(config_path, new_gateway_text)
        build_config(config_path, new_file, replace(new_nncp, path=nncp_path))
        with _Candidate(disk, config_path, new_gateway_text) as gateway_candidate:
            # A neighbour without routes does no harm; routes to a node that is missing would.
            nncp_candidate.take(nncp_text)
            gateway_candidate.take(gateway_text)
    return nncp_changes + gateway_changes


def _refuse_conflicts(nncp: NncpConfig, wish: Acceptance) -> None:
    own, known = nncp.book.self_node, nncp.book.nodes.get(wish.name)
    keys = wish.block.keys
    if wish.name == SELF_NAME or keys.id == own.id:
        raise ConfigError(f"{nncp.path}: this is our own node; accept takes the block of a neighbour")
    if known is not None and _public(known.keys) != _public(keys):
        raise ConfigError(
            f"{nncp.path}: neigh.{wish.name}: is there with other keys; if the neighbour has new keys, remove"
            " that entry by hand and accept it again, else choose another name"
        )
    same = nncp.book.find_id(keys.id)
    if same is not None and same.name != wish.name:
        raise ConfigError(f"{nncp.path}: neigh.{same.name}: is this node already; accept it under that name")
    unknown = [name for name in wish.via if name not in nncp.book.nodes or name == SELF_NAME]
    if unknown:
        raise ConfigError(f"{nncp.path}: via: {unknown[0]!r} is not a neighbour; allowed: names in neigh")


def _edit_nncp(
    path: Path, text: str, book: Book, wish: Acceptance, config_path: Path
) -> tuple[str, list[str]]:
    known = book.nodes.get(wish.name)
    commands = {handle: list(handler_command(config_path, handle)) for handle in HANDLES}
    if known is None:
        member: dict[str, object] = _key_members(wish.block.keys)
        if wish.via:
            member["via"] = list(wish.via)
        member["exec"] = commands
        comments = (
            "A neighbour that may hand in mail here: batches (rsmtp) and single messages (sendmail, rmail)",
        )
        new_text = HjsonText(text, str(path)).insert(("neigh",), {wish.name: member}, comments)
        return new_text, [f"{path}: neigh.{wish.name} added"]
    if wish.via and tuple(book.find(name).id for name in wish.via) != known.via:
        raise ConfigError(f"{path}: neigh.{wish.name}.via: is different already; change it by hand")
    return _add_handles(path, text, known, commands, is_kept=wish.is_handles_kept)


def _add_handles(
    path: Path, text: str, known: Node, commands: Mapping[str, list[str]], *, is_kept: bool
) -> tuple[str, list[str]]:
    changes: list[str] = []
    missing: dict[str, object] = {}
    for handle, command in commands.items():
        there = known.exec.get(handle)
        if there is None:
            missing[handle] = command
        elif list(there) != command and not is_kept:
            raise ConfigError(
                f"{path}: neigh.{known.name}.exec.{handle}: starts {' '.join(there)!r}; change it by hand to"
                f" {' '.join(command)!r}, or accept with --keep-handles to leave it"
            )
    if missing:
        document = HjsonText(text, str(path))
        where = ("neigh", known.name)
        if document.find((*where, "exec")) is None:
            text = document.insert(where, {"exec": missing})
        else:
            text = document.insert((*where, "exec"), missing)
        changes = [f"{path}: neigh.{known.name}.exec.{handle} added" for handle in missing]
    return text, changes


def _key_members(keys: PublicKeys) -> dict[str, object]:
    members: dict[str, object] = {
        "id": keys.id.text,
        "exchpub": encode_base32(keys.exchpub),
        "signpub": encode_base32(keys.signpub),
    }
    if keys.noisepub is not None:
        members["noisepub"] = encode_base32(keys.noisepub)
    return members


def _compare(before: NncpConfig, after: NncpConfig, name: str) -> None:
    """See that nothing else changed; the edit is thrown away otherwise."""
    others = {other: node for other, node in after.book.nodes.items() if other != name}
    was = {other: node for other, node in before.book.nodes.items() if other != name}
    is_same = others == was and name in after.book.nodes and after.book.own == before.book.own
    rest = ("spool", "log", "umask", "noprogress", "nohdr", "notify", "discovery", "yggdrasil_aliases")
    is_same = is_same and all(getattr(before, key) == getattr(after, key) for key in rest)
    if not is_same:
        raise ConfigError(f"{before.path}: the text is too unusual to be edited; add neigh.{name} by hand")


def _public(keys: PublicKeys) -> tuple[bytes, ...]:
    return keys.id.raw, keys.exchpub, keys.signpub


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text and can't be edited") from None


class _Candidate:
    """A new content of a file, written beside it; it takes the file's place or goes away."""

    def __init__(self, disk: Disk, path: Path, text: str) -> None:
        self._disk = disk
        self._final = path
        self._text = text
        self.path = path.with_name(f".{path.name}.{os.getpid()}.new")

    def __enter__(self) -> Self:
        status = self._final.stat()
        self._mode = status.st_mode & 0o7777
        self._file = self._disk.create(self.path, self._mode)
        with store_errors(self.path, "set the owner of"):
            if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(self._file.fileno(), status.st_uid, status.st_gid)
            os.fchmod(self._file.fileno(), self._mode)
        self._file.write(self._text.encode())
        self._file.sync()
        return self

    def take(self, old_text: str) -> None:
        """Put the new content in place, unless it is the old one; the old one stays as a backup."""
        if self._text != old_text:
            backup = self._final.with_name(self._final.name + BACKUP_SUFFIX)
            self._disk.write_file(backup, old_text.encode(), self._mode)
            self._file.commit(self._final)

    def __exit__(self, *_: object) -> None:
        self._file.__exit__(None, None, None)
