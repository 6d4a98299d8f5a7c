import time

import pytest

from gateway.errors import BadAddress
from gateway.message.address import (
    MAILBOX_LIMIT_BYTES,
    check_mailbox,
    domain_of,
    has_common_domain,
    is_domain,
    is_option_like,
    local_part_of,
    parse_path,
    shown,
)

GOOD = [
    "a@b",
    "alice@example.org",
    "alice+tag=x@sub.example.org",
    "!#$%&'*+/=?^_`{|}~-@example.org",
    "-oQ/x@example.org",
    "|id@example.org",
    "a/b@example.org",
    '"a/../b"@example.org',
    '"a b"@example.org',
    '"in\\"ner"@example.org',
    '"a@b"@example.org',
    '""@example.org',
    '"<>"@example.org',
    "x@[127.0.0.1]",
    "x@[IPv6:2001:db8::1]",
    "x@[ipv6:::ffff:192.0.2.1]",
    "x@under_score.example.org",
    "x@xn--bcher-kva.example",
    f"x@{'l' * 63}.org",
    f"{'v' * 200}@example.org",
    f"x@{'.'.join(['d' * 49] * 5)}.ab",
]
GOOD_UTF8 = ["é@example.org", '"é é"@example.org', "x@bücher.example", "用户@例子.例", "x@नमस्ते.example"]
BAD = [
    "",
    "@example.org",
    "alice",
    "alice@",
    "alice@@example.org",
    "al ice@example.org",
    ".alice@example.org",
    "alice.@example.org",
    "al..ice@example.org",
    "a/../b@example.org",
    "(alice)@example.org",
    "a,b@example.org",
    "<alice@example.org>",
    '"a"b@example.org',
    '"a@example.org',
    '"a"b"@example.org',
    "alice@-example.org",
    "alice@example-.org",
    "alice@example..org",
    "alice@.example.org",
    "alice@example.org.",
    "alice@exa mple.org",
    f"alice@{'l' * 64}.org",
    "x@[127.0.0.256]",
    "x@[127.0.0.1",
    "x@[IPv6:fe80::1%eth0]",
    "x@[IPv6:zz]",
    "x@[tag:a@b]",
    "a\r\nb@example.org",
    "a\0@example.org",
    '"a\x07b"@example.org',
    '"a\\\nb"@example.org',
    "a\x7f@example.org",
    f"{'v' * (MAILBOX_LIMIT_BYTES - 1)}@b",
]
BAD_UTF8 = [
    "a\x85b@example.org",
    "a\u2028b@example.org",
    "a\u202eb@example.org",
    "a\ud800b@example.org",
    "x@a\u3002b",
    "x@a\u00a0b",
    "é" * 127 + "@b",
]


@pytest.mark.parametrize("address", GOOD)
def test_legal_address_passes_bare_and_as_a_path(address: str) -> None:
    check_mailbox(address, is_utf8_allowed=False)
    raw = f"<{address}>".encode()
    assert parse_path(raw, is_utf8_allowed=False) == (address, b"")
    assert parse_path(raw, is_utf8_allowed=False, is_recipient=True) == (address, b"")


@pytest.mark.parametrize("address", GOOD_UTF8)
def test_utf8_address_passes_only_where_utf8_is_allowed(address: str) -> None:
    check_mailbox(address, is_utf8_allowed=True)
    assert parse_path(f"<{address}>".encode(), is_utf8_allowed=True) == (address, b"")
    with pytest.raises(BadAddress, match="SMTPUTF8") as caught:
        parse_path(f"<{address}>".encode(), is_utf8_allowed=False)
    assert caught.value.status == "5.6.7"


@pytest.mark.parametrize("address", BAD + BAD_UTF8)
def test_illegal_address_is_refused(address: str) -> None:
    with pytest.raises(BadAddress):
        check_mailbox(address, is_utf8_allowed=True)
    with pytest.raises(BadAddress):
        parse_path(f"<{address}>".encode("utf-8", "surrogatepass"), is_utf8_allowed=True, is_recipient=True)


def test_longest_path_has_256_octets() -> None:
    address = "v" * (MAILBOX_LIMIT_BYTES - len("@b.test")) + "@b.test"
    assert len(f"<{address}>") == 256
    assert parse_path(f"<{address}>".encode(), is_utf8_allowed=False)[0] == address
    with pytest.raises(BadAddress, match="longer than 254 octets"):
        parse_path(f"<v{address}>".encode(), is_utf8_allowed=False)


def test_null_path_is_a_sender_and_no_recipient() -> None:
    assert parse_path(b"<>", is_utf8_allowed=False) == ("", b"")
    assert parse_path(b" <> BODY=7BIT", is_utf8_allowed=False) == ("", b"BODY=7BIT")
    with pytest.raises(BadAddress, match="empty"):
        parse_path(b"<>", is_utf8_allowed=False, is_recipient=True)


