import pytest

from gateway.errors import BadBatch
from gateway.message.bsmtp_dialogue import BatchLimits, Dialogue, MessageStart
from gateway.message.envelope import Envelope


def test_only_data_begins_content() -> None:
    dialogue = Dialogue(BatchLimits())
    for line in (b"HELO x", b"NOOP", b"MAIL FROM:<a@a.test>", b"RCPT TO:<b@b.test>"):
        assert dialogue.take(line) is None
    assert dialogue.take(b"DATA") == [MessageStart(Envelope("a@a.test", ("b@b.test",)))]
    dialogue.end_message()
    assert dialogue.transaction is None
    assert dialogue.message_count == 1
    assert dialogue.fault_at_end() is None


def test_error_says_after_how_many_messages() -> None:
    dialogue = Dialogue(BatchLimits())
    for line in (b"MAIL FROM:<>", b"RCPT TO:<b@b.test>", b"DATA"):
        dialogue.take(line)
    dialogue.end_message()
    with pytest.raises(BadBatch, match=r"'EVIL\\x1b\[2J' is not a command of a batch, after 1 messages"):
        dialogue.take(b"EVIL\x1b[2J")
