"""The endpoint for news at real sockets: who is served, what is taken, and when it is said."""

import socket
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.msgqueue.store import INLINE_BODY_BYTES
from gateway.routing.access import AccessList
from tests.support.news import article
from tests.support.newsroom import crlf
from tests.support.nntp_endpoint import NOBODY, NntpEndpoint, peer, takethis
from tests.support.processes import wait_until

ELSEWHERE = AccessList.parse(["192.0.2.0/24"])


def test_articles_are_offered_and_taken(tmp_path: Path) -> None:
    with NntpEndpoint(tmp_path) as endpoint, endpoint.client() as client:
        assert client.command("MODE STREAM")[0] == 203
        assert client.command("CHECK <1@a.test>")[0] == 238
        assert client.take_this(1) == (239, "<1@a.test>")
        assert client.command("CHECK <1@a.test>")[0] == 438
        assert client.take_this(1)[0] == 439
        assert [client.ihave(1), client.ihave(2)] == [435, 235]
        assert endpoint.message_ids() == ["<1@a.test>", "<2@a.test>"]
        assert endpoint.bodies()[0].startswith(
            b"Path: gw.test!.MISMATCH.gw.a.test!poster.test!not-for-mail\r\n"
        )


def test_hundreds_in_one_write_are_answered_in_order(tmp_path: Path) -> None:
    with NntpEndpoint(tmp_path) as endpoint, endpoint.client() as client:
        client.send(b"".join(map(takethis, range(600))) + b"CHECK <5@a.test>\r\nQUIT\r\n")
        answers = [client.answer() for _ in range(600)]
        assert answers == [(239, f"<{number}@a.test>") for number in range(600)]
        assert client.answers(2) == [438, 205]
        assert client.is_closed()
        assert len(endpoint.message_ids()) == 600


def test_large_articles_and_small_ones_keep_their_order(tmp_path: Path) -> None:
    large = "x" * 70 + "\n"
    large *= INLINE_BODY_BYTES // len(large) + 1
    with NntpEndpoint(tmp_path) as endpoint, endpoint.client() as client:
        pieces = [takethis(n, crlf(article(n, large if n % 3 == 0 else "s\n"))) for n in range(9)]
        client.send(b"".join(pieces))
        assert client.answers(9) == [239] * 9
        assert sorted(endpoint.message_ids()) == [f"<{n}@a.test>" for n in range(9)]
        assert len(list(endpoint.queue.bodies.directory.iterdir())) == 3


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (article(1).replace(b"\n", b"\r\n").replace(b"Subject", b"X-Subject"), "Subject"),
        (crlf(article(2)), "Message-ID"),
        (crlf(article(1, path="gw.test!")), "our name is in its Path"),
        (crlf(article(1, groups="alt.a")), "may not feed"),
        (b"no header at all\r\n", "header"),
    ],
)
def test_what_is_not_taken_is_refused_with_a_reason(tmp_path: Path, data: bytes, text: str) -> None:
    with (
        NntpEndpoint(tmp_path, peers=[peer(accept="*,!alt.*")]) as endpoint,
        endpoint.client() as client,
    ):
        code, said = client.take_this(1, data)
        assert code == 439
        assert text in said
        assert client.ihave(1, data) == 437
        assert endpoint.message_ids() == []
        assert client.take_this(1)[0] == 239


def test_an_article_that_is_too_large_is_read_and_refused(tmp_path: Path) -> None:
    with NntpEndpoint(tmp_path, max_article_bytes=2000) as endpoint, endpoint.client() as client:
        assert client.take_this(1, crlf(article(1, "x\n" * 2000)))[0] == 439
        assert client.take_this(2)[0] == 239
        assert endpoint.message_ids() == ["<2@a.test>"]


def test_strangers_are_sent_away(tmp_path: Path) -> None:
    peers = [peer(hosts=ELSEWHERE)]
    with NntpEndpoint(tmp_path, peers=peers, read_from=NOBODY, post_from=NOBODY) as endpoint:
        with endpoint.client(greeting=502) as client:
            assert client.is_closed()
        assert endpoint.message_ids() == []


def test_whoever_is_no_peer_feeds_nothing(tmp_path: Path) -> None:
    with NntpEndpoint(tmp_path, peers=[peer(hosts=ELSEWHERE)]) as endpoint, endpoint.client() as client:
        assert client.command("CHECK <1@a.test>")[0] == 502
        assert client.command("IHAVE <1@a.test>")[0] == 502
        assert client.command("MODE STREAM")[0] == 502
        assert client.take_this(1)[0] == 502
        assert client.command("DATE")[0] == 111
        assert endpoint.message_ids() == []


