"""What goes wrong with mail goes right, or is refused, by every way in that is a connection."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.ingest.unix_socket import UnixSocket
from tests.support.endpoint import Client, Endpoint, LmtpEndpoint, stuffed
from tests.support.submission import SubmissionEndpoint

LIMIT_BYTES = 40_000
WHOLE = b"Date: Sat, 01 Jan 2000 00:00:00 +0000\r\nMessage-ID: <1@a.test>\r\n"
"""Fields without which submission would add them."""

Open = Callable[[Path], Endpoint]
WAYS: dict[str, Open] = {
    "smtp": lambda place: Endpoint(place, max_message_bytes=LIMIT_BYTES),
    "lmtp": lambda place: LmtpEndpoint(place, max_message_bytes=LIMIT_BYTES),
    "lmtp on a socket": lambda place: LmtpEndpoint(
        place, max_message_bytes=LIMIT_BYTES, listen=(), unix=UnixSocket(place / "lmtp")
    ),
    "submission": lambda place: SubmissionEndpoint(place, max_message_bytes=LIMIT_BYTES),
}


class Way:
    """One way in, with a client that may hand mail in."""

    def __init__(self, endpoint: Endpoint, client: Client) -> None:
        self.endpoint = endpoint
        self.client = client

    def mail(
        self,
        stuffed_message: bytes,
        sender: str = "alice@a.test",
        recipients: Sequence[str] = ("bob@b.test",),
    ) -> int:
        """Hand one message in; the one code that was answered, for however many recipients."""
        is_smtputf8 = not all(map(str.isascii, (sender, *recipients)))
        assert self.client.command(f"MAIL FROM:<{sender}>{' SMTPUTF8' * is_smtputf8}")[0] == 250
        for recipient in recipients:
            assert self.client.command(f"RCPT TO:<{recipient}>")[0] == 250
        assert self.client.command("DATA")[0] == 354
        self.client.send(stuffed_message)
        count = len(recipients) if isinstance(self.endpoint, LmtpEndpoint) else 1
        (code,) = set(self.client.answers(count))
        assert self.client.command("NOOP")[0] == 250, "the session goes on behind it"
        return code


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Way]:
    place = tmp_path / "way"
    place.mkdir()
    with ExitStack() as stack:
        endpoint = stack.enter_context(WAYS[request.param](place))
        if isinstance(endpoint, SubmissionEndpoint):
            client = stack.enter_context(endpoint.secured())
        else:
            client = stack.enter_context(endpoint.client())
        yield Way(endpoint, client)
        assert endpoint.server.inflight_bytes == 0


@pytest.mark.parametrize(
    "message",
    [
        WHOLE + b"\r\n.\r\n..\r\n.x\r\n...\r\n",
        WHOLE + b"\r\n\x80\xff \xc3\xa4\r\n",
        WHOLE + b"\r\n" + b"".join(b"x" * size + b"\r\n" for size in (999, 3000, 20_000)),
        WHOLE + b"\r\nFrom the start\r\n>From\r\n",
        WHOLE + b"\r\n",
        WHOLE,
        b"From mail@a.test Sat Jan  1 00:00:00 2000\r\n" + WHOLE + b"\r\nx\r\n",
        b"Received: x\r\n" * 50 + WHOLE + b"\r\nx\r\n",
    ],
    ids=["dots", "8-bit", "long lines", "From", "no body", "no empty line", "From in front", "50 hops"],
)
def test_every_byte_of_a_message_is_kept(way: Way, message: bytes) -> None:
    assert way.mail(stuffed(message)) == 250
    (kept,) = way.endpoint.kept()
    assert kept.content == message
    assert kept.is_8bit != message.isascii()


@pytest.mark.parametrize("message", [b"", b"\r\n", b"\r\nno header\r\n", b".\r\n"])
def test_a_message_without_a_header_is_carried(way: Way, message: bytes) -> None:
    assert way.mail(stuffed(message)) == 250
    (kept,) = way.endpoint.kept()
    assert kept.content.endswith(message)
    assert kept.content == message or isinstance(way.endpoint, SubmissionEndpoint)


@pytest.mark.parametrize(
    "content",
    [
        b"a\nb",
        b"a\rb",
        b"a\n.\nb",
        b"a\r\n.\nb",
        b"a\n.\r\nb",
        b"a\r.\r\nb",
        b"a\r\n.\rb",
        b"a\0b",
        b"\r",
        b"a\r\r\n.\r\r\n",
    ],
)
def test_no_message_is_hidden_in_another(way: Way, content: bytes) -> None:
    smuggled = b"MAIL FROM:<evil@a.test>\r\nRCPT TO:<bob@b.test>\r\nDATA\r\nsmuggled\r\n"
    assert way.mail(WHOLE + b"\r\n" + content + smuggled + b"\r\n.\r\n") == 554
    assert way.endpoint.kept() == []
    assert way.mail(stuffed(WHOLE)) == 250
    assert len(way.endpoint.kept()) == 1


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"Received: x\r\n" * 51 + b"\r\nx\r\n", 554),
        (b"\r\n" + b"x" * LIMIT_BYTES, 552),
        (b"\r\n" + b"x\r\n" * LIMIT_BYTES, 552),
    ],
    ids=["51 hops", "one line", "many lines"],
)
def test_what_is_too_much_is_refused_and_the_next_is_taken(way: Way, message: bytes, code: int) -> None:
    assert way.mail(stuffed(message), recipients=["bob@b.test", "eve@here.test"]) == code
    assert way.endpoint.kept() == []
    assert way.mail(stuffed(WHOLE)) == 250


@pytest.mark.parametrize(
    "sender",
    [
        "",
        "MAILER-DAEMON@a.test",
        '"a b"@a.test',
        '"in\\"ner"@a.test',
        '"a@b"@a.test',
        "-oQ/tmp/x@a.test",
        "|id@a.test",
        '"$(id)"@a.test',
        "`id`@a.test",
        "ü@bücher.test",
        "bounce+bob=b.test@a.test",
        "x" * 120 + "@a.test",
    ],
)
def test_every_sender_is_kept_as_it_is(way: Way, sender: str) -> None:
    assert way.mail(stuffed(WHOLE), sender) == 250
    assert way.endpoint.kept()[0].view.sender == sender


@pytest.mark.parametrize(
    "recipient",
    [
        "-oQ/tmp/x@b.test",
        "-bp@b.test",
        "-t@b.test",
        "--@b.test",
        '"-t"@b.test',
        '"two words"@b.test',
        '"a\\"b"@b.test',
        '"a/../b"@b.test',
        "/etc/passwd@b.test",
        "|id@b.test",
        "BOB@B.TEST",
        "ü@b.test",
    ],
)
def test_every_recipient_is_kept_as_it_is(way: Way, recipient: str) -> None:
    assert way.mail(stuffed(WHOLE), recipients=[recipient]) == 250
    assert way.endpoint.kept()[0].recipients == (recipient,)


def test_many_recipients(way: Way) -> None:
    recipients = [f"user{number}@{'b' if number % 2 else 'here'}.test" for number in range(250)]
    assert way.mail(stuffed(WHOLE), recipients=recipients) == 250
    kept = way.endpoint.kept()
    assert sorted(recipient for each in kept for recipient in each.recipients) == sorted(recipients)
    assert len(kept) == 2


def test_a_full_disk_refuses_nothing_for_good(way: Way) -> None:
    way.endpoint.queue.reserve_bytes = 1 << 60
    assert way.client.command("MAIL FROM:<alice@a.test>")[0] == 452
    way.endpoint.queue.reserve_bytes = 0
    assert way.client.command("MAIL FROM:<alice@a.test>")[0] == 250
    assert way.client.command("RCPT TO:<bob@b.test>")[0] == 250
    assert way.client.command("DATA")[0] == 354
    way.endpoint.queue.reserve_bytes = 1 << 60
    way.client.send(stuffed(WHOLE))
    assert way.client.answer()[0] == 452
    assert way.endpoint.kept() == []
