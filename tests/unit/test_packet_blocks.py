from gateway.packet.blocks import BlockGatherer


def gather(pieces: list[bytes], block_bytes: int) -> tuple[list[bytes], bytes]:
    gatherer = BlockGatherer(block_bytes)
    blocks: list[bytes] = []
    for piece in pieces:
        expected_count = gatherer.count_with(len(piece))
        before = len(blocks)
        block, left = gatherer.next_block(memoryview(piece))
        while block is not None:
            blocks.append(bytes(block))
            block, left = gatherer.next_block(left)
        assert not left
        assert len(blocks) - before == expected_count
    return blocks, bytes(gatherer.rest())


def test_pieces_shorter_and_longer_than_a_block() -> None:
    assert gather([b"a", b"bcdefghij", b"", b"k"], 4) == ([b"abcd", b"efgh"], b"ijk")


def test_exact_blocks_leave_no_rest() -> None:
    assert gather([b"abcdefgh"], 4) == ([b"abcd", b"efgh"], b"")
    assert gather([b"ab", b"cd", b"ef", b"gh"], 4) == ([b"abcd", b"efgh"], b"")


def test_rest_of_a_reused_store_does_not_show_the_block_before() -> None:
    assert gather([b"ab", b"cde"], 4) == ([b"abcd"], b"e")


def test_whole_block_is_not_copied() -> None:
    data = bytearray(b"abcdefgh")
    block, _ = BlockGatherer(4).next_block(memoryview(data))
    assert block is not None
    data[0] = ord("X")
    assert bytes(block) == b"Xbcd"


def test_nothing_came() -> None:
    assert gather([], 4) == ([], b"")
