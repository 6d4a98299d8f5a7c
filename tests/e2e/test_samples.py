"""The samples of ``conf/``: a node runs with each, but for places and ports, and mail goes through it."""

import json
import smtplib
from collections.abc import Mapping
from pathlib import Path

from tests.support.certificates import make_certificate
from tests.support.endpoint import Client
from tests.support.gateways import GatewayNode, mail
from tests.support.kits import fragment
from tests.support.ports import free_port
from tests.support.smtp_sink import SmtpSink
from tests.support.submission import trusting

WORLD, HUGO = "someone@world.test", "hugo@example.org"
POSTFIX_SOCKET = "/var/spool/postfix/nncp-gateway/lmtp"


def use_sample(node: GatewayNode, name: str, places: Mapping[str, str]) -> None:
    """Let a node that knows its neighbours go on with a sample, which ``check`` must find in order."""
    own = {
        "/etc/nncp-gateway/nncp.hjson": str(node.nncp_path),
        '"/var/lib/nncp-gateway"': f'"{node.home}/state"',
        "/var/log/nncp-gateway/mail.log": f"{node.home}/mail.log",
    }
    node.config_path.write_text(fragment(f"conf/{name}", own | dict(places)))
    assert f"{node.config_path}: in order" in node.run("check").out


def route_all(node: GatewayNode, to: str) -> None:
    """Let all mail of a node go to one neighbour."""
    text = node.config_path.read_text()
    node.config_path.write_text(f'{text}\n[[route]]\npattern = "*"\nnode = "{to}"\n')


def carry(one: GatewayNode, other: GatewayNode, stick: Path) -> None:
    one.carry_to(other, stick)
    other.run("toss")
    other.run("deliver", is_checked=False)


def states_of(node: GatewayNode, recipient: str) -> list[tuple[str, str]]:
    """State and status of all deliveries to somebody."""
    deliveries = (each for message in node.queue("--all") for each in message["recipients"])
    return [(each["state"], each["status"]) for each in deliveries if each["recipient"] == recipient]


def give_by_lmtp(socket: Path, sender: str, recipient: str) -> None:
    """Hand a message in as the mail server of the machine does."""
    with Client(socket) as client:
        assert client.answer()[0] == 220
        assert client.command("LHLO mx.example.org")[0] == 250
        client.begin(sender, recipient)
        assert client.content(b"Subject: by the mail server\r\n\r\nx\r\n.\r\n")[0] == 250


def test_a_mail_server_and_its_gateway(place: Path) -> None:
    """Its mail goes to bob; what bob sends as himself is handed to it, and nothing else."""
    node, bob = GatewayNode(place / "server", "example.org"), GatewayNode(place / "bob", "bob.example.org")
    node.accept(bob)
    bob.accept(node)
    with SmtpSink() as sink:
        places = {POSTFIX_SOCKET: f"{place}/lmtp", "127.0.0.1:10026": f"127.0.0.1:{sink.port}"}
        use_sample(node, "mail-server.toml", places)
        with node.serving():
            give_by_lmtp(place / "lmtp", HUGO, "bob@bob.example.org")
        carry(node, bob, place / "there")
        assert b"Subject: by the mail server" in bob.mails()[0]
        for sender in ("bob@bob.example.org", "eve@elsewhere.test"):
            bob.send(sender, [HUGO], mail(1, sender, HUGO))
        carry(bob, node, place / "back")
        ((message, *more),) = [sink.messages]
    assert (message.mail.split()[1], message.recipients, more) == ("FROM:<bob@bob.example.org>", [HUGO], [])
    assert sorted(states_of(node, HUGO)) == [("dead", "5.1.8"), ("delivered", "2.0.0")]


class Village:
    """The village, what answers at the other end of the satellite, and the upper village."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.node = GatewayNode(place / "village", "village.example.org")
        self.satellite = GatewayNode(place / "satellite", "world.test")
        self.upper = GatewayNode(place / "upper", "upper.example.org")
        for other in (self.satellite, self.upper):
            self.node.accept(other)
            other.accept(self.node)
            route_all(other, "village")
        self.files = make_certificate(place)
        places = {
            "[::]:587": "127.0.0.1:0",
            "/var/lib/nncp-gateway/tls/fullchain.pem": str(self.files.certificate),
            "/var/lib/nncp-gateway/tls/privkey.pem": str(self.files.key),
            "/var/mail/{domain}/{local}": f"{place}/{{domain}}/{{local}}",
        }
        self.node.run("passwd", "alice", stdin=b"wonderland\n")
        use_sample(self.node, "village-relay.toml", places)
        self.alice = "alice@village.example.org"

    def mailbox(self, who: str) -> list[bytes]:
        """What is in somebody's Maildir in the village."""
        new = self.place / "village.example.org" / who / "new"
        return [path.read_bytes() for path in new.glob("*")]

    def submit(self, *messages: bytes) -> None:
        """Alice hands mail to the world in, by submission."""
        port = int(self.node.log_text().rpartition("SUBMISSION on 127.0.0.1:")[2].split()[0])
        with smtplib.SMTP("localhost", port, timeout=60) as client:
            client.starttls(context=trusting(self.files))
            client.login("alice", "wonderland")
            for message in messages:
                client.sendmail(self.alice, [WORLD], message.decode())


