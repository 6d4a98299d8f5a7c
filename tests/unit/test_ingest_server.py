"""Start and stop of the endpoint, and many clients at a time."""

import asyncio
import threading
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import ConfigError
from gateway.ingest.server import SmtpServer
from gateway.ingest.settings import SmtpSettings
from gateway.msgqueue.store import Queue
from gateway.routing.table import Table
from tests.support.endpoint import HOSTNAME, Client, Endpoint, find_choices, stuffed
from tests.support.processes import is_listening, wait_until
from tests.support.server_thread import DEADLINE_SECONDS

MESSAGE = b"Subject: x\r\n\r\nhello\r\n"


def test_every_address_is_listened_on(tmp_path: Path) -> None:
    with Endpoint(tmp_path, listen=(("127.0.0.1", 0), ("127.0.0.2", 0), ("127.0.0.1", 0))) as endpoint:
        ports = endpoint.server.ports
        assert len(set(ports)) == 3 or ports[1] in {ports[0], ports[2]}
        assert is_listening(ports[0])
        assert is_listening(ports[1], "127.0.0.2")
        assert is_listening(ports[2])
    assert not is_listening(ports[0])


def test_port_that_is_taken_is_named_and_no_other_stays_open(tmp_path: Path) -> None:
    with Endpoint(tmp_path / "one") as other, Queue(tmp_path / "two", Disk(is_syncing=False)) as queue:

        async def start() -> None:
            settings = SmtpSettings(HOSTNAME, listen=(("127.0.0.1", 0), ("127.0.0.1", other.port)))
            server = SmtpServer(settings, queue, Table.from_rules(()), find_choices)
            try:
                await server.start()
            finally:
                assert server.ports == ()

        with pytest.raises(ConfigError, match=rf"smtp\.listen: .*127\.0\.0\.1:{other.port}"):
            asyncio.run(start())


def test_stop_sends_waiting_clients_away(tmp_path: Path) -> None:
    with Endpoint(tmp_path) as endpoint:
        idle, begun, fresh = endpoint.client(), endpoint.client(), endpoint.client(is_greeted=False)
        begun.command("MAIL FROM:<a@a.test>")
        fresh.answer()
        endpoint.call(endpoint.server.stop())
        for client in (idle, begun, fresh):
            assert client.answer() == (421, "4.3.2 shutting down, try again later")
            assert client.is_closed()
            client.close()


def test_stop_waits_for_a_message_that_is_being_sent(tmp_path: Path) -> None:
    with Endpoint(tmp_path) as endpoint, endpoint.client() as client:
        client.begin()
        client.send(b"Subject: x\r\n")
        stopping = asyncio.run_coroutine_threadsafe(endpoint.server.stop(), endpoint.loop)
        wait_until(lambda: not is_listening(endpoint.port), 60, "the end of listening")
        assert not stopping.done()
        client.send(b"\r\n.\r\n")
        assert client.answers(2) == [250, 421]
        stopping.result(DEADLINE_SECONDS)
        assert [kept.content for kept in endpoint.kept()] == [b"Subject: x\r\n\r\n"]


def test_stop_does_not_wait_for_ever(tmp_path: Path) -> None:
    with Endpoint(tmp_path, stop_seconds=0.05) as endpoint, endpoint.client() as client:
        client.begin()
        client.send(b"Subject: x\r\n")
        endpoint.call(endpoint.server.stop())
        assert client.is_closed()
        assert endpoint.kept() == []
        assert (endpoint.server.connections_count, endpoint.server.inflight_bytes) == (0, 0)


def test_stop_without_start_and_twice(tmp_path: Path) -> None:
    with Queue(tmp_path, Disk(is_syncing=False)) as queue:

        async def run() -> tuple[int, ...]:
            server = SmtpServer(SmtpSettings(HOSTNAME), queue, Table.from_rules(()), find_choices)
            await server.stop()
            await server.stop()
            return server.ports

        assert asyncio.run(run()) == ()


def test_too_many_connections_are_told_to_come_back(tmp_path: Path) -> None:
    with Endpoint(tmp_path, max_connections=2) as endpoint:
        first, second = endpoint.client(), endpoint.client()
        with endpoint.client(is_greeted=False) as third:
            assert third.answer() == (421, "4.3.2 too many connections, try again later")
            assert third.is_closed()
        assert first.mail(MESSAGE)[0] == 250
        first.close()
        wait_until(lambda: endpoint.server.connections_count == 1, 60, "the end of the first session")
        endpoint.client().close()
        second.close()


def test_two_hundred_clients_at_once(tmp_path: Path) -> None:
    with Endpoint(tmp_path) as endpoint:
        clients = [Client(endpoint.port) for _ in range(200)]
        for step, wanted in (
            (b"", [220]),
            (b"EHLO c.test\r\n", [250]),
            (b"MAIL FROM:<a@a.test>\r\nRCPT TO:<bob@b.test>\r\nDATA\r\n", [250, 250, 354]),
            (stuffed(MESSAGE), [250]),
            (b"QUIT\r\n", [221]),
        ):
            for client in clients:
                client.send(step)
            for client in clients:
                assert client.answers(len(wanted)) == wanted
        for client in clients:
            client.close()
        kept = endpoint.kept()
        assert len({each.view.id for each in kept}) == 200
        assert {each.content for each in kept} == {MESSAGE}


def test_clients_in_threads_do_not_mix_their_messages(tmp_path: Path) -> None:
    with Endpoint(tmp_path) as endpoint:
        answers: dict[str, bytes] = {}

        def send(number: int) -> None:
            with endpoint.client() as client:
                for turn in range(5):
                    content = (
                        f"Subject: {number} {turn}\r\n\r\n".encode() + b"x" * (number * 50_000) + b"\r\n"
                    )
                    _, text = client.mail(content, f"{number}@a.test")
                    answers[text.split()[-1]] = content

        threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert {each.view.id: each.content for each in endpoint.kept()} == answers
        assert len(answers) == 40
