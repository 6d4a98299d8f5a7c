"""A round of trouble: two nodes exchange packets, and session after session is cut or killed on its way.

    queue packets ─→ daemon ─→ call through the proxy ─→ after K bytes: FIN, RST, or kill -9 of a side ─┐
                        ▲            │ all arrived                                                      │
                        │            └─→ check everything                                               │
                        └──────────────── wait for the locks, restart who was killed ◀──────────────────┘

Everything random comes from the seed; where exactly a program is when a byte passes, does not.
"""

import os
import random
import signal
import threading
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.support.online import SESSION_SECONDS, OnlinePair
from tests.support.online_packets import KIB, MIB, Mix
from tests.support.ports import free_port
from tests.support.processes import Running, wait_until
from tests.support.tcp_proxy import Cut, Hook, Proxy

SMALL = Mix((512, 32 * KIB), (256 * KIB, MIB), 0.2)
PACKETS = 10
HANDSHAKE_BYTES = 70 * KIB
"""Both first messages, padded as Go pads them."""
HANDSHAKE_SHARE = 0.15
FAULT_LIMIT = 4
"""Sessions that are disturbed; then one may come to its end."""


class Fault(StrEnum):
    """What ends a session."""

    FIN = "fin"
    RESET = "reset"
    KILL_CALLER = "kill caller"
    KILL_DAEMON = "kill daemon"


@dataclass(frozen=True, slots=True)
class Setting:
    """What a round does.

    Args:
        caller: OURS or GO, at node a.
        daemon: OURS or GO, at node b.
        seed: of all chance.
    """

    caller: str
    daemon: str
    seed: int

    def __str__(self) -> str:
        return f"{self.caller} calls {self.daemon}, seed {self.seed}"


class Round:
    """Runs one round.

    Args:
        directory: is made.
        setting: who, and by which chance.
        packet_count: queued at each side.
        mix: how large they are.
    """

    def __init__(
        self, directory: Path, setting: Setting, *, packet_count: int = PACKETS, mix: Mix = SMALL
    ) -> None:
        self.setting = setting
        self.pair = OnlinePair(directory)
        self.faults: list[str] = []
        self._chance = random.Random(setting.seed)
        self._port = free_port()
        self._daemon: Running | None = None
        for name in ("a", "b"):
            self.pair.fill(name, packet_count, f"{setting}", mix=mix)
        self._total_bytes = sum(made.size_bytes for name in ("a", "b") for made in self.pair.sent[name])

    def run(self) -> None:
        """Disturb sessions until everything has arrived, and see that it did."""
        try:
            with Proxy(self._port) as proxy:
                while not self.pair.has_all():
                    self._session(proxy, self._next_fault())
        except BaseException as error:
            error.add_note(f"{self.setting}: {self.faults}\n{self.pair.explain()}")
            raise
        finally:
            self._stop_daemon()
        self.pair.check_all()

    def _next_fault(self) -> Fault | None:
        return None if len(self.faults) >= FAULT_LIMIT else self._chance.choice(list(Fault))

    def _session(self, proxy: Proxy, fault: Fault | None) -> None:
        daemon = self._running_daemon()
        victims: dict[Fault, Running] = {Fault.KILL_DAEMON: daemon}
        is_started = threading.Event()

        def strike() -> None:
            is_started.wait()
            if fault in victims:
                # Not the harness's own kill_group: the proxy must not wait for it.
                os.kill(victims[fault].pid, signal.SIGKILL)

        proxy.cut_next(self._cut(fault, strike))
        with self.pair.start_call(self.setting.caller, "a", "-quiet", "--", proxy.address) as call:
            victims[Fault.KILL_CALLER] = call
            is_started.set()
            wait_until(
                lambda: call.returncode is not None or self.pair.has_all(),
                SESSION_SECONDS,
                "the end of the session",
            )
        if fault is Fault.KILL_DAEMON and not proxy.is_cut_pending:
            self._stop_daemon()
        for name in ("a", "b"):
            self.pair.wait_unlocked(name)

    def _cut(self, fault: Fault | None, strike: Hook) -> Cut | None:
        if fault is None:
            return None
        is_early = self._chance.random() < HANDSHAKE_SHARE
        after_bytes = self._chance.randint(1, HANDSHAKE_BYTES if is_early else self._total_bytes // 3)
        self.faults.append(f"{fault} after {after_bytes}")
        return Cut(after_bytes, is_reset=fault is not Fault.FIN, then=strike)

    def _running_daemon(self) -> Running:
        if self._daemon is None:
            self._daemon = self.pair.listen(self.setting.daemon, "b", self._port, "-quiet")
        if self._daemon.returncode is not None:
            raise AssertionError(f"the daemon ended by itself with {self._daemon.returncode}")
        return self._daemon

    def _stop_daemon(self) -> None:
        if self._daemon is not None:
            self._daemon.stop()
            self._daemon = None
