"""What a Maildir or a mail server has after the program died, or the line broke, in a delivery."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from gateway.deliver.deliverer import Deliverer, DeliverSettings
from gateway.deliver.maildir import MaildirTarget, MaildirTargetSettings
from gateway.deliver.smtp import SmtpTarget, SmtpTargetSettings
from gateway.deliver.smtp_session import TcpPlace
from gateway.deliver.target import Job, same_for_all
from gateway.durable import Disk
from gateway.msgqueue.entry import Outcome, Role, State, Verdict
from gateway.msgqueue.inbox import BEGUN_LIMIT
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from gateway.msgqueue.views import count_states, list_messages
from tests.support.crash import STOPPED, run_until_step
from tests.support.maildir import messages
from tests.support.messages import new_message
from tests.support.smtp_sink import DROP, SmtpSink

STEP_LIMIT = 300
PAGE_COUNT = 2
POISON = "poison@a.test"
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
        Deliverer(queue, [MaildirTarget(settings, disk)]).run_once(is_early=True)


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
        deliverer = Deliverer(
            queue, [SmtpTarget(SmtpTargetSettings(TcpPlace("127.0.0.1", sink.port), "mx.b.test"))]
        )
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
            target = SmtpTarget(SmtpTargetSettings(TcpPlace("127.0.0.1", sink.port), "mx.b.test"))
            with Queue(tmp_path, disk) as queue:
                Deliverer(queue, [target]).run_once()

        was_stopped, steps = run_until_step(0, run)
        while was_stopped and not sink.messages:
            was_stopped, steps = run_until_step(len(steps) + 1, run)
        assert was_stopped
        assert steps == ["commit", "committed"], "of what is begun, and of nothing else"
        run(Disk(is_syncing=False))
    sent = Counter(message.data for message in sink.messages)
    assert sent == {BODIES[0]: 2, BODIES[1]: 1}


def put(directory: Path, *senders: str) -> None:
    """One small message of each sender."""
    with Queue(directory, Disk(is_syncing=False)) as queue:
        for sender in senders:
            body = f"Subject: {sender}\r\n\r\nhello\r\n".encode()
            queue.put(new_message(node=None, nice=0, sender=sender, body=body), Role.INBOX).result()


def test_a_stop_at_every_step_loses_nothing_and_delivers_few_twice(tmp_path: Path) -> None:
    """What may be delivered twice is what was begun in the last two groups, however much there is."""
    senders = [f"user{number}@a.test" for number in range(10)]

    def run(directory: Path, port: int, disk: Disk) -> None:
        settings = SmtpTargetSettings(TcpPlace("127.0.0.1", port), "mx.b.test")
        with Queue(directory, disk) as queue:
            targets = [SmtpTarget(settings) for _ in range(2)]
            Deliverer(queue, targets, DeliverSettings(page_count=PAGE_COUNT)).run_once()

    for step in range(STEP_LIMIT):
        directory = tmp_path / str(step)
        put(directory, *senders)
        with SmtpSink() as sink:
            was_stopped, _ = run_until_step(step, lambda disk, d=directory, p=sink.port: run(d, p, disk))  # type: ignore[misc]
            run(directory, sink.port, Disk(is_syncing=False))
        taken = Counter(
            message.mail.partition(">")[0].removeprefix("MAIL FROM:<") for message in sink.messages
        )
        assert set(taken) == set(senders)
        assert sum(taken.values()) - len(senders) <= 2 * PAGE_COUNT
        assert max(taken.values()) <= 2
        with Queue(directory, Disk(is_syncing=False)) as queue:
            assert count_states(queue) == {(Role.INBOX, State.DELIVERED): len(senders)}
        if not was_stopped:
            assert step > len(senders)
            return
    raise AssertionError("the deliverer never came to its end")


class Fatal:
    """A target that ends the whole program at one message, as a fault in a library would."""

    def __init__(self, taken: Path) -> None:
        self._taken = taken

    def deliver(self, jobs: Iterator[Job]) -> Iterator[Sequence[Outcome]]:
        """Take every message but one."""
        for job in jobs:
            if job.message.envelope.sender == POISON:
                os._exit(STOPPED)
            with self._taken.open("a") as record:
                record.write(f"{job.message.envelope.sender}\n")
            yield same_for_all(job.message, Outcome(Verdict.DELIVERED, "2.0.0", "taken"))

    def close(self) -> None:
        """There is nothing to close."""


def test_a_message_that_ends_the_program_holds_up_no_other(tmp_path: Path) -> None:
    """They are delivered two restarts later at the latest, and after some more it is set aside."""
    senders = ["a@a.test", POISON, "b@a.test", "c@a.test"]
    put(tmp_path / "queue", *senders)
    taken = tmp_path / "taken"

    def run(disk: Disk) -> None:
        with Queue(tmp_path / "queue", disk) as queue:
            Deliverer(queue, [Fatal(taken)]).run_once()

    runs_count = 0
    was_stopped = True
    while was_stopped:
        was_stopped, _ = run_until_step(STEP_LIMIT, run)
        runs_count += 1
        assert runs_count <= BEGUN_LIMIT + 1
        if runs_count == 3:
            assert {"a@a.test", "b@a.test", "c@a.test"} <= set(taken.read_text().split())
    assert runs_count == BEGUN_LIMIT + 1
    with Queue(tmp_path / "queue", Disk(is_syncing=False)) as queue:
        assert count_states(queue) == {(Role.INBOX, State.DELIVERED): 3, (Role.INBOX, State.DEAD): 1}
        (dead,) = list_messages(queue)
        assert "this program ended" in dead.deliveries[0].text
        assert dead.has_body


def test_a_message_that_takes_the_server_down_is_tried_behind_all_others(tmp_path: Path) -> None:
    """It is the oldest, but only its first try can keep the others waiting."""
    is_up, is_poison = True, False

    def answer(command: str) -> str | None:
        nonlocal is_up, is_poison
        if command.startswith("MAIL"):
            is_poison = POISON in command
        if command == "." and is_poison:
            is_up = False
        return None if is_up else DROP

    others = [f"user{number}@a.test" for number in range(6)]
    put(tmp_path, POISON, *others)
    with Queue(tmp_path, Disk(is_syncing=False)) as queue, SmtpSink(answer) as sink:
        target = SmtpTarget(SmtpTargetSettings(TcpPlace("127.0.0.1", sink.port), "mx.b.test"))
        first = Deliverer(queue, [target]).run_once()
        assert (first.delivered_count, first.deferred_count, first.is_target_down) == (0, 7, True)
        is_up = True
        second = Deliverer(queue, [target]).run_once(is_early=True)
        assert (second.delivered_count, second.deferred_count) == (6, 1)
        is_up = True
        third = Deliverer(queue, [target]).run_once(is_early=True)
        assert (third.delivered_count, third.deferred_count) == (0, 1)
    assert (
        sorted(message.mail.partition(">")[0][11:] for message in sink.messages if POISON not in message.mail)
        == others
    )
