"""Connections through pipes: inherited ones, and those to a command.

Contract: a command is a process group of its own; it is ended some seconds after its connection.
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import subprocess

from gateway.carry.online.wire import THIN_BYTES, Wire

THIN_PIPE_BYTES = 4096
"""The least that a pipe can hold."""

COMMAND_PREFIX = "|"
PATIENCE_SECONDS = 5.0
"""How long a command may take to end by itself."""
TERMINATE_SECONDS = 2.0


class Descriptors:
    """A wire's channel: pipes, or devices."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing: int | None = writing

    def limit(self, chunk_bytes: int) -> None:
        """Bound what a pipe holds."""
        if chunk_bytes < THIN_BYTES and self._writing is not None:
            with contextlib.suppress(OSError):
                fcntl.fcntl(self._writing, fcntl.F_SETPIPE_SZ, THIN_PIPE_BYTES)

    def end_writing(self) -> None:
        """Close the pipe that is written to."""
        if self._writing is not None:
            fd, self._writing = self._writing, None
            os.close(fd)

    def close(self) -> None:
        """Close both."""
        self.end_writing()
        os.close(self._reading)


class Command:
    """A running command whose input and output are the connection.

    Args:
        command: for ``/bin/sh -c``.

    Raises:
        OSError: it can't be started.
    """

    def __init__(self, command: str) -> None:
        read_end, its_output = os.pipe()
        its_input, write_end = os.pipe()
        try:
            # The command comes from our configuration, never from a neighbour.
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", command], stdin=its_input, stdout=its_output, process_group=0
            )
        except BaseException:
            os.close(read_end)
            os.close(write_end)
            raise
        finally:
            os.close(its_input)
            os.close(its_output)
        self.wire = Wire(read_end, write_end, Descriptors(read_end, write_end), COMMAND_PREFIX + command)

    @property
    def status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.poll()

    async def end(self) -> None:
        """Wait for its end, and bring it about when that takes long."""
        self.wire.abort()
        for seconds, number in ((PATIENCE_SECONDS, signal.SIGTERM), (TERMINATE_SECONDS, signal.SIGKILL)):
            if await asyncio.to_thread(self._has_ended, seconds):
                return
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
        await asyncio.to_thread(self._process.wait)

    def _has_ended(self, seconds: float) -> bool:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True