def test_connections_are_counted_together_and_for_each_peer(tmp_path: Path) -> None:
    with NntpEndpoint(tmp_path, peers=[peer(max_connections=2)], max_connections=3) as endpoint:
        with endpoint.client(), endpoint.client(), endpoint.client(greeting=400) as third:
            assert third.is_closed()
        wait_until(lambda: not endpoint.ask(lambda: endpoint.server.connections_count), 60, "an empty house")
        with endpoint.client(), endpoint.client():
            pass


def test_a_unix_socket_lets_in_whoever_can_open_it(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with NntpEndpoint(tmp_path / "e", unix=path, peers=()) as endpoint, endpoint.client() as client:
        assert path.stat().st_mode & 0o777 == 0o660
        assert client.take_this(1, crlf(article(1, path="inn.test!")))[0] == 239
        assert endpoint.bodies()[0].startswith(b"Path: gw.test!!inn.test!poster.test")
    assert not path.exists()


def test_two_who_offer_the_same_article_are_not_both_asked_for_it(tmp_path: Path) -> None:
    with NntpEndpoint(tmp_path) as endpoint, endpoint.client() as first, endpoint.client() as second:
        assert first.command("CHECK <1@a.test>")[0] == 238
        assert first.command("CHECK <1@a.test>")[0] == 238
        assert second.command("CHECK <1@a.test>")[0] == 431
        assert second.command("IHAVE <1@a.test>")[0] == 436
        assert first.take_this(1)[0] == 239
        assert second.command("CHECK <1@a.test>")[0] == 438
        assert first.command("CHECK <2@a.test>")[0] == 238
        first.close()
        wait_until(lambda: second.command("CHECK <2@a.test>")[0] == 238, 60, "the first to be forgotten")


def test_a_client_that_leaves_after_its_articles_has_them_taken(tmp_path: Path) -> None:
    with NntpEndpoint(tmp_path) as endpoint:
        with endpoint.client() as client:
            client.send(b"".join(map(takethis, range(50))))
            client.socket.shutdown(socket.SHUT_WR)
            assert client.answers(50) == [239] * 50
            assert client.is_closed()
        with endpoint.client() as client:
            client.send(takethis(77) + b"TAKETHIS <78@a.test>\r\nhalf")
        wait_until(lambda: "<77@a.test>" in endpoint.message_ids(), 60, "the article")
        assert "<78@a.test>" not in endpoint.message_ids()


def test_a_disk_without_room_is_no_refusal(tmp_path: Path) -> None:
    with NntpEndpoint(tmp_path, reserve_bytes=1 << 60) as endpoint, endpoint.client() as client:
        assert client.command("CHECK <1@a.test>")[0] == 431
        assert client.command("IHAVE <1@a.test>")[0] == 436
        assert client.command("POST")[0] == 440
        assert client.take_this(1)[0] == 400
        assert client.is_closed()


@pytest.mark.parametrize("body", ["s\n", "x\n" * INLINE_BODY_BYTES])
def test_a_disk_that_refuses_is_no_refusal(tmp_path: Path, body: str) -> None:
    failing = False

    def hook(step: str, _path: Path) -> None:
        if failing and step == "commit":
            raise OSError(5, "Input/output error")

    with NntpEndpoint(tmp_path, disk=Disk(is_syncing=False, hook=hook)) as endpoint:
        failing = True
        with endpoint.client() as client:
            assert client.ihave(1, crlf(article(1, body))) == 436
            assert client.take_this(1, crlf(article(1, body)))[0] == 400
            assert client.is_closed()
        failing = False
        with endpoint.client() as client:
            assert client.take_this(1, crlf(article(1, body)))[0] == 239
        assert list(endpoint.queue.bodies.directory.iterdir()) == [] or len(body) > 10


def test_a_silent_client_is_sent_away(tmp_path: Path) -> None:
    with NntpEndpoint(tmp_path, idle_seconds=0.2) as endpoint, endpoint.client() as client:
        assert client.answer()[0] == 400
        assert client.is_closed()


def test_an_article_that_dribbles_is_broken_off(tmp_path: Path) -> None:
    with NntpEndpoint(tmp_path, data_seconds=0.4) as endpoint, endpoint.client() as client:
        client.send(b"TAKETHIS <1@a.test>\r\n")
        client.socket.settimeout(0.05)
        sent_count = 0
        while True:
            client.send(b"X: y\r\n")
            sent_count += 1
            try:
                assert client.socket.recv(100).startswith(b"400")
                break
            except TimeoutError:
                assert sent_count < 1200


def test_a_stop_says_so_and_loses_nothing(tmp_path: Path) -> None:
    endpoint = NntpEndpoint(tmp_path)
    with endpoint, endpoint.client() as client:
        client.send(b"".join(map(takethis, range(20))))
        assert client.answers(5) == [239] * 5
        endpoint.call(endpoint.server.stop())
        codes = []
        while (code := client.answer()[0]) == 239:
            codes.append(code)
        assert code == 400
        assert len(endpoint.message_ids()) == 5 + len(codes)
