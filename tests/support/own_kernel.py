"""Run a command under a kernel of its own: user-mode Linux, a program of Debian, sees this machine's files.

For what the running kernel lacks, such as FAT in virtual machines. The command runs as root, in a mount
namespace that ends with it.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.peers import find

PROGRAM = "linux.uml"
MODULES = Path("/usr/lib/uml/modules")
MEMORY = "1G"

_INIT = """#!{python}
import ctypes, os, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
FINIT_MODULE, POWER_OFF = 313, 0x4321FEDC
for path in {modules!r}:
    libc.syscall(FINIT_MODULE, os.open(path, os.O_RDONLY), b"", 0)
for kind, target in ((b"proc", b"/proc"), (b"tmpfs", b"/dev/shm")):
    libc.mount(kind, target, kind, 0, None)
with open({output!r}, "wb") as output:
    done = subprocess.run({argv!r}, cwd={directory!r}, env={environ!r}, stdout=output, stderr=output)
with open({status!r}, "w") as file:
    file.write(str(done.returncode))
os.sync()
libc.reboot(POWER_OFF)
"""


def has_own_kernel() -> bool:
    """Whether user-mode Linux is installed, for the processor that its modules are loaded on here."""
    return find(PROGRAM) is not None and os.uname().machine == "x86_64"


def run_in_own_kernel(
    argv: Sequence[str],
    place: Path,
    environ: Mapping[str, str],
    *,
    disk: Path,
    modules: Sequence[str],
    seconds: int,
) -> tuple[int, str]:
    """Run a command and wait for its end.

    Args:
        argv: the command.
        place: an empty directory for what this needs.
        environ: its environment.
        disk: a file that is its ``/dev/ubda``.
        modules: names of modules of the kernel, in the order in which they are loaded.
        seconds: longest time it may take, the kernel's start included.

    Returns:
        Its exit status, and what it printed.
    """
    init, output, status = place / "init", place / "output", place / "status"
    [version] = MODULES.iterdir()
    paths = [str(next(version.rglob(f"{name}.ko"))) for name in modules]
    fields = {"python": sys.executable, "modules": paths, "output": str(output), "status": str(status)}
    init.write_text(_INIT.format(argv=list(argv), directory=str(Path.cwd()), environ=dict(environ), **fields))
    init.chmod(0o755)
    kernel = [
        *(str(find(PROGRAM)), f"mem={MEMORY}", "rootfstype=hostfs", "hostfs=/", "rw", f"ubda={disk}"),
        *(f"init={init}", f"uml_dir={place}/", "con=null", "con0=null,fd:1", "quiet"),
    ]
    # The processes under that kernel are processes of this one too.
    with subprocess.Popen(
        kernel,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as running:
        try:
            said, _ = running.communicate(timeout=seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
    if not status.exists():
        raise AssertionError(f"the kernel ended without a status: {said.decode('utf-8', 'replace')[-2000:]}")
    return int(status.read_text()), output.read_text()
