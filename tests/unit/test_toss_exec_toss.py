"""Tossing one exec: proof first, then the handler."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gateway.errors import BadBlock, StoreError, TooLarge
from gateway.ids import NodeId, PacketId
from gateway.nodes import Book
from gateway.packet.plain import PacketType, PlainHeader
from gateway.spool.log import Log
from gateway.toss.exec_toss import KEPT_BODY_BYTES, ExecCall, ExecToss, NoHandle, read_call
from gateway.toss.opened import BUFFER_BYTES, OpenedPacket
from gateway.toss.settings import TossSettings
from gateway.toss.tosser import Tosser
from tests.support.tossing import Pair

LARGE = b"0123456789abcdef" * (KEPT_BODY_BYTES // 8)


class Receiver:
    """A handler within the process."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls: list[tuple[bytes, tuple[bytes, ...], NodeId, int, PacketId]] = []
        self.authors: list[NodeId | None] = []

    def find(self, argv: Sequence[str]) -> "Receiver | None":
        return self if list(argv) == ["receive", "mail"] else None

    def __call__(
        self,
        payload: Iterator[bytes | memoryview],
        *,
        args: tuple[bytes, ...],
        sender: NodeId,
        author: NodeId | None,
        nice: int,
        packet: PacketId,
    ) -> None:
        self.authors.append(author)
        body = b"".join(bytes(piece) for piece in payload)
        if self.error is not None:
            raise self.error
        self.calls.append((body, args, sender, nice, packet))


def call_for(book: Book, packet: Path, handle: bytes = b"x") -> ExecCall:
    plain = PlainHeader(PacketType.EXEC, 224, handle)
    return read_call(book.find("a"), PacketId.parse(packet.name), plain)


def test_handle_and_arguments_are_read_from_the_path(tmp_path: Path) -> None:
    book = Pair(tmp_path).books["b"]
    call = read_call(book.find("a"), PacketId(bytes(32)), PlainHeader(PacketType.EXEC, 1, b"h\0one\0\0\xff"))
    assert (call.handle, call.args) == (b"h", (b"one", b"", b"\xff"))
    assert call.text == "h one  \udcff"


@pytest.mark.parametrize("argv", [None, ()])
def test_a_handle_without_a_command_is_refused(tmp_path: Path, argv: tuple[str, ...] | None) -> None:
    pair = Pair(tmp_path)
    if argv is not None:
        pair.allow("x", argv)
    book = pair.books["b"]
    call = call_for(book, pair.send("x"))
    with pytest.raises(NoHandle):
        ExecToss(book, TossSettings(), lambda _argv: None).configured(call)


@pytest.mark.parametrize(("body", "is_kept"), [(b"", True), (b"small", True), (LARGE, False)])
def test_a_small_body_is_kept_from_the_proof(tmp_path: Path, body: bytes, *, is_kept: bool) -> None:
    pair = Pair(tmp_path)
    path, book = pair.send("x", body), pair.books["b"]
    toss = ExecToss(book, TossSettings(), lambda _argv: None)
    with OpenedPacket(path, book, bytearray(BUFFER_BYTES)) as opened:
        first = opened.read()
        first.start()
        kept = toss.prove(call_for(book, path), first)
    assert (b"".join(kept) if kept is not None else None) == (body if is_kept else None)


def test_a_body_over_the_limit_is_refused_before_any_handler(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    path, book = pair.send("x", bytes(5_000_000)), pair.books["b"]
    toss = ExecToss(book, TossSettings(max_payload_bytes=1_000_000), lambda _argv: None)
    with (
        OpenedPacket(path, book, bytearray(BUFFER_BYTES)) as opened,
        pytest.raises(TooLarge, match="1000000"),
    ):
        toss.prove(call_for(book, path), opened.read())


@pytest.mark.parametrize("body", [b"", b"small", LARGE])
@pytest.mark.parametrize("is_compressed", [True, False])
def test_a_handler_within_the_process_gets_body_and_sender(
    tmp_path: Path, body: bytes, *, is_compressed: bool
) -> None:
    pair = Pair(tmp_path)
    pair.allow("mail", ["receive", "mail"])
    path = pair.send("mail", body, "arg", reply_nice=200, is_compressed=is_compressed)
    receiver = Receiver()
    log = Log(tmp_path / "log", quiet=True)
    result = Tosser(
        pair.books["b"], pair.spools["b"], log, TossSettings(), in_process=receiver.find
    ).run_once()
    assert (result.done_count, pair.received()) == (1, [])
    assert receiver.calls == [(body, (b"arg",), pair.id("a"), 200, PacketId.parse(path.name))]
    assert receiver.authors == [None]


def test_when_the_handler_within_the_process_fails_the_packet_stays(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.allow("mail", ["receive", "mail"])
    path = pair.send("mail", b"body")
    receiver = Receiver(StoreError("the inbox is full"))
    log = Log(tmp_path / "log", quiet=True)
    result = Tosser(
        pair.books["b"], pair.spools["b"], log, TossSettings(), in_process=receiver.find
    ).run_once()
    assert (result.bad_count, path.exists()) == (1, True)
    assert "Who: rx-handle" in (tmp_path / "log").read_text()
    assert "the inbox is full" in (tmp_path / "log").read_text()


def test_a_bug_in_the_handler_is_not_taken_for_a_bad_packet(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.allow("mail", ["receive", "mail"])
    path = pair.send("mail", b"body")
    log = Log(tmp_path / "log", quiet=True)
    find = Receiver(ZeroDivisionError()).find
    with pytest.raises(ZeroDivisionError):
        Tosser(pair.books["b"], pair.spools["b"], log, TossSettings(), in_process=find).run_once()
    assert path.exists()


@pytest.mark.parametrize("is_in_process", [True, False])
def test_when_the_second_pass_fails_nobody_sees_an_end(tmp_path: Path, *, is_in_process: bool) -> None:
    pair = Pair(tmp_path)
    out, acted = tmp_path / "out", tmp_path / "acted"
    argv = ["receive", "mail"] if is_in_process else ["/bin/sh", "-c", f"cat > {out}; echo > {acted}"]
    pair.allow("x", argv)
    path = pair.send("x", LARGE, is_compressed=False)
    book, receiver = pair.books["b"], Receiver()
    toss = ExecToss(book, TossSettings(), receiver.find)
    call = call_for(book, path)
    call = dataclasses.replace(call, plain=dataclasses.replace(call.plain, type=PacketType.EXEC_FAT))
    with OpenedPacket(path, book, bytearray(BUFFER_BYTES)) as opened:
        first = opened.read()
        first.start()
        assert toss.prove(call, first) is None
        with path.open("r+b") as file:
            file.seek(-5, 2)
            (byte,) = file.read(1)
            file.seek(-5, 2)
            file.write(bytes([byte ^ 1]))
        with pytest.raises(BadBlock):
            toss.run(call, tuple(argv), opened, None)
    assert receiver.calls == []
    assert not acted.exists()
