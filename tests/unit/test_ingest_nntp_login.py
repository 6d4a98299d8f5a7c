"""Who logs in at the endpoint for news, in TLS, and who guesses."""

import ssl
from pathlib import Path

import pytest

from gateway.ingest.nntp_settings import NntpPeer
from tests.support.nntp_endpoint import NOBODY, NntpClient, NntpEndpoint, peer
from tests.support.submission import plain, trusting


def endpoint_in_tls(directory: Path, *peers: NntpPeer, bar_failures: int = 100) -> NntpEndpoint:
    """One that knows nobody by their address."""
    return NntpEndpoint(
        directory,
        peers=peers,
        is_tls=True,
        is_reader_on=True,
        read_from=NOBODY,
        post_from=NOBODY,
        bar_failures=bar_failures,
    )


def capabilities(client: NntpClient) -> list[bytes]:
    """What the server says it can do."""
    assert client.command("CAPABILITIES")[0] == 101
    return client.block()


def test_a_user_logs_in_behind_starttls_and_posts(tmp_path: Path) -> None:
    with endpoint_in_tls(tmp_path) as endpoint, endpoint.client() as client:
        assert b"STARTTLS" in capabilities(client)
        assert client.command("POST")[0] == 480
        assert client.log_in("alice", "wonderland") == 483
        assert client.command("STARTTLS")[0] == 382
        client.secure(trusting(endpoint.files))
        assert b"STARTTLS" not in capabilities(client)
        assert client.log_in("alice", "wrong") == 481
        assert client.log_in("alice", "wonderland") == 281
        assert client.command("GROUP misc.test")[0] == 211
        assert client.command("CHECK <1@a.test>")[0] == 502
        proto = "From: a@a.test\nNewsgroups: misc.test\nSubject: s\n\nx\n"
        assert client.post(proto)[0] == 240
        (body,) = endpoint.bodies()
        assert b'posting-account="alice"' in body


def test_tls_from_the_beginning_and_sasl(tmp_path: Path) -> None:
    with endpoint_in_tls(tmp_path) as endpoint:
        context = trusting(endpoint.files)
        raw = endpoint.server.ports[1]
        client = _connect_tls(raw, context)
        with client:
            assert client.answer()[0] == 200
            assert client.command(f"AUTHINFO SASL PLAIN {plain('alice', 'wonderland')}")[0] == 281
            assert client.command("LIST")[0] == 215
            assert client.block()[0].startswith(b"misc.test")


def test_what_is_said_in_clear_behind_starttls_counts_for_nothing(tmp_path: Path) -> None:
    with endpoint_in_tls(tmp_path) as endpoint, endpoint.client() as client:
        client.send(b"STARTTLS\r\nDATE\r\n")
        assert client.answer()[0] == 382
        client.secure(trusting(endpoint.files))
        assert client.command("QUIT")[0] == 205


def test_a_news_server_logs_in_and_feeds_but_does_not_post(tmp_path: Path) -> None:
    far = peer("far", hosts=NOBODY, login="alice", accept="misc.*")
    with endpoint_in_tls(tmp_path, far) as endpoint, endpoint.client() as client:
        assert client.command("CHECK <1@a.test>")[0] == 480
        assert client.command("STARTTLS")[0] == 382
        client.secure(trusting(endpoint.files))
        assert client.log_in("alice", "wonderland") == 281
        assert client.command("POST")[0] == 440
        assert client.take_this(1)[0] == 239
        assert b"!.MISMATCH.gw.far.test!" in endpoint.bodies()[0]


def test_who_guesses_is_sent_away_and_then_not_listened_to(tmp_path: Path) -> None:
    with endpoint_in_tls(tmp_path, bar_failures=4) as endpoint:
        for guesses in (3, 1):
            with endpoint.client() as client:
                assert client.command("STARTTLS")[0] == 382
                client.secure(trusting(endpoint.files))
                codes = [client.log_in("alice", f"wrong {n}") for n in range(guesses)]
                assert codes == [481] * guesses
                assert client.answer()[0] == 400
                assert client.is_closed()
        with endpoint.client(greeting=400) as client:
            assert client.is_closed()


def test_a_password_in_clear_is_taken_from_this_machine_if_that_is_allowed(tmp_path: Path) -> None:
    known = NntpEndpoint(tmp_path, peers=(), is_cleartext_local=True, read_from=NOBODY, post_from=NOBODY)
    with known as endpoint, endpoint.client() as client:
        assert client.log_in("alice", "wonderland") == 281
        assert client.command("POST")[0] == 340


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01" + b"\xff" * 5000, b""])
def test_garbage_where_tls_is_expected_ends_that_connection_alone(tmp_path: Path, garbage: bytes) -> None:
    with endpoint_in_tls(tmp_path) as endpoint:
        with endpoint.client() as client:
            assert client.command("STARTTLS")[0] == 382
            client.send(garbage)
            if not garbage:
                client.reset()
            else:
                _read_to_end(client)
        with endpoint.client() as client:
            assert client.command("DATE")[0] == 111


def _connect_tls(port: int, context: ssl.SSLContext) -> NntpClient:
    client = NntpClient(port)
    client.secure(context)
    return client


def _read_to_end(client: NntpClient) -> None:
    try:
        while client.socket.recv(4096):
            pass
    except OSError:
        pass
