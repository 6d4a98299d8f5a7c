"""What is fuzzed: every decoder of what others wrote, with sound inputs to begin from."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache

import zstandard

from gateway.errors import GatewayError
from gateway.ids import BatchId, NodeId
from gateway.ingest.parameters import parse_mail_parameters
from gateway.message.address import check_mailbox, parse_path
from gateway.message.bsmtp import BatchReader, BatchWriter, MessageData, MessageRefused
from gateway.message.bsmtp_dialogue import BatchLimits
from gateway.message.envelope import Envelope
from gateway.message.header import header_section_end, header_value, hop_count
from gateway.message.lines import crlf_chunks, find_stray
from gateway.message.sendmail import split_return_path, write_sendmail_body
from gateway.packet.plain import (
    PLAIN_HEADER_BYTES,
    PacketType,
    PlainHeader,
    decode_exec_path,
    decode_plain,
    encode_exec_path,
    encode_plain,
)
from gateway.packet.sealed import (
    BLOCK_BYTES,
    ENCRYPTED_HEADER_BYTES,
    decode_header,
    encode_header,
    verify_header,
)
from gateway.packet.unseal import Unsealer
from gateway.routing.urgency import urgency_of
from gateway.schedule.cron import parse_cron
from gateway.toss.expansion import expand, limited
from tests.fuzz.configurations import CONFIGURATIONS
from tests.fuzz.containers import CONTAINERS
from tests.fuzz.endpoints import ENDPOINTS
from tests.fuzz.links import LINKS
from tests.fuzz.messages import MESSAGES
from tests.fuzz.news import NEWS
from tests.fuzz.newsdesk import NEWS_STAGES
from tests.fuzz.reader import READER
from tests.fuzz.stages import STAGES
from tests.fuzz.target import Target, in_pieces, text_of
from tests.support.packets import (
    FindKeys,
    craft_packet,
    golden,
    golden_bytes,
    golden_keys,
    golden_opener,
    make_keys,
    neighbours,
    open_packet,
)

SMALL_PACKET_BYTES = 16 * 1024
EXPANDED_LIMIT_BYTES = 4 * 1024 * 1024
MOMENT = datetime(2024, 2, 28, 23, 59, 30)  # noqa: DTZ001 - cron is about local time

ALICE, BOB = make_keys("alice"), make_keys("bob")
FROM_ALICE = neighbours(ALICE)
BATCH_LIMITS = BatchLimits(command_bytes=512, recipient_count=4, message_bytes=300, message_count=5)


def plain_header(data: bytes) -> None:
    """The plain header, and the path of an exec in it."""
    header = decode_plain(data)
    assert decode_plain(encode_plain(header)) == header
    parts = decode_exec_path(header.path)
    assert decode_exec_path(encode_exec_path(*parts)) == parts


def sealed_header(data: bytes) -> None:
    """The encrypted header and its signature."""
    raw = data[:ENCRYPTED_HEADER_BYTES]
    header = decode_header(raw)
    assert encode_header(header) == raw
    keys = golden_neighbours()(header.sender)
    if keys is not None:
        verify_header(header, keys.signpub)


@cache
def openers() -> Mapping[NodeId, bytes]:
    """The private exchange keys that open golden packets."""
    names = [*golden()["keys"], *(f"area:{name}" for name in golden()["areas"])]
    return dict(map(golden_opener, names))


@cache
def golden_neighbours() -> FindKeys:
    """A lookup that knows every node of the golden packets."""
    return neighbours(*map(golden_keys, golden()["keys"]))


def small_packets() -> Iterator[bytes]:
    """Golden packets that are quickly opened."""
    for entry in golden()["packets"]:
        raw = golden_bytes(entry["name"])
        if len(raw) <= SMALL_PACKET_BYTES:
            yield raw


def golden_packet(data: bytes) -> None:
    """A changed golden packet in the hands of whom its header names; all of it, or nothing."""
    recipient = decode_header(data[:ENCRYPTED_HEADER_BYTES]).recipient
    own_id = recipient if recipient in openers() else golden_opener("bob")[0]

    def opened(size_bytes: int) -> object:
        pieces = (data[at : at + size_bytes] for at in range(0, len(data), size_bytes))
        try:
            return open_packet(pieces, own_id, openers()[own_id], golden_neighbours())
        except GatewayError as error:
            return type(error)

    assert opened(len(data)) == opened(61)


def crafted_blocks(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Blocks as a known but hostile sender could seal: few bytes of input stand for many."""
    at = 0
    while at + 3 <= len(data):
        kind, size, shown = data[at : at + 3]
        head = data[at + 3 : at + 3 + shown]
        at += 3 + shown
        size_bytes = (BLOCK_BYTES - size, size, len(head), 16 + PLAIN_HEADER_BYTES + size)[kind >> 1 & 3]
        fill = b"\0" if kind & 8 else b"x"
        yield ("size" if kind & 1 else "full"), head[:size_bytes].ljust(size_bytes, fill)


