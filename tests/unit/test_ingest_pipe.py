from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import BadAddress, MessageError, StoreError, StoreFull
from gateway.ingest.pipe import PipeIntake
from gateway.ingest.routes import RecipientRefused
from gateway.msgqueue.entry import Role
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from gateway.msgqueue.views import list_messages
from tests.support import handing_in

ALICE, BOB = "alice@a.test", "bob@b.test"


class Broken:
    """A disk that refuses one step."""

    def __init__(self) -> None:
        self.step = ""

    def __call__(self, step: str, path: Path) -> None:
        if step == self.step and "bodies" in path.parts:
            raise OSError(28, "No space left on device")


@pytest.fixture
def broken() -> Broken:
    return Broken()


@pytest.fixture
def queue(tmp_path: Path, broken: Broken) -> Generator[Queue]:
    with Queue(tmp_path / "queue", Disk(hook=broken)) as opened:
        yield opened


@pytest.fixture
def intake(queue: Queue) -> PipeIntake:
    return handing_in.intake(queue)


def bodies(queue: Queue) -> list[bytes]:
    return [b"".join(queue.read_body(message.seq)) for message in list_messages(queue)]


def test_each_role_gets_its_own_copy_with_its_own_id(queue: Queue, intake: PipeIntake) -> None:
    ids = intake.take("", [BOB, ALICE], [b"Subject: x\n", b"\nhello\n"], "me")
    messages = list_messages(queue)
    assert [message.id for message in messages] == ids
    assert [message.role for message in messages] == [Role.INBOX, Role.OUTBOX]
    assert messages[1].deliveries[0].nice == 64
    for body, message in zip(bodies(queue), messages, strict=True):
        assert body.startswith(f"Received: by mail.a.test with local id {message.id};\r\n".encode())
        assert body.endswith(b"\r\nSubject: x\r\n\r\nhello\r\n")
        assert b"for <" not in body


def test_an_only_recipient_stands_in_the_trace_field(queue: Queue, intake: PipeIntake) -> None:
    intake.take(ALICE, [BOB], [b"\nx\n"], "me")
    assert b"for <bob@b.test>;" in bodies(queue)[0]


@pytest.mark.parametrize("size_bytes", [0, 1, INLINE_BODY_BYTES - 300, INLINE_BODY_BYTES + 1, 600_000])
def test_a_message_of_any_size_comes_in_whole(queue: Queue, intake: PipeIntake, size_bytes: int) -> None:
    content = (b"0123456789abcde\n" * (size_bytes // 16 + 1))[:size_bytes]
    pieces = [content[at : at + 7919] for at in range(0, size_bytes, 7919)]
    intake.take(ALICE, [BOB, ALICE], pieces, "me")
    expected = content.replace(b"\n", b"\r\n")
    if expected and not expected.endswith(b"\r\n"):
        expected += b"\r\n"
    for body in bodies(queue):
        assert body.endswith(b"+0000\r\n" + expected) or not expected


def test_8_bit_and_utf8_addresses_are_noted(queue: Queue, intake: PipeIntake) -> None:
    intake.take("älice@a.test", [BOB], ["Subject: x\n\nä\n".encode()], "me")
    with queue.reading() as connection:
        row = connection.execute("SELECT is_8bit, is_smtputf8 FROM message").fetchone()
    assert row == (1, 1)


@pytest.mark.parametrize(
    ("sender", "recipients", "error", "status"),
    [
        ("a b", [BOB], BadAddress, "5.1.7"),
        (ALICE, ["b"], BadAddress, "5.1.3"),
        (ALICE, [BOB, "x@c.test"], RecipientRefused, "5.7.1"),
        (ALICE, [BOB, "never@b.test", "later@b.test"], RecipientRefused, "4.2.1"),
        (ALICE, [f"{number}@b.test" for number in range(1001)], MessageError, "5.5.3"),
    ],
)
def test_a_bad_envelope_is_refused_before_anything_is_read(
    queue: Queue,
    intake: PipeIntake,
    sender: str,
    recipients: list[str],
    error: type[MessageError],
    status: str,
) -> None:
    content = iter([b"x\n"])
    with pytest.raises(error) as caught:
        intake.take(sender, recipients, content, "me")
    assert list(content) == [b"x\n"]
    assert caught.value.status == status
    assert list_messages(queue) == []


@pytest.mark.parametrize("step", ["create", "write", "sync"])
def test_a_disk_that_refuses_leaves_nothing(
    queue: Queue, intake: PipeIntake, broken: Broken, step: str
) -> None:
    broken.step = step
    with pytest.raises(StoreFull):
        intake.take(ALICE, [BOB], [b"x" * 70 + b"\n"] * 4000, "me")
    assert list_messages(queue) == []
    assert list(queue.bodies.directory.iterdir()) == []


def test_a_source_that_fails_leaves_nothing(queue: Queue, intake: PipeIntake) -> None:
    def content() -> Iterator[bytes]:
        yield b"x" * 70 * 4000
        raise StoreError("cannot read standard input")

    with pytest.raises(StoreError):
        intake.take(ALICE, [BOB, ALICE], content(), "me")
    assert list_messages(queue) == []
    assert list(queue.bodies.directory.iterdir()) == []


def test_both_parts_come_in_together_or_not_at_all(queue: Queue, intake: PipeIntake, broken: Broken) -> None:
    content = [b"x" * 70 + b"\n"] * 4000
    taking = intake.begin(ALICE, [BOB, ALICE], "me")
    for piece in content:
        taking.write(piece)
    broken.step = "sync"
    with pytest.raises(StoreFull):
        taking.close()
    taking.discard()
    assert list_messages(queue) == []
    assert list(queue.bodies.directory.iterdir()) == []
    broken.step = ""
    assert len(intake.take(ALICE, [BOB, ALICE], content, "me")) == 2
