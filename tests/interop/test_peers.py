"""Each real peer starts, takes one message and gives it back."""

import email.utils
import socket
import subprocess
from pathlib import Path

import pytest

from tests.support.exim import EximInstance
from tests.support.gonncp import GoMesh
from tests.support.inn import InnInstance
from tests.support.peers import find, require, swaks
from tests.support.ports import free_port
from tests.support.postfix import PostfixInstance
from tests.support.processes import is_listening, wait_until

MESSAGE = b"Subject: hello\nFrom: s@b.test\n\n.\nFrom me\n..x\n"


def test_require_skips_or_fails_without_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing peer skips a test, and fails it where all peers must be there."""
    monkeypatch.setenv("REQUIRE_INTEROP", "0")
    with pytest.raises(pytest.skip.Exception, match=r"no-such-peer not installed: run \./run test"):
        require("sh", "no-such-peer")
    monkeypatch.setenv("REQUIRE_INTEROP", "1")
    with pytest.raises(pytest.fail.Exception, match="no-such-peer not installed"):
        require("no-such-peer")


def test_require_finds_programs_outside_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer below /usr/sbin is found although PATH lacks that directory."""
    chroot = require("chroot")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert require("chroot") == find("chroot")
    assert Path(chroot).name == "chroot"


def test_postfix_delivers_and_relays(place: Path) -> None:
    """Postfix delivers mail of its own domain unchanged and relays another domain by SMTP."""
    with (
        PostfixInstance(place / "b", "mx.b.test", ["b.test"]) as far,
        PostfixInstance(place / "a", "mx.a.test", ["a.test"]) as near,
    ):
        near.add_transport(f"b.test smtp:[127.0.0.1]:{far.port}")
        swaks(near.port, "s@a.test", ["joe@b.test", "ann@a.test"], MESSAGE)
        [own] = near.wait_for_messages(1)
        [relayed] = far.wait_for_messages(1)
        for found, recipient in ((own, b"ann@a.test"), (relayed, b"joe@b.test")):
            raw = found.read_bytes()
            assert raw.endswith(MESSAGE)
            assert b"Return-Path: <s@a.test>\nX-Original-To: " + recipient in raw
        wait_until(lambda: not near.queued(), 60, "an empty queue", explain=near.log_text)


def test_postfix_takes_mail_by_its_sendmail_command_and_keeps_it_over_a_restart(place: Path) -> None:
    """What sendmail took while Postfix was stopped is delivered once it runs again."""
    with PostfixInstance(place / "a", "mx.a.test", ["a.test"]) as postfix:
        postfix.stop()
        assert not is_listening(postfix.port)
        command = [str(postfix.sendmail), "-i", "-f", "s@a.test", "--", "joe@a.test"]
        subprocess.run(command, input=MESSAGE, check=True, timeout=60)
        assert postfix.messages() == []
        postfix.start()
        [found] = postfix.wait_for_messages(1)
        assert found.read_bytes().endswith(MESSAGE.partition(b"\n\n")[2])


def test_postfix_that_cannot_start_says_why(place: Path) -> None:
    """A setting that Postfix refuses is in the error of the test."""
    postfix = PostfixInstance(place / "a", "mx.a.test")
    postfix.set("inet_protocols = carrier-pigeon")
    with pytest.raises(AssertionError, match="carrier-pigeon"):
        postfix.start()


def test_refused_mail_shows_the_dialogue(place: Path) -> None:
    """A mail that Postfix refuses fails the test with the SMTP dialogue."""
    with PostfixInstance(place / "a", "mx.a.test") as postfix:
        postfix.set("smtpd_recipient_restrictions = reject")
        with pytest.raises(AssertionError, match=r"554 5\.7\.1"):
            swaks(postfix.port, "", ["joe@mx.a.test"], MESSAGE)
        refused = swaks(postfix.port, "", ["joe@mx.a.test"], MESSAGE, is_checked=False)
        assert refused.returncode == 24
        assert "MAIL FROM:<>" in refused.text


