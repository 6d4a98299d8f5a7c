"""Content and sessions give the same result however the network cuts them."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ingest.content import ContentReader
from gateway.ingest.inflight import InFlight
from gateway.ingest.parameters import MailParameters, parse_mail_parameters
from gateway.ingest.reply import Reply
from tests.support.endpoint import Client, Endpoint, stuffed

END = b"\r\n.\r\n"
TOKENS = st.sampled_from([b"\r\n", b".", b"\r\n.", b"\r", b"\n", b"\0", b"a", b"xyz", b"\xff", b".\r"])
WIRES = st.lists(TOKENS, max_size=30).map(b"".join)
WORDS = [b"MAIL FROM:", b"<a@b>", b" ", b"RCPT TO:<", b">", b"\r\n", b"\n", b"\r", b"\0", b"\xff"]
WORDS += [b"DATA", b"RSET", b"SIZE=", b"EHLO ", b"BDAT 1\r\n", b"<>"]
GARBAGE = st.lists(st.sampled_from(WORDS) | st.binary(max_size=5), max_size=20).map(b"".join)
LINES = st.lists(st.sampled_from([b"", b".", b"..", b".x", b"word", b"\xe9" * 9, b"y" * 2000]), max_size=12)


def _cut(data: st.DataObject, raw: bytes) -> list[bytes]:
    places = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=12)))
    return [
        raw[start:end] for start, end in zip([0, *places], [*places, len(raw)], strict=True) if start < end
    ]


def _read(pieces: list[bytes], max_bytes: int) -> tuple[bytes, Reply | None, bytes] | None:
    inflight = InFlight(1 << 30)
    reader = ContentReader(max_bytes, inflight.reservation())
    for number, piece in enumerate(pieces):
        if reader.feed(piece):
            rest = reader.rest + b"".join(pieces[number + 1 :])
            assert inflight.used_bytes == len(reader.content)
            return bytes(reader.content), reader.fault, rest
    return None


def _expected(wire: bytes) -> tuple[bytes, bytes] | None:
    """The definition, without any thought of chunks: content still with its strays, and the rest."""
    end = (b"\r\n" + wire).find(END)
    if end < 0:
        return None
    framed, rest = (b"\r\n" + wire)[: end + 2], (b"\r\n" + wire)[end + len(END) :]
    return framed.replace(b"\r\n.", b"\r\n")[2:], rest


@given(wire=WIRES, following=WIRES, data=st.data())
def test_content_does_not_depend_on_its_cuts(wire: bytes, following: bytes, data: st.DataObject) -> None:
    raw = wire + END + following
    expected = _expected(raw)
    assert expected is not None
    content, rest = expected
    read = _read(_cut(data, raw), 1 << 20)
    assert read is not None
    assert read[2] == rest
    bare = content.replace(b"\r\n", b"")
    has_stray = b"\0" in bare or b"\r" in bare or b"\n" in bare
    assert (read[1] is not None) == has_stray
    if not has_stray:
        assert read[0] == content


@given(wire=WIRES, limit_bytes=st.integers(1, 60), data=st.data())
def test_fault_does_not_depend_on_the_cuts_of_a_clean_message(
    wire: bytes, limit_bytes: int, data: st.DataObject
) -> None:
    clean = wire.replace(b"\0", b"").replace(b"\r", b"").replace(b"\n", b"\r\n") + END
    whole, cut = _read([clean], limit_bytes), _read(_cut(data, clean), limit_bytes)
    assert whole == cut


@given(lines=LINES, data=st.data())
def test_message_that_was_stuffed_comes_out_as_it_was(lines: list[bytes], data: st.DataObject) -> None:
    message = b"".join(line + b"\r\n" for line in lines)
    assert _read(_cut(data, stuffed(message) + b"QUIT\r\n"), 1 << 20) == (message, None, b"QUIT\r\n")


@given(st.binary(max_size=80))
def test_any_parameters_give_a_value_or_an_answer(raw: bytes) -> None:
    result = parse_mail_parameters(raw)
    assert isinstance(result, (MailParameters, Reply))
    if isinstance(result, Reply):
        assert result.line.isascii()
        assert result.line.isprintable()


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with Endpoint(tmp_path_factory.mktemp("splits"), max_errors=10_000) as running:
        yield running


def _talk(client: Client, data: st.DataObject, raw: bytes, answers: int) -> list[int]:
    for piece in _cut(data, raw):
        client.send(piece)
    return client.answers(answers)


@settings(max_examples=40)
@given(lines=LINES, data=st.data())
def test_session_does_not_depend_on_its_cuts(
    endpoint: Endpoint, lines: list[bytes], data: st.DataObject
) -> None:
    message = b"".join(line + b"\r\n" for line in lines)
    group = b"MAIL FROM:<> BODY=8BITMIME\r\nRCPT TO:<bob@b.test>\r\nRCPT TO:<x@no.test>\r\nDATA\r\n"
    kept_before = len(endpoint.kept())
    with endpoint.client() as client:
        assert _talk(client, data, group, 4) == [250, 250, 550, 354]
        assert _talk(client, data, stuffed(message) + b"NOOP\r\nXYZZY\r\nQUIT\r\n", 4) == [250, 250, 500, 221]
        assert client.is_closed()
    kept = endpoint.kept()
    assert len(kept) == kept_before + 1
    assert kept[-1].content == message


@settings(max_examples=40)
@given(raw=GARBAGE)
def test_garbage_does_not_harm_the_endpoint(endpoint: Endpoint, raw: bytes) -> None:
    kept_before = len(endpoint.kept())
    with endpoint.client() as client:
        client.send(raw + b"\r\nNOOP last\r\n")
        client.socket.shutdown(1)
        codes = []
        while (code := client.answer()[0]) != 0:
            codes.append(code)
    assert codes
    assert all(200 <= code < 600 for code in codes)
    assert len(endpoint.kept()) == kept_before
