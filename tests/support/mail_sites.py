"""Sites: a real mail server and a node of ours beside it, put together from the kits.

A site sends by one way of its kit and receives by another; sites carry packets on one stick, by rounds.
"""

import contextlib
import itertools
import json
import shutil
import smtplib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from gateway.durable import Disk
from gateway.msgqueue.store import Queue
from tests.support.exim import EximInstance
from tests.support.gateways import GatewayNode
from tests.support.gonncp import GoNode
from tests.support.kits import choice, fragment, settings
from tests.support.peers import require, require_root
from tests.support.ports import free_port
from tests.support.postfix import PostfixInstance
from tests.support.processes import wait_until
from tests.support.queue_clock import SetClock

ROUND_SECONDS = 60.0
BIN = "/usr/local/lib/nncp-gateway"
FAR_FUTURE_SECONDS = 1e10
"""Of the wall clock while a test sets the queue's clock: nothing is credited on top when it is read again."""
STAGES = ("smtp", "lmtp", "pipe", "batch", "toss", "deliver", "report")


class Site(ABC):
    """A mail server and its gateway.

    Args:
        place: every user must be able to enter it.
        name: of the node; its domain is ``NAME.test``.
        deliver: ``--deliver`` of ``init``.
        more_domains: delivered here as well.
    """

    mta: PostfixInstance | EximInstance
    smtp_port: int

    def __init__(self, place: Path, name: str, deliver: str, more_domains: Sequence[str]) -> None:
        require_root()
        self.name, self.domain = name, f"{name}.test"
        self.user = f"user@{self.domain}"
        options = [word for domain in more_domains for word in ("--domain", domain)]
        options += ["--smtp-listen", f"127.0.0.1:{self.smtp_port}"]
        self.node = GatewayNode(place / name, self.domain, "--deliver", deliver, *options)
        self.bin = place / f"bin-{name}"
        self.stages: Sequence[str] = STAGES
        self._daemon: contextlib.ExitStack | None = None

    def know(self, other: "Site", *options: str) -> None:
        """Make another site a neighbour, and its domain known to the mail server."""
        self.node.accept(other.node, *options)
        self.lead(other.domain)

    @abstractmethod
    def lead(self, domain: str) -> None:
        """Let the mail server hand mail for a domain to the gateway."""

    def start(self) -> None:
        """Start the daemon; the socket for commands is open to the mail server's users."""
        stages = [word for name in self.stages for word in ("--only", name)]
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.node.serving(*stages))
            self._daemon = stack.pop_all()
        state = self.node.home / "state"
        for path in (self.node.home, state, state / "pipe.sock"):
            path.chmod(path.stat().st_mode | 0o007)

    def stop(self) -> None:
        """Stop the daemon. Idempotent."""
        if self._daemon is not None:
            self._daemon.close()
            self._daemon = None

    def let_pass(self, seconds: float) -> None:
        """Let time go by on the queue's own clock, with the daemon off meanwhile."""
        self.stop()
        clock = SetClock()
        clock.wall_ahead_seconds = FAR_FUTURE_SECONDS
        with Queue(self.node.home / "state" / "queue", Disk(is_syncing=False), clock=clock.make) as queue:
            clock.go_on(seconds)
            queue.write(lambda _: None)
        self.start()

    def submit(
        self, recipients: Sequence[str], message: bytes, sender: str | None = None, *, notify: str = ""
    ) -> None:
        """Hand a message with LF line ends to the mail server, as a user's program does.

        Args:
            recipients: all of one transaction.
            message: what goes behind DATA.
            sender: ours if left out; "" is the null sender.
            notify: what to tell the sender of, as RFC 3461 has it.
        """
        whom = self.user if sender is None else sender
        with smtplib.SMTP("127.0.0.1", self.mta.port, "client.test", timeout=60) as client:
            refused = client.sendmail(
                whom,
                list(recipients),
                message.replace(b"\n", b"\r\n"),
                mail_options=["BODY=8BITMIME"],
                rcpt_options=[f"NOTIFY={notify}"] if notify else [],
            )
        assert refused == {}

    def mails(self) -> list[bytes]:
        """All that the mail server has delivered."""
        return [path.read_bytes() for path in self.mta.messages()]

    def log_text(self) -> str:
        """What server and daemon say."""
        return f"=== {self.name}\n{self.mta.log_text()}\n{self.node.log_text()[-6000:]}"


_TRANSPORTS = {"lmtp": "nncplmtp:", "command": "nncpgw:", "smtp": "smtp:"}
"""What stands behind a domain in ``transport.sample``."""


