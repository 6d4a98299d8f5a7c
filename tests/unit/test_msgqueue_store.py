"""The queue takes messages in durably, keeps their bodies, and keeps a reserve of free space."""

import dataclasses
import sqlite3
import threading
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import StoreBusy, StoreCorrupt, StoreError, StoreFull
from gateway.ids import NodeId
from gateway.message.envelope import (
    DeliverBy,
    Envelope,
    LateAction,
    MailOptions,
    Notify,
    RecipientOptions,
    Return,
)
from gateway.msgqueue import schema
from gateway.msgqueue.entry import Form, Outcome, Role, State, Target, Verdict
from gateway.msgqueue.inbox import Inbox
from gateway.msgqueue.outbox import Outbox
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from gateway.msgqueue.views import list_messages, show_message
from tests.support.messages import NODE_B, new_message
from tests.support.queue_clock import SetClock


def test_a_message_comes_back_as_it_went_in(tmp_path: Path) -> None:
    message = new_message(sender="", recipients=("a@b.test", "ü@b.test"), body=b"Subject: x\r\n\r\nhello\r\n")
    with Queue(tmp_path, Disk()) as queue:
        queue.put(message).result()
    with Queue(tmp_path, Disk()) as queue:
        view = show_message(queue, message.id)
        assert view is not None
        assert b"".join(queue.read_body(view.seq)) == b"Subject: x\r\n\r\nhello\r\n"
    assert view.sender == ""
    assert [delivery.recipient for delivery in view.deliveries] == ["a@b.test", "ü@b.test"]
    assert {delivery.state for delivery in view.deliveries} == {State.QUEUED}
    assert view.role is Role.OUTBOX


