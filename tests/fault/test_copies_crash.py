"""The program is stopped before every single step of a batch of copies."""

from collections import Counter
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.msgqueue.copies import ContentHash
from gateway.msgqueue.entry import Form, NewMessage, Role, Target
from gateway.msgqueue.store import Queue
from gateway.msgqueue.views import list_messages
from tests.fault.test_batch_crash import STEP_LIMIT, Journey
from tests.support.crash import run_until_step
from tests.support.messages import new_message
from tests.support.nodes import make_books

RECIPIENTS = tuple(f"r{number}@b.test" for number in range(5))
TRACE = b"Received: by a.test id %s\r\n\tfor <%s>;\r\n\tThu, 01 Jan 1970 00:00:00 +0000\r\n"
CONTENT = b"Subject: number 0\r\n\r\nto all\r\n"


class CopiesJourney(Journey):
    """A message that came once for each of its recipients, and another one."""

    def put(self) -> None:
        """See ``Journey``."""
        with Queue(self.directory / "a", Disk(is_syncing=False)) as queue:
            for recipient in RECIPIENTS:
                queue.put(self._copy(recipient)).result()
            queue.put(new_message(node=self.b, body=b"Subject: number 9\r\n\r\n")).result()

    def _copy(self, recipient: str) -> NewMessage:
        made = new_message(recipients=(recipient,), node=self.b)
        trace = TRACE % (made.id.encode(), recipient.encode())
        return NewMessage(
            made.id,
            made.envelope,
            (Target(recipient, self.b, 96),),
            trace + CONTENT,
            made.message_id,
            made.origin,
            trace_bytes=len(trace),
            content_hash=ContentHash(CONTENT).digest(),
        )

    def copies_arrived(self) -> tuple[Counter[str], set[int]]:
        """How often each recipient has it, and for how many it came at a time."""
        with Queue(self.directory / "b", Disk(is_syncing=False)) as queue:
            views = [
                view
                for view in list_messages(queue, Role.INBOX)
                if view.deliveries[0].recipient in RECIPIENTS
            ]
            for view in views:
                body = b"".join(queue.read_body(view.seq))
                assert body.endswith(CONTENT)
                assert len(view.deliveries) == 1 or b"for <" not in body
        found = Counter(each.recipient for view in views for each in view.deliveries)
        return found, {len(view.deliveries) for view in views}


@pytest.mark.parametrize("form", [Form.BSMTP, Form.SENDMAIL])
def test_a_stop_at_any_step_brings_a_joined_message_to_everybody_once(tmp_path: Path, form: Form) -> None:
    """No step at which the program ends loses a recipient of joined copies or serves one twice."""
    books = make_books("a", "b")
    for step in range(STEP_LIMIT):
        journey = CopiesJourney(tmp_path / str(step), books, form)
        was_stopped, steps = run_until_step(step, journey.batch)
        journey.carry()
        journey.batch(Disk(is_syncing=False))
        journey.carry()
        arrived, group_sizes = journey.copies_arrived()
        assert arrived == dict.fromkeys(RECIPIENTS, 1), f"stopped before step {step}, after {steps[-1:]}"
        assert group_sizes == {len(RECIPIENTS)}
        assert journey.left_behind() == [], f"stopped before step {step}, after {steps[-1:]}"
        if not was_stopped:
            break
    else:
        raise AssertionError("the program never came to its end")
