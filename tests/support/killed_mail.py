"""Two nodes with daemons under load, of which one or both are killed, again and again.

    clients ─SMTP─→ daemon a ─→ xfer or calls ─→ daemon b ─→ SMTP server or Maildir
                      ✗ kill -9, restart            ✗ kill -9, restart

Everything random comes from the seed; where exactly a daemon is at that moment does not. What is
duplicated is counted by its cause: a copy handed in again since no answer came, or one copy
delivered twice, since the daemon died before it had recorded what became of it.
"""

import contextlib
import json
import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.support import maildir
from tests.support.gateways import MODULE as PROGRAM
from tests.support.gateways import START_SECONDS, GatewayNode, clean_environ, pair
from tests.support.mail_load import Client, Promises, copy_of
from tests.support.ports import free_port
from tests.support.processes import Running, is_listening, slowness, tail, wait_until
from tests.support.smtp_sink import SmtpSink

CLIENTS_COUNT = 3
MESSAGES_PER_CLIENT = 30
ROUND_SECONDS = 120
FIRST_BLOW_SECONDS = 0.6
LATER_BLOW_SECONDS = 0.3
LATER_BLOW_SHARE = 0.3
DELIVERED_TWICE_LIMIT = 64
"""For each kill: docs/reference/delivery.md, what may be delivered twice."""
VICTIMS = (("a",), ("b",), ("a", "b"))
Blow = tuple[tuple[str, ...], float]
"""Who is killed, and so many seconds after what was before."""


@dataclass(slots=True)
class Figures:
    """What happened in some rounds.

    Attributes:
        rounds: of trouble.
        kills: of each node.
        promised: messages answered with 250.
        unanswered: copies whose answer never came.
        arrived_unanswered: those of them that arrived all the same: handed in again, so twice there.
        delivered_twice: copies that were delivered once more than once.
    """

    rounds: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    promised: int = 0
    unanswered: int = 0
    arrived_unanswered: int = 0
    delivered_twice: int = 0

    def add(self, other: "Figures") -> None:
        """Count others with these."""
        self.rounds += other.rounds
        self.kills += other.kills
        self.promised += other.promised
        self.unanswered += other.unanswered
        self.arrived_unanswered += other.arrived_unanswered
        self.delivered_twice += other.delivered_twice

    def __str__(self) -> str:
        return (
            f"{self.rounds} rounds, {self.kills['a']} kills of the sender, {self.kills['b']} of the receiver:"
            f" {self.promised} messages promised, none lost;"
            f" {self.arrived_unanswered} of {self.unanswered} without an answer had been taken and came"
            f" twice (RFC 1047); {self.delivered_twice} delivered twice"
        )


class Victim:
    """A node whose daemon is killed and started anew.

    Args:
        node: as it is configured.
        port: that its daemon listens on.
    """

    def __init__(self, node: GatewayNode, port: int) -> None:
        self.node = node
        self.port = port
        self._daemon: Running | None = None

    def start(self) -> None:
        """Start the daemon."""
        argv = [*PROGRAM, "-c", str(self.node.config_path), "serve"]
        self._daemon = Running(argv, self.node.log_path, env=clean_environ())

    def wait(self) -> None:
        """Wait until it listens."""
        assert self._daemon is not None
        self._daemon.wait_ready(lambda: is_listening(self.port), START_SECONDS, f"port {self.port}")

    def kill(self) -> None:
        """As a power cut of this program alone."""
        assert self._daemon is not None
        assert self._daemon.returncode is None, f"ended by itself\n{tail(self.node.log_path)}"
        self._daemon.kill_group()

    def end(self) -> None:
        """Stop it in good order."""
        if self._daemon is not None:
            assert self._daemon.stop() == 0, tail(self.node.log_path)

    def close(self) -> None:
        """End it somehow."""
        if self._daemon is not None:
            self._daemon.kill_group()


