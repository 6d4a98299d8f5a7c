"""What a neighbour asks of its feed is done once, wherever the program died."""

from pathlib import Path

from gateway.durable import Disk
from gateway.ids import NodeId
from gateway.msgqueue.entry import Target
from gateway.msgqueue.remote import RemoteControl
from gateway.report.remote_answers import RemoteAnswers
from tests.support.crash import run_until_step
from tests.support.messages import NODE_B
from tests.support.newsroom import open_queue, waiting
from tests.support.remote import ask_by_packet

STEP_LIMIT = 300
REQUEST = b"+comp.*\n%RESCAN\n-misc.one\n"


def ask(directory: Path, disk: Disk) -> None:
    """Let the request come."""
    ask_by_packet(directory, REQUEST, disk)


def check(directory: Path) -> None:
    """The request is done once: wishes, articles and one answer."""
    with open_queue(directory) as queue:
        control = RemoteControl(queue)
        assert control.wishes()["b"].groups.text == "comp.*,!misc.one"
        assert len(control.unanswered(10)) == 1
        assert waiting(queue) == [(f"<misc.test.{number}@a.test>", "b") for number in (1, 2, 3)]
    assert not list(directory.glob("incoming/*"))


def test_a_stop_at_every_step_of_a_request_and_another_try(tmp_path: Path) -> None:
    """Wishes, articles that come once more and the answer are on disk together, and once."""
    for step in range(STEP_LIMIT):
        directory = tmp_path / str(step)
        was_stopped, _ = run_until_step(step, lambda disk, d=directory: ask(d, disk))  # type: ignore[misc]
        if was_stopped:
            ask_by_packet(directory, REQUEST)
        check(directory)
        if not was_stopped:
            assert step > 5
            return
    raise AssertionError("the request never came to its end")


def way(mailbox: str, node: NodeId) -> Target | None:
    """Where answers go: to node b."""
    return Target(mailbox, node, 64) if mailbox.endswith("@b.test") else None


def answer(directory: Path, disk: Disk) -> None:
    """Send the answers that wait."""
    with open_queue(directory, disk) as news, open_queue(directory / "mail", disk) as mail:
        RemoteAnswers(
            news,
            mail,
            hostname="gw.test",
            sender="newsfix@gw.test",
            nodes={"b": NODE_B},
            find_way=way,
        ).run_once()


def test_a_stop_at_every_step_of_an_answer_and_another_try(tmp_path: Path) -> None:
    """The answer is never lost, and twice only if the program died between both databases."""
    for step in range(STEP_LIMIT):
        directory = tmp_path / str(step)
        ask_by_packet(directory, REQUEST)
        was_stopped, _ = run_until_step(step, lambda disk, d=directory: answer(d, disk))  # type: ignore[misc]
        answer(directory, Disk(is_syncing=False))
        with open_queue(directory) as news, open_queue(directory / "mail") as mail:
            assert RemoteControl(news).unanswered(10) == []
            sent = waiting(mail)
        assert {recipient for _, recipient in sent} == {"news@b.test"}
        assert len(sent) in {1, 2}
        if not was_stopped:
            assert len(sent) == 1
            return
    raise AssertionError("the answer never came to its end")
