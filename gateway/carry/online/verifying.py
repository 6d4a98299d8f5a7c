"""Verifies packets that were not hashed as they came: one thread for all sessions of a process.

    PKT.nock ──hash is right──→ synced, renamed to PKT, directory synced ──→ told
             ──hash is wrong──→ removed ──→ told: it can be asked for from its first byte
             ──can't be read──→ stays, for the next session or ``nncp-check -nock``

Contract: a fault of one packet does not stop the others. A hurried end leaves the file at hand as it is.
"""

import logging
import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from gateway.carry.online.records import Records
from gateway.carry.online.worker import Worker
from gateway.carry.stick import read_pieces
from gateway.durable import store_errors
from gateway.errors import GatewayError
from gateway.ids import PacketId
from gateway.nodes import Node
from gateway.packet.mth import MerkleTreeHash
from gateway.packet.sealed import ENCRYPTED_HEADER_BYTES
from gateway.spool.layout import NOCK_SUFFIX, Box, parse_suffixed_name
from gateway.spool.progress import Progress
from gateway.spool.store import Spool

_LOG = logging.getLogger(__name__)

OnVerified = Callable[[PacketId, bool], None]
"""Called in the thread, with whether the packet is good."""


class Verifier:
    """Makes packets of ``.nock`` files.

    Args:
        spool: where they lie.
        progress: shows how far one is.
    """

    def __init__(self, spool: Spool, progress: Progress) -> None:
        self._spool = spool
        self._progress = progress
        self._is_hurried = threading.Event()
        self._worker = Worker("verify", lambda _error: None)

    def put(self, node: Node, packet: PacketId, records: Records, on_verified: OnVerified) -> None:
        """Verify a packet when those before it are done; from any thread."""
        self._worker.put(partial(self._verify, node, packet, records, on_verified))

    def put_all(self, node: Node, records: Records, on_verified: OnVerified) -> None:
        """Verify all that was left of a neighbour."""
        self._worker.put(partial(self._verify_all, node, records, on_verified))

    async def close(self, *, is_hurried: bool) -> None:
        """End the thread.

        Args:
            is_hurried: leave what is not done to the next time.
        """
        if is_hurried:
            self._is_hurried.set()
        await self._worker.close()

    def _verify_all(self, node: Node, records: Records, on_verified: OnVerified) -> None:
        directory = self._spool.layout.box(node.id, Box.RX)
        try:
            names = [path.name for path in directory.iterdir() if path.name.endswith(NOCK_SUFFIX)]
        except OSError as error:
            _LOG.debug("%s: %s", directory, error)
            return
        for packet in (parse_suffixed_name(name, NOCK_SUFFIX) for name in sorted(names)):
            if packet is not None:
                self._verify(node, packet, records, on_verified)

    def _verify(self, node: Node, packet: PacketId, records: Records, on_verified: OnVerified) -> None:
        final = self._spool.layout.packet(node.id, Box.RX, packet)
        path = final.with_name(packet.text + NOCK_SUFFIX)
        if self._is_hurried.is_set() or not path.exists():
            # Gone: somebody else verified it.
            return
        try:
            is_good = self._is_good(path, packet)
            if is_good is None:
                return
            if is_good:
                self._keep(node, packet, path, records)
            else:
                self._spool.disk.remove(path, is_synced=False)
                records.failed("sp-checker", packet, "the hash is wrong; it is removed")
        except GatewayError as error:
            if path.exists():
                records.failed("sp-checker", packet, error)
            return
        except Exception:  # noqa: BLE001 - a bug must not leave all that come after unverified
            _LOG.exception("verifying %s: a fault of this program", path)
            return
        on_verified(packet, is_good)

    def _is_good(self, path: Path, packet: PacketId) -> bool | None:
        """Whether the hash is right; None: hurried.

        Raises:
            StoreError: it can't be read.
        """
        tree = MerkleTreeHash()
        with store_errors(path, "verify"):
            size_bytes = path.stat().st_size
        with self._progress.bar(f"verifying {packet}", size_bytes) as bar:
            for piece in bar.follow(read_pieces(path)):
                if self._is_hurried.is_set():
                    return None
                tree.update(piece)
        return tree.digest() == packet.raw

    def _keep(self, node: Node, packet: PacketId, path: Path, records: Records) -> None:
        """Make a packet of it.

        Raises:
            StoreError: the disk refused.
        """
        with store_errors(path, "verify"), path.open("rb") as file:
            size_bytes = os.fstat(file.fileno()).st_size
            header = file.read(ENCRYPTED_HEADER_BYTES)
        self._spool.disk.sync_file(path)
        is_packet = len(header) == ENCRYPTED_HEADER_BYTES
        self._spool.commit(path, node.id, Box.RX, packet, header if is_packet else None)
        records.verified(packet, size_bytes)