class KilledMail:
    """Two nodes; a context manager.

    Args:
        place: a directory of its own.
        seed: of all chance.
        carrier: "xfer" or "online".
        to: "smtp" or "maildir".
    """

    def __init__(self, place: Path, seed: int, carrier: str, to: str) -> None:
        self.figures = Figures()
        self.promises = Promises()
        self._seed = seed
        self._chance = random.Random(seed)
        self._is_online = carrier == "online"
        self._to = to
        self._place = place
        self._sink = SmtpSink(extensions=("PIPELINING", "SIZE 10000000", "8BITMIME"))
        self._seen: dict[str, str] = {}
        self._fault: BaseException | None = None
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._sink)
        ports = {"a": free_port(), "b": free_port()}
        target = f"smtp:127.0.0.1:{self._sink.port}" if self._to == "smtp" else f"maildir:{self._place}/mail"
        nodes = {
            name: GatewayNode(
                self._place / name,
                f"{name}.test",
                *("--deliver", target, "--smtp-listen", f"127.0.0.1:{ports[name]}"),
            )
            for name in ports
        }
        a, b = nodes["a"], nodes["b"]
        pair(a, b, "--understands", "gateway")
        for node in nodes.values():
            text = node.config_path.read_text().replace("max_age_seconds = 60.0", "max_age_seconds = 0.1")
            node.config_path.write_text(text.replace('"127.0.0.1:0", ', ""))
        b.set_toml("toss", "interval_seconds = 0.2\nretry_seconds = 0.2\n")
        b.set_toml("deliver", "first_wait_seconds = 0.1\n")
        if self._is_online:
            _connect(a, b)
        self._victims = {name: Victim(nodes[name], ports[name]) for name in nodes}
        for victim in self._victims.values():
            self._stack.callback(victim.close)
            victim.start()
        for victim in self._victims.values():
            victim.wait()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def run(self, rounds: int) -> None:
        """So many rounds of trouble, and what all of them left."""
        for number in range(rounds):
            try:
                self._round(number)
            except BaseException as error:
                logs = "\n".join(tail(victim.node.log_path) for victim in self._victims.values())
                error.add_note(f"seed {self._seed}, round {number}, in {self._place}\n{logs}")
                raise
        self._check_what_is_left()

    def _round(self, number: int) -> None:
        names = [f"{number}.{index}" for index in range(CLIENTS_COUNT)]
        port = self._victims["a"].port
        clients = [Client(name, port, f"{self._seed}.{name}", MESSAGES_PER_CLIENT) for name in names]
        blows = [(self._chance.choice(VICTIMS), self._chance.uniform(0, FIRST_BLOW_SECONDS))]
        while self._chance.random() < LATER_BLOW_SHARE:
            blows.append((self._chance.choice(VICTIMS), self._chance.uniform(0, LATER_BLOW_SECONDS)))
        for client in clients:
            client.start()
        fates = threading.Thread(target=self._strike_all, args=(blows,))
        fates.start()
        try:
            while fates.is_alive():
                self._carry()
                fates.join(0.1)
        finally:
            fates.join(ROUND_SECONDS * slowness())
            told = [client.stop() for client in clients]
        assert self._fault is None, self._fault
        for promises in told:
            self.promises.kept |= promises.kept
            self.promises.open |= promises.open
            self.promises.refused |= promises.refused
        self._wait_for_all()
        self.figures.rounds += 1

    def _strike_all(self, blows: list[Blow]) -> None:
        """Kill and restart, after the delays."""
        try:
            for names, delay_seconds in blows:
                threading.Event().wait(delay_seconds)
                for name in names:
                    self._victims[name].kill()
                    self.figures.kills[name] += 1
                for name in names:
                    self._victims[name].start()
                for name in names:
                    self._victims[name].wait()
        except BaseException as error:  # noqa: BLE001 - raised again by the round
            self._fault = error

    def _carry(self) -> bool:
        """Carry a stick once, where the nodes do not call each other."""
        if not self._is_online:
            a, b = self._victims["a"].node, self._victims["b"].node
            a.carry_to(b, self._place / "stick")
        return True

    def _arrived(self) -> list[str]:
        if self._to == "smtp":
            # Each is looked at once: the next round brings new ones behind these.
            taken = self._sink.messages
            for index in range(len(self._seen), len(taken)):
                self._seen[str(index)] = copy_of(_unstuffed(taken[index].data))
        else:
            for path in maildir.messages(self._place / "mail"):
                if path.name not in self._seen:
                    self._seen[path.name] = copy_of(path.read_bytes())
        return list(self._seen.values())

    def _wait_for_all(self) -> None:
        wait_until(
            lambda: self._carry() and self.promises.kept <= set(self._arrived()),
            ROUND_SECONDS,
            "what was promised",
            explain=lambda: f"missing: {sorted(self.promises.kept - set(self._arrived()))}",
        )

    def _check_what_is_left(self) -> None:
        a, b = self._victims["a"].node, self._victims["b"].node
        wait_until(
            lambda: self._carry() and {*a.states()} == {"sent"} and {*b.states()} == {"delivered"},
            ROUND_SECONDS,
            "the end of all work",
            explain=lambda: f"{Counter(a.states())} {Counter(b.states())}",
        )
        for victim in self._victims.values():
            victim.end()
        counts = Counter(self._arrived())
        assert set(counts) <= self.promises.kept | self.promises.open, "what was refused arrived"
        self.figures.promised = len(self.promises.kept)
        self.figures.unanswered = len(self.promises.open)
        self.figures.arrived_unanswered = len(self.promises.open & set(counts))
        self.figures.delivered_twice = counts.total() - len(counts)
        limit = DELIVERED_TWICE_LIMIT * self.figures.kills["b"] if self._to == "smtp" else 0
        assert self.figures.delivered_twice <= limit
        for node in (a, b):
            queue = node.home / "state/queue"
            left = [
                path for name in ("bodies", "incoming", "quarantine") for path in (queue / name).glob("*")
            ]
            left += [path for path in node.spool.rglob("*") if path.name.endswith((".gateway", ".part"))]
            assert left == []
            assert "Traceback" not in node.log_text(), tail(node.log_path)


def _connect(a: GatewayNode, b: GatewayNode) -> None:
    """Let b listen, and a call it every second."""
    port = free_port()
    b.set_toml("online", f'listen = ["127.0.0.1:{port}"]\n')
    a.set_toml("online", "calls = true\n")
    config = a.nncp()
    call = {"cron": "* * * * * * *", "onlinedeadline": 30}
    config["neigh"]["b"] |= {"addrs": {"main": f"127.0.0.1:{port}"}, "calls": [call]}
    a.nncp_path.write_text(json.dumps(config))


def _unstuffed(data: bytes) -> bytes:
    return data.replace(b"\r\n..", b"\r\n.")
