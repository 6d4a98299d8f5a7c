"""What local programs hand in has the same outcome however the input is cut, and garbage harms nobody."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.durable import Disk
from gateway.errors import GatewayError
from gateway.handover import frames
from gateway.ingest.pipe_commands import PipeRequest, Wish
from gateway.msgqueue.store import Queue
from tests.support.endpoint import kept_messages
from tests.support.handing_in import commands, request, take

TOKENS = st.sampled_from(
    [
        *(b"To: bob@b.test", b"Bcc: <carl@b.test>,", b"Cc: x: eve@a.test;", b"Resent-To:", b"\n ", b"\n\n"),
        *(b"From alice@a.test Fri\n", b">From x remote from y\n", b"Date: x\n", b"\r\n", b"\n", b"\r", b"\0"),
        *(b".\n", b".", b"..", b"\n.\n", b"word", b"\xff", b"To: a b", b":", b"<"),
        *(b"MAIL FROM:<>\n", b"RCPT TO:<bob@b.test>\n", b"DATA\n", b"QUIT\n", b"RCPT TO:<x@nowhere.test>\n"),
    ]
)
CONTENTS = st.lists(TOKENS, max_size=25).map(b"".join)
REQUESTS = st.sampled_from(
    [
        request("send", "-f", "", "bob@b.test"),
        request("sendmail", "-t"),
        request("sendmail", "-ti", "carl@b.test"),
        request("sendmail", "-G", "bob@b.test", "eve@a.test"),
        request("rmail", "bob@b.test"),
        request("uux", "-", "bob!rmail", "x@y"),
        request("rsmtp"),
    ]
)
Outcome = tuple[object, ...]


def _outcome(wish: PipeRequest, pieces: Sequence[bytes]) -> Outcome:
    """What is in the queue afterwards, or that it was refused; nothing else is left.

    Which of two faults is told depends on which is seen first.
    """
    with (
        tempfile.TemporaryDirectory() as name,
        Queue(Path(name), Disk(is_syncing=False), reserve_bytes=0) as queue,
    ):
        wanted = commands(queue).begin(wish)
        assert not isinstance(wanted, Wish)
        try:
            take(wanted, pieces)
            ended = "taken"
        except GatewayError:
            ended = "refused"
        kept = kept_messages(queue)
        assert bool(kept) == (ended == "taken")
        assert not list(queue.bodies.directory.iterdir())
        assert not list(Path(name).glob("incoming/*"))
        return ended, *((each.view.sender, each.recipients, each.content) for each in kept)


@settings(max_examples=80)
@given(wish=REQUESTS, content=CONTENTS, data=st.data())
def test_outcome_does_not_depend_on_cuts(wish: PipeRequest, content: bytes, data: st.DataObject) -> None:
    places = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=8)))
    pieces = [content[start:end] for start, end in zip([0, *places], [*places, len(content)], strict=True)]
    assert _outcome(wish, pieces) == _outcome(wish, [content])


WORDS = st.binary(max_size=12).filter(lambda word: b"\0" not in word)


@given(name=WORDS.filter(bool), node=WORDS, arguments=st.lists(WORDS, max_size=6), is_terminal=st.booleans())
def test_a_request_is_read_as_it_was_written(
    name: bytes, node: bytes, arguments: list[bytes], *, is_terminal: bool
) -> None:
    raw = frames.encode_request(name, node, arguments, is_terminal=is_terminal)
    head = len(frames.MAGIC) + frames.LENGTH_BYTES
    assert raw.startswith(frames.MAGIC)
    assert int.from_bytes(raw[len(frames.MAGIC) : head], "big") == len(raw) - head
    assert frames.decode_request(raw[head:]) == (name, node, arguments, is_terminal)


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=1), st.binary(max_size=20)), max_size=5), st.data())
def test_answers_are_read_as_they_were_written(
    answers: list[tuple[bytes, bytes]], data: st.DataObject
) -> None:
    raw = b"".join(frames.encode_answer(kind, said) for kind, said in answers)
    buffer, found = b"", []
    while raw or buffer:
        taken = frames.take_answer(buffer)
        if taken is None:
            size = data.draw(st.integers(1, len(raw)))
            buffer, raw = buffer + raw[:size], raw[size:]
        else:
            kind, said, buffer = taken
            found.append((kind, said))
    assert found == answers


@given(st.binary(max_size=60))
def test_garbage_is_no_request(raw: bytes) -> None:
    try:
        name, _, _, _ = frames.decode_request(raw)
    except ValueError:
        return
    assert name