def test_exim_delivers_by_smtp_and_batch(place: Path) -> None:
    """Exim beside Postfix delivers mail that came by SMTP and by the -bS command."""
    with EximInstance(place / "x", "mx.a.test", ["a.test"]) as exim:
        swaks(exim.port, "s@b.test", ["joe@a.test"], MESSAGE)
        [found] = exim.wait_for_messages(1)
        assert found.read_bytes().endswith(MESSAGE)
        assert b"Return-path: <s@b.test>\nEnvelope-to: joe@a.test\n" in found.read_bytes()
        batch = b"MAIL FROM:<>\nRCPT TO:<ann@a.test>\nDATA\nSubject: two\n\n..\n.\n"
        exim.run("-bS", stdin=batch)
        subprocess.run([exim.rsmtp], input=batch, check=True, timeout=60)
        found_all = exim.wait_for_messages(3)
        bodies = [path.read_bytes().partition(b"\n\n")[2] for path in found_all]
        assert bodies == [b".\nFrom me\n..x\n", b".\n", b".\n"]


def test_inn_takes_an_article_by_rnews_and_gives_it_to_a_reader(place: Path) -> None:
    """INN stores an article from rnews, and a reader sees it in the group."""
    article = (
        "Path: x!not-for-mail\nFrom: j@a.test\nNewsgroups: misc.test\nSubject: news at ten\n"
        f"Message-ID: <one@p.test>\nDate: {email.utils.formatdate()}\n\nbody\n"
    ).encode()
    with InnInstance(place / "n", "a.news.test", ["misc.test"]) as inn:
        inn.run("rnews", stdin=article)
        [stored] = inn.wait_for_articles("misc.test", 1)
        assert b"Path: a.news.test!" in stored.read_bytes()
        with (
            socket.create_connection(("127.0.0.1", inn.reader_port), timeout=60) as reader,
            reader.makefile("rb") as said,
        ):
            reader.sendall(b"GROUP misc.test\r\nARTICLE 1\r\nQUIT\r\n")
            heard = said.read()
        assert b"\r\n211 1 1 1 misc.test\r\n" in heard
        assert b"Subject: news at ten\r\n" in heard
        inn.stop()
        inn.start()
        inn.ctlinnd("newgroup", "misc.more")
        assert b"misc.more" in (inn.home / "db/active").read_bytes()


def test_go_nodes_run_a_handle_through_a_relay(place: Path) -> None:
    """A Go node's exec reaches a Go node behind a relay, and its handle gets the bytes."""
    mesh = GoMesh(place / "nn", ["a", "b", "c"], via={"c": ["b"]})
    got = place / "got"
    mesh.set_exec("c", "a", "cat", ["/bin/sh", "-c", f'cat > {got}; echo "$0" >> {got}'])
    mesh["a"].run("nncp-exec", "-quiet", "-noprogress", "c", "cat", "arg", stdin=b"payload\n")
    assert len(mesh["a"].packets("tx", mesh["b"].id)) == 1
    assert mesh.carry("a", "b") == 1
    mesh["b"].toss()
    assert mesh.carry("b", "c") == 1
    mesh["c"].toss()
    assert got.read_bytes() == b"payload\narg\n"
    assert mesh["c"].packets("rx", mesh["b"].id) == []


def test_go_tool_that_fails_shows_its_output(place: Path) -> None:
    """The error of a failing Go tool names tool, node and what it said."""
    mesh = GoMesh(place / "nn", ["a", "b"])
    with pytest.raises(AssertionError, match=r"nncp-exec nobody cat on a ended with 1:\n.*nobody"):
        mesh["a"].run("nncp-exec", "nobody", "cat")
    assert mesh["a"].run("nncp-exec", "nobody", "cat", check=False).returncode == 1


def test_go_daemon_port_is_free_for_it() -> None:
    """A reserved port can be used by a program that sets SO_REUSEADDR, and by nobody else."""
    port = free_port()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
