"""Sessions recorded with Go NNCP: ours says the same bytes, and makes the same of Go's.

In A we called nncp-daemon, in B nncp-call called us; our ephemeral key is known, Go's is not.
"""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from gateway.ids import PacketId
from gateway.link.envelope import EnvelopeReader, seal_envelope, wrap
from gateway.link.events import Confirmed, Established, Event, Offer, Offered, PeerKnown, Received
from gateway.link.frames import Done, File, Frame, Freq, Halt, Info, decode_frames, encode_info
from gateway.link.noise import Cipher, Initiator, Responder
from gateway.link.padding import handshake_filler
from gateway.link.session import Session
from gateway.link.settings import LinkSettings, Padding
from tests.support.links import cut_evenly, noise_pair

DIRECTORY = Path(__file__).with_name("sp")
EPHEMERAL = bytes(range(1, 33))
STREAMS = {
    "A": ("A.python-initiator.tx.bin", "A.go-responder.tx.bin"),
    "B": ("B.python-responder.tx.bin", "B.go-initiator.tx.bin"),
}
ONES = ["A", "B"]


@cache
def recorded() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((DIRECTORY / "sp.json").read_text())
    return loaded


def stream(name: str, *, is_ours: bool) -> bytes:
    return (DIRECTORY / STREAMS[name][0 if is_ours else 1]).read_bytes()


def bodies(data: bytes) -> list[memoryview]:
    reader = EnvelopeReader()
    found = list(reader.feed(data))
    assert not reader.is_inside
    return found


def cipher(name: str, *, is_ours: bool) -> Cipher:
    is_first = (name == "A") == is_ours
    return Cipher(bytes.fromhex(recorded()[name]["k_i2r" if is_first else "k_r2i"]))


def messages(name: str, *, is_ours: bool) -> Iterator[memoryview]:
    """The plaintext of each message after the handshake."""
    opening = cipher(name, is_ours=is_ours)
    for body in bodies(stream(name, is_ours=is_ours))[1:]:
        yield opening.open(body)


def contents(name: str) -> dict[PacketId, bytes]:
    """What we sent in the recording."""
    found: dict[PacketId, bytes] = {}
    for message in messages(name, is_ours=True):
        for frame in decode_frames(message):
            if isinstance(frame, File):
                found[frame.packet] = found.get(frame.packet, b"") + frame.data
    return found


def described(frame: Frame) -> list[object]:
    match frame:
        case Info(packet, nice, size_bytes):
            return ["INFO", nice, size_bytes, packet.raw.hex()]
        case Freq(packet, offset_bytes):
            return ["FREQ", packet.raw.hex(), offset_bytes]
        case File(packet, offset_bytes, data):
            return ["FILE", packet.raw.hex(), offset_bytes, f"len:{len(data)}"]
        case Done(packet):
            return ["DONE", packet.raw.hex()]
        case _:
            raise AssertionError(f"not in the recording: {frame}")


def start(name: str, offers: list[Offer]) -> Session:
    is_initiator = name == "A"
    session = Session(
        is_initiator=is_initiator,
        keys=noise_pair("alice" if is_initiator else "bob"),
        remote_pub=noise_pair("bob").public if is_initiator else None,
        ephemeral_private=EPHEMERAL,
        settings=LinkSettings(),
        now=0.0,
    )
    if is_initiator:
        assert session.begin(offers, 0.0) == []
    return session


def answered(session: Session, event: Event, offers: list[Offer]) -> list[Event]:
    match event:
        case PeerKnown():
            return session.accept(LinkSettings(), offers, 0.0)
        case Offered(packet):
            session.request(packet, 0, 0.0)
        case Received(packet) if event.is_last:
            session.confirm(packet, 0.0)
        case _:
            pass
    return []


@pytest.mark.parametrize("piece_bytes", [1, 1000, 1 << 20])
@pytest.mark.parametrize("name", ONES)
def test_our_side_of_a_recorded_session_is_the_same_bytes_again(name: str, piece_bytes: int) -> None:
    ours = contents(name)
    offers = [Offer(packet, 224, len(content)) for packet, content in ours.items()]
    session = start(name, offers)
    said = b"".join(session.data_to_send(0.0))
    events: list[Event] = []
    for body in bodies(stream(name, is_ours=False)):
        for piece in cut_evenly(wrap(bytes(body)), piece_bytes):
            arrived = session.receive_data(piece, 0.0)
            while arrived:
                events += arrived
                arrived = [more for event in arrived for more in answered(session, event, offers)]
        said += b"".join(session.data_to_send(0.0))
        while (chunk := session.wants_chunk(0.0)) is not None:
            data = ours[chunk.packet][chunk.offset_bytes : chunk.offset_bytes + chunk.length_bytes]
            session.send_chunk(chunk, data, 0.0)
            said += b"".join(session.data_to_send(0.0))
    assert said == stream(name, is_ours=True)
    assert [event.packet for event in events if isinstance(event, Confirmed)] == list(ours)
    assert Established() in events
    assert not session.has_unsent
    assert not session.has_unreceived


def first_payload(name: str) -> bytes:
    infos = b"".join(encode_info(packet, 224, len(content)) for packet, content in contents(name).items())
    return infos + handshake_filler(Padding.GO, len(infos))


def test_the_handshake_of_our_call_comes_out_again() -> None:
    caller = Initiator(noise_pair("alice"), noise_pair("bob").public, EPHEMERAL)
    assert caller.write_first(first_payload("A")) == bytes(bodies(stream("A", is_ours=True))[0])
    payload = caller.read_second(bodies(stream("A", is_ours=False))[0])
    assert len(payload) == recorded()["A"]["hs2_payload_len"]
    assert caller.handshake_hash.hex() == recorded()["A"]["hs_hash"]


def test_the_handshake_of_our_answer_comes_out_again() -> None:
    called = Responder(noise_pair("bob"), EPHEMERAL)
    payload = called.read_first(bodies(stream("B", is_ours=False))[0])
    assert len(payload) == recorded()["B"]["hs1_payload_len"]
    assert called.remote_pub == noise_pair("alice").public
    assert called.write_second(first_payload("B")) == bytes(bodies(stream("B", is_ours=True))[0])
    assert called.handshake_hash.hex() == recorded()["B"]["hs_hash"]


@pytest.mark.parametrize("name", ONES)
@pytest.mark.parametrize("is_ours", [True, False])
def test_every_recorded_message_decodes_to_what_was_noted(name: str, is_ours: bool) -> None:  # noqa: FBT001
    noted = [frames for arrow, frames in recorded()[name]["messages"] if (arrow == ">") == is_ours]
    found = [
        [described(frame) for frame in decode_frames(message)] for message in messages(name, is_ours=is_ours)
    ]
    assert found == noted


@pytest.mark.parametrize("name", ONES)
def test_go_messages_sealed_again_are_the_same_envelopes(name: str) -> None:
    recording = stream(name, is_ours=False)
    first = wrap(bytes(bodies(recording)[0]))
    sealing = cipher(name, is_ours=False)
    again = [seal_envelope([bytes(message)], sealing) for message in messages(name, is_ours=False)]
    assert b"".join([first, *again]) == recording


def test_go_fills_its_handshake_as_we_do() -> None:
    called = Responder(noise_pair("bob"), EPHEMERAL)
    payload = called.read_first(bodies(stream("B", is_ours=False))[0])
    infos = [frame for frame in decode_frames(memoryview(payload)) if not isinstance(frame, Halt)]
    assert [described(info) for info in infos] == recorded()["B"]["hs1_infos"]
    assert payload[48:] == handshake_filler(Padding.GO, 48)
