"""Fuzz the decoders, as many at once as there are processors: ``./run fuzz [TARGET...] [SECONDS]``.

With atheris each is guided by coverage, and what it learns is kept in ``.cache/fuzz`` for the next
time; without it the inputs are changed blindly. Exit status 1: something else than a
``GatewayError`` came out; the input is in a file then, and ``./run fuzz TARGET FILE`` tries it again.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

from tests.fuzz.mutate import changed_inputs
from tests.fuzz.stages import silence_logs
from tests.fuzz.targets import TARGETS

PROJECT = Path(__file__).resolve().parents[2]
KEPT = PROJECT / ".cache" / "fuzz"
DEFAULT_SECONDS = 60
JOB_LIMIT = 4
"""Each may take 2 GiB of memory."""
MEMORY = Path("/dev/shm")  # noqa: S108 -- a directory of its own is made there
ENDED = b"stat::number_of_executed_units:"


def main(words: list[str]) -> int:
    """Run what the words name.

    Args:
        words: targets, none for all; a number, the seconds for each; or files to try.
    """
    names = [word for word in words if word in TARGETS]
    numbers = [word for word in words if word.isdecimal()]
    files = [Path(word) for word in words if word not in TARGETS and not word.isdecimal()]
    missing = [str(path) for path in files if not path.is_file()]
    if missing or len(numbers) > 1 or (files and len(names) != 1):
        print(f"fuzz: {' '.join(words)}: allowed: [TARGET...] [SECONDS], or TARGET FILE...", file=sys.stderr)
        print(f"fuzz: targets: {' '.join(TARGETS)}", file=sys.stderr)
        return 64
    if files:
        for path in files:
            TARGETS[names[0]].run(path.read_bytes())
        print(f"{names[0]}: {len(files)} inputs, no finding")
        return 0
    seconds = int(numbers[0]) if numbers else DEFAULT_SECONDS
    is_guided = importlib.util.find_spec("atheris") is not None
    fuzz = _guided if is_guided else _blind
    print(f"fuzz: {'guided by coverage' if is_guided else 'blind: atheris is not installed'}", flush=True)
    job_count = min(JOB_LIMIT, len(os.sched_getaffinity(0)))
    with ProcessPoolExecutor(job_count, initializer=silence_logs) as jobs:
        return max(jobs.map(fuzz, names or TARGETS, repeat(seconds)))


def _guided(name: str, seconds: int) -> int:
    KEPT.mkdir(parents=True, exist_ok=True)
    prefix = KEPT / f"{name}-"
    argv = [sys.executable, "-m", "tests.fuzz.guided", name, str(seconds), str(KEPT / name), str(prefix)]
    # libFuzzer ends a process without a chance to clean up.
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=MEMORY if MEMORY.is_dir() else None) as place:
        environ = {**os.environ, "TMPDIR": place}
        done = subprocess.run(argv, cwd=PROJECT, capture_output=True, check=False, env=environ)
    counts = [line.split()[-1] for line in done.stderr.splitlines() if line.startswith(ENDED)]
    print(f"{name}: {int(counts[0]) if counts else 0} inputs, exit status {done.returncode}", flush=True)
    if done.returncode:
        sys.stderr.write((done.stdout[-4000:] + done.stderr[-4000:]).decode("utf-8", "replace"))
    return min(done.returncode, 1)


def _blind(name: str, seconds: int) -> int:
    end = time.monotonic() + seconds
    count = 0
    for data in changed_inputs(TARGETS[name], time.time_ns()):
        try:
            TARGETS[name].run(data)
        except Exception:  # noqa: BLE001 - every exception is a finding
            KEPT.mkdir(parents=True, exist_ok=True)
            path = KEPT / f"{name}-crash-{count}"
            path.write_bytes(data)
            traceback.print_exc()
            print(f"{name}: a finding in {path}", file=sys.stderr)
            return 1
        count += 1
        if time.monotonic() > end:
            break
    print(f"{name}: {count} inputs", flush=True)
    return 0


if __name__ == "__main__":
    silence_logs()
    sys.exit(main(sys.argv[1:]))
