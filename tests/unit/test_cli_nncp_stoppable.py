import signal
import sys
from pathlib import Path

from tests.support.nncp_verbs import verb_environ
from tests.support.processes import Running, is_alive, wait_until

WAIT_SECONDS = 60

PROGRAM = """
import asyncio, subprocess, sys
from gateway.cli.nncp.stoppable import run_stoppable

async def work(end_seconds):
    child = subprocess.Popen(["sleep", "600"], process_group=0)
    print("child", child.pid, flush=True)
    try:
        await asyncio.sleep(600 if end_seconds else 0)
    finally:
        print("ending", flush=True)
        await asyncio.sleep(end_seconds)
        child.kill()
        child.wait()
    return 5

print("result", run_stoppable(work(float(sys.argv[1])), lambda: print("asked", flush=True)), flush=True)
"""


def start(log: Path, end_seconds: float) -> Running:
    """A program whose work takes so long to end; 0: it ends by itself."""
    return Running([sys.executable, "-c", PROGRAM, str(end_seconds)], log, env=verb_environ())


def wait_said(program: Running, text: str) -> None:
    program.wait_ready(lambda: text in program.log.read_text(), WAIT_SECONDS, text)


def test_work_that_ends_gives_its_result(tmp_path: Path) -> None:
    with start(tmp_path / "log", 0) as program:
        assert program.wait(WAIT_SECONDS) == 0
    assert program.log.read_text().endswith("ending\nresult 5\n")


def test_first_signal_lets_the_work_end_well(tmp_path: Path) -> None:
    with start(tmp_path / "log", 0.1) as program:
        wait_said(program, "child")
        program.send_signal(signal.SIGTERM)
        assert program.wait(WAIT_SECONDS) == 0
    assert program.log.read_text().endswith("asked\nending\nresult None\n")


def test_second_signal_ends_the_process_and_its_children_at_once(tmp_path: Path) -> None:
    with start(tmp_path / "log", 600) as program:
        wait_said(program, "child")
        program.send_signal(signal.SIGINT)
        wait_said(program, "ending")
        program.send_signal(signal.SIGTERM)
        assert program.wait(WAIT_SECONDS) == 1
    words = program.log.read_text().split()
    child = int(words[words.index("child") + 1])
    wait_until(lambda: not is_alive(child), WAIT_SECONDS, "the end of the child")
