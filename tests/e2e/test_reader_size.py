"""A newsreader asks a large group for its overview: it comes at once, and takes no memory by its size."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.bookshelf import open_store, written
from tests.support.gateways import clean_environ
from tests.support.peers import PROJECT

PAGE_COUNT = 200
LINES_COUNT = 10_000
LIMIT_SECONDS = 0.2
LIMIT_MIB = 50

# Reads all of a group page by page, as the endpoint does, and its beginning four times more; tells the
# largest resident set, and the best time that 10,000 lines took of the processor.
_READ = """
import json, sys, time
from pathlib import Path
from gateway.durable import Disk
from gateway.nntp.events import Range
from gateway.reader.store import ReaderStore
from gateway.reader.values import ReaderRules

count, lines, best = 0, int(sys.argv[2]), 1e9
with ReaderStore(Path(sys.argv[1]), Disk(), ReaderRules("gw.test")) as store:
    last = store.group("misc.test").high
    for start in [*range(1, last, lines), 1, 1, 1, 1]:
        began = time.process_time()
        for first in range(start, start + lines, 1000):
            count += len(store.overview("misc.test", Range(first, first + 999)))
        best = min(best, time.process_time() - began)
    store.header("Subject", "misc.test", Range(1, 1000))
    store.header("Path", "misc.test", Range(1, 1000))
# Not getrusage: that counts what the parent had before exec.
status = Path("/proc/self/status").read_text()
peak_kib = status.partition("VmHWM:")[2].split()[0]
print(json.dumps({"count": count, "seconds": best, "mib": int(peak_kib) / 1024}))
"""


@pytest.mark.parametrize("count", [LINES_COUNT, pytest.param(100_000, marks=pytest.mark.soak)])
def test_ten_thousand_lines_of_overview_come_at_once(tmp_path: Path, count: int) -> None:
    """Ten thousand lines take less than 0.2 s, and memory stays the same with a hundred thousand articles."""
    with open_store(tmp_path) as store:
        for start in range(0, count, PAGE_COUNT):
            store.add([written(number, body="hello\n" * 20) for number in range(start, start + PAGE_COUNT)])
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(tmp_path), str(LINES_COUNT)],
        capture_output=True,
        check=True,
        timeout=120,
        env=clean_environ(PYTHONPATH=str(PROJECT)),
    )
    told = json.loads(done.stdout)
    assert told["count"] == count + 4 * LINES_COUNT
    assert told["seconds"] < LIMIT_SECONDS
    assert told["mib"] < LIMIT_MIB