def test_a_village_behind_a_satellite(place: Path) -> None:
    """Small mail waits for window or carrier; large mail for a person, and sender and operator are told."""
    village = Village(place)
    node, satellite = village.node, village.satellite
    small = mail(1, village.alice, WORLD)
    large = mail(2, village.alice, WORLD, "0123456789 0123456789\n" * 6000)
    with node.serving("--only", "submission", "--only", "batch"):
        village.submit(small, large)
        assert sorted(node.states("--outbox")) == ["held", "queued"]
    node.run("report")
    node.run("deliver")
    assert b"Subject: Held mail" in village.mailbox("alice")[0]
    assert b"too large" in village.mailbox("postmaster")[0]
    assert node.packets(satellite.id) == []
    carry(node, satellite, place / "night")
    (arrived,) = satellite.mails()
    assert arrived.endswith(small)
    node.run("queue", "release", "--node", "satellite")
    carry(node, satellite, place / "next-night")
    assert [each.endswith(large) for each in satellite.mails()] == [False, True]


def test_a_village_passes_mail_of_the_upper_village_on(place: Path) -> None:
    """By stick from above to the satellite, and from the satellite to the stick; not as somebody else."""
    village = Village(place)
    node, satellite, upper = village.node, village.satellite, village.upper
    uma = "uma@upper.example.org"
    for sender in (uma, village.alice):
        upper.send(sender, [WORLD], mail(1, sender, WORLD))
    carry(upper, node, place / "down")
    carry(node, satellite, place / "out")
    (arrived,) = satellite.mails()
    assert arrived.startswith(f"Return-Path: <{uma}>\n".encode())
    satellite.send(WORLD, [uma], mail(2, WORLD, uma))
    carry(satellite, node, place / "in")
    carry(node, upper, place / "up")
    (answer,) = upper.mails()
    assert answer.endswith(mail(2, WORLD, uma))


def test_a_hub_between_two_villages_and_the_world(place: Path) -> None:
    """North reaches everybody, South its neighbours; mail of the hub's own server goes to both."""
    hub = GatewayNode(place / "hub", "hub.example.org")
    north, south = (GatewayNode(place / name, f"{name}.example.org") for name in ("north", "south"))
    for village in (north, south):
        hub.accept(village)
        village.accept(hub)
        route_all(village, "hub")
    nora, sam = "nora@north.example.org", "sam@south.example.org"
    with SmtpSink() as sink:
        places = {
            "[::]:5400": "127.0.0.1:0",
            POSTFIX_SOCKET: f"{place}/lmtp",
            "127.0.0.1:25": f"127.0.0.1:{sink.port}",
        }
        use_sample(hub, "hub.toml", places)
        with hub.serving():
            give_by_lmtp(place / "lmtp", WORLD, nora)
        north.send(nora, [sam, WORLD], mail(1, nora, sam))
        south.send(sam, [nora, WORLD, HUGO], mail(2, sam, nora))
        for village in (north, south):
            carry(village, hub, place / f"from-{village.name}")
        hub.run("report")
        for village in (north, south):
            carry(hub, village, place / "from-hub")
    assert [message.recipients for message in sink.messages] == [[WORLD]]
    assert sorted(body.splitlines()[0] for body in north.mails()) == [
        f"Return-Path: <{sender}>".encode() for sender in (sam, WORLD)
    ]
    assert sorted(body.splitlines()[0] for body in south.mails()) == [
        b"Return-Path: <>",
        f"Return-Path: <{nora}>".encode(),
    ]
    assert states_of(hub, HUGO) == [("dead", "5.7.1")]


def test_a_laptop_that_is_online_now_and_then(place: Path) -> None:
    """Alice logs in while nobody is to be reached; when home answers, her mail is there."""
    laptop, home = (
        GatewayNode(place / "laptop", "laptop.example.org"),
        GatewayNode(place / "home", "example.org"),
    )
    laptop.accept(home)
    home.accept(laptop)
    port, home_port = free_port(), free_port()
    config = laptop.nncp()
    call = {"cron": "* * * * * * *", "onlinedeadline": 1}
    config["neigh"]["home"] |= {"addrs": {"main": f"127.0.0.1:{home_port}"}, "calls": [call]}
    laptop.nncp_path.write_text(json.dumps(config))
    home.set_toml("online", f'listen = ["127.0.0.1:{home_port}"]\n')
    laptop.run("passwd", "alice", stdin=b"wonderland\n")
    mailboxes = {"/var/lib/nncp-gateway/mail": f"{place}/mailboxes", "2587": str(port)}
    use_sample(laptop, "laptop.toml", mailboxes)
    message = mail(1, "alice@example.org", HUGO)
    with laptop.serving():
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
            client.login("alice", "wonderland")
            client.sendmail("alice@example.org", [HUGO], message.decode())
        with home.serving():
            (arrived,) = home.wait_for_mails(1)
    assert arrived.endswith(message)
    assert b"with ESMTPA id" in arrived
