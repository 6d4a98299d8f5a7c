import pytest

from gateway.errors import MessageError
from gateway.message.lone_dot import LoneDot


def read(data: bytes, size: int) -> bytes:
    dot = LoneDot()
    pieces = [dot.feed(data[at : at + size]) for at in range(0, len(data), size)]
    return b"".join((*pieces, dot.finish()))


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    ("data", "content"),
    [
        (b"", b""),
        (b"one\r\ntwo\r\n", b"one\r\ntwo\r\n"),
        (b"one\r\n.\r\n", b"one\r\n"),
        (b".\r\n", b""),
        (b"one\r\n.\r\n\r\n \r\n", b"one\r\n"),
        (b"one\r\n.", b"one\r\n."),
        (b"..\r\n.x\r\nx.\r\n", b"..\r\n.x\r\nx.\r\n"),
        (b"\r\n", b"\r\n"),
    ],
)
def test_a_dot_alone_ends_the_message(data: bytes, content: bytes, size: int) -> None:
    assert read(data, size) == content


@pytest.mark.parametrize("size", [1, 4, 1000])
@pytest.mark.parametrize("data", [b"one\r\n.\r\ntwo\r\n", b".\r\n.\r\n"])
def test_text_behind_the_dot_is_never_dropped_in_silence(data: bytes, size: int) -> None:
    with pytest.raises(MessageError, match="-i"):
        read(data, size)
