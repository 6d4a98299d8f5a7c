"""Two machines with a line between them that is slow, far and loses packets.

The kernel's netem makes the line where it is built in. Elsewhere we are the line: each machine has a TUN
interface, and what one sends is held, dropped or passed on to the other here, packet by packet, with its
own TCP on both sides. Both obey the same figures.
"""

import contextlib
import fcntl
import os
import random
import select
import struct
import subprocess
import threading
import time
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support.network import CABLE, RUN_SECONDS, Machine, cabled
from tests.support.peers import find

TUN_DEVICE = Path("/dev/net/tun")
TUN_NAME = "line"
QUEUE_PACKETS = 1000
"""What waits for a free line at most; the default of netem."""
MTU_BYTES = 1500
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000


@dataclass(frozen=True, slots=True)
class Line:
    """How bad a line is, in each direction.

    Args:
        delay_seconds: on the way; half a round trip.
        loss_share: of the packets, 0 to 1.
        bits_per_second: 0: unlimited.
        seed: which packets are lost, where we are the line.
    """

    delay_seconds: float
    loss_share: float = 0
    bits_per_second: int = 0
    seed: int = 1


@contextlib.contextmanager
def machines_on(line: Line) -> Generator[tuple[Machine, Machine]]:
    """Two machines a line apart; the test is skipped where that is not possible."""
    with cabled() as (a, b):
        if _has_netem(line, a, b):
            yield a, b
            return
        with _tunnel(line, a, b) as machines:
            yield machines


def passed_bytes(machine: Machine) -> int:
    """Bytes of IP packets that a machine has sent and received on the line."""
    counted = 0
    for row in Path(f"/proc/{machine.pid}/net/dev").read_text().splitlines():
        name, _, figures = row.strip().partition(":")
        if name in {CABLE, TUN_NAME}:
            fields = figures.split()
            counted += int(fields[0]) + int(fields[8])
    return counted


def _has_netem(line: Line, *machines: Machine) -> bool:
    tc = find("tc")
    if tc is None:
        return False
    words = ["netem", "limit", str(QUEUE_PACKETS), "delay", f"{round(line.delay_seconds * 1000)}ms"]
    if line.loss_share:
        words += ["loss", f"{line.loss_share * 100:g}%"]
    if line.bits_per_second:
        words += ["rate", f"{line.bits_per_second}bit"]
    for machine in machines:
        # Packets as the line would carry them, not the large ones that veth passes on.
        machine.run("ip", "link", "set", "dev", CABLE, "gso_max_segs", "1")
        done = subprocess.run(
            machine.argv(tc, "qdisc", "add", "dev", CABLE, "root", *words),
            capture_output=True,
            check=False,
            timeout=RUN_SECONDS,
        )
        if done.returncode != 0:
            return False
    return True


@contextlib.contextmanager
def _tunnel(line: Line, a: Machine, b: Machine) -> Generator[tuple[Machine, Machine]]:
    """Take the cable's place: TUN interfaces on both machines, and threads that are the line between."""
    for machine in (a, b):
        machine.run("ip", "link", "set", CABLE, "down")
    ends = {machine: replace(machine, ipv4=machine.ipv4.replace("10.99.", "10.98.")) for machine in (a, b)}
    with contextlib.ExitStack() as stack:
        descriptors = [stack.enter_context(_tun_of(end)) for end in ends.values()]
        near, far = ends[a], ends[b]
        for end, other in ((near, far), (far, near)):
            end.run("ip", "address", "add", f"{end.ipv4}/32", "peer", other.ipv4, "dev", TUN_NAME)
            end.run("ip", "link", "set", TUN_NAME, "mtu", str(MTU_BYTES), "up")
        stop_read, stop_write = os.pipe()
        stack.callback(os.close, stop_read)
        threads = [
            threading.Thread(
                target=_Direction(line, number, source, target).run, args=(stop_read,), daemon=True
            )
            for number, (source, target) in enumerate((descriptors, descriptors[::-1]))
        ]
        for thread in threads:
            thread.start()
            stack.callback(thread.join)
        # Closed first: both threads see the end of the pipe.
        stack.callback(os.close, stop_write)
        yield near, far


@contextlib.contextmanager
def _tun_of(machine: Machine) -> Generator[int]:
    """Give a machine a TUN interface; yields our end of it, which never blocks."""
    try:
        descriptor = os.open(TUN_DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        pytest.skip(f"neither netem nor {TUN_DEVICE} here: {error.strerror}")
    try:
        # Made in our own network, at once moved into the machine's.
        name = f"ngw{machine.pid}"
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
        subprocess.run(
            ["ip", "link", "set", name, "netns", str(machine.pid), "name", TUN_NAME],
            check=True,
            capture_output=True,
            timeout=RUN_SECONDS,
        )
        yield descriptor
    finally:
        os.close(descriptor)


class _Direction:
    """One direction of the line: packets wait for it to be free, are lost or not, and arrive later."""

    def __init__(self, line: Line, number: int, source: int, target: int) -> None:
        self._line = line
        self._chance = random.Random(f"{line.seed} {number}")
        self._source = source
        self._target = target
        self._under_way: deque[tuple[float, bytes]] = deque()
        self._free_at = 0.0

    def run(self, stop: int) -> None:
        """Be the line until the pipe ``stop`` ends."""
        while True:
            wait_seconds = None
            if self._under_way:
                wait_seconds = max(self._under_way[0][0] - time.monotonic(), 0)
            readable, _, _ = select.select([self._source, stop], [], [], wait_seconds)
            if stop in readable:
                return
            if self._source in readable:
                self._take()
            self._deliver()

    def _take(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                packet = os.read(self._source, MTU_BYTES)
                now = time.monotonic()
                waiting = sum(1 for arrives, _ in self._under_way if arrives - self._line.delay_seconds > now)
                if waiting >= QUEUE_PACKETS or self._chance.random() < self._line.loss_share:
                    continue
                takes_seconds = 0.0
                if self._line.bits_per_second:
                    takes_seconds = len(packet) * 8 / self._line.bits_per_second
                self._free_at = max(self._free_at, now) + takes_seconds
                self._under_way.append((self._free_at + self._line.delay_seconds, packet))

    def _deliver(self) -> None:
        while self._under_way and self._under_way[0][0] <= time.monotonic():
            _, packet = self._under_way.popleft()
            # A full queue of the receiver loses it, as everywhere.
            with contextlib.suppress(BlockingIOError):
                os.write(self._target, packet)
