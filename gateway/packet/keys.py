"""Keys of a node: what it keeps to itself and what its neighbours know.

Exchange and noise keys are raw X25519 (32 bytes). Signing keys are Ed25519: public 32 bytes,
private 64 bytes (seed, then public key). A node's id is the BLAKE2b-256 hash of its public
signing key. Nothing here ever prints a private key.

Spec: NNCP 8 manual, Configuration (self, neigh) and Encrypted packet.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from nacl import bindings

from gateway.ids import NodeId

KEY_BYTES = 32
SIGNING_KEY_BYTES = 64

Random = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """What others know of a node.

    Args:
        id: the node's id.
        exchpub: X25519 public key that packets for it are sealed to, 32 bytes.
        signpub: Ed25519 public key its packets are signed with, 32 bytes.
        noisepub: X25519 public key of the online protocol, 32 bytes, or None: no online contact.
    """

    id: NodeId
    exchpub: bytes
    signpub: bytes
    noisepub: bytes | None = None


@dataclass(frozen=True, slots=True)
class PrivateKeys:
    """A node's own keys, both halves."""

    id: NodeId
    exchpub: bytes
    exchprv: bytes = field(repr=False)
    signpub: bytes
    signprv: bytes = field(repr=False)
    noisepub: bytes
    noiseprv: bytes = field(repr=False)

    @property
    def public(self) -> PublicKeys:
        """The half that may be shown."""
        return PublicKeys(self.id, self.exchpub, self.signpub, self.noisepub)


def node_id_of(signpub: bytes) -> NodeId:
    """The id that belongs to a public signing key."""
    return NodeId(hashlib.blake2b(signpub, digest_size=KEY_BYTES).digest())


def generate_keys(rng: Random) -> PrivateKeys:
    """Make the keys of a new node.

    Args:
        rng: cryptographic randomness, such as ``os.urandom``.
    """
    exchprv, noiseprv = rng(KEY_BYTES), rng(KEY_BYTES)
    signpub, signprv = bindings.crypto_sign_seed_keypair(rng(KEY_BYTES))
    return PrivateKeys(
        id=node_id_of(signpub),
        exchpub=bindings.crypto_scalarmult_base(exchprv),
        exchprv=exchprv,
        signpub=signpub,
        signprv=signprv,
        noisepub=bindings.crypto_scalarmult_base(noiseprv),
        noiseprv=noiseprv,
    )
