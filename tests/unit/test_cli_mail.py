"""The commands that mail goes through: send, receive, the steps, and what shows them."""

from pathlib import Path

import pytest

from tests.support.gateways import GatewayNode, mail, pair, run_here

ALICE, BOB = "alice@a.test", "bob@b.test"


@pytest.fixture
def nodes(tmp_path: Path) -> tuple[GatewayNode, GatewayNode]:
    a, b = GatewayNode(tmp_path / "a", "a.test"), GatewayNode(tmp_path / "b", "b.test")
    pair(a, b)
    return a, b


def test_send_gives_the_queue_id_and_a_trace_field(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, _ = nodes
    done = a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    (message,) = a.queue()
    assert done.out == f"2.0.0 queued as {message['id']}\n"
    assert done.err == ""
    assert message["origin"].startswith("local user ")
    assert message["message_id"] == "<1@test>"
    body = a.run("queue", "show", "--body", message["id"]).out
    assert body.startswith("Received: by mail.a.test with local id ")
    assert body.endswith(mail(1, ALICE, BOB).decode().replace("\n", "\r\n"))
    assert message["size_bytes"] == len(body)


def test_send_takes_crlf_and_a_missing_last_line_end(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, _ = nodes
    a.send(ALICE, [BOB], b"Subject: x\r\n\r\none\r\ntwo")
    (message,) = a.queue()
    assert a.run("queue", "show", "--body", message["id"]).out.endswith("\r\n\r\none\r\ntwo\r\n")


@pytest.mark.parametrize("sender", ["", "<>"])
def test_send_takes_the_null_sender_in_both_spellings(
    nodes: tuple[GatewayNode, GatewayNode], sender: str
) -> None:
    a, _ = nodes
    a.send(sender, [BOB], mail(1, "", BOB))
    assert a.queue()[0]["sender"] == ""


def test_send_splits_between_here_and_there(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, _ = nodes
    done = a.send(ALICE, [BOB, ALICE, BOB], mail(1, ALICE, BOB))
    assert len(done.out.split()) == 5
    found = {message["role"]: [r["recipient"] for r in message["recipients"]] for message in a.queue()}
    assert found == {"outbox": [BOB], "inbox": [ALICE]}


def test_a_large_message_is_kept_whole(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, _ = nodes
    body = mail(1, ALICE, BOB, "z" * 70 + "\n") + b"0123456789\n" * 100_000
    a.send(ALICE, [BOB, ALICE], body)
    for message in a.queue():
        shown = a.run("queue", "show", "--body", message["id"]).out
        assert shown.encode().endswith(body.replace(b"\n", b"\r\n"))


@pytest.mark.parametrize(
    ("words", "content", "status", "text"),
    [
        (("-f", ALICE, "--", "x@nowhere.test"), b"x\n", 77, "5.7.1 'x@nowhere.test': relay not permitted"),
        (("-f", ALICE, "--", "nobody"), b"x\n", 65, "5.1.3 "),
        (("-f", "a b", "--", BOB), b"x\n", 65, "5.1.7 "),
        (("-f", ALICE, "--", BOB), b"a\rb\n", 65, "5.6.0 bare CR"),
        (("-f", ALICE, "--", BOB), b"a\0b\n", 65, "5.6.0 NUL"),
        (("-f", ALICE, "--", BOB), b"Received: x\n" * 60 + b"\n", 65, "5.4.6 too many hops"),
        (("-f", ALICE, "--", BOB), b"x" * 70_000, 65, "5.3.4 the message is larger than 65536 bytes"),
        (("-f", ALICE), b"x\n", 75, "4.5.4 Missing argument"),
        (("--", BOB), b"x\n", 75, "4.5.4 Missing option"),
    ],
)
def test_send_says_why_in_the_form_mail_servers_read(
    nodes: tuple[GatewayNode, GatewayNode], words: tuple[str, ...], content: bytes, status: int, text: str
) -> None:
    a, _ = nodes
    a.set_toml("smtp", "max_message_bytes = 65536\n")
    done = a.run("send", *words, stdin=content, is_checked=False)
    assert done.status == status
    assert done.out.startswith(text)
    assert len(done.out.splitlines()) == 1
    assert a.queue("--all") == []
    assert list((a.home / "state" / "queue" / "bodies").iterdir()) == []


def test_a_route_can_refuse_with_its_own_status(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, _ = nodes
    for status, expected in (("5.1.1", 67), ("4.2.1", 75), ("5.7.0", 77)):
        toml = a.config_path.read_text()
        a.config_path.write_text(
            f'{toml}\n[[route]]\npattern = "x{expected}@b.test"\nrefuse = "no such"\nstatus = "{status}"\n'
        )
        done = a.run("send", "-f", ALICE, "--", f"x{expected}@b.test", stdin=b"x\n", is_checked=False)
        assert done.status == expected
        assert done.out.startswith(f"{status} ")


def test_a_full_disk_is_a_reason_to_try_again(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, _ = nodes
    a.set_toml("queue", f"reserve_bytes = {1 << 50}\n")
    done = a.run("send", "-f", ALICE, "--", BOB, stdin=b"x\n", is_checked=False)
    assert done.status == 75
    assert done.out.startswith("4.3.1 ")


def receive(node: GatewayNode, words: list[str], stdin: bytes, **environ: str) -> int:
    return run_here(["-c", str(node.config_path), "receive", *words], stdin, environ).status


def test_receive_works_in_an_environment_of_three_variables(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, b = nodes
    body = f"Return-Path: <{ALICE}>\n".encode() + mail(1, ALICE, BOB)
    assert receive(b, ["sendmail", BOB], body, NNCP_SENDER=a.id) == 0
    (message,) = b.queue()
    assert (message["sender"], message["origin"], message["origin_node"]) == (ALICE, "a", "a")
    assert message["recipients"][0]["recipient"] == BOB


def test_receive_ends_with_0_or_75_only(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, b = nodes
    whole = f"Return-Path: <{ALICE}>\n".encode() + mail(1, ALICE, BOB)
    batch = f"HELO x\nMAIL FROM:<{ALICE}>\nRCPT TO:<{BOB}>\nDATA\nhello\n".encode()
    assert receive(b, ["sendmail", BOB], whole) == 75
    assert receive(b, ["sendmail", BOB], whole, NNCP_SENDER="x") == 75
    assert receive(b, ["sendmail", BOB], whole[:-1], NNCP_SENDER=a.id) == 75
    assert receive(b, ["rsmtp"], batch, NNCP_SENDER=a.id) == 75
    assert receive(b, ["rsmtp"], b"nonsense\n", NNCP_SENDER=a.id) == 0
    assert receive(b, ["sendmail", "-oQ/tmp@b.test"], whole, NNCP_SENDER=a.id) == 0
    assert receive(b, ["rsmtp"], batch + b".\nQUIT\n", NNCP_SENDER=a.id) == 0
    assert list((b.home / "state" / "queue" / "quarantine").glob("*.txt"))


def test_receive_with_a_broken_configuration_keeps_the_packet(
    nodes: tuple[GatewayNode, GatewayNode],
) -> None:
    a, b = nodes
    b.config_path.write_text("[smtp\n")
    assert receive(b, ["rsmtp"], b"x", NNCP_SENDER=a.id) == 75


def test_steps_report_what_they_did(nodes: tuple[GatewayNode, GatewayNode], tmp_path: Path) -> None:
    a, b = nodes
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    assert a.run("batch").out == "0 messages in 0 packets, 0 bad\n"
    assert a.run("batch", "--flush").out == "1 messages in 1 packets, 0 bad\n"
    stick = tmp_path / "stick"
    assert a.run("xfer", str(stick), is_checked=False).status == 64
    stick.mkdir()
    done = a.run("xfer", str(stick))
    assert f"packets for b stay: {stick} has no directory for it" in done.out
    assert a.run("xfer", "--mkdir", "--node", "b", str(stick)).out == "0 packets taken, 1 packets put on\n"
    assert b.run("xfer", str(stick)).out == "1 packets taken, 0 packets put on\n"
    assert b.run("toss", "--node", "a").out == "1 packets done, 0 failed, 0 left\n"
    assert b.run("deliver").out == "1 delivered, 0 deferred, 0 dead\n"


def test_packets_of_a_node_that_was_not_accepted_are_told_of(tmp_path: Path) -> None:
    a, b = GatewayNode(tmp_path / "a", "a.test"), GatewayNode(tmp_path / "b", "b.test")
    a.accept(b)
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    stick = tmp_path / "stick"
    stick.mkdir()
    a.run("xfer", "--mkdir", str(stick))
    told = f"0 packets taken, 0 packets put on\npackets of {a.id} stay: it is no neighbour"
    assert b.run("xfer", str(stick)).out.startswith(told)
    b.accept(a)
    assert b.run("xfer", str(stick)).out == "1 packets taken, 0 packets put on\n"
    assert b.run("xfer", str(stick)).out == "0 packets taken, 0 packets put on\n"


def test_flush_takes_a_node(nodes: tuple[GatewayNode, GatewayNode], tmp_path: Path) -> None:
    a, b = nodes
    c = GatewayNode(tmp_path / "c", "c.test")
    a.accept(c)
    a.send(ALICE, [BOB, "x@c.test"], mail(1, ALICE, BOB))
    assert a.run("flush", "c").out == "1 messages in 1 packets, 0 bad\n"
    assert len(a.packets(c.id)) == 1
    assert not a.packets(b.id)
    assert a.run("flush", "nobody", is_checked=False).status == 68


def test_a_packet_that_fails_makes_toss_end_with_75(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, b = nodes
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    a.carry_to(b, b.home / "stick")
    b.set_toml("receive", "max_batch_bytes = 1024\n")
    a.send(ALICE, [BOB], mail(2, ALICE, BOB, "x" * 5000))
    a.carry_to(b, b.home / "stick")
    done = b.run("toss", is_checked=False)
    assert (done.status, done.out) == (75, "1 packets done, 1 failed, 0 left\n")
    b.config_path.write_text(b.config_path.read_text().replace("max_batch_bytes = 1024\n", ""))
    assert b.run("toss").out == "1 packets done, 0 failed, 0 left\n"


def test_deliver_tries_again_when_asked(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, b = nodes
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    a.carry_to(b, b.home / "stick")
    b.run("toss")
    toml = b.config_path.read_text()
    b.config_path.write_text(toml.replace(f'"{b.mailbox}"', '"/proc/nothing-here"'))
    assert b.run("deliver", is_checked=False).status == 75
    (message,) = b.queue()
    assert message["recipients"][0]["next_try_seconds"] > 0
    assert "next try in" in b.run("queue", "list").out
    b.config_path.write_text(toml)
    assert b.run("deliver").out == "0 delivered, 0 deferred, 0 dead\n"
    assert b.run("deliver", "--now").out == "1 delivered, 0 deferred, 0 dead\n"


def test_queue_shows_both_ends(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, _ = nodes
    a.send(ALICE, [BOB, ALICE], mail(1, ALICE, BOB))
    out = a.run("queue", "list").out
    assert f"    <{BOB}>  queued  to node b, niceness 96\n" in out
    assert out.endswith("outbox: 1 queued\ninbox: 1 queued\n")
    assert [message["role"] for message in a.queue("--outbox")] == ["outbox"]
    assert [message["role"] for message in a.queue("--inbox")] == ["inbox"]
    a.run("flush")
    assert len(a.queue("--outbox")) == 0
    (sent,) = a.queue("--outbox", "--all")
    shown = a.run("queue", "show", sent["id"]).out
    assert f"packet:    {a.packets(a.nncp()['neigh']['b']['id'])[0].name}" in shown
    assert a.run("queue", "show", "--json", sent["id"]).out.startswith("[\n")
    assert a.run("queue", "show", "0" * 16, is_checked=False).status == 68
    assert a.run("queue", "show", "--body", sent["id"], is_checked=False).status == 74


def test_route_explains(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, _ = nodes
    assert a.run("route", BOB).out.startswith(f"{BOB}: to node b (rule b.test)\nnode b: niceness of urgent")
    assert a.run("route", ALICE).out == (
        f"{ALICE}: delivered here (rule a.test)\ngoes to the Maildir {a.mailbox} (deliver)\n"
    )
    assert "refused: 5.7.1" in a.run("route", "x@c.test").out
    assert a.run("route", "a b@c", is_checked=False).status == 65


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--sender", BOB, ALICE),
            f"from b as <{BOB}>: taken: delivered here; its sender is told of failures",
        ),
        (
            ("--sender", ALICE, ALICE),
            "taken: delivered here; its sender is not told: the sender is not known",
        ),
        ((ALICE,), "from b as <>: taken: delivered here; its sender is not told: no sender to tell"),
        (
            ("--sender", BOB, BOB),
            "not delivered here (relay_to of neighbour.b does not name it); its sender is told",
        ),
    ],
)
def test_route_explains_what_becomes_of_mail_from_a_neighbour(
    nodes: tuple[GatewayNode, GatewayNode], words: tuple[str, ...], said: str
) -> None:
    a, _ = nodes
    assert said in a.run("route", "--from", "b", *words).out


def test_several_places_are_explained_and_each_gets_its_mail(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, _ = nodes
    other = '[[deliver.other]]\ndomains = ["village.test"]\nto = "maildir"\npath = "village/{local}"\n'
    a.config_path.write_text(f"{a.config_path.read_text()}\n{other}")
    place = f"the Maildir {a.home}/village/{{local}}"
    assert f"goes to {place} (deliver.other[1])\n" in a.run("route", "carl@village.test").out
    assert f"delivered here: a.test, village.test\nof that, village.test: to {place}\n" in a.run("check").out
    a.send(BOB, ["carl@village.test", ALICE], mail(1, BOB, ALICE))
    assert a.run("deliver").out == "2 delivered, 0 deferred, 0 dead\n"
    assert len(a.mails()) == len(list((a.home / "village" / "carl" / "new").iterdir())) == 1


def test_route_says_what_an_address_lacks(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, _ = nodes
    said = a.run("route", "x@nowhere.test").out
    assert f"nncp-gateway accept NODE --domain DOMAIN, or [[route]] in {a.config_path}" in said
    assert "relay_to" not in a.run("route", "--from", "b", "x@nowhere.test").out
    assert "(relay_to of neighbour.b does not name it)" in a.run("route", "--from", "b", BOB).out


def test_route_explains_rights(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, _ = nodes
    a.set_toml("neighbour.b", 'senders = ["b.test"]\nrelay_to = ["b.test"]\nrelay_back = true\n')
    assert "taken: goes on as above" in a.run("route", "--from", "b", "--sender", BOB, BOB).out
    refused = a.run("route", "--from", "b", "--sender", ALICE, ALICE).out
    assert "refused: 5.1.8" in refused
    assert "its sender is not told: the sender was refused" in refused
    assert a.run("route", "--from", "nobody", ALICE, is_checked=False).status != 0


def test_check_finds_what_is_unsafe_and_says_the_remedy(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, _ = nodes
    a.nncp_path.chmod(0o644)
    a.config_path.chmod(0o666)
    (a.home / "state").rename(a.home / "gone")
    done = a.run("check", is_checked=False)
    assert done.status == 78
    assert f"remedy: chmod o-rwx {a.nncp_path}" in done.out
    assert f"remedy: chmod go-w {a.config_path}" in done.out
    assert "node.state_directory) is missing; remedy: install -d" in done.out
