"""An endpoint for news of ours in a thread of its own, and a client that says exactly what it is told."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.durable import Disk
from gateway.ingest.listeners import Places
from gateway.ingest.nntp_posting import Groups, Posting
from gateway.ingest.nntp_server import NntpServer
from gateway.ingest.nntp_settings import NntpPeer, NntpSettings
from gateway.ingest.passwords import hash_password, write_passwords
from gateway.ingest.pipe import PipeIntake
from gateway.ingest.routes import Routes
from gateway.ingest.stamp import Stamp
from gateway.ingest.unix_socket import UnixSocket
from gateway.msgqueue.store import Queue
from gateway.msgqueue.views import list_messages
from gateway.newsdesk.desk import DeskRules, NewsDesk, Origin
from gateway.nntp.wildmat import Wildmat
from gateway.reader.store import ReaderStore
from gateway.reader.values import ReaderRules
from gateway.routing.access import AccessList
from gateway.routing.feeds import Feeds
from gateway.routing.table import Table
from tests.support.certificates import make_certificate
from tests.support.endpoint import RULES, Client, find_choices, stuffed
from tests.support.news import GROUP, article
from tests.support.newsroom import B_FEED, INN_FEED, crlf
from tests.support.server_thread import ServerThread
from tests.support.submission import CHEAP, USERS

HOST = "gw.test"
LOOPBACK = AccessList()
NOBODY = AccessList(())
EVERYTHING = Wildmat.parse("*")
MODERATED = "mod.test"


def peer(name: str = "a", *, hosts: AccessList = LOOPBACK, login: str = "", **values: Any) -> NntpPeer:
    """A peer that may bring everything, or what ``accept`` says."""
    accept = Wildmat.parse(values.pop("accept", "*"))
    return NntpPeer(Origin(name, name, (f"gw.{name}.test",), accept), hosts, login, **values)


class NntpEndpoint(ServerThread):
    """A server with its queue; a context manager.

    Args:
        directory: of the queues and all else.
        disk: how the queue of news writes.
        reserve_bytes: free space the queue of news keeps.
        peers: who may feed.
        is_tls: whether there is a certificate.
        is_reader_on: whether articles are kept for reading.
        unix: whether it listens at a unix socket instead of a port.
        settings: fields of ``NntpSettings`` that differ from those of a test.
    """

    server: NntpServer

    def __init__(
        self,
        directory: Path,
        *,
        disk: Disk | None = None,
        reserve_bytes: int = 0,
        peers: Sequence[NntpPeer] = (peer(),),
        is_tls: bool = False,
        is_reader_on: bool = False,
        unix: Path | None = None,
        **settings: Any,
    ) -> None:
        super().__init__()
        directory.mkdir(exist_ok=True, parents=True)
        disk = disk or Disk(is_syncing=False)
        quick = Disk(is_syncing=False)
        self.queue = Queue(directory / "news", disk, reserve_bytes=reserve_bytes)
        self.mail = Queue(directory / "queue", quick, reserve_bytes=0)
        rules = ReaderRules(
            HOST, configured={GROUP: "tests", MODERATED: ""}, moderated=Wildmat.parse(MODERATED)
        )
        self.store = ReaderStore(directory / "reader", quick, rules)
        self.files = make_certificate(directory)
        passwords = directory / "passwords"
        write_passwords(passwords, {name: hash_password(word, CHEAP) for name, word in USERS.items()}, quick)
        listen = (("127.0.0.1", 0),)
        places = Places("nntp", listen, listen if is_tls else ())
        if unix is not None:
            places = Places("nntp", unix=UnixSocket(unix))
        self.unix = unix
        self.settings = NntpSettings(
            **{
                "hostname": HOST,
                "places": places,
                "passwords": passwords,
                "certificate": self.files if is_tls else None,
                "peers": tuple(peers),
                "failure_seconds": 0.0,
                **settings,
            }
        )
        self.desk = NewsDesk(self.queue, DeskRules(HOST, feeds=Feeds((B_FEED, INN_FEED))))
        posting = Posting(
            self.desk,
            PipeIntake(
                self.mail, Routes(Table.from_rules(RULES), find_choices, 10), Stamp(HOST, 50), 1 << 20
            ),
            Groups(self.store.is_group_known, self.store.is_moderated, self.store.is_posting_allowed),
            self.settings.moderators,
            self.settings.complaints_to,
        )
        self.server = NntpServer(self.settings, posting, self.store if is_reader_on else None)

    def close_stores(self) -> None:
        self.store.close()
        self.queue.close()
        self.mail.close()

    @property
    def port(self) -> int:
        return self.server.ports[0]

    def client(self, *, greeting: int = 200, place: int = 0) -> "NntpClient":
        """Connect, and read the greeting."""
        client = NntpClient(self.server.ports[place] if self.unix is None else self.unix)
        code, text = client.answer()
        assert code == greeting, (code, text)
        return client

    def message_ids(self) -> list[str]:
        """What is in the queue of news, in the order of arrival."""
        return [view.message_id for view in list_messages(self.queue)]

    def bodies(self) -> list[bytes]:
        """The articles in the queue of news."""
        return [b"".join(self.queue.read_body(view.seq)) for view in list_messages(self.queue)]


class NntpClient(Client):
    """A client of news."""

    def block(self) -> list[bytes]:
        """The lines of a long answer, dots undone."""
        lines = []
        while (line := self._input.readline()) != b".\r\n":
            assert line.endswith(b"\r\n"), line
            lines.append(line[:-2].removeprefix(b".") if line.startswith(b"..") else line[:-2])
        return lines

    def take_this(self, number: int | str, data: bytes | None = None) -> tuple[int, str]:
        """Send one article and read the answer."""
        self.send(takethis(number, data))
        return self.answer()

    def ihave(self, number: int | str, data: bytes | None = None) -> int:
        """Offer an article, send it if it is wanted, and return the last code."""
        code, _ = self.command(f"IHAVE <{number}@a.test>")
        if code != 335:
            return code
        self.send(stuffed(crlf(article(number)) if data is None else data))
        return self.answer()[0]

    def post(self, proto: str) -> tuple[int, str]:
        """Post, and return the last answer."""
        code, text = self.command("POST")
        if code != 340:
            return code, text
        self.send(stuffed(proto.replace("\n", "\r\n").encode()))
        return self.answer()

    def log_in(self, name: str, password: str) -> int:
        """Say who it is; returns the last code."""
        code, _ = self.command(f"AUTHINFO USER {name}")
        return self.command(f"AUTHINFO PASS {password}")[0] if code == 381 else code


def takethis(number: int | str, data: bytes | None = None) -> bytes:
    """TAKETHIS with an article."""
    content = crlf(article(number)) if data is None else data
    return f"TAKETHIS <{number}@a.test>\r\n".encode() + stuffed(content)
