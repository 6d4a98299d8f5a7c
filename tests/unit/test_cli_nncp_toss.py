"""``nncp toss``: flags, what it prints, how it ends."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.files import allow_files, allow_requests, put_file, put_request
from tests.support.nncp_verbs import Verbs, verb_argv, verb_environ
from tests.support.processes import wait_until
from tests.support.tossing import Pair

Capture = pytest.CaptureFixture[bytes]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path, "c")


@pytest.fixture
def verbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verbs:
    return Verbs(tmp_path, monkeypatch)


def config(pair: Pair, **more: object) -> str:
    return f"-cfg={pair.write_config('b', **more)}"


def test_it_tosses_and_says_so(pair: Pair, verbs: Verbs, capfdbinary: Capture) -> None:
    out = pair.record("x")
    pair.send("x", b"body", "arg")
    assert verbs.run("toss", config(pair)) == 0
    printed, told = capfdbinary.readouterr()
    assert printed == b""
    assert told.split(b" ", 1)[1].startswith(b"Got exec from a to x arg (")
    assert out.read_text() == "body"


def test_a_bad_packet_ends_with_1_but_the_others_are_tossed(
    pair: Pair, verbs: Verbs, capfdbinary: Capture
) -> None:
    out = pair.record("x")
    path = pair.send("nosuch", b"")
    pair.send("x", b"good")
    assert verbs.run("toss", config(pair)) == 1
    assert out.read_text() == "good"
    told = capfdbinary.readouterr().err.decode()
    assert f"ERROR Tossing exec a/{path.name} (0 B): nosuch: {path}: No handle found" in told


@pytest.mark.parametrize(
    ("flag", "is_tossed"),
    [
        ("-noexec", False),
        ("-dryrun", False),
        ("-nice=95", False),
        ("-nice=P", True),
        ("-node=c", False),
        ("-node=a", True),
        ("-nofile", True),
        ("-notrns", True),
        ("-seen", True),
        ("-cycle=0", True),
    ],
)
def test_flags_decide_what_is_tossed(pair: Pair, verbs: Verbs, flag: str, *, is_tossed: bool) -> None:
    out = pair.record("x")
    path = pair.send("x", b"body")
    assert verbs.run("toss", flag, config(pair)) == 0
    assert (out.exists(), path.exists()) == (is_tossed, not is_tossed)
    assert (path.parent / "seen" / path.name).exists() is (flag == "-seen")


@pytest.mark.parametrize(
    ("flag", "text"),
    [("-node=nobody", b"Invalid -node specified: unknown node 'nobody'"), ("-nice=zz", b"niceness 'zz'")],
)
def test_a_wrong_value_ends_with_1(
    pair: Pair, verbs: Verbs, capfdbinary: Capture, flag: str, text: bytes
) -> None:
    assert verbs.run("toss", flag, config(pair)) == 1
    assert text in capfdbinary.readouterr().err


def test_a_notice_is_mailed_as_configured(pair: Pair, verbs: Verbs, tmp_path: Path) -> None:
    mail = tmp_path / "mail"
    pair.allow("x", ["/bin/echo", "output"])
    pair.allow("sendmail", ["/bin/sh", "-c", f'echo "$1" > {mail}; cat >> {mail}', "sh"], sender="self")
    pair.send("x", b"")
    notify = {"exec": {"*.x": {"from": "f@x", "to": "t@y"}}}
    assert verbs.run("toss", config(pair, notify=notify)) == 0
    assert mail.read_text().startswith(
        "t@y\nFrom: f@x\nTo: t@y\nSubject: Exec from a: x\nMIME-Version: 1.0\n"
    )


@pytest.mark.parametrize("event", ["file", "freq"])
def test_files_and_requests_are_told_by_mail(pair: Pair, verbs: Verbs, tmp_path: Path, event: str) -> None:
    mail = tmp_path / "mail"
    pair.allow("sendmail", ["/bin/sh", "-c", f"cat > {mail}"], sender="self")
    allow_files(pair)
    (allow_requests(pair) / "name").write_bytes(b"content")
    put_file(pair, b"name")
    put_request(pair, b"name")
    assert verbs.run("toss", config(pair, notify={event: {"from": "f@x", "to": "t@y"}})) == 0
    subjects = {"file": "File from a: name (7 B)", "freq": "Freq from a: name"}
    assert mail.read_text() == f"From: f@x\nTo: t@y\nSubject: {subjects[event]}"


def test_the_signal_handlers_are_put_back(pair: Pair, verbs: Verbs) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    verbs.run("toss", config(pair))
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


class TestProcess:
    """As a process of its own, with signals."""

    def start(self, pair: Pair, *flags: str) -> "subprocess.Popen[bytes]":
        argv = verb_argv("toss", *flags, config(pair))
        return subprocess.Popen(argv, env=verb_environ(), stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_cycle_tosses_what_comes_and_ends_cleanly(self, pair: Pair, number: int) -> None:
        out = pair.record("x")
        pair.send("x", b"first ")
        with self.start(pair, "-cycle", "1") as process:
            wait_until(out.exists, 60, "the first toss")
            pair.send("x", b"second")
            wait_until(lambda: out.read_text() == "first second", 60, "the second toss")
            process.send_signal(number)
            assert process.wait(60) == 0
            assert process.stderr is not None
            assert b"Traceback" not in process.stderr.read()

    def test_a_signal_lets_the_handler_at_work_finish(self, pair: Pair, tmp_path: Path) -> None:
        begun, go, out = tmp_path / "begun", tmp_path / "go", tmp_path / "out"
        script = f"echo > {begun}; while ! test -e {go}; do sleep 0.05; done; cat > {out}"
        pair.allow("x", ["/bin/sh", "-c", script])
        pair.send("x", os.urandom(500_000).hex().encode(), is_compressed=False)
        pair.send("x", b"other")
        with self.start(pair) as process:
            wait_until(begun.exists, 60, "the handler's start")
            process.send_signal(signal.SIGTERM)
            go.touch()
            assert process.wait(60) == 1
        assert out.stat().st_size in {1_000_000, 5}
        assert len(pair.received()) == 1

    def test_a_second_signal_ends_the_handler_without_an_end_of_input(
        self, pair: Pair, tmp_path: Path
    ) -> None:
        begun, acted = tmp_path / "begun", tmp_path / "acted"
        pair.allow("x", ["/bin/sh", "-c", f"echo > {begun}; sleep 600; cat > /dev/null; echo > {acted}"])
        path = pair.send("x", bytes(500_000), is_compressed=False)
        with self.start(pair) as process:
            wait_until(begun.exists, 60, "the handler's start")
            process.send_signal(signal.SIGTERM)

            def is_ended() -> bool:
                # The two must not melt into one, so the second is sent until it has been noticed.
                process.send_signal(signal.SIGTERM)
                return process.poll() is not None

            wait_until(is_ended, 60, "the end of toss")
            assert process.returncode != 0
        assert path.exists()
        assert not acted.exists()