class PostfixSite(Site):
    """A Postfix that sends by LMTP or through the command, and gets mail by SMTP or from its sendmail.

    Args:
        way: ``lmtp``, ``command`` or ``smtp``: how it sends.
        smtp_domains: what goes by SMTP instead.
        is_sendmail: whether mail comes from its sendmail command, else on the port for neighbours.
    """

    mta: PostfixInstance

    def __init__(
        self,
        place: Path,
        name: str,
        way: str,
        *,
        smtp_domains: Sequence[str] = (),
        is_sendmail: bool = False,
        more_domains: Sequence[str] = (),
    ) -> None:
        self.mta = PostfixInstance(place / f"mta-{name}", f"mx.{name}.test", [f"{name}.test", *more_domains])
        self.receive_port, self.smtp_port = free_port(), free_port()
        deliver = f"sendmail:{self.mta.sendmail}" if is_sendmail else f"smtp:127.0.0.1:{self.receive_port}"
        super().__init__(place, name, deliver, more_domains)
        self._way, self._smtp_domains = way, smtp_domains
        self._relayed: list[str] = []
        self.lmtp_path = self.mta.home / "queue/nncp-gateway/lmtp"
        self.lmtp_path.parent.mkdir()
        shutil.chown(self.lmtp_path.parent, group="postfix")
        self.lmtp_path.parent.chmod(0o2750)
        self.node.set_toml("lmtp", f'socket = "{self.lmtp_path}"\n')
        self.node.run("links", "--mail", str(self.bin))
        for line in settings(self._fragment("main.cf.sample", {"/etc/postfix": str(self.mta.home / "etc")})):
            self.mta.set(line)
        places = {BIN: str(self.bin), "user=nncp": "user=mail"}
        self.mta.add_service(self._fragment("master.cf.sample", places))
        ports = {"10026": str(self.receive_port)}
        self.mta.add_service(self._fragment("master.receive.cf.sample", ports))

    def _fragment(self, name: str, places: Mapping[str, str]) -> str:
        return fragment(f"postfix/{name}", places)

    def lead(self, domain: str) -> None:
        self._relayed.append(domain)
        (line,) = (
            line
            for line in settings(self._fragment("main.cf.sample", {"b.test": " ".join(self._relayed)}))
            if line.startswith("relay_domains")
        )
        self.mta.set(line)
        way = "smtp" if domain in self._smtp_domains else self._way
        text = self._fragment("transport.sample", {"b.test": domain, "2525": str(self.smtp_port)})
        self.mta.add_transport(choice(text, _TRANSPORTS[way]))

    def add_recipe(self, go: GoNode, domain: str, node: str) -> None:
        """Send mail for a domain by the recipe of NNCP's manual: a pipe with one nncp-exec a mail."""
        if not self._is_recipe_known:
            self.mta.add_service(
                "nncp unix - n n - - pipe flags=Rqhu user=mail"
                f" argv={require('nncp-exec')} -quiet -noprogress -cfg {go.config_path}"
                " $nexthop sendmail $recipient"
            )
            self._is_recipe_known = True
        self.mta.set(f"relay_domains = {' '.join([*self._relayed, domain])}")
        self._relayed.append(domain)
        self.mta.add_transport(f"{domain} nncp:{node}")

    _is_recipe_known = False


class EximSite(Site):
    """An Exim that sends by LMTP, through the command or by SMTP, and gets mail by SMTP or ``-bS``.

    Args:
        to: the domains that it sends to us, by the way: ``lmtp``, ``pipe`` or ``smtp``.
        is_batch: whether mail comes in batches, else by SMTP.
        routers, transports: more of both.
    """

    mta: EximInstance

    def __init__(
        self,
        place: Path,
        name: str,
        to: Mapping[str, Sequence[str]],
        *,
        is_batch: bool = False,
        more_domains: Sequence[str] = (),
        routers: str = "",
        transports: str = "",
    ) -> None:
        socket = place / f"s-{name}"
        self.smtp_port = free_port()
        places = {
            "lmtp": {"/run/nncp-gateway/lmtp": str(socket)},
            "pipe": {BIN: str(place / f"bin-{name}")},
            "smtp": {"2525": str(self.smtp_port)},
        }
        for way, domains in to.items():
            routers += _router(way, domains)
            transports += _transport(way, places[way])
        self.mta = EximInstance(
            place / f"mta-{name}",
            f"mx.{name}.test",
            [f"{name}.test", *more_domains],
            routers=routers,
            transports=transports,
        )
        self._trust(fragment("exim/main.sample", {"= nncp": f"= nncp : root : {self.mta.user}"}))
        deliver = f"batch:{self.mta.rsmtp}" if is_batch else f"smtp:127.0.0.1:{self.mta.port}"
        super().__init__(place, name, deliver, more_domains)
        self.node.set_toml("lmtp", f'socket = "{socket}"\nsocket_group = "{self.mta.user}"\n')
        self.node.run("links", "--mail", str(self.bin))

    def _trust(self, text: str) -> None:
        lines = self.mta.config_path.read_text().splitlines(keepends=True)
        options = tuple(f"{line.split()[0]} =" for line in text.splitlines())
        # Exim takes no option twice.
        kept = "".join(line for line in lines if not line.startswith(options))
        self.mta.config_path.write_text(f"{text}{kept}")

    def lead(self, domain: str) -> None:
        pass


