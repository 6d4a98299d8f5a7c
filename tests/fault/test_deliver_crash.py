"""What a Maildir or a mail server has after the program died, or the line broke, in a delivery."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.deliver.deliverer import Deliverer
from gateway.deliver.maildir import MaildirTarget, MaildirTargetSettings
from gateway.deliver.smtp import SmtpTarget, SmtpTargetSettings
from gateway.durable import Disk
from gateway.msgqueue.entry import Role, State
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from gateway.msgqueue.views import count_states, list_messages
from tests.support.crash import run_until_step
from tests.support.maildir import messages
from tests.support.messages import new_message
from tests.support.smtp_sink import DROP, SmtpSink

STEP_LIMIT = 300
RECIPIENTS = ("bob@b.test", "carl@b.test")
BODIES = (b"Subject: 1\r\n\r\nhello\r\n", b"Subject: 2\r\n\r\n" + b"x" * INLINE_BODY_BYTES + b"\r\n")


def fill(directory: Path) -> None:
    """Two messages for two recipients each."""
    with Queue(directory, Disk(is_syncing=False)) as queue:
        for body in BODIES:
            message = new_message(node=None, nice=0, recipients=RECIPIENTS)
            held = queue.hold_body(message.id, body)
            queue.put(new_message(node=None, nice=0, recipients=RECIPIENTS, body=held), Role.INBOX).result()


def deliver(directory: Path, disk: Disk) -> None:
    """One run of a deliverer into Maildirs."""
    settings = MaildirTargetSettings(f"{directory}/mail/{{local}}", "mx.b.test")
    with Queue(directory / "queue", disk) as queue:
        Deliverer(queue, MaildirTarget(settings, disk)).run_once(is_early=True)


def read_by_a_person(directory: Path) -> None:
    """A mail reader moves what it sees to cur/."""
    for maildir in directory.glob("mail/*"):
        for message in messages(maildir):
            message.rename(maildir / "cur" / f"{message.name}:2,S")


def leave(_directory: Path) -> None:
    """Nobody reads mail."""


@pytest.mark.parametrize("meanwhile", [leave, read_by_a_person])
def test_a_stop_at_every_step_of_a_delivery_into_maildirs(
    tmp_path: Path, meanwhile: Callable[[Path], None]
) -> None:
    """Each recipient has each message exactly once, also when it was read between crash and restart."""
    for step in range(STEP_LIMIT):
        directory = tmp_path / str(step)
        fill(directory / "queue")
        was_stopped, steps = run_until_step(step, lambda disk, d=directory: deliver(d, disk))  # type: ignore[misc]
        meanwhile(directory)
        deliver(directory, Disk(is_syncing=False))
        for recipient in RECIPIENTS:
            maildir = directory / "mail" / recipient.partition("@")[0]
            found = [path.read_bytes() for path in (*messages(maildir), *(maildir / "cur").iterdir())]
            assert [path.name for path in (maildir / "tmp").iterdir()] == []
            texts = Counter(text[text.index(b"Subject") :] for text in found)
            assert texts == Counter(body.replace(b"\r\n", b"\n") for body in BODIES)
        with Queue(directory / "queue", Disk(is_syncing=False)) as queue:
            assert count_states(queue) == {(Role.INBOX, State.DELIVERED): 4}
            queue.sweep_bodies()
            assert list(queue.bodies.directory.iterdir()) == []
        if not was_stopped:
            assert len(steps) == step > 20
            return
    raise AssertionError("the deliverer never came to its end")


@pytest.mark.parametrize("command", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."])
def test_a_line_that_breaks_at_a_command_loses_nothing(tmp_path: Path, command: str) -> None:
    """Whatever the server had not said yes to is delivered by the next run."""
    is_broken = True

    def answer(said: str) -> str | None:
        return DROP if is_broken and said.split(" ", maxsplit=1)[0] == command else None

    fill(tmp_path)
    with Queue(tmp_path, Disk(is_syncing=False)) as queue, SmtpSink(answer) as sink:
        deliverer = Deliverer(queue, SmtpTarget(SmtpTargetSettings("127.0.0.1", sink.port, "mx.b.test")))
        first = deliverer.run_once()
        assert (first.delivered_count, first.deferred_count, sink.messages) == (0, 4, [])
        is_broken = False
        assert deliverer.run_once(is_early=True).delivered_count == 4
        assert [message.data for message in sink.messages] == list(BODIES)
        assert list_messages(queue) == []


def test_a_program_killed_before_it_recorded_the_answer_delivers_again(tmp_path: Path) -> None:
    """Between the server's yes and the record on disk is the window of RFC 1047: twice, never lost."""
    fill(tmp_path)
    with SmtpSink() as sink:

        def run(disk: Disk) -> None:
            target = SmtpTarget(SmtpTargetSettings("127.0.0.1", sink.port, "mx.b.test"))
            with Queue(tmp_path, disk) as queue:
                Deliverer(queue, target).run_once()

        was_stopped, steps = run_until_step(0, run)
        while was_stopped and not sink.messages:
            was_stopped, steps = run_until_step(len(steps) + 1, run)
        assert was_stopped
        assert "committed" not in steps
        run(Disk(is_syncing=False))
    sent = Counter(message.data for message in sink.messages)
    assert sent == {BODIES[0]: 2, BODIES[1]: 1}
