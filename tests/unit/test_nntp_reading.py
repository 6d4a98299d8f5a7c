import pytest

from gateway.nntp.events import (
    Access,
    ArticleRequested,
    Event,
    GroupFigures,
    GroupRequested,
    HdrRequested,
    ListKeyword,
    ListRequested,
    NeighbourRequested,
    NewgroupsRequested,
    NewnewsRequested,
    OverRequested,
    Part,
    Range,
    Retrieved,
    Selection,
)
from gateway.nntp.reading import parse_range
from gateway.nntp.server import ServerDialogue, ServerSettings
from gateway.nntp.wildmat import Wildmat

FIGURES = GroupFigures("misc.test", 3, 7, 5)
DATA = b"A: b\r\n\r\n.dot\r\n\r\n"


def reader(*, is_newnews_on: bool = False) -> ServerDialogue:
    return ServerDialogue(ServerSettings("us.test", is_newnews_on=is_newnews_on), Access(may_read=True))


def in_group() -> ServerDialogue:
    server = reader()
    server.receive_data(b"GROUP misc.test\r\n")
    server.answer_group(1, FIGURES)
    assert server.data_to_send() == b"211 5 3 7 misc.test\r\n"
    return server


def asked(server: ServerDialogue, line: str) -> Event:
    (event,) = server.receive_data(line.encode() + b"\r\n")
    return event


def said(server: ServerDialogue, line: str) -> str:
    assert server.receive_data(line.encode() + b"\r\n") == []
    return server.data_to_send().decode()


def here(first: int, last: int | None, *, is_current: bool = False) -> Selection:
    return Selection(group="misc.test", numbers=Range(first, last), is_current=is_current)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        *(("5", Range(5, 5)), ("5-", Range(5, None)), ("5-9", Range(5, 9)), ("9-5", Range(9, 5))),
        *(("0", Range(0, 0)), ("", None), ("-5", None), ("a", None), ("5-9-", None)),
        *(("9999999999", None), ("1-9999999999", None)),
    ],
)
def test_ranges(text: str, found: Range | None) -> None:
    assert parse_range(text) == found


def test_what_slrn_asks_before_it_is_in_a_group() -> None:
    assert said(reader(), "XOVER") == "412 no newsgroup selected\r\n"
    assert said(reader(), "XHDR Path") == "412 no newsgroup selected\r\n"
    assert said(reader(), "NEXT") == "412 no newsgroup selected\r\n"
    assert said(reader(), "LISTGROUP") == "412 no newsgroup selected\r\n"


def test_group_that_is_not_there_leaves_the_client_where_it_is() -> None:
    server = in_group()
    assert asked(server, "GROUP no.such") == GroupRequested(2, "no.such", None)
    server.answer_group(2, None)
    assert server.data_to_send() == b"411 no such newsgroup\r\n"
    assert asked(server, "STAT") == ArticleRequested(3, Part.STAT, here(3, 3, is_current=True))


def test_listgroup_gives_numbers() -> None:
    server = in_group()
    assert asked(server, "LISTGROUP") == GroupRequested(2, "misc.test", Range(1, None))
    server.answer_group(2, FIGURES, iter((3, 5)))
    assert server.data_to_send() == b"211 5 3 7 misc.test list follows\r\n3\r\n5\r\n.\r\n"
    assert asked(server, "listgroup alt.test 4-") == GroupRequested(3, "alt.test", Range(4, None))


def test_empty_group_has_no_current_article() -> None:
    server = reader()
    server.receive_data(b"GROUP misc.test\r\n")
    server.answer_group(1, GroupFigures("misc.test", 8, 7, 0))
    server.data_to_send()
    for line in ("ARTICLE", "NEXT", "OVER"):
        assert said(server, line) == "420 the current article number is not valid\r\n"


@pytest.mark.parametrize(
    ("part", "answer"),
    [
        (Part.ARTICLE, b"220 3 <1@a>\r\nA: b\r\n\r\n..dot\r\n\r\n.\r\n"),
        (Part.HEAD, b"221 3 <1@a>\r\nA: b\r\n.\r\n"),
        (Part.BODY, b"222 3 <1@a>\r\n..dot\r\n\r\n.\r\n"),
        (Part.STAT, b"223 3 <1@a>\r\n"),
    ],
)
def test_parts_of_an_article(part: Part, answer: bytes) -> None:
    server = in_group()
    assert asked(server, part.value) == ArticleRequested(2, part, here(3, 3, is_current=True))
    server.answer_retrieval(2, Retrieved(3, "<1@a>", DATA))
    assert server.data_to_send() == answer


def test_article_by_number_becomes_the_current_one_and_by_name_does_not() -> None:
    server = in_group()
    asked(server, "ARTICLE 5")
    server.answer_retrieval(2, Retrieved(5, "<5@a>", DATA))
    assert asked(server, "ARTICLE <6@a>") == ArticleRequested(3, Part.ARTICLE, Selection("<6@a>"))
    server.answer_retrieval(3, Retrieved(0, "<6@a>", DATA))
    assert asked(server, "NEXT") == NeighbourRequested(4, "misc.test", 5, is_next=True)
    server.answer_neighbour(4, (7, "<7@a>"))
    assert asked(server, "last") == NeighbourRequested(5, "misc.test", 7, is_next=False)
    server.answer_neighbour(5, None)
    server.data_to_send()
    assert asked(server, "NEXT") == NeighbourRequested(6, "misc.test", 7, is_next=True)
    server.answer_neighbour(6, None)
    assert server.data_to_send() == b"421 no next article\r\n"


