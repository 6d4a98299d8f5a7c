import pytest

from gateway.nntp.article import (
    MANDATORY_FIELDS,
    Article,
    ArticleLimits,
    Reason,
    Rejection,
    age_rejection,
    field_value,
    header_fields,
    is_message_id,
    read_article,
    shown,
)
from tests.support.articles import FIELDS, POSTED_SECONDS, article, article_of


def reason_of(data: bytes, limits: ArticleLimits | None = None) -> Reason:
    found = read_article(data, limits)
    assert isinstance(found, Rejection), found
    assert found.text.isprintable()
    return found.reason


def test_sound_article_says_where_it_may_go() -> None:
    data = article(
        Newsgroups="misc.test,\r\n\talt.test , misc.test",
        Distribution="local, world",
        Control="cancel <2@p.test>",
        Approved="m@a.test",
        Injection_Date="Fri, 20 Nov 2026 12:00:00 +0000",
    )
    found = read_article(data, message_id="<1@p.test>")
    assert found == Article(
        message_id="<1@p.test>",
        newsgroups=("misc.test", "alt.test"),
        path="a.news.test!x!not-for-mail",
        date_seconds=POSTED_SECONDS,
        injection_seconds=1795176000.0,
        distributions=("local", "world"),
        control="cancel <2@p.test>",
        is_approved=True,
        has_xref=False,
        size_bytes=len(data),
        header_bytes=data.index(b"\r\n\r\n") + 2,
    )
    assert found.posted_seconds == 1795176000.0


def test_line_of_20000_characters_and_eight_bits_are_legal() -> None:
    for body in ("x" * 20_000 + "\r\n", "ö\r\n", "", "no line end"):
        found = read_article(article(body, Subject="ü" * 200, X_Long="y" * 20_000))
        assert isinstance(found, Article)
        assert found.posted_seconds == POSTED_SECONDS


@pytest.mark.parametrize("name", MANDATORY_FIELDS)
def test_article_needs_each_mandatory_field_once(name: str) -> None:
    without = {key: value for key, value in FIELDS.items() if key != name}
    assert reason_of(article_of(without)) is Reason.MISSING
    assert reason_of(article_of({**without, name: " "})) is Reason.MISSING
    twice = article_of({**FIELDS, name.upper() if name.upper() != name else name.lower(): FIELDS[name]})
    assert reason_of(twice) is Reason.DUPLICATE_FIELD


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (article("a\0b\r\n"), Reason.NUL),
        (article("a\rb\r\n"), Reason.BARE_CR),
        (article("a\nb\r\n"), Reason.BARE_LF),
        (article(Subject="a\nb"), Reason.BARE_LF),
        (article()[:-8], Reason.NO_BODY),
        (b"", Reason.NO_BODY),
        (b"\r\n" + article(), Reason.MISSING),
        (b"nonsense\r\n" + article(), Reason.BAD_HEADER),
        (b" folded: first\r\n" + article(), Reason.BAD_HEADER),
        (b"X-Y:no blank\r\n" + article(), Reason.BAD_HEADER),
        (b"X Y: blank in name\r\n" + article(), Reason.BAD_HEADER),
        (article(Message_ID="<1@p.test"), Reason.BAD_MESSAGE_ID),
        (article(Message_ID="<1@p.test> x"), Reason.BAD_MESSAGE_ID),
        (article(Message_ID=f"<{'1' * 250}@p.test>"), Reason.BAD_MESSAGE_ID),
        (article(Newsgroups=","), Reason.BAD_NEWSGROUPS),
        (article(Newsgroups="a b"), Reason.BAD_NEWSGROUPS),
        (article(Newsgroups=",".join(f"g{n}" for n in range(300))), Reason.BAD_NEWSGROUPS),
        (article(Date="yesterday"), Reason.BAD_DATE),
        (article(Injection_Date="yesterday"), Reason.BAD_DATE),
        (article("x" * 1_000_000), Reason.TOO_LARGE),
        (article(X_Long="x" * 40_000), Reason.HEADER_TOO_LARGE),
        (article(**{f"X-{n}": "x" * 20_000 for n in range(4)}), Reason.HEADER_TOO_LARGE),
    ],
)
def test_what_is_wrong_with_an_article_has_a_name(data: bytes, reason: Reason) -> None:
    assert reason_of(data) is reason


def test_field_without_value_is_taken_if_it_is_not_needed() -> None:
    assert isinstance(read_article(b"X-Empty:\r\n" + article()), Article)


def test_article_must_be_the_one_that_was_announced() -> None:
    found = read_article(article(), message_id="<2@p.test>")
    assert isinstance(found, Rejection)
    assert found.reason is Reason.WRONG_MESSAGE_ID


def test_age_counts_from_injection_if_that_is_known() -> None:
    found = read_article(article())
    assert isinstance(found, Article)
    day = 86400.0
    assert age_rejection(found, POSTED_SECONDS + 9 * day, max_age_seconds=10 * day) is None
    old = age_rejection(found, POSTED_SECONDS + 11 * day, max_age_seconds=10 * day)
    assert old is not None
    assert old.reason is Reason.TOO_OLD
    assert age_rejection(found, POSTED_SECONDS + 11 * day, max_age_seconds=None) is None
    early = age_rejection(found, POSTED_SECONDS - 2 * day, max_age_seconds=None)
    assert early is not None
    assert early.reason is Reason.FUTURE
    injected = found._replace(injection_seconds=POSTED_SECONDS + 5 * day)
    assert age_rejection(injected, POSTED_SECONDS + 11 * day, max_age_seconds=10 * day) is None


@pytest.mark.parametrize("text", ["<a@b>", "<a..b.@b.c>", "<a$b/c+d@[127.0.0.1]>", "<%20=@x>"])
def test_message_ids(text: str) -> None:
    assert is_message_id(text)


@pytest.mark.parametrize(
    "text", ["", "a@b", "<a>", "<a@>", "<@b>", "<a b@c>", "<a@b>c", "<a@b\n>", "<ö@b>", "<a@b@c>"]
)
def test_what_is_no_message_id(text: str) -> None:
    assert not is_message_id(text)


def test_fields_are_found_in_any_case_and_unfolded() -> None:
    data = b"Subject: a\r\n\tb\r\nsubject: c\r\nnonsense\r\n\r\nSubject: d\r\n"
    assert field_value(data, "SUBJECT") == b"a\tb"
    assert field_value(data, "X") is None
    assert [(field.name, field.value) for field in header_fields(data)] == [
        (b"subject", b"a\tb"),
        (b"subject", b"c"),
    ]


def test_what_is_shown_is_printable_and_short() -> None:
    assert shown(b"a\r\nb\xff" + b"x" * 100) == "a??b\ufffd" + "x" * 75
