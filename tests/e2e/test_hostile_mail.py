"""What is hostile, broken or merely odd, in by every way and out by every way, each with its stated result.

docs/reference/hostile-input.md is the table of these cases for people; the names are the same there.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.hostile_mail import EXITS, FAR_LIMIT_BYTES, WAYS_IN, Arrived, HostileSite, as_handed_in
from tests.support.mail_trace import without_trace
from tests.support.peers import PROJECT

PAGE = PROJECT / "docs/reference/hostile-input.md"
ALICE = "alice@a.test"
HEAD = (
    b"From: alice@a.test\nTo: bob@b.test\nSubject: x\nDate: Fri, 20 Nov 2026 10:00:00 +0000\n"
    b"Message-ID: <1@a.test>\n"
)
MAIL = HEAD + b"\nhello\n"
RECEIVED = b"Received: from x by y; Fri, 20 Nov 2026 10:00:00 +0000\n"
PIPES = ("sendmail", "rmail", "rsmtp")
WIRES = ("smtp", "lmtp")
SMUGGLED = (
    b"MAIL FROM:<eve@a.test>\r\nRCPT TO:<smuggled@smtp.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"
)
EVERYWHERE = dict.fromkeys(WAYS_IN, "5.6.0")


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table.

    Args:
        name: as on the page.
        content: with LF line ends, as it must arrive.
        sender: of the envelope.
        local: of the recipient, in which TAG stands for what makes it the only one; with ",300" of so many.
        ways: by which it goes in.
        exits: to which it goes out.
        refused: at the door, with which status.
        dead: at which way out it is refused, with which status.
        wire: what stands behind DATA, where it differs from the content.
        piped: what a pipe gets, where it differs from the content.
        arrives: what arrives of what came in by one way, where it differs.
    """

    name: str
    content: bytes = MAIL
    sender: str = ALICE
    local: str = "TAG"
    ways: tuple[str, ...] = WAYS_IN
    exits: tuple[str, ...] = tuple(EXITS)
    refused: Mapping[str, str] = field(default_factory=dict)
    dead: Mapping[str, str] = field(default_factory=dict)
    wire: bytes | None = None
    piped: bytes | None = None
    arrives: Mapping[str, bytes] = field(default_factory=dict)

    def recipients(self, number: int, way: str) -> dict[str, str]:
        """Recipients, with the ways out to them; Exim, which is slow, has what came by SMTP and rsmtp."""
        local, _, count = self.local.replace("TAG", f"c{number}.{way}").partition(",")
        locals_ = [f"{local}.{index}" for index in range(int(count))] if count else [local]
        exits = [one for one in self.exits if one != "Exim" or way in {"smtp", "rsmtp"}]
        return {f"{one}@{name.lower()}.test": name for name in exits for one in locals_}

    def handed_in(self, way: str, recipients: list[str]) -> bytes:
        """What the way gets."""
        if way in WIRES and self.wire is not None:
            return self.wire
        if way in PIPES and self.piped is not None:
            return self.piped
        return as_handed_in(way, self.sender, recipients, self.content)


def smuggling(name: str, end: bytes) -> Case:
    """A message in which an end of data stands that is none, with another message behind it."""
    wire = b"Subject: x\r\n\r\nfirst" + end + SMUGGLED
    return Case(f"smuggling: {name}", ways=WIRES, wire=wire, refused=EVERYWHERE)


