"""INN's own programs against our endpoint for news: everything they bring is in the queue, or refused."""

import shutil
from email.utils import formatdate
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.nntp.path import without_fields
from gateway.routing.access import AccessList
from tests.support.articles import article
from tests.support.inn import InnInstance
from tests.support.nntp_connection import feed
from tests.support.nntp_endpoint import NOBODY, NntpEndpoint, peer
from tests.support.processes import wait_until

GROUP = "misc.test"
BODIES = ["body\r\n", ".\r\n..\r\n.x\r\n", "x" * 20_000 + "\r\n", "ö\r\n", "", "line\r\n" * 30_000]
ARTICLES = {
    f"<{number}.{len(body)}@p.test>": article(
        body, Message_ID=f"<{number}.{len(body)}@p.test>", Date=formatdate()
    )
    for number, body in enumerate(BODIES * 10)
}
INN = peer("inn", max_connections=5)


def in_queue(endpoint: NntpEndpoint) -> dict[bytes, str]:
    """Articles of the queue, without Path, with the Path each has."""
    found = {}
    for body in endpoint.bodies():
        path = body.partition(b"\r\n")[0].decode()
        found[without_fields(body, ("path", "xref"))] = path
    return found


def expected(articles: dict[str, bytes]) -> set[bytes]:
    return {without_fields(data, ("path", "xref")) for data in articles.values()}


def await_count(ours: NntpEndpoint, count: int, inn: InnInstance) -> None:
    wait_until(lambda: len(ours.message_ids()) == count, 60, "articles", explain=inn.log_text)


def file_feed(inn: InnInstance) -> Path:
    """Let INN take all articles, and write them to a file feed; returns its file."""
    inn.add_feed("ours:*:Tf,Wnm:")
    feed(inn.port, ARTICLES)
    inn.wait_for_articles(GROUP, len(ARTICLES))
    batch = inn.home / "outgoing/ours"
    inn.ctlinnd("flush", "ours")
    wait_until(
        lambda: batch.exists() and len(batch.read_bytes().splitlines()) == len(ARTICLES), 20, "file feed"
    )
    return batch


@pytest.mark.parametrize("options", [(), ("-s",)], ids=["streaming", "ihave"])
def test_innxmit(place: Path, options: tuple[str, ...]) -> None:
    """All articles arrive unchanged but for Path, and a second time none is taken."""
    with (
        InnInstance(place / "n", "gw.inn.test", [GROUP]) as inn,
        NntpEndpoint(place / "e", peers=[INN], disk=Disk()) as ours,
    ):
        batch = file_feed(inn)
        kept = batch.read_bytes()
        inn.run("innxmit", *options, "-P", str(ours.port), "127.0.0.1", str(batch))
        found = in_queue(ours)
        assert set(found) == expected(ARTICLES)
        assert all(path.startswith("Path: gw.test!!gw.inn.test!") for path in found.values())
        assert not batch.exists()
        batch.write_bytes(kept)
        shutil.chown(batch, "news", "news")
        inn.run("innxmit", *options, "-P", str(ours.port), "127.0.0.1", str(batch))
        assert len(ours.message_ids()) == len(ARTICLES)


def test_nntpsend(place: Path) -> None:
    """INN's script around innxmit brings all of a site's file feed."""
    with InnInstance(place / "n", "gw.inn.test", [GROUP]) as inn, NntpEndpoint(place / "e") as ours:
        file_feed(inn)
        inn.run("nntpsend", "-d", "-P", str(ours.port), "ours", "127.0.0.1")
        await_count(ours, len(ARTICLES), inn)
        assert set(in_queue(ours)) == expected(ARTICLES)


def test_innfeed(place: Path) -> None:
    """INN's own feeder, at work while articles come, brings each of them once."""
    with InnInstance(place / "n", "gw.inn.test", [GROUP]) as inn, NntpEndpoint(place / "e") as ours:
        inn.add_innfeed("ours/gw.test", ours.port)
        # More at a time go to its backlog, which it looks at after minutes.
        for count in range(6, len(ARTICLES) + 1, 6):
            feed(inn.port, dict(list(ARTICLES.items())[count - 6 : count]))
            await_count(ours, count, inn)
        assert set(in_queue(ours)) == expected(ARTICLES)


def test_rnews(place: Path) -> None:
    """``rnews -S`` brings what it reads by IHAVE."""
    with InnInstance(place / "n", "gw.inn.test", [GROUP]) as inn, NntpEndpoint(place / "e") as ours:
        data = article("..dot\r\n.\r\n", Date=formatdate())
        inn.run("rnews", "-S", "127.0.0.1", "-P", str(ours.port), stdin=data.replace(b"\r\n", b"\n"))
        assert set(in_queue(ours)) == expected({"": data})


def test_inews(place: Path) -> None:
    """What inews posts gets what it lacks, and goes where the feeds say."""
    proto = b"From: Alice <alice@a.test>\nNewsgroups: misc.test\nSubject: posted\n\nhello\n.dot\n"
    with (
        InnInstance(place / "n", "gw.inn.test", [GROUP]) as inn,
        NntpEndpoint(place / "e", is_reader_on=True) as ours,
    ):
        inn.run("inews", "-h", "-O", "-S", "-p", str(ours.port), stdin=proto)
        (body,) = ours.bodies()
        assert body.startswith(b"Path: gw.test!.POSTED.127.0.0.1!")
        assert b"\r\n\r\nhello\r\n.dot\r\n" in body
        assert b"\r\nInjection-Info: gw.test" in body


def test_a_server_that_is_no_peer_keeps_its_articles(place: Path) -> None:
    """Who may not feed is told so, takes nothing for done, and leaves nothing here."""
    strangers = [peer("inn", hosts=AccessList.parse(["192.0.2.0/24"]))]
    with (
        InnInstance(place / "n", "gw.inn.test", [GROUP]) as inn,
        NntpEndpoint(place / "e", peers=strangers, read_from=NOBODY, post_from=NOBODY) as ours,
    ):
        batch = file_feed(inn)
        done = inn.run("innxmit", "-P", str(ours.port), "127.0.0.1", str(batch), is_checked=False)
        assert done.returncode != 0
        assert b"502" in done.stdout + done.stderr
        assert len(batch.read_bytes().splitlines()) == len(ARTICLES)
        assert ours.message_ids() == []
