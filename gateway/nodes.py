"""Who we are and whom we know: the neighbours and areas of an NNCP configuration, as values.

Read from the configuration by ``gateway.config``; used by every stage that makes or opens a
packet.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gateway.errors import BadIdentifier, ConfigError, UnknownNode
from gateway.ids import NICE_MAX, NodeId
from gateway.packet.keys import PrivateKeys, PublicKeys
from gateway.packet.padding import UNLIMITED_BYTES
from gateway.schedule.call import Online

SELF_NAME = "self"


@dataclass(frozen=True, slots=True)
class Freq:
    """What a neighbour may request by name, and in what form it is sent.

    Args:
        path: absolute directory the requests are resolved in, or None: nothing is given.
        chunked_bytes: chunk size, 0 for whole files.
        minsize_bytes: pad packets to this size.
        maxsize_bytes: refuse larger ones.
    """

    path: str | None = None
    chunked_bytes: int = 0
    minsize_bytes: int = 0
    maxsize_bytes: int = UNLIMITED_BYTES


@dataclass(frozen=True, slots=True)
class Ack:
    """In what form a neighbour's packets are acknowledged, when nothing else is said.

    Args:
        nice: niceness of the acknowledgement.
        minsize_bytes: pad it to this size.
    """

    nice: int = NICE_MAX
    minsize_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Node:
    """A neighbour (or ourselves, under the name ``self``).

    Args:
        name: its name in the configuration.
        keys: its public keys and id.
        incoming: absolute directory its files are put in, or None: files are refused.
        exec: handle to argument list, for the commands it may start here.
        freq: what it may request.
        via: ids of the nodes its packets travel through, in order of travel.
        ack: how its packets are acknowledged.
        online: how it is reached by the online protocol, and when.
    """

    name: str
    keys: PublicKeys
    incoming: str | None = None
    exec: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    freq: Freq = field(default_factory=Freq)
    via: tuple[NodeId, ...] = ()
    ack: Ack = field(default_factory=Ack)
    online: Online = field(default_factory=Online)

    @property
    def id(self) -> NodeId:
        """The node's id."""
        return self.keys.id


@dataclass(frozen=True, slots=True)
class Area:
    """A group of nodes with a common key: what is sent to it reaches all who subscribe to it.

    Args:
        name: its name in the configuration.
        id: its id, the hash of its public key.
        pub: public X25519 key, 32 bytes, or None: messages are only passed on.
        prv: the private half, or None.
        subs: ids of the neighbours who get its messages from us.
        incoming: directory its files are put in, or None: files are refused.
        exec: handle to argument list, for the commands that its messages may start here.
        is_unknown_allowed: whether messages are taken from authors who are no neighbours; nobody
            checks their signatures.
    """

    name: str
    id: NodeId
    pub: bytes | None = None
    prv: bytes | None = field(default=None, repr=False)
    subs: tuple[NodeId, ...] = ()
    incoming: str | None = None
    exec: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_unknown_allowed: bool = False

    def keys(self) -> tuple[bytes, bytes]:
        """Its public and its private key.

        Raises:
            ConfigError: the configuration lacks one.
        """
        if self.pub is None or self.prv is None:
            raise ConfigError(
                f"area {self.name} has no encryption keys: the configuration lacks its pub or prv"
            )
        return self.pub, self.prv


class Book:
    """All nodes of a configuration.

    Args:
        own: our private keys, or None in a configuration without any (as ``nncp-cfgmin`` prints).
        nodes: every entry of ``neigh``, ``self`` among them.
        areas: every entry of ``areas``.
    """

    def __init__(
        self, own: PrivateKeys | None, nodes: Mapping[str, Node], areas: Mapping[str, Area] | None = None
    ) -> None:
        if SELF_NAME not in nodes:
            raise ConfigError("neigh: an entry named self is missing")
        self.own = own
        self.nodes = dict(nodes)
        self.areas = dict(areas or {})
        self._by_id = {node.id: node for node in nodes.values()}

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes.values())

    @property
    def self_node(self) -> Node:
        """Our own entry of ``neigh``."""
        return self.nodes[SELF_NAME]

    def private_keys(self) -> PrivateKeys:
        """Our private keys.

        Raises:
            ConfigError: the configuration has none.
        """
        if self.own is None:
            raise ConfigError("Config lacks private keys")
        return self.own

    def find_id(self, node_id: NodeId) -> Node | None:
        """The neighbour with an id, or None."""
        return self._by_id.get(node_id)

    def find_keys(self, node_id: NodeId) -> PublicKeys | None:
        """The public keys of the neighbour with an id, or None."""
        node = self._by_id.get(node_id)
        return None if node is None else node.keys

    def find(self, name_or_id: str) -> Node:
        """The neighbour with a name, else with an id in base32.

        Raises:
            UnknownNode: neither is known.
        """
        if name_or_id in self.nodes:
            return self.nodes[name_or_id]
        try:
            node = self._by_id.get(NodeId.parse(name_or_id))
        except BadIdentifier:
            node = None
        if node is None:
            raise UnknownNode(f"unknown node {name_or_id!r}: not a name or id of the configuration's neigh")
        return node

    def find_area_id(self, area_id: NodeId) -> Area | None:
        """The area with an id, or None."""
        return next((area for area in self.areas.values() if area.id == area_id), None)

    def find_area(self, name_or_id: str) -> Area:
        """The area with a name, else with an id in base32.

        Raises:
            UnknownNode: neither is known.
        """
        area = self.areas.get(name_or_id)
        if area is None:
            try:
                area = self.find_area_id(NodeId.parse(name_or_id))
            except BadIdentifier:
                area = None
        if area is None:
            raise UnknownNode(f"unknown area {name_or_id!r}: not a name or id of the configuration's areas")
        return area