NOT_EXIM = tuple(name for name in EXITS if name != "Exim")
DASH = {"Sendmail": "5.1.3"}
CASES = (
    Case("plain"),
    Case("recipient -oQ", local="-oQ.TAG", dead=DASH),
    Case("recipient -bp", local="-bp.TAG", dead=DASH),
    Case("recipient -t", local="-t.TAG", dead=DASH),
    Case("recipient with a pipe", local="|id.TAG"),
    Case("recipient a/../b", local="a/../TAG", refused=dict.fromkeys(WAYS_IN, "5.1.3")),
    Case("recipient a/b", local="a/TAG", dead={"Maildir": "5.1.1"}),
    Case("recipient in quotes, ../b", local='"../TAG"', dead={"Maildir": "5.1.1"}),
    Case("recipient in quotes", local='"two words.TAG"'),
    Case("recipient in UTF-8", local="gr\N{LATIN SMALL LETTER U WITH DIAERESIS}n.TAG"),
    Case("sender <>", sender=""),
    Case("sender MAILER-DAEMON", sender="MAILER-DAEMON@a.test"),
    Case("sender with a space", sender='"a b"@a.test'),
    Case("sender with a quote", sender='"in\\"ner"@a.test'),
    Case("sender in UTF-8", sender="gr\N{LATIN SMALL LETTER U WITH DIAERESIS}n@a.test"),
    Case("sender -f", sender="-f@a.test", dead={"Sendmail": "5.1.7"}),
    Case("lines with dots", HEAD + b"\n.\n..\n.x\n...\nQUIT\n.\n"),
    Case("LF before the end", wire=b"Subject: x\r\n\r\nend\n\r\n.\r\n", ways=WIRES, refused=EVERYWHERE),
    Case("bare LF", wire=b"Subject: x\r\n\r\na\nb\r\n.\r\n", ways=WIRES, refused=EVERYWHERE),
    Case("bare CR", wire=b"Subject: x\r\n\r\na\rb\r\n.\r\n", ways=WIRES, refused=EVERYWHERE),
    Case(
        "bare CR in a pipe", ways=("sendmail", "rmail"), piped=b"Subject: x\n\na\rb\n", refused=EVERYWHERE
    ),
    Case(
        "mixed line ends in a pipe", ways=("sendmail", "rmail"), piped=MAIL.replace(b"\nhello", b"\r\nhello")
    ),
    smuggling("LF . LF", b"\n.\n"),
    smuggling("LF . CRLF", b"\n.\r\n"),
    smuggling("CRLF . LF", b"\r\n.\n"),
    smuggling("CR . CRLF", b"\r.\r\n"),
    smuggling("CR . CR", b"\r.\r"),
    smuggling("CRLF . CR", b"\r\n.\r"),
    smuggling("CRLF . CR CRLF", b"\r\n.\r\r\n"),
    smuggling("CR CRLF . CR CRLF", b"\r\r\n.\r\r\n"),
    smuggling("CRLF NUL . CRLF", b"\r\n\0.\r\n"),
    smuggling("CRLF . NUL CRLF", b"\r\n.\0\r\n"),
    Case("smuggling: a pipe", MAIL + b".\nMAIL FROM:<eve@a.test>\nDATA\nx\n.\n", ways=("sendmail", "rmail")),
    Case("NUL", HEAD + b"\na\0b\n", refused=EVERYWHERE),
    Case("8-bit", HEAD + b"X-Raw: \xe4\n\n" + bytes(range(128, 256)) + b"\n"),
    Case("lines of 999", HEAD + b"X-Long: " + b"a" * 991 + b"\n\n" + b"b" * 999 + b"\n"),
    Case("lines of 3000", HEAD + b"\n" + b"b" * 3000 + b"\n"),
    Case("lines of 20000", HEAD + b"\n" + b"b" * 20_000 + b"\n"),
    Case("no final newline", ways=("sendmail", "rmail"), piped=MAIL[:-1]),
    Case("empty body", HEAD + b"\n"),
    Case("no body", HEAD, exits=NOT_EXIM, arrives={"sendmail": HEAD + b"\n"}),
    Case("no header", b"\nhello\n", exits=NOT_EXIM),
    Case("neither field nor empty line", b"hello\n", exits=NOT_EXIM, arrives={"sendmail": b"\nhello\n"}),
    Case("empty message", b"", exits=NOT_EXIM, arrives={"sendmail": b"\n"}),
    Case(
        "From in the first line", b"From eve@a.test Fri Nov 20 10:00:00 2026\n" + MAIL, exits=NOT_EXIM,
        sender="eve@a.test", arrives={"sendmail": MAIL},
        piped=b"From eve@a.test Fri Nov 20 10:00:00 2026\n" + MAIL, ways=("smtp", "lmtp", "sendmail"),
    ),
    Case(
        "first line folded", b" folded\n" + MAIL, exits=NOT_EXIM,
        arrives={"sendmail": b"\n folded\n" + MAIL},
    ),
    Case("From in the body", HEAD + b"\nFrom here\n\nFrom there\n>From anywhere\n"),
    Case("31 Received", RECEIVED * 31 + MAIL, exits=NOT_EXIM),
    Case("51 Received", RECEIVED * 51 + MAIL, refused=dict.fromkeys(WAYS_IN, "5.4.6")),
    Case("50 Received", RECEIVED * 50 + MAIL, dead=dict.fromkeys(EXITS, "5.4.6")),
    Case("Delivered-To", b"Delivered-To: c@maildir.test\n" * 3 + MAIL),
    Case(
        "too large for the far side", MAIL + b"x" * 70 * (FAR_LIMIT_BYTES // 70) + b"\n" + b"y" * 80 + b"\n",
        ways=("smtp", "rsmtp"), dead=dict.fromkeys(EXITS, "5.3.4"),
    ),
    Case("300 recipients", local="TAG,300", ways=(*WIRES, "rsmtp"), exits=("Smtp", "Lmtp")),
    Case("a handler killed by a signal", local="killed.TAG", ways=("smtp",), exits=("Sendmail",)),
    Case("a handler that ends with 1", local="failed.TAG", ways=("smtp",), exits=("Sendmail",)),
)  # fmt: skip
TOLD = frozenset({"5.1.1", "5.1.3", "5.3.4", "5.4.6"})
"""Refusals that the sender hears of."""


def test_every_case_on_every_way_has_the_result_that_is_stated(place: Path) -> None:
    """Byte for byte behind each way out, or refused with the stated status at the stated place."""
    with HostileSite(place) as site:
        faults = [fault for number, case in enumerate(CASES) for fault in hand_in(site, number, case)]
        site.carry()
        site.deliver_again("Sendmail")
        expected = {
            recipient: (case, way, exit_name)
            for number, case in enumerate(CASES)
            for way in case.ways
            if way not in case.refused
            for recipient, exit_name in case.recipients(number, way).items()
        }
        refused = {one: case.dead[name] for one, (case, _, name) in expected.items() if name in case.dead}
        dead = site.dead()
        faults += [
            f"{one}: {dead.get(one)}, not {refused.get(one)}"
            for one in dead | refused
            if dead.get(one) != refused.get(one)
        ]
        found = site.arrived(
            sum(name == "Exim" for one, (_, _, name) in expected.items() if one not in refused)
        )
        for recipient in {*found, *expected} - {*refused}:
            faults += arrival_faults(recipient, found.get(recipient, []), expected.get(recipient))
        assert not faults, "\n".join(faults)
        check_bounces(site, expected)


Expected = tuple[Case, str, str]


def hand_in(site: HostileSite, number: int, case: Case) -> Iterator[str]:
    """Hand a case in by all its ways; yields what was answered other than stated."""
    for way in case.ways:
        recipients = list(case.recipients(number, way))
        status = site.hand_in(way, case.sender, recipients, case.handed_in(way, recipients))
        if status != case.refused.get(way, ""):
            yield f"{case.name} by {way}: {status}, not {case.refused.get(way)}"


def arrival_faults(recipient: str, mails: list[Arrived], expected: Expected | None) -> Iterator[str]:
    """Whether it came once, with its envelope, and every byte."""
    if expected is None or len(mails) != 1:
        yield f"{expected and expected[0].name}: {recipient} has {len(mails)} mails"
        return
    case, way, exit_name = expected
    content = case.arrives.get(way, case.content)
    added = mails[0].content.removesuffix(content)
    is_whole = added + content == mails[0].content and without_trace(added, b"") == b""
    if mails[0].sender != case.sender or not is_whole:
        yield f"{case.name}, {way} to {exit_name}: <{mails[0].sender}> {mails[0].content[:500]!r}"


def check_bounces(site: HostileSite, expected: Mapping[str, Expected]) -> None:
    """Whoever may be told of it is, once for each message; nobody else is."""
    wanted = [one for one, (case, _, name) in expected.items() if case.dead.get(name) in TOLD]
    assert Counter(site.wait_for_told(len(wanted))) == Counter(wanted)


def test_the_page_has_a_row_for_each_case() -> None:
    """What is tested is what is written down."""
    rows = re.findall(r"(?m)^\| `?([^|`]+?)`? +\|", PAGE.read_text().partition("## Batches")[0])
    assert sorted(rows[1:]) == sorted(case.name for case in CASES)
