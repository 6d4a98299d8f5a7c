"""Memory stays flat while files are sent, carried, tossed and put together, however large they are."""

import hashlib
import resource
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

import pytest

from tests.support.files import allow_files, allow_requests
from tests.support.memory import LIMIT_MIB, MIB_BYTES, peak_mib, pieces
from tests.support.nncp_verbs import verb_argv
from tests.support.tossing import Pair

SIZE_MIB = 96
SOAK_MIB = 1536
CHUNK_KIB = 5000
"""No divisor of the size, and many chunks."""
SMALL_FILES_COUNT = 3000

Steps = dict[str, float]


class Journey:
    """A file on its way from a to b, and what each step took."""

    def __init__(self, directory: Path) -> None:
        self.pair = Pair(directory)
        self.incoming = allow_files(self.pair)
        self.asked = allow_files(self.pair, at="a", sender="b")
        self.offered = allow_requests(self.pair)
        self.stick = directory / "stick"
        self.stick.mkdir()
        self.configs = {name: f"-cfg={self.pair.write_config(name)}" for name in ("a", "b")}
        self.steps: Steps = {}

    def run(self, at: str, verb: str, *arguments: str | Path, source: Iterable[bytes] = ()) -> None:
        """Run a verb and note its memory."""
        argv = verb_argv(verb, self.configs[at], *arguments)
        self.steps[f"{verb} {' '.join(map(str, arguments))} at {at}"] = peak_mib(argv, source)

    def carry(self, source: str, target: str) -> None:
        """Take the packets of one node to the other, and toss them there."""
        self.run(source, "xfer", "-mkdir", "-tx", self.stick)
        self.run(target, "xfer", "-rx", self.stick)
        self.run(target, "toss")
        assert self.pair.received(target, source) == []

    def check(self) -> None:
        """No step took more than the limit."""
        assert max(self.steps.values()) < LIMIT_MIB, self.steps


def write_file(path: Path, size_mib: int) -> str:
    """Write a file; returns its hash."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for piece in pieces(size_mib):
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def hash_of(file: IO[bytes]) -> str:
    """The hash of what is left to read of a file, which is closed then."""
    digest = hashlib.sha256()
    with file:
        while chunk := file.read(MIB_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def send_whole(directory: Path, size_mib: int) -> None:
    journey = Journey(directory)
    wanted = write_file(directory / "large", size_mib)
    journey.run("a", "file", directory / "large", "b:there/large")
    journey.carry("a", "b")
    assert hash_of((journey.incoming / "there/large").open("rb")) == wanted
    journey.check()


def send_in_chunks(directory: Path, size_mib: int) -> None:
    journey = Journey(directory)
    wanted = hashlib.sha256()
    for piece in pieces(size_mib):
        wanted.update(piece)
    journey.run("a", "file", "-chunked", str(CHUNK_KIB), "-", "b:large", source=pieces(size_mib))
    journey.carry("a", "b")
    assert len(list(journey.incoming.glob("large.nncp.chunk*"))) == -(-size_mib * 1024 // CHUNK_KIB)
    journey.run("b", "reass", journey.incoming / "large.nncp.meta")
    assert [path.name for path in journey.incoming.iterdir()] == ["large"]
    assert hash_of((journey.incoming / "large").open("rb")) == wanted.hexdigest()
    journey.check()


def send_a_directory(directory: Path, size_mib: int) -> None:
    """Half in one file, the rest in several, and many that are small."""
    journey = Journey(directory)
    tree = directory / "tree"
    sizes = {"half": size_mib // 2, "sub/one": size_mib // 4, "sub/other": size_mib // 4}
    (tree / "sub").mkdir(parents=True)
    wanted = {f"tree/{name}": write_file(tree / name, size) for name, size in sizes.items()}
    for number in range(SMALL_FILES_COUNT):
        (tree / f"small-{number}").write_bytes(b"x" * number)
    journey.run("a", "file", tree, "b:")
    journey.carry("a", "b")
    found, small_count = {}, 0
    with tarfile.open(journey.incoming / "tree.tar", "r|") as tar:
        for entry in tar:
            content = tar.extractfile(entry)
            if entry.name in wanted and content is not None:
                found[entry.name] = hash_of(content)
            small_count += (entry.name, entry.size) == (f"tree/small-{entry.size}", entry.size)
    assert (found, small_count) == (wanted, SMALL_FILES_COUNT)
    journey.check()


def ask_for_a_file(directory: Path, size_mib: int) -> None:
    journey = Journey(directory)
    wanted = write_file(journey.offered / "large", size_mib)
    journey.run("a", "freq", "b:large", "got")
    journey.carry("a", "b")
    journey.carry("b", "a")
    assert hash_of((journey.asked / "got").open("rb")) == wanted
    journey.check()


JOURNEYS = [send_whole, send_in_chunks, send_a_directory, ask_for_a_file]


@pytest.mark.parametrize("journey", JOURNEYS)
def test_a_file_of_96_mib(tmp_path: Path, journey: Callable[[Path, int], None]) -> None:
    """A file about as large as the limit goes through with far less memory than that."""
    journey(tmp_path, SIZE_MIB)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("journey", JOURNEYS)
def test_a_file_of_1536_mib(place: Path, journey: Callable[[Path, int], None]) -> None:
    """A file fifteen times as large as the limit takes no more memory than a small one."""
    soft, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert soft == resource.RLIM_INFINITY, "the limit on file sizes is too small for this test"
    journey(place, SOAK_MIB)
