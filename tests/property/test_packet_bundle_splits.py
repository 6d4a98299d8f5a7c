"""Bundles in any pieces, with any junk between them."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Truncated
from gateway.packet.bundle import BundleReader, Ignored, PacketData, PacketEnd, PacketStart
from tests.support.bundles import IDS, entry, read

JUNK = st.one_of(
    st.binary(max_size=600),
    st.integers(0, 3000).map(bytes),
    st.sampled_from([b"NNCP", b"NNCP" * 200, entry()[:512], entry()[:300]]),
)
BODIES = st.integers(172, 3000).map(lambda size: b"NNCPE" + b"b" * (size - 5))


@given(st.lists(st.tuples(JUNK, BODIES), min_size=1, max_size=4), st.lists(st.integers(1, 4000), max_size=6))
def test_every_packet_is_found_however_the_stream_is_cut(
    parts: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    stream = b"".join(junk + entry(IDS[at], body) for at, (junk, body) in enumerate(parts))
    pieces, at = [], 0
    for size in cuts:
        pieces.append(stream[at : at + size])
        at += size
    found, ignored = read(*pieces, stream[at:])
    whole, whole_ignored = read(stream)
    assert found == whole
    assert ignored == whole_ignored
    assert found == [(IDS[at], body) for at, (_, body) in enumerate(parts)]


@given(st.lists(st.one_of(st.binary(max_size=700), st.sampled_from([entry(), entry()[:512]])), max_size=6))
def test_anything_gives_packets_or_the_defined_error(pieces: list[bytes]) -> None:
    reader = BundleReader()
    is_open = False
    for piece in pieces:
        for event in reader.feed(piece):
            match event:
                case PacketStart():
                    assert not is_open
                    is_open = True
                case PacketData():
                    assert is_open
                case PacketEnd():
                    assert is_open
                    is_open = False
                case Ignored():
                    assert not is_open
    with contextlib.suppress(Truncated):
        reader.finish()
        assert not is_open
