"""Make a neighbour known: its keys and handles in the NNCP file, its routes in ``gateway.toml``.

Contract: files are changed as text, in place, so that comments stay, and the file as it was stays beside
it as ``NAME.bak``; an NNCP configuration that is a directory gets files more, and none is changed. What
comes out is loaded and compared before: everything that was there is still the same. Doing it twice changes
nothing; what disagrees with what is there is refused. Keys are never shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.config.candidate import Candidate
from gateway.config.gateway_toml import build_config, parse_gateway_text
from gateway.config.nncp import NncpConfig, load_nncp_config
from gateway.config.nncp_addition import Addition, begin_edit, check_form, read_text
from gateway.config.own_program import HANDLES, handler_command
from gateway.config.public_block import PublicBlock
from gateway.config.toml_edit import Terms, append_neighbour
from gateway.durable import Disk
from gateway.errors import ConfigError
from gateway.ids import encode_base32
from gateway.nodes import SELF_NAME, Node
from gateway.packet.keys import PublicKeys


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
    gateway_text = read_text(config_path)
    file = parse_gateway_text(config_path, gateway_text)
    nncp_path = (config_path.parent / file.node.nncp_config).resolve()
    check_form(nncp_path)
    nncp = load_nncp_config(nncp_path, environ)
    _refuse_conflicts(nncp, wish)
    addition = _missing(nncp, wish, config_path)
    terms = Terms(wish.name, wish.domains, wish.understands, wish.block.understands)
    new_gateway_text, gateway_changes = append_neighbour(config_path, gateway_text, file, terms)
    with begin_edit(nncp_path, addition, disk) as edit:
        new_nncp = edit.load(environ)
        _compare(nncp, new_nncp, wish.name)
        build_config(config_path, parse_gateway_text(config_path, new_gateway_text), new_nncp)
        with Candidate(disk, config_path, new_gateway_text) as gateway_candidate:
            # A neighbour without routes does no harm; routes to a node that is missing would.
            edit.take()
            gateway_candidate.take(gateway_text)
    return [*addition.changes, *gateway_changes]


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
        raise ConfigError(f"{nncp.path}: neigh.{same.name}: has these keys; accept them under that name")
    unknown = [name for name in wish.via if name not in nncp.book.nodes or name == SELF_NAME]
    if unknown:
        raise ConfigError(f"{nncp.path}: via: {unknown[0]!r} is not a neighbour; allowed: names in neigh")


def _missing(nncp: NncpConfig, wish: Acceptance, config_path: Path) -> Addition:
    """What the configuration lacks of the neighbour."""
    known = nncp.book.nodes.get(wish.name)
    commands = {handle: list(handler_command(config_path, handle)) for handle in HANDLES}
    if known is None:
        member: dict[str, object] = _key_members(wish.block.keys)
        if wish.via:
            member["via"] = list(wish.via)
        member["exec"] = commands
        comment = (
            "A neighbour that may hand in mail here, in batches (rsmtp) or single messages (sendmail, rmail,"
            " nncp-rmail-v1), news (rnews), and what news it wants (newsfix)"
        )
        change = f"{nncp.path}: neigh.{wish.name} added"
        return Addition(("neigh",), {wish.name: member}, (comment,), (change,))
    if wish.via and tuple(nncp.book.find(name).id for name in wish.via) != known.via:
        raise ConfigError(f"{nncp.path}: neigh.{wish.name}.via: is different already; change it by hand")
    return _missing_handles(nncp.path, known, commands, is_kept=wish.is_handles_kept)


def _missing_handles(
    path: Path, known: Node, commands: Mapping[str, list[str]], *, is_kept: bool
) -> Addition:
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
    changes = tuple(f"{path}: neigh.{known.name}.exec.{handle} added" for handle in missing)
    return Addition(("neigh", known.name, "exec"), missing, changes=changes)


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
