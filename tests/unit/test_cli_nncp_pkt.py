"""``nncp pkt``: what it says of a packet, and what it dumps."""

from pathlib import Path

import pytest

from gateway.packet.plain import PacketType, PlainHeader, encode_plain
from gateway.tx.compression import compress
from tests.support.nncp_verbs import Verbs, run_verb_process
from tests.support.packets import seal_packet
from tests.support.tossing import Pair, exec_header

Capture = pytest.CaptureFixture[bytes]
PAYLOAD = bytes(range(256)) * 2000


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    made = Pair(tmp_path, "c")
    made.write_config("b")
    return made


@pytest.fixture
def verbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verbs:
    return Verbs(tmp_path, monkeypatch)


def show(verbs: Verbs, pair: Pair, packet: bytes, *flags: str) -> int:
    return verbs.run("pkt", f"-cfg={pair.directory}/b/cfg.json", *flags, stdin=packet)


def sealed(pair: Pair, author: str = "a", reader: str = "b") -> bytes:
    own, its = pair.books[author].private_keys(), pair.books[reader].private_keys()
    return seal_packet(PAYLOAD, own, its, plain=exec_header("x"), nice=77)


@pytest.mark.parametrize(
    ("author", "reader", "names"), [("a", "b", ("a", "self")), ("b", "c", ("self", "c"))]
)
def test_an_encrypted_packet_is_described(
    pair: Pair, verbs: Verbs, capfdbinary: Capture, author: str, reader: str, names: tuple[str, str]
) -> None:
    assert show(verbs, pair, sealed(pair, author, reader)) == 0
    assert capfdbinary.readouterr().out.decode() == (
        "Packet type: encrypted\nNiceness: P-19 (77)\n"
        f"Sender: {pair.id(author)} ({names[0]})\nRecipient: {pair.id(reader)} ({names[1]})\n"
    )


def test_strangers_are_unknown(pair: Pair, verbs: Verbs, capfdbinary: Capture, tmp_path: Path) -> None:
    assert show(verbs, pair, sealed(Pair(tmp_path / "others"))) == 0
    assert capfdbinary.readouterr().out.count(b"(unknown)\n") == 2


def test_an_encrypted_packet_is_dumped_as_a_plain_one(pair: Pair, verbs: Verbs, capfdbinary: Capture) -> None:
    assert show(verbs, pair, sealed(pair), "-dump") == 0
    assert capfdbinary.readouterr().out == encode_plain(exec_header("x")) + PAYLOAD


@pytest.mark.parametrize(
    ("kind", "name", "path", "text"),
    [
        (PacketType.FILE, "file", b"dir/name", "dir/name"),
        (PacketType.FREQ, "file request", b"pub/file", "pub/file"),
        (PacketType.EXEC, "exec compressed", b"h\0one\0\0two", "h one  two"),
        (PacketType.EXEC_FAT, "exec uncompressed", b"h\0one", "h one"),
        (PacketType.ACK, "acknowledgement", bytes(32), "A" * 52),
        (99, "unknown", b"path", "path"),
    ],
)
def test_a_plain_packet_is_described(
    pair: Pair, verbs: Verbs, capfdbinary: Capture, kind: int, name: str, path: bytes, text: str
) -> None:
    assert show(verbs, pair, encode_plain(PlainHeader(kind, 224, path)) + b"payload") == 0
    assert capfdbinary.readouterr().out.decode() == (
        f"Packet type: plain\nPayload type: {name}\nNiceness: B (224)\nPath: {text}\n"
    )


def test_a_relayed_packet_names_the_next_node(pair: Pair, verbs: Verbs, capfdbinary: Capture) -> None:
    show(verbs, pair, encode_plain(PlainHeader(PacketType.TRNS, 0, pair.id("c").raw)))
    assert f"Path: {pair.id('c')} (c)\n".encode() in capfdbinary.readouterr().out


def test_a_plain_packet_dumps_its_payload(pair: Pair, verbs: Verbs, capfdbinary: Capture) -> None:
    frame = b"".join(compress([PAYLOAD]))
    packet = encode_plain(exec_header()) + frame
    assert show(verbs, pair, packet, "-dump") == 0
    assert capfdbinary.readouterr().out == frame
    assert show(verbs, pair, packet, "-dump", "-decompress") == 0
    assert capfdbinary.readouterr().out == PAYLOAD


def test_overheads(pair: Pair, verbs: Verbs, capfdbinary: Capture) -> None:
    assert show(verbs, pair, b"", "-overheads") == 0
    assert capfdbinary.readouterr().out == b"Plain: 276\nEncrypted: 172\nSize: 16\n"


@pytest.mark.parametrize(
    ("content", "flags", "text"),
    [
        (b"", [], b"Not enough data to read"),
        (b"x" * 171, [], b"Not enough data to read"),
        (b"x" * 500, [], b"Unable to determine packet type"),
        (encode_plain(exec_header())[:200], [], b"Unable to determine packet type"),
        (encode_plain(exec_header()) + b"text", ["-dump", "-decompress"], b"not compressed with zstd"),
    ],
)
def test_what_is_no_packet_ends_with_1(
    pair: Pair, verbs: Verbs, capfdbinary: Capture, content: bytes, flags: list[str], text: bytes
) -> None:
    assert show(verbs, pair, content, *flags) == 1
    out, err = capfdbinary.readouterr()
    assert out == b""
    assert text in err


@pytest.mark.parametrize("change", ["cut", "flip", "recipient", "stranger"])
def test_a_packet_that_cannot_be_opened_ends_with_1(
    pair: Pair, verbs: Verbs, capfdbinary: Capture, tmp_path: Path, change: str
) -> None:
    packet = bytearray(sealed(pair))
    if change == "cut":
        del packet[-1]
    elif change == "flip":
        packet[300] ^= 1
    elif change == "recipient":
        packet = bytearray(sealed(pair, "a", "c"))
    else:
        packet = bytearray(sealed(Pair(tmp_path / "others")))
    assert show(verbs, pair, bytes(packet), "-dump") == 1
    assert capfdbinary.readouterr().err.startswith(b"nncp-pkt: ")


def test_output_that_nobody_reads_is_told_in_one_line(pair: Pair) -> None:
    config = f"-cfg={pair.directory}/b/cfg.json"
    done = run_verb_process("pkt", config, "-dump", stdin=sealed(pair), is_checked=False, stdout_closed=True)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"cannot write standard output" in done.stderr