def test_bare_postmaster_is_a_recipient_and_no_sender() -> None:
    assert parse_path(b"<Postmaster>", is_utf8_allowed=False, is_recipient=True) == ("Postmaster", b"")
    with pytest.raises(BadAddress, match="has no @"):
        parse_path(b"<postmaster>", is_utf8_allowed=False)
    with pytest.raises(BadAddress, match="has no @"):
        check_mailbox("postmaster", is_utf8_allowed=False)


def test_parameters_are_returned_as_they_are() -> None:
    assert parse_path(b"<a@b> SIZE=1 BODY=8BITMIME", is_utf8_allowed=False) == (
        "a@b",
        b"SIZE=1 BODY=8BITMIME",
    )
    assert parse_path(b'<"> "@b>  X=<1>', is_utf8_allowed=False) == ('"> "@b', b"X=<1>")
    assert parse_path(b"<a@b> ", is_utf8_allowed=False) == ("a@b", b"")
    assert parse_path("<a@b> ORCPT=utf-8;é".encode(), is_utf8_allowed=True) == (
        "a@b",
        "ORCPT=utf-8;é".encode(),
    )


def test_source_route_is_dropped() -> None:
    assert parse_path(b"<@x.org,@y.org:a@b.org>", is_utf8_allowed=False) == ("a@b.org", b"")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"a@b",
        b"<a@b",
        b"a@b>",
        b"<a@b>x",
        b"<<a@b>>",
        b"<a@b><c@d>",
        b"<a@b>\r\nRCPT TO:<c@d>",
        b"<a@b> X=\0",
        b"<a@b> X=\x1b[2J",
        b"\t<a@b>",
        b"<@x.org a@b.org>",
        b"<@:a@b.org>",
        b"<@x.org:>",
        b"<\xff@b.org>",
    ],
)
def test_what_is_no_path_is_refused(raw: bytes) -> None:
    with pytest.raises(BadAddress) as caught:
        parse_path(raw, is_utf8_allowed=True)
    assert caught.value.status == "5.1.7"


def test_error_text_shows_the_address_escaped_and_cut() -> None:
    with pytest.raises(BadAddress) as caught:
        parse_path(b"<a\x1b\n" + b"b" * 5000, is_utf8_allowed=True, is_recipient=True)
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 250
    assert caught.value.status == "5.1.3"
    assert shown(b"\xff") == r"'\\xff'"


@pytest.mark.parametrize(
    "raw",
    [
        b"<a@b>" + b" " * 50_000 + b"\x80",
        b"<" + b"a." * 25_000 + b">",
        b"<a@" + b"b-" * 25_000 + b">",
        b'<"' + b'\\"' * 25_000,
        b"<" + b'""' * 25_000 + b"@",
        b"<@" + b"a.a,@" * 10_000 + b"!:x@y>",
    ],
)
def test_hostile_path_is_refused_at_once(raw: bytes) -> None:
    # Where a pattern tries every way to split these, one takes minutes.
    began_seconds = time.process_time()
    with pytest.raises(BadAddress):
        parse_path(raw, is_utf8_allowed=True)
    assert time.process_time() - began_seconds < 5


def test_domain_is_lower_case() -> None:
    assert domain_of("A@Example.ORG") == "example.org"
    assert domain_of('"a@b"@C') == "c"
    assert domain_of("x@Bücher.example") == "bücher.example"
    assert domain_of("postmaster") == ""
    assert domain_of("") == ""


def test_local_part_is_what_the_quotes_mean() -> None:
    assert local_part_of('"a\\ \\"b"@x') == 'a "b'
    assert local_part_of("a.b@x") == "a.b"
    assert local_part_of("postmaster") == "postmaster"


@pytest.mark.parametrize("address", ["-bp@b.test", '"-bp"@b.test', '"\\-bp"@b.test'])
def test_leading_dash_is_option_like(address: str) -> None:
    check_mailbox(address, is_utf8_allowed=False)
    assert is_option_like(address)


def test_dash_elsewhere_is_not_option_like() -> None:
    assert not is_option_like("a-b@-x")
    assert not is_option_like("")


def test_common_domain_is_what_exim_takes() -> None:
    assert has_common_domain("a_b@x-y.example.org")
    assert has_common_domain("postmaster")
    assert has_common_domain("é@b.test")
    for address in ("a@x_y.org", "a@bücher.example", "a@[127.0.0.1]", '"a@b"@[127.0.0.1]'):
        assert not has_common_domain(address)


def test_greeting_is_a_domain_or_a_literal_in_ascii() -> None:
    assert is_domain("mx.example.org")
    assert is_domain("[IPv6:::1]")
    for text in ("", "bücher.example", "a b", "a\r\nb", "mx.", "[x]", "mx (c)"):
        assert not is_domain(text)
