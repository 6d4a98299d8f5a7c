"""Meta files of chunked files: round trip, and garbage gives only the defined errors."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import PacketError
from gateway.packet.chunked import META_MAGIC, ChunkMeta, chunk_count, decode_chunk_meta, encode_chunk_meta


@st.composite
def metas(draw: st.DrawFn) -> ChunkMeta:
    chunk_bytes = draw(st.integers(1, 1 << 63))
    count = draw(st.integers(1, 6))
    least_bytes = 0 if count == 1 else (count - 1) * chunk_bytes + 1
    most_bytes = min(count * chunk_bytes, (1 << 64) - 1)
    if least_bytes > most_bytes:
        return ChunkMeta(0, chunk_bytes, (bytes(32),))
    size_bytes = draw(st.integers(least_bytes, most_bytes))
    sums = draw(st.lists(st.binary(min_size=32, max_size=32), min_size=count, max_size=count))
    return ChunkMeta(size_bytes, chunk_bytes, tuple(sums))


@given(metas())
@settings(max_examples=100)
def test_a_meta_file_comes_back_as_it_was(meta: ChunkMeta) -> None:
    assert decode_chunk_meta(encode_chunk_meta(meta)) == meta
    sizes = [meta.chunk_size_bytes(number) for number in range(len(meta.checksums))]
    assert sum(sizes) == meta.size_bytes
    assert all(sizes) or meta.size_bytes == 0


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=200).map(META_MAGIC.__add__)))
@settings(max_examples=200)
def test_garbage_gives_only_the_defined_errors(data: bytes) -> None:
    try:
        meta = decode_chunk_meta(data)
    except PacketError:
        return
    assert encode_chunk_meta(meta) == data
    assert len(meta.checksums) == chunk_count(meta.size_bytes, meta.chunk_bytes)


@given(metas(), st.integers(0, 300))
@settings(max_examples=100)
def test_no_prefix_is_a_meta_file(meta: ChunkMeta, length: int) -> None:
    raw = encode_chunk_meta(meta)
    if length >= len(raw):
        return
    try:
        decode_chunk_meta(raw[:length])
    except PacketError:
        return
    raise AssertionError("a cut meta file was accepted")
