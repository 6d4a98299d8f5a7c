"""Running a handler: what it gets, what it may do, and that it never sees a false end of input."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import BadBlock
from gateway.toss.exec_handler import OUTPUT_CUT, Command, HandlerFailed, HandlerLimits, run_handler
from tests.support.descriptors import open_files
from tests.support.processes import is_alive, slowness, wait_until

LIMITS = HandlerLimits(timeout_seconds=300, output_limit_bytes=1000)


def shell(script: str) -> Command:
    return Command((b"/bin/sh", b"-c", script.encode()), {})


def test_a_handler_gets_its_input_and_only_the_given_environment() -> None:
    command = Command((b"/usr/bin/env",), {"NNCP_SELF": "self"})
    assert run_handler(command, [], LIMITS) == b"NNCP_SELF=self\n"
    assert run_handler(shell("/bin/cat"), [b"some ", b"input"], LIMITS) == b"some input"


def test_arguments_are_passed_as_bytes_without_a_shell() -> None:
    command = Command((b"/usr/bin/printf", b"[%s]", b"$HOME", b"", b"\xff *"), {})
    assert run_handler(command, [], LIMITS) == b"[$HOME][][\xff *]"


def test_a_name_without_a_slash_is_found_in_our_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "my-handler"
    program.write_text('#!/bin/sh\necho "$0" "${PATH-no path}"')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    output = run_handler(Command((b"my-handler",), {}), [], LIMITS)
    assert output.startswith(str(program).encode())


@pytest.mark.parametrize("name", ["no-such-command", "/no/such/command", "/etc/hostname"])
def test_a_command_that_cannot_be_started_is_named(name: str) -> None:
    with pytest.raises(HandlerFailed, match=name):
        run_handler(Command((name.encode(),), {}), [b"input"], LIMITS)


def test_a_file_that_is_no_program_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "broken"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    with pytest.raises(HandlerFailed, match="broken"):
        run_handler(Command((bytes(program),), {}), [], LIMITS)


def test_both_outputs_are_captured_in_order() -> None:
    assert run_handler(shell("echo one; echo two >&2; echo three"), [], LIMITS) == b"one\ntwo\nthree\n"


def test_output_over_the_limit_is_dropped_but_does_not_block() -> None:
    output = run_handler(shell("/usr/bin/head -c 300000 /dev/zero"), [], LIMITS)
    assert output == bytes(LIMITS.output_limit_bytes) + OUTPUT_CUT


def test_a_handler_that_answers_while_it_reads_does_not_block() -> None:
    limits = HandlerLimits(30, 10_000_000)
    body = [os.urandom(100_000) for _ in range(30)]
    assert run_handler(shell("/bin/cat"), body, limits) == b"".join(body)


@pytest.mark.parametrize("script", ["/bin/cat >/dev/null; cat {fifo}", "exec <&-; cat {fifo}"])
def test_other_work_is_done_while_the_handler_has_all_of_its_input_and_works(
    tmp_path: Path, script: str
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    called: list[str] = []

    def meanwhile() -> None:
        called.append("meanwhile")
        fifo.write_bytes(b"it goes on")

    command = Command((b"/bin/sh", b"-c", script.format(fifo=fifo).encode()), {"PATH": os.defpath})
    body = [os.urandom(100_000) for _ in range(30)]
    assert run_handler(command, body, LIMITS, meanwhile) == b"it goes on"
    assert called == ["meanwhile"]


@pytest.mark.parametrize(
    ("script", "text"),
    [("exit 3", "exit status 3"), ("kill -9 $$", "signal 9 \\(SIGKILL\\)"), ("kill -TERM $$", "SIGTERM")],
)
def test_a_bad_end_is_told_with_the_output(script: str, text: str) -> None:
    with pytest.raises(HandlerFailed, match=text) as caught:
        run_handler(shell(f"echo before; {script}"), [b"input"], LIMITS)
    assert caught.value.output == b"before\n"
    assert caught.value.is_temporary


def test_a_handler_that_reads_nothing_and_ends_well_is_satisfied() -> None:
    body = (b"x" * 100_000 for _ in range(100))
    assert run_handler(shell("exit 0"), body, LIMITS) == b""


def test_a_handler_that_reads_nothing_and_ends_badly_has_failed() -> None:
    body = (b"x" * 100_000 for _ in range(100))
    with pytest.raises(HandlerFailed, match="exit status 1"):
        run_handler(shell("exit 1"), body, LIMITS)


def test_output_that_stays_open_in_the_background_is_not_waited_for(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    started = time.monotonic()
    run_handler(shell(f"/bin/sleep 600 & echo $! > {pid_file}; echo done"), [b"input"], LIMITS)
    pid = int(pid_file.read_text())
    try:
        assert time.monotonic() - started < 200
        assert is_alive(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


def test_a_handler_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    # Its shell must have begun by then.
    limits = HandlerLimits(timeout_seconds=2 * slowness(), output_limit_bytes=100)
    with pytest.raises(HandlerFailed, match=r"did not end within \d") as caught:
        run_handler(shell(f"echo begun; /bin/sleep 600 & echo $! > {pid_file}; wait"), [b"input"], limits)
    assert caught.value.output == b"begun\n"
    pid = int(pid_file.read_text())
    wait_until(lambda: not is_alive(pid), 60, "the end of the child")


def test_a_handler_that_reads_too_slowly_is_killed() -> None:
    limits = HandlerLimits(timeout_seconds=0.3, output_limit_bytes=100)
    with pytest.raises(HandlerFailed, match="did not end"):
        run_handler(shell("/bin/sleep 600"), (b"x" * 100_000 for _ in range(100)), limits)


@pytest.mark.parametrize("reader", ["/bin/cat", "/bin/sh -c '/bin/cat; exit 0' | /bin/cat"])
def test_when_its_input_fails_the_handler_never_sees_an_end(tmp_path: Path, reader: str) -> None:
    got, acted = tmp_path / "got", tmp_path / "acted"

    def failing() -> Iterator[bytes]:
        yield b"x" * 200_000
        wait_until(lambda: got.exists() and got.stat().st_size > 0, 60, "the handler to read")
        raise BadBlock("a later block is bad")

    with pytest.raises(BadBlock):
        run_handler(shell(f"{reader} > {got}; echo acted > {acted}"), failing(), LIMITS)
    assert got.stat().st_size > 0
    assert not acted.exists()


def test_what_a_failed_handler_left_behind_is_killed_before_its_input_ends(tmp_path: Path) -> None:
    acted, pid_file = tmp_path / "acted", tmp_path / "pid"
    # A shell gives what it starts in the background an empty input, hence the descriptor 3.
    script = f"exec 3<&0; (/bin/cat <&3 > /dev/null; echo acted > {acted}) & echo $! > {pid_file}; exit 7"

    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * 10_000

    with pytest.raises(HandlerFailed, match="exit status 7"):
        run_handler(shell(script), endless(), LIMITS)
    pid = int(pid_file.read_text())
    wait_until(lambda: not is_alive(pid), 60, "the end of the child")
    assert not acted.exists()


def test_no_descriptor_is_left_open() -> None:
    before = open_files("pipe:"), open_files("[pidfd]")
    run_handler(shell("/bin/cat"), [b"input"], LIMITS)
    with pytest.raises(HandlerFailed):
        run_handler(shell("exit 1"), [b"input"], LIMITS)
    for part, known in zip(("pipe:", "[pidfd]"), before, strict=True):
        assert not open_files(part) - known


def test_a_handler_does_not_inherit_our_files(tmp_path: Path) -> None:
    with (tmp_path / "open").open("w"):
        listed = run_handler(shell("/bin/ls /proc/self/fd"), [], LIMITS).split()
    assert set(listed) <= {b"0", b"1", b"2", b"3"}
