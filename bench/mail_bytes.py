"""Bytes on the wire: the packets that a mail costs at a costly link's settings, beside NNCP's recipe.

Ours takes the mails in by SMTP and makes packets of batches; their sizes divided by the messages in them
are the figure, so it holds envelope, trace field, packet header and seals. The recipe is one nncp-exec,
which compresses, for each of the same mails, with the sender in a first line and the recipient as an
argument. Mails come in an order that is shuffled once: what a mailbox sees, and not one list after the
other.

``NNCP_GATEWAY_CORPUS`` names a directory with ``index.tsv``, whose first column is the path of a mail and
whose second is its size. Without it this topic is left out.
"""

import csv
import os
import random
import sys
from collections.abc import Iterator, Sequence
from email import message_from_bytes, policy
from email.utils import parseaddr
from pathlib import Path

from bench.figures import BenchError, Figure
from bench.mail_letters import SENDER, hand_in
from bench.mail_site import Nodes, need, open_place, scaled, wait_for
from bench.packet_nodes import Pair, run_go
from gateway.errors import GatewayError
from gateway.message.address import check_mailbox
from gateway.message.lines import dot_stuff, lf_to_crlf

CORPUS_VARIABLE = "NNCP_GATEWAY_CORPUS"
SIZE_LIMIT_BYTES = 16 << 10
TARGETS = {1: 1.0, 10: 0.73, 100: 0.59, 1000: 0.48}
"""Messages of a batch: bytes a mail, as a share of the recipe's."""
COSTLY_LINK = (
    "max_age_seconds = 86400.0\nmax_bytes = 67108864\nlevel = 19\nwindow_log = 24\n"
    'urgent_nice = "P"\nbulk_nice = "P"\n'
)
"""As docs/howto/fast-and-costly-links.md has them, but for age and size."""
MAILS_LIMIT_COUNT = scaled(100_000)
Mail = tuple[str, bytes]
"""The sender, and the content with LF line ends."""


def run() -> Iterator[Figure]:
    """Take all figures of this part."""
    need("nncp-exec")
    corpus = os.environ.get(CORPUS_VARIABLE)
    if not corpus:
        raise BenchError(f"NO CORPUS: set {CORPUS_VARIABLE} to measure the bytes on the wire")
    mails = _mails(Path(corpus))
    with open_place() as place:
        sizes = _recipe_sizes(place / "go", mails)
        for count, share in TARGETS.items():
            whole_count = len(mails) // count * count
            if not whole_count:
                print(f"bench mail_bytes: no batch of {count}: {len(mails)} mails", file=sys.stderr)
                continue
            ours = _our_bytes(place / f"by{count}", mails[:whole_count], count) / whole_count
            recipe = sum(sizes[:whole_count]) / whole_count
            yield Figure(f"mail.bytes_a_mail_by_{count}", ours, recipe, share, is_share=True)


def _mails(corpus: Path) -> list[Mail]:
    """The mails that are not too large and that any mail server would take."""
    found = []
    with (corpus / "index.tsv").open(encoding="utf-8", newline="") as index:
        for row in csv.DictReader(index, delimiter="\t", quoting=csv.QUOTE_NONE):
            if int(row["bytes"]) > SIZE_LIMIT_BYTES:
                continue
            content = (corpus / row["path"]).read_bytes().replace(b"\r\n", b"\n")
            if b"\r" not in content and b"\0" not in content:
                found.append((_sender(content), content.removesuffix(b"\n") + b"\n"))
    random.Random(1).shuffle(found)
    return found[:MAILS_LIMIT_COUNT]


def _sender(content: bytes) -> str:
    """What its header names, if that can be an envelope's sender."""
    header = message_from_bytes(content.partition(b"\n\n")[0], policy=policy.compat32)
    address = parseaddr(str(header["From"] or ""))[1]
    try:
        check_mailbox(address, is_utf8_allowed=False)
    except GatewayError:
        return SENDER
    return address


def _recipe_sizes(place: Path, mails: Sequence[Mail]) -> list[int]:
    """The size of the packet that nncp-exec makes of each mail."""
    pair = Pair(place, ["/bin/true"])
    for sender, content in mails:
        front = f"Return-Path: <{sender}>\n".encode()
        run_go(pair, "a", "nncp-exec", "-noprogress", "b", "run", "bob@b.test", stdin=front + content)
    tx = pair.configs["a"].spool / pair.book("b").self_node.id.text / "tx"
    packets = [path.stat() for path in tx.iterdir() if path.is_file()]
    return [packet.st_size for packet in sorted(packets, key=lambda packet: packet.st_mtime_ns)]


def _our_bytes(place: Path, mails: Sequence[Mail], count: int) -> int:
    """The size of all packets that batches of so many make of the mails."""
    place.mkdir()
    place.chmod(0o755)
    nodes = Nodes(place, batch=f"{COSTLY_LINK}max_messages = {count}\n")
    wanted_count = len(mails) // count
    with nodes.a.serving():
        contents = [dot_stuff(lf_to_crlf(content)) for _, content in mails]
        hand_in(nodes.a.port(), contents, connections=1, senders=[sender for sender, _ in mails])
        wait_for(lambda: len(nodes.a.packets(nodes.b.id)) >= wanted_count, f"{wanted_count} packets")
    return sum(path.stat().st_size for path in nodes.a.packets(nodes.b.id))