def crafted_packet(data: bytes) -> None:
    """A packet whose signature and blocks are right, and whose content is anything."""
    trailer = data[1 : 1 + data[0]] if data else b""
    packet = craft_packet(ALICE, BOB, crafted_blocks(data[1 + len(trailer) :]), trailer)
    unsealer = Unsealer(BOB.id, BOB.exchprv, FROM_ALICE)
    payload_bytes = 0
    for at in range(0, len(packet), BLOCK_BYTES // 2):
        payload_bytes += sum(map(len, unsealer.feed(packet[at : at + BLOCK_BYTES // 2])))
    payload_bytes += sum(map(len, unsealer.finish()))
    assert unsealer.plain is not None
    assert payload_bytes <= len(packet)


def crafted_seeds() -> Iterator[bytes]:
    """A packet of one short block, and one of a full block and a short one."""
    header = encode_plain(PlainHeader(PacketType.FILE, 96, b"name"))

    def block(kind: int, head: bytes) -> bytes:
        return bytes((kind, 0, len(head))) + head

    yield b"\0" + block(15, len(header).to_bytes(8, "big") + bytes(8) + header[:100])
    sizes = (BLOCK_BYTES + 4).to_bytes(8, "big") + bytes(8)
    yield b"\0" + block(8, header[:100]) + block(5, sizes + b"tail")


def batch(source: Iterable[bytes]) -> object:
    """A batch: what it says of its messages, and their contents."""
    reader = BatchReader(BATCH_LIMITS)
    found: list[object] = []
    content = b""
    for piece in source:
        for event in reader.feed(piece):
            if isinstance(event, MessageData):
                content += event.data
            else:
                # Pieces of a refused message are thrown away, however many came.
                found.append((b"" if isinstance(event, MessageRefused) else content, event))
                content = b""
    reader.finish()
    assert reader.message_count <= BATCH_LIMITS.message_count
    return found


def batch_seeds() -> Iterator[bytes]:
    """A batch of ours and one as Exim writes it."""
    writer = BatchWriter(is_esmtp=True)
    envelope = Envelope("a@a.test", ("b@b.test", '"x y"@b.test'))
    parts = [writer.start(BatchId(bytes(16)), 2)]
    for content in (b"Subject: x\r\n\r\n.dot\r\n", b""):
        parts += writer.message(envelope, [content])
    yield b"\x07" + b"".join([*parts, writer.end()])
    yield b"\x01MAIL FROM:<> SIZE=3\nRCPT TO:<bob@b.test>\nDATA\nSubject: x\n\n..\n.\n"


def sendmail_body(data: bytes) -> None:
    """The body of a sendmail packet: sender and message, and the way back."""
    sender, rest = split_return_path(data)
    pieces = list(crlf_chunks([rest]))
    content = b"".join(pieces)
    assert find_stray(content) is None
    assert split_return_path(b"".join(write_sendmail_body(sender, pieces)))[0] == sender


def address(data: bytes) -> None:
    """A path of SMTP; what passes has nothing in it that could break a line or a log."""
    for is_recipient in (False, True):
        found, parameters = parse_path(data, is_utf8_allowed=True, is_recipient=is_recipient)
        assert not re.search(r"[\x00-\x1f\x7f-\x9f]", found)
        assert find_stray(parameters) is None
        if "@" in found:
            check_mailbox(found, is_utf8_allowed=True)
        parse_mail_parameters(parameters)


def header_fields(data: bytes) -> None:
    """What is read from the head of a message; there is no wrong one."""
    end = header_section_end(data)
    assert 0 <= end <= len(data)
    assert 0 <= hop_count(data[:end]) <= len(data)
    assert urgency_of(None, data) is urgency_of(None, data[:end])
    for name in ("Message-ID", "Received", "Subject"):
        value = header_value(data, name, limit_chars=80)
        assert value is None or (value.isprintable() and len(value) <= 80)


def compressed(source: Iterable[bytes]) -> object:
    """A compressed body, under a limit."""
    return b"".join(limited(expand(source), EXPANDED_LIMIT_BYTES))


def compressed_seeds() -> Iterator[bytes]:
    """Frames with and without size and checksum, of repeated and of mixed bytes, and skippable ones."""
    for has_size in (False, True):
        squeezer = zstandard.ZstdCompressor(write_content_size=has_size, write_checksum=has_size)
        yield b"\x05" + squeezer.compress(b"text " * 40) + squeezer.compress(bytes(300_000))
    yield b"\x03\x50\x2a\x4d\x18\x03\0\0\0abc" + zstandard.compress(bytes(range(256)))


def cron(data: bytes) -> None:
    """A cron expression, and when it is due next."""
    parsed = parse_cron(text_of(data))
    following = parsed.next_after(MOMENT)
    assert following is None or following > MOMENT


TARGETS: Mapping[str, Target] = {
    **CONTAINERS,
    **CONFIGURATIONS,
    **LINKS,
    **STAGES,
    **NEWS_STAGES,
    **READER,
    **ENDPOINTS,
    **MESSAGES,
    **NEWS,
    "plain": Target(
        plain_header, lambda: [encode_plain(PlainHeader(3, 96, b"sendmail\0a@b.test"))], limit_bytes=300
    ),
    "sealed": Target(sealed_header, small_packets, limit_bytes=172),
    "unseal": Target(golden_packet, small_packets, limit_bytes=SMALL_PACKET_BYTES),
    "crafted": Target(crafted_packet, crafted_seeds, (b"\0\0\0\0\0\2\0\0", b"\xff" * 8)),
    "batch": Target(
        in_pieces(batch),
        batch_seeds,
        (b"MAIL FROM:<", b"RCPT TO:<", b"DATA\r\n", b"\r\n.\r\n", b"QUIT", b"RSET"),
    ),
    "sendmail": Target(sendmail_body, lambda: [b"Return-Path: <a@a.test>\nSubject: x\n\nbody\n"]),
    "address": Target(
        address,
        lambda: [b'<"a b"@[IPv6:::1]> SIZE=1 BODY=8BITMIME', "<ö@bücher.test>".encode(), b"<>"],
        limit_bytes=300,
    ),
    "header": Target(
        header_fields,
        lambda: [b"Received: a\r\n b\r\nSubject:\tc\r\nMessage-ID: <1@a>\r\n\r\nbody"],
        (b"\r\n ",),
    ),
    "zstd": Target(in_pieces(compressed), compressed_seeds, (b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18")),
    "cron": Target(
        cron, lambda: [b"*/5 1-3,7 L * MON#2", b"0 0 0 29 2 ? 2096", b"@daily"], (b"LW", b"W", b"@hourly")
    ),
}
"""Every decoder that reads what others wrote, by the name that ``./run fuzz`` takes."""
