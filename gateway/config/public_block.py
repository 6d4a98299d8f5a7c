"""What a node gives to its neighbours: its public keys, and what it understands.

The block is Hjson in the shape of ``nncp-cfgmin``, so a person with the Go tools can copy it into
a configuration, and what ``nncp-cfgmin`` prints is read as a block. The member ``nncp-gateway``
is our own and ignored by other tools.
"""

from dataclasses import dataclass
from pathlib import Path

from gateway.config.edit_hjson import render_members
from gateway.config.nncp_document import parse_document
from gateway.config.nncp_fields import Findings, Section
from gateway.config.nncp_nodes import read_neighbours
from gateway.errors import ConfigError
from gateway.ids import encode_base32
from gateway.nodes import SELF_NAME
from gateway.packet.keys import PublicKeys, node_id_of

BLOCK_LIMIT_CHARS = 1 << 20
OWN_MEMBER = "nncp-gateway"
FORMS = ("sendmail", "bsmtp", "gateway")


@dataclass(frozen=True, slots=True)
class PublicBlock:
    """What a neighbour told us of itself.

    Args:
        keys: its public keys.
        understands: how it wants mail, if it said so.
        domains: domains it serves, if it said so: a claim, not a permission.
        has_private_keys: its private keys were in the text too, which they should never be.
    """

    keys: PublicKeys
    understands: str | None = None
    domains: tuple[str, ...] = ()
    has_private_keys: bool = False


def render_block(keys: PublicKeys, domains: tuple[str, ...]) -> str:
    """The block that a node of ours gives to its neighbours.

    Args:
        keys: of our node.
        domains: what is delivered here.
    """
    entry = {
        "id": keys.id.text,
        "exchpub": encode_base32(keys.exchpub),
        "signpub": encode_base32(keys.signpub),
    }
    if keys.noisepub is not None:
        entry["noisepub"] = encode_base32(keys.noisepub)
    members: dict[str, object] = {
        "neigh": {SELF_NAME: entry},
        OWN_MEMBER: {"understands": "gateway", "domains": list(domains)},
    }
    return "\n".join(["{", *(f"  {line}" for line in render_members(members)), "}", ""])


def parse_block(text: str, source: str) -> PublicBlock:
    """Read a block, or what ``nncp-cfgmin`` prints.

    Args:
        text: of the block.
        source: where it came from, for errors.

    Raises:
        ConfigError: there are no sound public keys in it; no key is quoted.
    """
    if len(text) > BLOCK_LIMIT_CHARS:
        raise ConfigError(f"{source}: is longer than {BLOCK_LIMIT_CHARS} characters; it is no block of keys")
    try:
        document = parse_document(text, Path(source))
    except ConfigError as error:
        raise ConfigError(f"{error}; allowed: what nncp-gateway invite or nncp-cfgmin prints") from None
    findings = Findings()
    root = Section(findings, "", document)
    neigh = document.get("neigh")
    entry = neigh.get(SELF_NAME) if isinstance(neigh, dict) else None
    if not isinstance(entry, dict):
        raise ConfigError(
            f"{source}: neigh.self is missing; allowed: what nncp-cfgmin prints at the neighbour"
        )
    node = read_neighbours(root).get(SELF_NAME)
    mistakes = [error for error in findings.errors if error.startswith(f"neigh.{SELF_NAME}.")]
    if node is None or mistakes:
        raise ConfigError("\n".join(f"{source}: {mistake}" for mistake in mistakes))
    if node_id_of(node.keys.signpub) != node.keys.id:
        raise ConfigError(
            f"{source}: neigh.self.id: does not belong to signpub; the block was damaged on its way"
        )
    own = document.get(OWN_MEMBER)
    said = own if isinstance(own, dict) else {}
    understands, domains = said.get("understands"), said.get("domains")
    secret = document.get(SELF_NAME)
    return PublicBlock(
        keys=node.keys,
        understands=understands if isinstance(understands, str) and understands in FORMS else None,
        domains=tuple(str(domain) for domain in domains) if isinstance(domains, list) else (),
        has_private_keys=isinstance(secret, dict) and any(str(key).lower().endswith("prv") for key in secret),
    )