@pytest.mark.parametrize("size_bytes", [0, 1, INLINE_BODY_BYTES, INLINE_BODY_BYTES + 1, 3 << 20])
def test_bodies_of_any_size_come_back_and_large_ones_are_files(tmp_path: Path, size_bytes: int) -> None:
    body = bytes(range(256)) * (size_bytes // 256 + 1)
    body = body[:size_bytes]
    with Queue(tmp_path, Disk()) as queue:
        message = new_message(body=body)
        queue.put(new_message(id=message.id, body=queue.hold_body(message.id, body))).result()
        view = show_message(queue, message.id)
        assert view is not None
        assert b"".join(queue.read_body(view.seq)) == body
        files = list(queue.bodies.directory.iterdir())
    assert len(files) == (1 if size_bytes > INLINE_BODY_BYTES else 0)


def test_one_bad_put_takes_no_other_with_it(tmp_path: Path) -> None:
    first = new_message()
    with Queue(tmp_path, Disk()) as queue:
        queue.put(first).result()
        good = [queue.put(new_message()) for _ in range(20)]
        bad = queue.put(first)
        more = [queue.put(new_message()) for _ in range(20)]
        for future in good + more:
            future.result()
        with pytest.raises(StoreError):
            bad.result()
        assert len(list_messages(queue)) == 41


def test_waiting_puts_share_a_commit(tmp_path: Path) -> None:
    release = threading.Event()
    commits: list[str] = []

    def hook(step: str, _path: Path) -> None:
        if step == "commit":
            commits.append(step)
            release.wait(60)

    with Queue(tmp_path, Disk(hook=hook)) as queue:
        futures = [queue.put(new_message()) for _ in range(50)]
        release.set()
        for future in futures:
            future.result()
    # The first commit may start before the others are submitted; the rest wait for it together.
    assert len(commits) <= 3


def test_the_reserve_of_free_space_is_kept(tmp_path: Path) -> None:
    with Queue(tmp_path, Disk(), reserve_bytes=1 << 60) as queue:
        with pytest.raises(StoreFull, match="kept in reserve") as caught:
            queue.put(new_message())
        assert caught.value.status == "4.3.1"
        assert list_messages(queue) == []


def test_a_body_file_that_no_row_names_is_swept_and_a_named_one_stays(tmp_path: Path) -> None:
    body = b"x" * (INLINE_BODY_BYTES + 1)
    with Queue(tmp_path, Disk()) as queue:
        kept = new_message(body=body)
        queue.put(new_message(id=kept.id, body=queue.hold_body(kept.id, body))).result()
        orphan = queue.stage_body("0123456789abcdef")
        orphan.write(b"left by a crash")
        assert queue.sweep_bodies() == 0, "a body that is being written is locked"
        orphan.sync()
        orphan.release()
        assert queue.sweep_bodies() == 1
        assert [path.name for path in queue.bodies.directory.iterdir()] == [kept.id]


def test_a_refused_put_leaves_no_body_file(tmp_path: Path) -> None:
    body = b"x" * (INLINE_BODY_BYTES + 1)
    with Queue(tmp_path, Disk()) as queue:
        first = new_message()
        queue.put(first).result()
        again = queue.put(new_message(id=first.id, body=queue.hold_body(first.id, body)))
        with pytest.raises(StoreError):
            again.result()
        assert list(queue.bodies.directory.iterdir()) == []


def test_a_missing_or_short_body_file_is_said(tmp_path: Path) -> None:
    body = b"x" * (INLINE_BODY_BYTES + 1)
    with Queue(tmp_path, Disk()) as queue:
        message = new_message()
        queue.put(new_message(id=message.id, body=queue.hold_body(message.id, body))).result()
        view = show_message(queue, message.id)
        assert view is not None
        path = queue.bodies.directory / message.id
        path.write_bytes(body[:-1])
        with pytest.raises(StoreCorrupt, match="its row says"):
            list(queue.read_body(view.seq))
        path.unlink()
        with pytest.raises(StoreCorrupt, match="missing"):
            list(queue.read_body(view.seq))


def test_a_refusal_at_arrival_is_a_dead_delivery_with_its_reason(tmp_path: Path) -> None:
    refusal = Outcome(Verdict.REFUSED, "5.7.1", "not a domain of ours")
    message = new_message(targets=(Target("x@y.test", refusal=refusal), Target("a@b.test", NODE_B, 96)))
    with Queue(tmp_path, Disk()) as queue:
        queue.put(message).result()
        view = show_message(queue, message.id)
    assert view is not None
    dead, queued = view.deliveries
    assert (dead.state, dead.status, dead.text) == (State.DEAD, "5.7.1", "not a domain of ours")
    assert queued.state is State.QUEUED


def test_a_newer_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    with Queue(tmp_path, Disk()) as queue:
        queue.put(new_message()).result()
        path = queue.path
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    connection.close()
    with pytest.raises(StoreError, match="newer nncp-gateway"):
        Queue(tmp_path, Disk())


def make_old_queue(directory: Path, version: int) -> None:
    """A queue as a program of that version left it, with one message in the outbox and one in the inbox."""
    connection = sqlite3.connect(directory / "queue.sqlite")
    for migration in schema.MIGRATIONS[:version]:
        connection.executescript(migration)
    for seq, (role, node) in enumerate({"outbox": NODE_B.text, "inbox": ""}.items(), 1):
        connection.execute(
            "INSERT INTO message (seq, id, role, sender, is_8bit, is_smtputf8, size_bytes, message_id,"
            " origin, origin_node, origin_batch, origin_packet, arrived_at, arrived_wall, body_file)"
            " VALUES (?, ?, ?, 'alice@a.test', 1, 0, 4, '<old@a.test>', 'me', '', '', '', 5, 5, NULL)",
            (seq, f"{seq:016x}", role),
        )
        connection.execute("INSERT INTO body (message, data) VALUES (?, ?)", (seq, b"x\r\n."))
        connection.execute(
            "INSERT INTO delivery (message, recipient, node, nice, state, changed_at, changed_wall)"
            " VALUES (?, 'bob@b.test', ?, 96, 'queued', 5, 5)",
            (seq, node),
        )
    connection.execute("INSERT INTO flush (node, until_seq) VALUES (?, 1)", (NODE_B.text,))
    connection.execute(f"PRAGMA user_version = {version}")
    connection.commit()
    connection.close()


@pytest.mark.parametrize("version", range(1, schema.VERSION))
def test_an_older_queue_is_migrated_with_its_mail_and_its_flush_inside(tmp_path: Path, version: int) -> None:
    make_old_queue(tmp_path, version)
    with Queue(tmp_path, Disk()) as queue:
        (figures,) = Outbox(queue).lanes()
        assert figures.is_flush_due
        batch = Outbox(queue).claim(
            figures.lane, Form.GATEWAY, max_count=10, max_bytes=1000, first_hop=NODE_B
        )
        assert batch is not None
        (leaving,) = Outbox(queue).messages_of(batch.id)
        (arrived,) = Inbox(queue).due(10)
        for message in (leaving, arrived):
            assert message.envelope == Envelope("alice@a.test", ("bob@b.test",), is_8bit=True)
            assert b"".join(queue.read_body(message.seq)) == b"x\r\n."
        queue.put(new_message(), Role.INBOX).result()
    with sqlite3.connect(tmp_path / "queue.sqlite") as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
    connection.close()


OPTIONS = MailOptions("QQ314159", Return.HEADERS, -9, DeliverBy(3600, LateAction.RETURN, is_traced=True))
BOB_OPTIONS = RecipientOptions(frozenset({Notify.SUCCESS, Notify.FAILURE}), "rfc822;Bob+2Bx@b.test")
CAROL_OPTIONS = RecipientOptions(frozenset({Notify.NEVER}))


@pytest.mark.parametrize("role", Role)
def test_what_a_sender_asked_for_is_kept_and_its_deadline_comes_nearer(tmp_path: Path, role: Role) -> None:
    clock = SetClock()
    node = NODE_B if role is Role.OUTBOX else None
    envelope = Envelope(
        "alice@a.test",
        ("bob@b.test", "carol@b.test", "dave@b.test"),
        options=OPTIONS,
        recipient_options={"bob@b.test": BOB_OPTIONS, "carol@b.test": CAROL_OPTIONS},
    )
    message = new_message(targets=tuple(Target(to, node, 96) for to in envelope.recipients))
    with Queue(tmp_path, Disk(), clock=clock.make) as queue:
        queue.put(message._replace(envelope=envelope), role).result()
        clock.go_on(600)
        if role is Role.OUTBOX:
            lane = Outbox(queue).lanes()[0].lane
            batch = Outbox(queue).claim(
                lane, Form.GATEWAY, max_count=1, max_bytes=1000, first_hop=NODE_B, count_fitting=lambda _: 2
            )
            assert batch is not None
            (found,) = Outbox(queue).messages_of(batch.id)
        else:
            (found,) = Inbox(queue).due(1)
    assert found.envelope.options == dataclasses.replace(
        OPTIONS, deliver_by=DeliverBy(3000, LateAction.RETURN, is_traced=True)
    )
    assert found.envelope.options_of("bob@b.test") == BOB_OPTIONS
    assert found.envelope.options_of("carol@b.test") == CAROL_OPTIONS
    assert found.envelope.options_of("dave@b.test") == RecipientOptions()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "queue.sqlite").write_bytes(b"this is not a database at all" * 100)
    with pytest.raises(StoreCorrupt):
        Queue(tmp_path, Disk())


