"""The ``queue`` commands: what they select, do, print, and end with."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.durable import Disk
from gateway.msgqueue.entry import State
from gateway.msgqueue.inbox import Inbox
from gateway.msgqueue.store import Queue
from tests.support.gateways import MODULE, Done, GatewayNode, clean_environ, mail, pair, run_here
from tests.support.terminal import type_at

ALICE, BOB, CAROL = "alice@a.test", "bob@b.test", "carol@b.test"
Nodes = tuple[GatewayNode, GatewayNode]


@pytest.fixture
def nodes(tmp_path: Path) -> Nodes:
    """Node a lets no message of more than 1 KiB to node b through, nor any from it."""
    a, b = GatewayNode(tmp_path / "a", "a.test"), GatewayNode(tmp_path / "b", "b.test")
    pair(a, b)
    a.set_toml("neighbour.b", "max_message_bytes = 1024\nhold_receive_bytes = 1024\n")
    return a, b


def large(number: int, sender: str = ALICE, recipient: str = BOB) -> bytes:
    return mail(number, sender, recipient, "x" * 1024 + "\n")


def act(node: GatewayNode, *words: str) -> list[dict[str, Any]]:
    """Run an operation; the results."""
    results: list[dict[str, Any]] = json.loads(node.run("queue", *words, "--json", is_checked=False).out)
    return results


def endings(results: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(result["recipient"], result["after"], result["ending"]) for result in results]


def fails(node: GatewayNode, *words: str) -> Done:
    done = node.run("queue", *words, is_checked=False)
    assert done.status != 0
    return done


def test_large_mail_waits_for_release_in_both_directions(nodes: Nodes, tmp_path: Path) -> None:
    a, b = nodes
    a.send(ALICE, [BOB], large(1))
    a.send(ALICE, [BOB], mail(2, ALICE, BOB))
    b.send(BOB, [ALICE], large(3, BOB, ALICE))
    a.run("flush")
    assert a.states() == ["held", "sent"]
    b.carry_to(a, tmp_path / "stick")
    a.run("toss")
    a.run("deliver")
    assert sorted(a.states("--inbox")) == ["held"]
    status = a.run("status").out
    assert "held, to it:     1 message, " in status
    assert "held, from it:   1 message, " in status
    [link] = json.loads(a.run("status", "--json").out)
    assert (link["held"]["to_count"], link["held"]["from_count"]) == (1, 1)
    assert link["held"]["to_bytes"] > 1024
    assert "waiting for a person (nncp-gateway queue list): 2 held" in a.run("check").out
    assert a.run("queue", "release", "--node", "b").out.endswith("2 done\n")
    assert "waiting for a person" not in a.run("check").out
    a.run("flush")
    a.run("deliver")
    assert sorted(a.states()) == ["delivered", "sent", "sent"]
    a.carry_to(b, tmp_path / "stick")
    b.run("toss")
    b.run("deliver")
    assert sorted(raw.split(b"\n\n", 1)[1] for raw in b.mails()) == sorted([b"x" * 1024 + b"\n", b"hello\n"])


def test_list_shows_what_is_asked_for(nodes: Nodes) -> None:
    a, _ = nodes
    a.send(ALICE, [BOB], large(1))
    a.send("", [CAROL], mail(2, "", CAROL))
    for words, senders in (
        (["--state", "held"], [ALICE]),
        (["--sender", "<>"], [""]),
        (["--recipient", "CAROL@*", "--node", "b"], [""]),
        (["--larger", "1K"], [ALICE]),
        (["--smaller", "1k"], [""]),
        (["--older", "1d"], []),
        (["--younger", "1h", "--count", "1"], [ALICE]),
        (["--nice", "P", "--outbox"], [ALICE, ""]),
        (["--state", "held", "--state", "queued"], [ALICE, ""]),
    ):
        assert [message["sender"] for message in a.queue(*words)] == senders, words
    (first, second) = a.queue()
    assert [message["id"] for message in a.queue(second["id"])] == [second["id"]]
    assert first["recipients"][0]["held_by"] == "size"
    assert "outbox: 1 queued, 1 held" in a.run("queue", "list", "--state", "held").out


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["hold"], 64, "say which: ids, options, or --all"),
        (["drop"], 64, "say which: ids, options, or --all"),
        (["list", "--older", "3x"], 64, "allowed: a number with s, m, h, d or w, such as 3d"),
        (["list", "--larger", "-5"], 64, "allowed: a number of bytes, also with K, M or G, such as 5M"),
        (["list", "--state", "lost"], 64, "'lost' is not one of"),
        (["list", "--node", "nobody"], 68, "unknown node 'nobody'"),
        (["list", "--nice", "900"], 65, "niceness"),
        (["move", "--all"], 64, "say where to"),
        (["move", "--all", "--to-node", "nobody"], 68, "unknown node 'nobody'"),
        (["move", "--all", "--to-nice", "x"], 65, "niceness"),
        (["release", "0123456789abcdef"], 68, "there is no message '0123456789abcdef' in the queue"),
        (["show", BOB], 68, f"by address: nncp-gateway queue list --all --recipient {BOB}"),
    ],
)
def test_what_makes_no_sense_is_told_and_changes_nothing(
    nodes: Nodes, words: list[str], status: int, text: str
) -> None:
    a, _ = nodes
    a.send(ALICE, [BOB], large(1))
    done = fails(a, *words)
    assert done.status == status
    assert text in done.err
    assert a.states() == ["held"]


def test_mail_for_a_node_that_was_removed_can_be_selected_by_its_id(nodes: Nodes) -> None:
    a, b = nodes
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    gone = "B" * 51 + "A"
    assert a.queue("--node", gone) == []
    assert len(a.queue("--node", b.id)) == 1


def test_without_states_an_operation_looks_where_it_can_change_something(nodes: Nodes) -> None:
    a, _ = nodes
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    a.run("flush")
    a.send(ALICE, [CAROL], large(2, recipient=CAROL))
    assert endings(act(a, "release", "--all")) == [(CAROL, "queued", "done")]
    assert endings(act(a, "hold", "--all", "--reason", "why not")) == [(CAROL, "held", "done")]
    assert a.run("queue", "hold", "--all").out == "nothing fits\n"
    done = fails(a, "hold", "--state", "sent")
    assert done.status == 69
    assert f"<{BOB}>  impossible: it left in packet " in done.out


def test_the_advice_for_what_has_left_takes_it_back_while_it_is_in_tx(nodes: Nodes) -> None:
    a, b = nodes
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    a.run("flush")
    (packet,) = a.packets(b.id)
    (result,) = act(a, "drop", "--state", "sent")
    assert f"echo {packet.name} | nncp-gateway nncp rm -node b -tx -pkt removes it" in result["text"]
    words = ("nncp", "rm", "-cfg", str(a.nncp_path), "-quiet", "-node", "b", "-tx", "-pkt")
    assert a.run(*words, stdin=f"{packet.name}\n".encode(), is_child=True).status == 0
    assert a.packets(b.id) == []


def test_a_dry_run_says_what_would_be_and_does_nothing(nodes: Nodes) -> None:
    a, _ = nodes
    a.send(ALICE, [BOB], large(1))
    done = a.run("queue", "drop", "--all", "--dry-run")
    assert done.out.splitlines()[0].endswith(f"<{BOB}>  would be done: dropped")
    assert done.out.endswith("1 would be done\n")
    assert a.states() == ["held"]
    assert "event=dropped" not in done.err


def test_what_is_done_is_in_the_mail_log(nodes: Nodes) -> None:
    a, _ = nodes
    a.send(ALICE, [BOB], large(1))
    (message,) = a.queue()
    for operation, event in (
        (["release"], "released"),
        (["hold"], "held"),
        (["move", "--to-nice", "F"], "moved"),
        (["expire"], "expired"),
        (["replay"], "replayed"),
        (["retry"], "retried"),
        (["drop"], "dropped"),
    ):
        done = a.run("queue", *operation, message["id"])
        assert f"event={event} id={message['id']} from={ALICE} to={BOB} node=b size=" in done.err
    assert a.states() == ["dropped"]


def test_a_dead_letter_for_here_is_replayed_if_it_may_be_for_here_now(nodes: Nodes, tmp_path: Path) -> None:
    a, b = nodes
    b.set_toml("deliver", "make_mailboxes = false\n")
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    a.carry_to(b, tmp_path / "stick")
    b.run("toss")
    b.run("deliver", is_checked=False)
    assert b.states() == ["dead"]
    toml = b.config_path.read_text()
    b.config_path.write_text(toml.replace("make_mailboxes = false\n", ""))
    assert endings(act(b, "replay", "--state", "dead")) == [(BOB, "queued", "done")]
    b.run("deliver")
    (raw,) = b.mails()
    assert raw.endswith(mail(1, ALICE, BOB))


def test_a_dead_letter_for_elsewhere_is_not_replayed(nodes: Nodes, tmp_path: Path) -> None:
    a, b = nodes
    with a.config_path.open("a") as toml:
        toml.write('\n[[route]]\npattern = "c.test"\nnode = "b"\n')
    a.send(ALICE, ["x@c.test"], mail(1, ALICE, "x@c.test"))
    a.carry_to(b, tmp_path / "stick")
    b.run("toss")
    assert b.states() == ["dead"]
    (result,) = act(b, "replay", "--all")
    assert result["ending"] == "impossible"
    assert "it would be refused again: 5.7.1" in result["text"]
    assert b.states() == ["dead"]


def test_every_state_has_a_word_on_the_command_line(nodes: Nodes) -> None:
    a, _ = nodes
    text = a.run("queue", "list", "--help").out
    assert all(state.value in text for state in State)


def receive_batch(node: GatewayNode, content: bytes, sender: GatewayNode) -> None:
    words = ["-c", str(node.config_path), "receive", "rsmtp"]
    assert run_here(words, content, clean_environ(NNCP_SENDER=sender.id)).status == 0


def test_a_payload_in_quarantine_is_taken_in_again_once_it_can_be_read(nodes: Nodes) -> None:
    a, b = nodes
    one = f"MAIL FROM:<{ALICE}>\nRCPT TO:<{BOB}>\nDATA\nSubject: x\n\nhello\n.\n".encode()
    b.set_toml("receive", "max_messages = 1\n")
    receive_batch(b, b"HELO a\n" + one * 2, a)
    receive_batch(b, b"nonsense\n", a)
    assert b.states() == []
    first, second = json.loads(b.run("queue", "quarantine", "list", "--json").out)
    assert (first["record"]["Node"], first["record"]["Handle"]) == ("a", "rsmtp")
    assert second["record"]["Why"] in b.run("queue", "quarantine", "list").out
    assert b.run("queue", "quarantine", "replay", first["id"], is_checked=False).status == 69
    b.config_path.write_text(b.config_path.read_text().replace("max_messages = 1\n", ""))
    done = b.run("queue", "quarantine", "replay", "--all", is_checked=False)
    assert done.status == 69
    assert f"{first['id']}  done: 2 messages are in the queue" in done.out
    assert f"{second['id']}  impossible: still not: " in done.out
    assert f'event=replayed text="2 messages are in the queue" quarantine={first["id"]}' in done.err
    assert b.states() == ["queued", "queued"]
    (result,) = json.loads(b.run("queue", "quarantine", "drop", second["id"], "--json").out)
    assert (result["id"], result["ending"]) == (second["id"], "done")
    assert b.run("queue", "quarantine", "list").out == ""


@pytest.mark.parametrize(
    ("words", "status"), [(["replay"], 64), (["drop", "--all", "x"], 64), (["drop", "x"], 68)]
)
def test_what_is_not_in_quarantine_is_told(nodes: Nodes, words: list[str], status: int) -> None:
    a, _ = nodes
    assert fails(a, "quarantine", *words).status == status


@pytest.mark.parametrize("words", [["drop"], ["expire"], ["drop", "--json"], ["quarantine", "drop"]])
def test_without_a_terminal_everything_is_taken_only_with_yes(nodes: Nodes, words: list[str]) -> None:
    a, _ = nodes
    a.send(ALICE, [BOB], large(1))
    done = fails(a, *words, "--all")
    assert (done.status, done.out) == (64, "")
    assert "--all: there is no terminal to ask at; to do it say --yes as well" in done.err
    assert a.states() == ["held"]
    a.run("queue", *words, "--all", "--yes")
    assert a.states() == (["held"] if "quarantine" in words else ["dead" if "expire" in words else "dropped"])


@pytest.mark.parametrize(
    ("words", "question", "after"),
    [
        (["drop"], "forget all 1 recipients of the queue and tell nobody? yes or no: ", ["dropped"]),
        (
            ["expire", "--json"],
            "give up all 1 recipients of the queue, of which senders are told? ",
            ["dead"],
        ),
        (["quarantine", "drop", "--json"], "remove all payloads of the quarantine? yes or no: ", ["held"]),
    ],
)
def test_at_a_terminal_a_person_is_asked_before_everything_is_taken(
    nodes: Nodes, tmp_path: Path, words: list[str], question: str, after: list[str]
) -> None:
    a, _ = nodes
    a.send(ALICE, [BOB], large(1))
    argv = [*MODULE, "-c", str(a.config_path), "queue", *words, "--all"]
    no = type_at(argv, ["n"], tmp_path, environ=clean_environ())
    assert (no.returncode, no.stdout) == (130, b"")
    assert question.encode() in no.shown
    assert a.states() == ["held"]
    yes = type_at(argv, ["y"], tmp_path, environ=clean_environ())
    assert yes.returncode == 0
    assert "--json" not in words or isinstance(json.loads(yes.stdout), list)
    assert a.states() == after


def test_what_fits_something_is_taken_without_a_question(nodes: Nodes) -> None:
    a, _ = nodes
    a.send(ALICE, [BOB], large(1))
    assert [each["after"] for each in act(a, "drop", "--all", "--recipient", BOB)] == ["dropped"]


def test_a_try_without_a_known_end_is_shown(nodes: Nodes) -> None:
    a, _ = nodes
    queue_id = a.send(BOB, [ALICE], mail(1, BOB, ALICE)).out.split()[-1]
    assert "begun" not in a.run("queue", "show", queue_id).out
    with Queue(a.home / "state" / "queue", Disk(is_syncing=False)) as queue:
        for _ in range(2):
            inbox = Inbox(queue)
            inbox.record([], begin=inbox.due(1))
    shown = a.run("queue", "show", queue_id).out
    assert "  begun:     2 tries in a row without a known end, or under way\n" in shown
    assert a.queue(queue_id)[0]["recipients"][0]["begun_count"] == 2
    a.run("deliver")
    assert a.queue(queue_id)[0]["recipients"][0]["begun_count"] == 0
