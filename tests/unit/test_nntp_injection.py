import pytest

from gateway.nntp.article import Reason, Rejection
from gateway.nntp.injection import (
    MODERATORS,
    ForModerator,
    Injected,
    Injector,
    Poster,
    moderator_address,
    moderator_mail,
)
from tests.support.articles import POSTED_SECONDS, article

NEW_ID = "<new@us.test>"
GROUPS = {"misc.test", "alt.test", "comp.mod"}
POSTER = Poster("192.0.2.7", "alice")


def injector() -> Injector:
    return Injector("us.test", GROUPS.__contains__, {"comp.mod"}.__contains__, complaints_to="abuse@us.test")


def inject(data: bytes, poster: Poster = POSTER) -> Injected | ForModerator | Rejection:
    return injector().inject(data, poster, POSTED_SECONDS, NEW_ID)


def test_posting_without_id_and_date_gets_all_that_an_article_needs() -> None:
    found = inject(article(Path=None, Message_ID=None, Date=None))
    assert isinstance(found, Injected)
    assert found.data == (
        b"Path: us.test!.POSTED.192.0.2.7!not-for-mail\r\n"
        b'Injection-Info: us.test;\r\n\tposting-host="192.0.2.7";\r\n\tposting-account="alice";\r\n'
        b'\tmail-complaints-to="abuse@us.test"\r\n'
        b"Injection-Date: Fri, 20 Nov 2026 11:52:24 +0000\r\n"
        b"Message-ID: <new@us.test>\r\n"
        b"Date: Fri, 20 Nov 2026 11:52:24 +0000\r\n"
        b"From: j@a.test\r\nNewsgroups: misc.test\r\nSubject: t1\r\n\r\nbody\r\n"
    )
    assert found.article.message_id == NEW_ID
    assert found.article.injection_seconds == POSTED_SECONDS


def test_posting_with_its_own_id_and_date_keeps_them_and_gets_no_injection_date() -> None:
    found = inject(article(Path="x!\r\n y"), Poster())
    assert isinstance(found, Injected)
    assert found.article.message_id == "<1@p.test>"
    assert found.article.injection_seconds is None
    assert found.article.path == "us.test!.POSTED!x!y"
    assert b"posting-host" not in found.data


def test_injection_date_of_the_poster_stays() -> None:
    found = inject(article(Injection_Date="Thu, 19 Nov 2026 00:00:00 +0000", Message_ID=None))
    assert isinstance(found, Injected)
    assert found.article.injection_seconds == 1795046400.0


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (article(From=None), Reason.MISSING),
        (article(Newsgroups=None), Reason.MISSING),
        (article(Subject=None), Reason.MISSING),
        (article(Injection_Info="us.test"), Reason.NOT_ALLOWED),
        (article(Xref="us.test a:1"), Reason.NOT_ALLOWED),
        (article(Path="x!.POSTED.y!z"), Reason.NOT_ALLOWED),
        (article(Path=".POSTED!z"), Reason.NOT_ALLOWED),
        (article(Approved="me@a.test"), Reason.UNAPPROVED),
        (article(Date="Fri, 27 Nov 2026 11:52:24 +0000"), Reason.FUTURE),
        (article(Newsgroups="no.such.group"), Reason.UNKNOWN_GROUP),
        (article(Message_ID="bad"), Reason.BAD_MESSAGE_ID),
        (article("a\0b"), Reason.NUL),
        (b"\r\n" + article(), Reason.MISSING),
        (b"a: b\r\n" * 200_000 + article(), Reason.HEADER_TOO_LARGE),
    ],
)
def test_what_can_not_be_posted_is_said_why(data: bytes, reason: Reason) -> None:
    found = inject(data)
    assert isinstance(found, Rejection)
    assert found.reason is reason


def test_article_for_a_moderated_group_goes_to_the_first_of_its_moderators() -> None:
    found = inject(article(Newsgroups="misc.test,comp.mod", Message_ID=None, To="x@y"))
    assert isinstance(found, ForModerator)
    assert found.group == "comp.mod"
    mail = moderator_mail(found, moderator_address(MODERATORS, found.group))
    assert mail.startswith(b"To: comp-mod@moderators.isc.org\r\nMessage-ID: <new@us.test>\r\n")
    assert b"Newsgroups: misc.test,comp.mod\r\n" in mail
    assert b"Path:" not in mail
    assert b"x@y" not in mail


def test_moderator_approves() -> None:
    data = article(Newsgroups="misc.test,comp.mod", Approved="mod@us.test")
    assert isinstance(inject(data, Poster(is_moderator=True)), Injected)


def test_names_of_the_poster_can_not_break_a_field() -> None:
    found = inject(article(Path=None), Poster('a"\r\nX: b', 'c\\"d\0'))
    assert isinstance(found, Injected)
    assert b'posting-host="a???X: b"' in found.data
    assert b'posting-account="c??d?"' in found.data
    assert b"\nX:" not in found.data
