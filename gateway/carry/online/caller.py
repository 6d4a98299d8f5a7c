"""The caller: calls neighbours when their entries say so, for ever.

``gateway.schedule.plan`` decides who is due; here the clocks are read, packets looked for and calls made,
each in a task of its own.

Contract: cancelled, it ends running sessions cleanly before it returns; it returns by itself only when no
entry will ever be due again. Whatever happens to one call, the others go on.

Spec: NNCP 8 manual, nncp-caller and Call configuration.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from enum import Enum, auto

from gateway.carry.online.autotoss import AutoTosser
from gateway.carry.online.call import CallPlan, CallResult, call
from gateway.carry.online.discovery import Lookout
from gateway.carry.online.link_settings import settings_of_call
from gateway.carry.online.office import Office
from gateway.carry.online.waiting import Waiting
from gateway.errors import ConfigError, GatewayError, StoreBusy
from gateway.moment import Moment, read_moment
from gateway.nodes import Book, Node
from gateway.schedule.plan import REDIAL_SECONDS, Entry, Plan
from gateway.spool.layout import LockKind
from gateway.spool.link_record import Role
from gateway.spool.log import Fields

_LOG = logging.getLogger(__name__)


def _no_mail(_node: Node, _nice: int) -> bool:
    """Stand in where nothing but packets waits."""
    return False


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a caller works with besides the office; every part may be missing.

    Args:
        lookout: knows where neighbours were heard of late.
        tosser: tosses what arrives, as each call says.
        has_mail: whether something of at most this niceness waits for a neighbour that becomes packets when
            a session begins; asked in a thread, and only if no packets wait.
    """

    lookout: Lookout | None = None
    tosser: AutoTosser | None = None
    has_mail: Callable[[Node, int], bool] = _no_mail


def find_entries(book: Book, only: Collection[Node] | None = None) -> list[Entry]:
    """The calls of all neighbours that can be called, or of some.

    Args:
        book: the neighbours.
        only: these; None: all.

    Raises:
        ConfigError: one of ``only`` has no key for online sessions.
    """
    entries: list[Entry] = []
    for node in book if only is None else only:
        if node.keys.noisepub is not None:
            entries += [Entry(node.id, index, found) for index, found in enumerate(node.online.calls)]
        elif only is not None:
            raise ConfigError(f"Node {node.name} does not have online communication capability: no noisepub")
    return entries


class _Outcome(Enum):
    """What came of an entry that was due."""

    NEEDLESS = auto()
    CALLED = auto()
    REFUSED = auto()
    """By the neighbour, or by its locks: somebody talks with it, or carries packets to it otherwise."""


