import pytest

from gateway.errors import LocalProtocolError, MessageError
from gateway.message.lines import (
    DotStuffer,
    Unstuffer,
    crlf_chunks,
    crlf_to_lf,
    dot_stuff,
    find_stray,
    lf_chunks,
    lf_to_crlf,
)


@pytest.mark.parametrize(
    ("data", "stray"),
    [
        (b"", None),
        (b"a", None),
        (b"\r\n\r\n", None),
        (b"a\r\nb", None),
        (b"a\nb", ("bare LF", 1)),
        (b"a\rb", ("bare CR", 1)),
        (b"a\r", ("bare CR", 1)),
        (b"\n", ("bare LF", 0)),
        (b"a\r\n\n", ("bare LF", 3)),
        (b"a\r\r\n", ("bare CR", 1)),
        (b"\rx\n", ("bare CR", 0)),
        (b"\n\r", ("bare LF", 0)),
        (b"a\r\n.\nb\r\n", ("bare LF", 4)),
        (b"a\n.\r\nb", ("bare LF", 1)),
        (b"a\r\n\0\r\n", ("NUL", 3)),
        (b"\0", ("NUL", 0)),
        (b"\0\0\n", ("NUL", 0)),
        (b"a\r\0\n", ("bare CR", 1)),
    ],
)
def test_first_stray_is_found_with_its_offset(data: bytes, stray: tuple[str, int] | None) -> None:
    assert find_stray(data) == stray


def test_stray_at_the_end_of_a_large_message_is_found() -> None:
    data = (b"x" * 70 + b"\r\n") * 50_000
    assert find_stray(data) is None
    assert find_stray(data + b"\n") == ("bare LF", len(data))


def test_lines_of_a_pipe_become_crlf() -> None:
    assert lf_to_crlf(b"a\n\nb") == b"a\r\n\r\nb"
    assert lf_to_crlf(b"a\r\nb\nc\r\n") == b"a\r\nb\r\nc\r\n"
    assert lf_to_crlf(b"") == b""


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"ab\rc\n", "bare CR at offset 2"), (b"a\r", "bare CR at offset 1"), (b"a\nb\0", "NUL at offset 3")],
)
def test_stray_from_a_pipe_is_refused(data: bytes, text: str) -> None:
    for chunks in ([data], [data[i : i + 1] for i in range(len(data))]):
        with pytest.raises(MessageError, match=text):
            b"".join(crlf_chunks(chunks))


def test_first_of_several_strays_is_named() -> None:
    with pytest.raises(MessageError, match="NUL at offset 0"):
        lf_to_crlf(b"\0\r\0")


def test_message_becomes_lines_of_a_pipe() -> None:
    assert b"".join(lf_chunks([b"a\r\n\r\nb"])) == b"a\n\nb"
    assert b"".join(lf_chunks([b"a\r", b"\nb\r", b"", b"\n"])) == b"a\nb\n"
    assert crlf_to_lf(b"a\r\n\r\nb") == b"a\n\nb"


@pytest.mark.parametrize(
    ("data", "text"), [(b"a\r\nb\rc", "bare CR at offset 4"), (b"a\0", "NUL at offset 1")]
)
def test_a_whole_message_with_a_stray_byte_does_not_leave(data: bytes, text: str) -> None:
    with pytest.raises(MessageError, match=text):
        crlf_to_lf(data)


@pytest.mark.parametrize(
    "chunks", [[b"ab\nc"], [b"a", b"b", b"\n"], [b"ab\r"], [b"ab\r", b"c"], [b"ab", b"\0"]]
)
def test_message_with_a_stray_does_not_become_lines(chunks: list[bytes]) -> None:
    with pytest.raises(MessageError, match="at offset 2 of the message"):
        b"".join(lf_chunks(chunks))


@pytest.mark.parametrize(
    ("plain", "stuffed"),
    [
        (b"", b".\r\n"),
        (b".", b"..\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"..", b"...\r\n.\r\n"),
        (b"a\r\n.x\r\n", b"a\r\n..x\r\n.\r\n"),
        (b"a.\r\n", b"a.\r\n.\r\n"),
        (b"\r\n.\r\n.\r\n", b"\r\n..\r\n..\r\n.\r\n"),
        (b"From x\r\n\r\nno end", b"From x\r\n\r\nno end\r\n.\r\n"),
    ],
)
def test_dots_are_doubled_and_undone_however_the_bytes_are_cut(plain: bytes, stuffed: bytes) -> None:
    for size in range(1, len(stuffed) + 1):
        writer = DotStuffer()
        out = b"".join(writer.feed(plain[i : i + size]) for i in range(0, len(plain), size))
        assert out + writer.finish() == stuffed
        reader = Unstuffer()
        back = b""
        for offset in range(0, len(stuffed), size):
            assert not reader.is_done
            back += reader.feed(stuffed[offset : offset + size])
        assert reader.is_done
        assert reader.rest == b""
        assert back == (plain if plain.endswith(b"\r\n") or not plain else plain + b"\r\n")


def test_dot_stuff_adds_no_end() -> None:
    assert dot_stuff(b".a\r\n.b") == b"..a\r\n..b"


def test_what_follows_the_final_dot_is_left_over() -> None:
    reader = Unstuffer()
    assert reader.feed(b"a\r\n.\r\nQUIT\r\n") == b"a\r\n"
    assert reader.is_done
    assert reader.rest == b"QUIT\r\n"
    with pytest.raises(LocalProtocolError):
        reader.feed(b"x")


@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n\r.\r\n"]
)
def test_only_crlf_dot_crlf_ends_content(end: bytes) -> None:
    reader = Unstuffer()
    reader.feed(b"a" + end + b"MAIL FROM:<evil@x>\r\n")
    assert not reader.is_done


def test_dot_in_front_of_other_characters_is_taken_away() -> None:
    reader = Unstuffer()
    assert reader.feed(b".a\r\n.\tb\r\n.\r\n") == b"a\r\n\tb\r\n"