def _router(way: str, domains: Sequence[str]) -> str:
    name = f"exim/router{_SUFFIXES[way]}.sample"
    return fragment(name, {"nncp_gateway:": f"to_{way}:", "= b.test": f"= {' : '.join(domains)}"})


def _transport(way: str, places: Mapping[str, str]) -> str:
    text = fragment(f"exim/transport{_SUFFIXES[way]}.sample", places)
    # The Exim of tests has given up the right to become another user.
    return "".join(line for line in text.splitlines(keepends=True) if "user = nncp" not in line)


_SUFFIXES = {"lmtp": "", "pipe": "_pipe", "smtp": "_smtp"}
"""Of the names of samples."""


class Carriage:
    """Carries packets between nodes by rounds of a stick.

    Args:
        place: of the stick.
        sites: whose nodes take part.
        go: nodes with the Go tools that take part; each tosses what it gets.
        tossed_by_go: Go's tools with the configuration of a site of ours, whose packets they open.
    """

    def __init__(
        self,
        place: Path,
        sites: Sequence[Site],
        go: Sequence[GoNode] = (),
        tossed_by_go: Sequence[GoNode] = (),
    ) -> None:
        self.stick = place / "stick"
        self.stick.mkdir()
        self._sites, self._go, self._tossed_by_go = sites, go, tossed_by_go

    def go_round(self) -> None:
        """Everybody puts on the stick what waits, and takes off what is there; relays in between."""
        for site in self._sites:
            site.node.run("xfer", "--tx", "--mkdir", str(self.stick))
        for node in self._go:
            node.run("nncp-xfer", "-quiet", "-noprogress", "-rx", str(self.stick))
            node.toss()
            node.run("nncp-xfer", "-quiet", "-noprogress", "-mkdir", "-tx", str(self.stick))
        for site in self._sites:
            site.node.run("xfer", "--rx", str(self.stick))
        for node in self._tossed_by_go:
            node.toss()

    def until(self, is_done: Callable[[], object], what: str) -> None:
        """Go round until a condition holds."""

        def look() -> bool:
            if is_done():
                return True
            self.go_round()
            return False

        wait_until(look, ROUND_SECONDS, what, explain=self.log_text)

    def log_text(self) -> str:
        """What all servers and daemons say."""
        return "\n".join(site.log_text() for site in self._sites)


def introduce(go: GoNode, site: Site, handles: Mapping[str, Sequence[str]], via: Sequence[str] = ()) -> None:
    """Put a site's node into a Go node's configuration."""
    config = go.config()
    keys = site.node.nncp()["self"]
    entry = {key: keys[key] for key in ("id", "exchpub", "signpub", "noisepub")}
    config["neigh"][site.name] = entry | {
        "exec": {name: list(argv) for name, argv in handles.items()},
        "via": list(via),
    }
    go.save(config)


def open_to_everybody(go: GoNode) -> None:
    """Let mail servers' pipes, which run as other users, queue packets whatever root has made before."""
    for keys in go.config()["neigh"].values():
        (go.spool / keys["id"] / "tx").mkdir(parents=True, exist_ok=True)
    (go.spool / "tmp").mkdir(exist_ok=True)
    go.log_path.touch()
    for path in (go.home, *go.home.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)


def by_way_of(node: GatewayNode, others: Sequence[str], relay: str) -> None:
    """Let packets for neighbours travel through another."""
    config = node.nncp()
    for name in others:
        config["neigh"][name]["via"] = [relay]
    node.nncp_path.write_text(json.dumps(config))


def pairs(sites: Sequence[Site]) -> Iterator[tuple[Site, Site]]:
    """All pairs of a sender and a receiver."""
    return itertools.permutations(sites, 2)
