import pytest

from gateway.errors import BadBatch
from gateway.message.from_line import LINE_LIMIT_BYTES, LINES_LIMIT_COUNT, FromLines, address_of


def read(data: bytes, size: int = 1 << 20) -> tuple[str | None, bytes]:
    lines = FromLines()
    pieces = [lines.feed(data[at : at + size]) for at in range(0, len(data), size)]
    pieces.append(lines.finish())
    return lines.sender, b"".join(pieces)


@pytest.mark.parametrize(
    ("front", "sender"),
    [
        (b"", None),
        (b"From alice@a.test\n", "alice@a.test"),
        (b"From alice@a.test  Fri Nov 20 10:00:00 2026\r\n", "alice@a.test"),
        (b'From "john  doe"@a.test Fri Nov 20\n', '"john  doe"@a.test'),
        (b"From alice Fri Nov 20 remote from home\n", "alice@home"),
        (b"From alice Fri remote from hub\n>From alice Fri remote from home\n", "alice@home"),
        (b"From relay!alice@a.test Fri\n", "alice@a.test"),
        (b"From MAILER-DAEMON Fri Nov 20\n", ""),
        (b"From <> Fri Nov 20 remote from home\n", ""),
        (b"From alice\n", "alice"),
        (b"From alice remote from home\n", "alice@home"),
    ],
)
def test_sender_is_in_front(front: bytes, sender: str | None) -> None:
    body = b"Subject: x\n\nFrom here on\n"
    for size in (1, 7, 1000):
        assert read(front + body, size) == (sender, body)


@pytest.mark.parametrize("body", [b"", b"F", b">Fro", b"From", b"Fromage\n", b">\n"])
def test_what_only_looks_like_it_is_kept(body: bytes) -> None:
    assert read(body, 1) == (None, body)


@pytest.mark.parametrize(
    "front",
    [
        b"From \n",
        b"From " + b"x" * LINE_LIMIT_BYTES,
        b">From x Fri\n" * (LINES_LIMIT_COUNT + 1),
    ],
)
def test_a_line_that_makes_no_sense_is_told(front: bytes) -> None:
    with pytest.raises(BadBatch):
        read(front + b"x\n")


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("bob", "bob"),
        ("home!bob", "bob@home"),
        ("a!b!bob@c", "bob@c"),
        ("x!mailer-daemon", ""),
        ("!bob", "bob"),
    ],
)
def test_a_path_is_an_address(path: str, address: str) -> None:
    assert address_of(path) == address
