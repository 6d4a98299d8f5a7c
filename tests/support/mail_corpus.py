"""Real and hostile mails, which belong to their senders and are not part of this project.

The environment variable NNCP_GATEWAY_CORPUS names a folder of real mails, NNCP_GATEWAY_TORTURE one of
hostile and broken ones, each with ``index.tsv`` (columns path, from_line, has_nul, ...) and the files that it
lists. In the first lie ``dkim/keys.txt`` and ``dkim/verified.tsv`` as well: signatures that verify, and the
keys to do it with.
"""

import csv
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import dkim
import pytest

REAL = "NNCP_GATEWAY_CORPUS"
HOSTILE = "NNCP_GATEWAY_TORTURE"

Key = Callable[..., bytes | None]


def corpus(variable: str) -> Path:
    """The folder that a variable names; the test is skipped when it is not set."""
    name = os.environ.get(variable, "")
    if not name:
        pytest.skip(f"{variable} is not set: it names the folder of mails that this test sends through")
    assert (Path(name) / "index.tsv").is_file(), f"{variable}: no index.tsv in {name}"
    return Path(name)


def rows(path: Path) -> list[dict[str, str]]:
    """A table with tabs between its columns."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def content_of(folder: Path, row: Mapping[str, str]) -> bytes:
    """A file of the corpus as a mail with LF line ends; what is no line end in it stays."""
    content = (folder / row["path"]).read_bytes()
    if row["from_line"] == "1":
        content = content.partition(b"\n")[2]
    content = content.replace(b"\r\n", b"\n")
    return content if content.endswith(b"\n") else content + b"\n"


def keys_of(corpus: Path) -> Key:
    """A look-up that stands in for the DNS."""
    records = {}
    for line in (corpus / "dkim/keys.txt").read_text().splitlines():
        name, tab, record = line.partition("\t")
        if tab and not name.startswith("#"):
            records[name.lower()] = record.encode()

    def look_up(name: bytes, timeout: int = 5) -> bytes | None:
        return records.get(name.decode().rstrip(".").lower())

    return look_up


def verifying(message: bytes, key: Key) -> set[int]:
    """Which of the signatures verify, by their place."""
    raw = re.sub(rb"\r?\n", b"\r\n", message)
    count = len(re.findall(rb"(?im)^dkim-signature:", raw.partition(b"\r\n\r\n")[0]))
    found = set()
    for index in range(count):
        verifier = dkim.DKIM(raw, minkey=512)
        try:
            if verifier.verify(idx=index, dnsfunc=key):
                found.add(index)
        except dkim.DKIMException:
            continue
    return found
