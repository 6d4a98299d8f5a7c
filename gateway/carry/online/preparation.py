"""Before a session: nobody else talks with the neighbour, and what waits for it is known."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from functools import partial

from gateway.carry.online.departures import OFFER_LIMIT_COUNT
from gateway.carry.online.office import Office
from gateway.carry.online.outbox import Outbox
from gateway.carry.online.records import Records, record_lock
from gateway.errors import StoreBusy
from gateway.link.events import Offer
from gateway.link.settings import LinkSettings
from gateway.nodes import Node
from gateway.spool.layout import LockKind


@contextlib.asynccontextmanager
async def hold_locks(
    office: Office, node: Node, *, is_receiving: bool, is_sending: bool
) -> AsyncIterator[None]:
    """Keep others, the Go tools too, from the boxes that a session works on.

    Raises:
        StoreBusy: somebody else is at work there.
        StoreError: the disk refused.
    """
    kinds = [
        kind for kind, is_needed in ((LockKind.RX, is_receiving), (LockKind.TX, is_sending)) if is_needed
    ]
    with contextlib.ExitStack() as stack:
        for kind in kinds:
            try:
                await office.in_thread(stack.enter_context, office.spool.lock(node.id, kind))
            except StoreBusy as error:
                record_lock(office.log, node.id, error, str(office.spool.layout.lock(node.id, kind)))
                raise
        yield


async def find_offers(
    office: Office, node: Node, settings: LinkSettings, patience_seconds: float | None = None
) -> Sequence[Offer]:
    """Have what waits for a neighbour made into packets, and list them, the most urgent first.

    Args:
        office: what sessions share.
        node: the neighbour.
        settings: of the session.
        patience_seconds: how long the making may take; what is made later is found while the session runs.
    """
    records = Records(office.log, node, settings.nice)
    making = asyncio.ensure_future(office.in_thread(office.hooks.on_start, node))
    try:
        await asyncio.wait({making}, timeout=patience_seconds)
    finally:
        if not making.done():
            making.add_done_callback(partial(_tell_late_fault, records))
    if making.done():
        making.result()
    if not settings.is_sending:
        return ()
    outbox = Outbox(office.spool, node.id, settings.nice, records)
    return await office.in_thread(outbox.scan, (), OFFER_LIMIT_COUNT)


def _tell_late_fault(records: Records, making: "asyncio.Task[None]") -> None:
    """Nobody waits any more for what is made: its fault would be an unexplained traceback."""
    if not making.cancelled() and (error := making.exception()) is not None:
        records.fault("sp-infos-tx", error, "Making packets for")