class Caller:
    """Makes the calls of a configuration.

    Args:
        office: what sessions share; it must have been entered.
        entries: what to call; every node of them is known.
        around: what else there is to work with.
        wall: the time of day, in seconds since the epoch.
        make_call: makes one call; cancelled, it ends the session cleanly.
    """

    def __init__(
        self,
        office: Office,
        entries: Iterable[Entry],
        around: Surroundings | None = None,
        wall: Callable[[], float] = time.time,
        make_call: Callable[[Office, CallPlan], Awaitable[CallResult]] = call,
    ) -> None:
        self._office = office
        self._log = office.log
        self._entries = tuple(entries)
        self._around = around or Surroundings()
        self._wall = wall
        self._call = make_call
        self._waiting = Waiting(office.spool)
        self._refused: dict[Entry, Moment] = {}
        """When those that were put off were refused."""
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Call until no entry will be due any more, or cancelled."""
        plan = Plan(self._entries, self._wall())
        for entry in self._entries:
            self._tell_next(plan, entry)
        async with asyncio.TaskGroup() as tasks:
            while not plan.is_over:
                for entry in plan.take_due(self._wall(), self._steady()):
                    tasks.create_task(self._serve(plan, entry))
                self._ended.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(plan.wait_seconds(self._wall(), self._steady())):
                        await self._ended.wait()

    async def _serve(self, plan: Plan, entry: Entry) -> None:
        outcome = _Outcome.NEEDLESS
        try:
            outcome = await self._try(entry)
        except GatewayError as error:
            self._log.error("caller", _fields(entry), error, self._title(entry))
        except Exception:  # noqa: BLE001 - a bug in one call must not end the others
            _LOG.exception("%s: a fault of this program", self._title(entry))
        if outcome is not _Outcome.REFUSED or not self._put_off(plan, entry):
            was_called = outcome is not _Outcome.NEEDLESS
            plan.end(entry, self._wall(), self._steady(), was_called=was_called)
            self._tell_next(plan, entry)
        self._ended.set()

    def _put_off(self, plan: Plan, entry: Entry) -> bool:
        """Try again later, if there are tries left: perhaps the neighbour is just calling us."""
        pause_seconds = REDIAL_SECONDS + random.uniform(0, entry.call.link.handshake_seconds)  # noqa: S311
        if not plan.put_off(entry, self._steady(), pause_seconds):
            return False
        self._refused[entry] = read_moment()
        self._log.debug("caller", _fields(entry), f"{self._title(entry)}: again in {pause_seconds:.1f} s")
        return True

    async def _try(self, entry: Entry) -> _Outcome:
        """Make a call if there is need for it, nobody else at work, and somewhere to call."""
        refused = self._refused.pop(entry, None)
        obstacle = await asyncio.to_thread(self._find_obstacle, entry, refused)
        if obstacle is not None:
            return obstacle
        addresses = self._addresses(entry)
        if not addresses:
            return _Outcome.NEEDLESS
        node, tosser = self._node(entry), self._around.tosser
        call_plan = CallPlan(node, addresses, settings_of_call(entry.call), is_nock=entry.call.is_nock)
        if tosser is not None:
            tosser.choose(node, entry.call.autotoss)
        try:
            result = await self._call(self._office, call_plan)
        finally:
            if tosser is not None:
                tosser.wake(node)
        return _Outcome.REFUSED if result.is_refused else _Outcome.CALLED

    def _find_obstacle(self, entry: Entry, refused: Moment | None) -> _Outcome | None:
        """What there is against a call, or None.

        Args:
            entry: the call.
            refused: when the neighbour refused it, if it was put off.
        """
        node, call = self._node(entry), entry.call
        if refused is not None and self._has_called_us(node, refused):
            return _Outcome.NEEDLESS
        if call.is_tx_needed and not self._has_something(node, call.nice):
            return _Outcome.NEEDLESS
        try:
            with self._office.spool.lock(node.id, LockKind.RX), self._office.spool.lock(node.id, LockKind.TX):
                return None
        except StoreBusy as error:
            self._log.debug("caller", _fields(entry), f"{self._title(entry)}: {error}")
            return _Outcome.REFUSED

    def _has_something(self, node: Node, nice: int) -> bool:
        return self._waiting.has_packet(node.id, nice) or self._around.has_mail(node, nice)

    def _has_called_us(self, node: Node, since: Moment) -> bool:
        """Whether a neighbour that could not be called then talks with us now, or has called us since."""
        if self._office.links is None:
            return False
        contact, now = self._office.links.read(node.id).contact, read_moment()
        if contact is None or contact.role is not Role.LISTENER:
            return False
        return contact.at.age_seconds(now) < since.age_seconds(now)

    def _addresses(self, entry: Entry) -> tuple[str, ...]:
        """Where to call: where the neighbour was heard, then as configured, in that order."""
        found: list[str] = []
        if self._around.lookout is not None and not entry.call.is_mcd_ignored:
            found += self._around.lookout.addresses(entry.node)
            for address in found:
                message = f"{self._title(entry)}: adding MCD address: {address}"
                self._log.debug("caller", _fields(entry), message)
        if entry.call.address is not None:
            found.append(entry.call.address)
        else:
            found += self._node(entry).online.addresses.values()
        if not found:
            self._log.debug("caller-no-addrs", _fields(entry), f"{self._title(entry)}: no addresses")
        return tuple(dict.fromkeys(found))

    def _tell_next(self, plan: Plan, entry: Entry) -> None:
        seconds = plan.next_time(entry)
        if seconds is None:
            self._log.error("caller", _fields(entry), "got zero time", self._title(entry))
            return
        when = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(seconds))
        self._log.debug("caller-time", _fields(entry), f"{self._title(entry)}: {when}")

    def _node(self, entry: Entry) -> Node:
        node = self._office.book.find_id(entry.node)
        if node is None:
            raise AssertionError("internal error: an entry of a node that is not known")
        return node

    def _title(self, entry: Entry) -> str:
        return f"{self._node(entry).name} node, call {entry.index}"

    @staticmethod
    def _steady() -> float:
        return asyncio.get_running_loop().time()


def _fields(entry: Entry) -> Fields:
    return [("Node", entry.node.text), ("CallIndex", entry.index)]
