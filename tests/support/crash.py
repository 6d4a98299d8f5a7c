"""Stops a program for real at its k-th step on disk: a child process that ends without cleaning up."""

import os
from collections.abc import Callable
from pathlib import Path

from gateway.durable import Disk

STOPPED = 42
FAILED = 43


def run_until_step(last_step: int, work: Callable[[Disk], None]) -> tuple[bool, list[str]]:
    """Run ``work`` in a child process that dies right before its step number ``last_step``.

    No ``finally`` and no ``except`` of the program runs, no buffer is flushed: as with kill -9.

    Args:
        last_step: counted from 0 over every announced step of the ``Disk``.
        work: what to do with that disk.

    Returns:
        Whether the child was stopped (False: it came to its end), and the names of its steps.
    """
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        _run_in_child(last_step, work, write_end)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        steps = pipe.read().decode().split("\n")[:-1]
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in {0, STOPPED}:
        raise AssertionError(f"the child ended with {code} after the steps {steps}")
    return code == STOPPED, steps


def _run_in_child(last_step: int, work: Callable[[Disk], None], pipe: int) -> None:
    count = 0

    def hook(step: str, _path: Path) -> None:
        nonlocal count
        if count == last_step:
            os._exit(STOPPED)
        count += 1
        os.write(pipe, f"{step}\n".encode())

    try:
        work(Disk(is_syncing=False, hook=hook))
    except BaseException:  # noqa: BLE001 - a forked child must never return into pytest
        import traceback  # noqa: PLC0415 - only in this case

        traceback.print_exc()
        os._exit(FAILED)
    os._exit(0)