def test_one_process_at_a_time_does_the_work_of_a_stage(tmp_path: Path) -> None:
    with Queue(tmp_path, Disk()) as queue:
        with queue.lock("batch"), pytest.raises(StoreBusy), queue.lock("batch"):
            pass
        with queue.lock("batch"), queue.lock("deliver"):
            pass


def test_a_closed_queue_takes_nothing(tmp_path: Path) -> None:
    queue = Queue(tmp_path, Disk())
    queue.close()
    with pytest.raises(StoreError, match="closed"):
        queue.put(new_message())


def test_two_open_queues_see_each_others_messages(tmp_path: Path) -> None:
    with Queue(tmp_path, Disk()) as one, Queue(tmp_path, Disk()) as two:
        one.put(new_message()).result()
        two.put(new_message()).result()
        assert len(list_messages(one)) == len(list_messages(two)) == 2
        assert Outbox(two).lanes()[0].message_count == 2


def test_listeners_hear_of_a_commit(tmp_path: Path) -> None:
    heard = threading.Event()
    with Queue(tmp_path, Disk()) as queue:
        queue.on_change(heard.set)
        queue.put(new_message()).result()
        assert heard.wait(60)


@pytest.mark.parametrize(
    ("nodes", "heard_of"),
    [
        ([NODE_B], {"outbox", "all"}),
        ([None], {"inbox", "all"}),
        ([NODE_B, None], {"outbox", "inbox", "all"}),
        ([], {"outbox", "inbox", "all"}),
    ],
)
def test_listeners_hear_only_of_what_may_concern_them(
    tmp_path: Path, nodes: list[NodeId | None], heard_of: set[str]
) -> None:
    heard: list[str] = []
    with Queue(tmp_path, Disk()) as queue:
        queue.on_change(lambda: heard.append("outbox"), Role.OUTBOX)
        queue.on_change(lambda: heard.append("inbox"), Role.INBOX)
        queue.on_change(lambda: heard.append("all"))
        queue.put_together([(new_message(node=node), Role.OUTBOX) for node in nodes]).result()
    assert set(heard) == heard_of
