"""Addresses, lines and header fields: what passes is harmless; garbage raises only our own errors."""

import re

from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadAddress, GatewayError
from gateway.message.address import (
    PATH_LIMIT_BYTES,
    check_mailbox,
    domain_of,
    is_option_like,
    local_part_of,
    parse_path,
)
from gateway.message.header import header_section_end, header_value, hop_count, received_line
from gateway.message.lines import crlf_chunks, find_stray, lf_chunks, lf_to_crlf
from gateway.message.sendmail import split_recipients, split_return_path, write_sendmail_body

ADDRESS_TEXT = st.text(
    alphabet=st.sampled_from('ab0.@"\\<>[]:- ,;_é\u2028\r\n\0%') | st.characters(), max_size=30
)
LINES = st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b"\0", b".", b"\xff"]), max_size=20).map(
    b"".join
)


@given(ADDRESS_TEXT)
def test_address_that_passes_is_harmless_and_comes_back_from_a_path(text: str) -> None:
    try:
        check_mailbox(text, is_utf8_allowed=True)
    except BadAddress:
        return
    raw = f"<{text}>".encode()
    assert len(raw) <= PATH_LIMIT_BYTES
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", text)
    assert parse_path(raw + b" X=1", is_utf8_allowed=True) == (text, b"X=1")
    assert domain_of(text)
    assert is_option_like(text) == local_part_of(text).startswith("-")
    assert split_return_path(b"".join(write_sendmail_body(text, []))) == (text, b"")


@given(
    st.binary(max_size=40) | ADDRESS_TEXT.map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.tuples(st.booleans(), st.booleans()),
)
def test_path_garbage_raises_only_bad_address(raw: bytes, flags: tuple[bool, bool]) -> None:
    is_utf8_allowed, is_recipient = flags
    for candidate in (raw, b"<" + raw + b">"):
        try:
            address, parameters = parse_path(
                candidate, is_utf8_allowed=is_utf8_allowed, is_recipient=is_recipient
            )
        except BadAddress as error:
            said = str(error)
        else:
            said = ""
            assert address == "" or address.lower() == "postmaster" or "@" in address
            assert address.isascii() or is_utf8_allowed
            assert find_stray(parameters) is None
        assert said.isprintable()


@given(LINES)
def test_stray_is_found_where_a_slow_look_finds_it(data: bytes) -> None:
    slow = re.search(rb"\r(?!\n)|(?<!\r)\n|\0", data)
    found = find_stray(data)
    assert (found is None) == (slow is None)
    if found is not None and slow is not None:
        assert found[1] == slow.start()


@given(LINES, st.integers(1, 5))
def test_line_ends_are_the_same_in_chunks_and_at_once(data: bytes, size: int) -> None:
    chunks = [data[i : i + size] for i in range(0, len(data), size)]
    for convert in (crlf_chunks, lf_chunks):
        outcomes = []
        for pieces in ([data], chunks):
            try:
                outcomes.append(repr(b"".join(convert(pieces))))
            except GatewayError as error:
                outcomes.append(str(error))
        assert outcomes[0] == outcomes[1]


@given(LINES.map(lambda data: data.replace(b"\0", b"").replace(b"\r", b"")))
def test_lines_of_a_pipe_come_back(data: bytes) -> None:
    kept = lf_to_crlf(data)
    assert find_stray(kept) is None
    assert b"".join(lf_chunks([kept])) == data


@given(st.text(max_size=60), st.text(max_size=20))
def test_received_is_one_field_whatever_the_client_says(greeting: str, ip: str) -> None:
    raw = received_line(
        from_helo=greeting, from_ip=ip, by="gw.test", protocol="ESMTP", queue_id="q",
        for_recipient=None, unix_seconds=0,
    )  # fmt: skip
    assert find_stray(raw) is None
    assert raw.isascii()
    assert hop_count(raw) == 1
    assert header_section_end(raw) == len(raw)
    value = header_value(raw, "Received", limit_chars=1000)
    assert value is not None
    assert value.endswith("by gw.test with ESMTP id q;\tThu, 01 Jan 1970 00:00:00 +0000".replace("\t", "?"))


@given(st.binary(max_size=200), st.sampled_from(["A", "Message-ID"]))
def test_header_garbage_is_read_without_an_error(data: bytes, name: str) -> None:
    end = header_section_end(data)
    assert 0 <= end <= len(data)
    assert hop_count(data[:end]) >= 0
    value = header_value(name.encode() + b":" + data, name, limit_chars=50)
    assert value is not None
    assert value == "" or value.isprintable()
    assert len(value) <= 50


@given(st.lists(st.integers(1, 200), max_size=40), st.integers(20, 255))
def test_recipients_are_shared_out_without_loss(sizes: list[int], limit_bytes: int) -> None:
    recipients = ["r" * size + "@b.test" for size in sizes]
    try:
        groups = split_recipients(b"sendmail", recipients, limit_bytes=limit_bytes)
    except BadAddress:
        assert max(len(address) for address in recipients) + len("sendmail") + 1 > limit_bytes
        return
    assert [address for group in groups for address in group] == recipients
    for group, following in zip(groups, [*groups[1:], ()], strict=False):
        path = "\0".join(("sendmail", *group))
        assert len(path) <= limit_bytes
        assert not following or len(path) + 1 + len(following[0]) > limit_bytes
