from email import message_from_bytes, policy

from hypothesis import given
from hypothesis import strategies as st

from gateway.message.dsn import (
    LINE_LIMIT_BYTES,
    Action,
    Letterhead,
    Original,
    RecipientReport,
    header_of,
    write_report,
)

HEAD = Letterhead("b.test", "1.report@b.test", "b0undary", 1_000_000_000)
HOSTILE = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "x\r\nBcc: eve@evil.test",
            "x\n\n--b0undary.0--",
            "\u2028\u0085\x0b\x0c\x00",
            "\ud800",
            "--b0undary.0",
            "y" * 5000,
            "ä" * 1000,
        ]
    ),
)
OWN_FIELDS = {
    "Date",
    "From",
    "To",
    "Subject",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
}
STATUS_FIELDS = {
    "Reporting-MTA",
    "Original-Envelope-Id",
    "Arrival-Date",
    "Original-Recipient",
    "Final-Recipient",
    "Action",
    "Status",
    "Diagnostic-Code",
    "Last-Attempt-Date",
    "Will-Retry-Until",
}
REPORTS = st.builds(
    RecipientReport,
    recipient=HOSTILE,
    action=st.just(Action.FAILED),
    status=HOSTILE,
    text=HOSTILE,
    orcpt=st.none() | HOSTILE | HOSTILE.map(lambda text: f"rfc822;{text}"),
    where=HOSTILE,
    last_attempt_seconds=st.none() | st.just(1e9),
)
CONTENT = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([b"\r\n--b0undary.0--\r\n", b"\r\n--b0undary.0\r\n--b0undary.1\r\n", b"--b0undary.0--"]),
)
ORIGINALS = st.builds(
    Original,
    sender=HOSTILE,
    message_id=HOSTILE,
    envid=st.none() | HOSTILE,
    queue_id=st.just("0123456789abcdef"),
    arrival_seconds=st.just(1e9),
    origin=HOSTILE,
    returned=CONTENT.map(lambda data: data.replace(b"\r", b"").replace(b"\n", b"\r\n")),
    is_whole=st.booleans(),
    is_smtputf8=st.booleans(),
)


@given(ORIGINALS, st.lists(REPORTS, min_size=1, max_size=3))
def test_no_content_adds_a_field_a_part_or_a_line_that_is_too_long(
    original: Original, reports: list[RecipientReport]
) -> None:
    raw = write_report(HEAD, original, tuple(reports))
    message = message_from_bytes(raw, policy=policy.compat32)
    assert set(message.keys()) <= OWN_FIELDS
    assert len(message.keys()) == len(set(message.keys()))
    parts = message.get_payload()
    assert isinstance(parts, list)
    assert len(parts) == 2 + bool(original.returned)
    boundary = message.get_boundary()
    assert boundary is not None
    body = raw.partition(b"\r\n\r\n")[2]
    assert body.count(boundary.encode()) == len(parts) + 1
    pieces = raw.split(b"\r\n--" + boundary.encode())
    ours = b"".join(pieces[:3])
    assert b"\r\n\r\n\r\n" not in pieces[2]
    assert all(len(line) <= LINE_LIMIT_BYTES for line in ours.split(b"\r\n"))
    assert b"\r" not in ours.replace(b"\r\n", b"")
    assert b"\n" not in ours.replace(b"\r\n", b"")
    groups = pieces[2].partition(b"\r\n\r\n")[2].rstrip(b"\r\n").split(b"\r\n\r\n")
    assert len(groups) == 1 + len(reports)
    for group in groups:
        names = [line.partition(b":")[0].decode() for line in group.split(b"\r\n")]
        assert set(names) <= STATUS_FIELDS
        assert len(names) == len(set(names))


@given(st.binary(max_size=300).map(lambda data: data.replace(b"\r", b"").replace(b"\n", b"\r\n")))
def test_the_header_is_the_beginning_of_the_message_in_whole_lines(data: bytes) -> None:
    header = header_of(data)
    assert data.startswith(header)
    assert header == b"" or header.endswith(b"\r\n")
    assert b"\r\n\r\n" not in header
