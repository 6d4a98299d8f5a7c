"""Posting at the endpoint: what an article gets, who moderates, who may not."""

from pathlib import Path

import pytest

from gateway.ingest.nntp_settings import Moderators
from gateway.msgqueue.views import list_messages
from gateway.nntp.wildmat import Wildmat
from gateway.reader.values import ReaderRules
from tests.support.news import GROUP
from tests.support.nntp_endpoint import MODERATED, NOBODY, NntpClient, NntpEndpoint

PROTO = "From: Alice <alice@a.test>\nNewsgroups: {}\nSubject: s\n{}\nhello\n.dot\n"


def post(client: NntpClient, groups: str = GROUP, more: str = "") -> tuple[int, str]:
    return client.post(PROTO.format(groups, more))


def test_an_article_gets_what_it_lacks_and_is_on_its_way(tmp_path: Path) -> None:
    with (
        NntpEndpoint(tmp_path, is_reader_on=True, complaints_to="abuse@gw.test") as endpoint,
        endpoint.client() as client,
    ):
        assert client.command("MODE READER")[0] == 200
        assert post(client)[0] == 240
        (body,) = endpoint.bodies()
        head, _, rest = body.partition(b"\r\n\r\n")
        assert rest == b"hello\r\n.dot\r\n"
        assert head.startswith(b"Path: gw.test!.POSTED.127.0.0.1!not-for-mail\r\n")
        assert b'mail-complaints-to="abuse@gw.test"' in head
        assert all(f"\r\n{name}: ".encode() in head for name in ("Message-ID", "Date", "Injection-Date"))
        (view,) = list_messages(endpoint.queue)
        assert {delivery.recipient for delivery in view.deliveries} == {"b", "inn"}


@pytest.mark.parametrize(
    ("groups", "more", "text"),
    [
        ("no.such", "", "no such newsgroup"),
        (GROUP, "Approved: me\n", "approve"),
        (GROUP, "Xref: gw.test misc.test:1\n", "Xref"),
        (GROUP, "Date: Thu, 01 Jan 2015 00:00:00 +0000\nMessage-ID: <old@a.test>\n", "old"),
        (GROUP, "Message-ID: nonsense\n", "Message-ID"),
    ],
)
def test_what_can_not_be_posted_is_refused_with_a_reason(
    tmp_path: Path, groups: str, more: str, text: str
) -> None:
    with NntpEndpoint(tmp_path, is_reader_on=True) as endpoint, endpoint.client() as client:
        code, said = post(client, groups, more)
        assert code == 441
        assert text in said
        assert endpoint.message_ids() == []
        assert client.command("DATE")[0] == 111


def test_the_same_article_twice_is_one(tmp_path: Path) -> None:
    with NntpEndpoint(tmp_path, is_reader_on=True) as endpoint, endpoint.client() as client:
        assert post(client, more="Message-ID: <mine@a.test>\n")[0] == 240
        code, text = post(client, more="Message-ID: <mine@a.test>\n")
        assert code == 441
        assert "already" in text
        assert endpoint.message_ids() == ["<mine@a.test>"]


def test_an_article_for_a_moderated_group_is_mailed(tmp_path: Path) -> None:
    moderators = Moderators(None, ((Wildmat.parse("*"), "%s@b.test"),))
    with (
        NntpEndpoint(tmp_path, is_reader_on=True, moderators=moderators) as endpoint,
        endpoint.client() as client,
    ):
        assert post(client, f"{GROUP},{MODERATED}")[0] == 240
        assert endpoint.message_ids() == []
        (view,) = list_messages(endpoint.mail)
        assert (view.sender, [each.recipient for each in view.deliveries]) == (
            "alice@a.test",
            ["mod-test@b.test"],
        )
        mail = b"".join(endpoint.mail.read_body(view.seq))
        assert b"\r\nTo: mod-test@b.test\r\n" in mail
        assert b"\r\nMessage-ID: <" in mail
        assert b"\r\nPath:" not in mail
        assert mail.endswith(b"\r\n\r\nhello\r\n.dot\r\n")


@pytest.mark.parametrize(
    ("addresses", "text"),
    [
        ((), "not known by whom"),
        (((Wildmat.parse("*"), "%s@nowhere.test"),), "no mail goes to mod-test@nowhere.test"),
    ],
)
def test_a_moderator_who_can_not_be_reached_is_said(
    tmp_path: Path, addresses: tuple[tuple[Wildmat, str], ...], text: str
) -> None:
    moderators = Moderators(Wildmat.parse("misc.*"), addresses)
    with (
        NntpEndpoint(tmp_path, is_reader_on=True, moderators=moderators) as endpoint,
        endpoint.client() as client,
    ):
        code, said = post(client, MODERATED)
        assert code == 441
        assert text in said
        assert post(client, GROUP)[0] == 441
        assert list(list_messages(endpoint.mail)) == []
        assert endpoint.message_ids() == []


def test_who_may_not_post_is_told_so(tmp_path: Path) -> None:
    with (
        NntpEndpoint(tmp_path, is_reader_on=True, post_from=NOBODY, peers=()) as endpoint,
        endpoint.client(greeting=201) as client,
    ):
        assert client.command("MODE READER")[0] == 201
        assert client.command("POST")[0] == 440


def test_a_group_in_which_nobody_posts(tmp_path: Path) -> None:
    with NntpEndpoint(tmp_path, is_reader_on=True) as endpoint, endpoint.client() as client:
        endpoint.store.rules = ReaderRules("gw.test", unposted=Wildmat.parse(GROUP))
        code, text = post(client)
        assert code == 441
        assert GROUP in text
