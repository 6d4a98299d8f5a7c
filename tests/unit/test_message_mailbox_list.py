import pytest

from gateway.errors import BadAddress
from gateway.message.mailbox_list import parse_mailboxes


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        (" bob@b.test", ["bob@b.test"]),
        ("bob@b.test, carl@c.test;dora@d.test,", ["bob@b.test", "carl@c.test", "dora@d.test"]),
        ("Bob <bob@b.test>", ["bob@b.test"]),
        ('"Bob, the <first>" <bob@b.test>', ["bob@b.test"]),
        ("J. R. Ewing <jr@b.test>, x@y <z@b.test>", ["jr@b.test", "z@b.test"]),
        ("Bob (the (very) first, \\) that is) <bob@b.test> (yes)", ["bob@b.test"]),
        ('"john doe"@b.test, "a\\"b"@b.test', ['"john doe"@b.test', '"a\\"b"@b.test']),
        ("bob @ b . test", ["bob@b.test"]),
        ("<@relay,@hub:bob@b.test>", ["bob@b.test"]),
        (
            "friends: bob@b.test, Carl <carl@c.test>;, dora@d.test",
            ["bob@b.test", "carl@c.test", "dora@d.test"],
        ),
        ("undisclosed-recipients:;", []),
        ("friends: bob@b.test", ["bob@b.test"]),
        ("Bob\r\n <bob@b.test>,\r\n\tcarl@c.test\r\n", ["bob@b.test", "carl@c.test"]),
        ("bob@[192.0.2.1]", ["bob@[192.0.2.1]"]),
        ("root", ["root"]),
        ("grüße@bücher.test", ["grüße@bücher.test"]),
        ("=?utf-8?q?Bob=2C?= <bob@b.test>", ["bob@b.test"]),
    ],
)
def test_addresses_are_found(text: str, found: list[str]) -> None:
    assert parse_mailboxes(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "bob@b.test carl@c.test",
        "Bob Carl",
        "Bob <bob@b.test",
        "Bob bob@b.test>",
        "<bob@b.test> <carl@c.test>",
        "<bob@b.test> carl@c.test",
        "<>",
        '"Bob <bob@b.test>',
        "Bob (x <bob@b.test>",
        "Bob) <bob@b.test>",
        "[bob",
        "bob\\@b.test",
        "<bob@b.test, carl@c.test>",
    ],
)
def test_what_is_unclear_is_refused(text: str) -> None:
    with pytest.raises(BadAddress):
        parse_mailboxes(text)


def test_work_grows_with_the_length_only() -> None:
    assert len(parse_mailboxes("a@b," * 100_000)) == 100_000
    for bad in ("(" * 200_000, '"' + "\\" * 200_001, "<" * 200_000):
        with pytest.raises(BadAddress):
            parse_mailboxes(bad)