@pytest.mark.parametrize(("argument", "status"), [("", b"420"), (" 4", b"423"), (" <1@a>", b"430")])
@pytest.mark.parametrize("command", ["ARTICLE", "STAT", "OVER", "HDR Subject"])
def test_article_that_is_not_there(command: str, argument: str, status: bytes) -> None:
    server = in_group()
    event = asked(server, command + argument)
    if isinstance(event, ArticleRequested):
        server.answer_retrieval(2, None)
    else:
        server.answer_lines(2, None)
    assert server.data_to_send()[:3] == status


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("XOVER 90-95", b"224 overview information follows\r\n.\r\n"),
        ("XHDR Subject 90-95", b"221 headers follow\r\n.\r\n"),
        ("XHDR Subject <1@a>", b"430 no such article\r\n"),
        ("XOVER", b"420 the current article number is not valid\r\n"),
    ],
)
def test_range_of_an_old_command_may_be_empty(line: str, answer: bytes) -> None:
    server = in_group()
    asked(server, line)
    server.answer_lines(2, None)
    assert server.data_to_send() == answer


def test_overview() -> None:
    server = in_group()
    assert asked(server, "XOVER 1-10") == OverRequested(2, here(1, 10), is_old=True)
    server.answer_lines(2, [b"3\ta", b".5\tb"])
    assert server.data_to_send() == b"224 overview information follows\r\n3\ta\r\n..5\tb\r\n.\r\n"
    assert asked(server, "OVER <1@a>") == OverRequested(3, Selection("<1@a>"))
    assert not server.wants_data


def test_long_answer_leaves_piece_by_piece() -> None:
    server = in_group()
    asked(server, "OVER 1-")
    server.begin_lines(2)
    assert server.data_to_send().startswith(b"224")
    server.more_lines(2, [b"a"])
    assert server.data_to_send() == b"a\r\n"
    assert not server.wants_data
    server.end_lines(2)
    assert server.data_to_send() == b".\r\n"
    assert server.wants_data


@pytest.mark.parametrize(
    ("line", "event", "status"),
    [
        ("HDR Subject 1-2", HdrRequested(2, "Subject", here(1, 2)), b"225"),
        ("HDR :lines", HdrRequested(2, ":lines", here(3, 3, is_current=True)), b"225"),
        ("XHDR From 5-", HdrRequested(2, "From", here(5, None), is_old=True), b"221"),
        (
            "XHDR From <1@a>",
            HdrRequested(2, "From", Selection("<1@a>"), is_id_shown=True, is_old=True),
            b"221",
        ),
        (
            "XPAT Subject 1- *a* b*",
            HdrRequested(2, "Subject", here(1, None), Wildmat.parse("*a*,b*"), is_old=True),
            b"221",
        ),
    ],
)
def test_single_fields(line: str, event: HdrRequested, status: bytes) -> None:
    server = in_group()
    assert asked(server, line) == event
    server.answer_lines(2, [b"3 x"])
    assert server.data_to_send().startswith(status)


@pytest.mark.parametrize(
    ("line", "event", "status"),
    [
        ("LIST", ListRequested(1, ListKeyword.ACTIVE, None), b"215"),
        ("list active comp.*", ListRequested(1, ListKeyword.ACTIVE, Wildmat.parse("comp.*")), b"215"),
        ("LIST ACTIVE.TIMES", ListRequested(1, ListKeyword.ACTIVE_TIMES, None), b"215"),
        ("LIST COUNTS", ListRequested(1, ListKeyword.COUNTS, None), b"215"),
        ("LIST NEWSGROUPS a,!b", ListRequested(1, ListKeyword.NEWSGROUPS, Wildmat.parse("a,!b")), b"215"),
        ("NEWGROUPS 20261120 000000 GMT", NewgroupsRequested(1, "20261120", "000000"), b"231"),
        ("NEWGROUPS 261120 000000", NewgroupsRequested(1, "261120", "000000"), b"231"),
        (
            "NEWNEWS * 20261120 000000 GMT",
            NewnewsRequested(1, Wildmat.parse("*"), "20261120", "000000"),
            b"230",
        ),
    ],
)
def test_lists(line: str, event: Event, status: bytes) -> None:
    server = reader(is_newnews_on=True)
    assert asked(server, line) == event
    server.answer_lines(1, [b"misc.test 7 3 y"])
    answer = server.data_to_send()
    assert answer.startswith(status)
    assert answer.endswith(b"\r\nmisc.test 7 3 y\r\n.\r\n")


def test_lists_that_are_known_beforehand() -> None:
    lines = said(reader(), "LIST OVERVIEW.FMT").splitlines()
    assert lines[1:] == [
        *("Subject:", "From:", "Date:", "Message-ID:", "References:", "Bytes:", "Lines:", "Xref:full", "."),
    ]
    assert said(reader(), "LIST HEADERS").splitlines()[1:] == [":", ":bytes", ":lines", "."]
    assert said(reader(), "LIST MOTD").startswith("503")


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GROUP", "501"),
        ("GROUP a b", "501"),
        ("LISTGROUP misc.test x", "501"),
        ("ARTICLE 1-2", "501"),
        ("ARTICLE x", "501"),
        ("ARTICLE <x>", "501"),
        ("OVER x", "501"),
        ("HDR", "501"),
        ("HDR Sub:ject", "501"),
        ("HDR :foo", "503"),
        ("XPAT Subject 1-", "501"),
        ("XPAT Subject 1- [x]", "501"),
        ("LIST FOO", "501"),
        ("LIST ACTIVE a b", "501"),
        ("LIST ACTIVE a,,b", "501"),
        ("NEWGROUPS 20261301 000000", "501"),
        ("NEWGROUPS 20261120 000000 EST", "501"),
        ("NEWNEWS * 20261120 000000", "503"),
        ("NEXT 1", "501"),
    ],
)
def test_commands_that_make_no_sense(line: str, status: str) -> None:
    assert said(in_group(), line)[:3] == status
