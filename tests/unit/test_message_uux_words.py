import pytest

from gateway.errors import UsageFault
from gateway.message.uux_words import RemoteCommand, UuxWords, parse_uux

RMAIL, RSMTP = RemoteCommand.RMAIL, RemoteCommand.RSMTP


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (
            "- -r -z -aalice@a.test -gC b!rmail bob@b.test",
            UuxWords("b", RMAIL, ("bob@b.test",), "alice@a.test"),
        ),
        (
            "-r -n -z -a alice@a.test - b!rmail (bob@b.test) (carl@b.test)",
            UuxWords("b", RMAIL, ("bob@b.test", "carl@b.test"), "alice@a.test"),
        ),
        ("-rnz -g C -p Node-B!rmail bob", UuxWords("Node-B", RMAIL, ("bob",), None)),
        ("- b!rsmtp", UuxWords("b", RSMTP, (), None)),
        ("--nouucico --stdin b!rmail x@y", UuxWords("b", RMAIL, ("x@y",), None)),
    ],
)
def test_recipes_for_uucp_are_understood(line: str, found: UuxWords) -> None:
    assert parse_uux(line.split()) == found


def test_the_command_may_be_one_word() -> None:
    assert parse_uux(["-", 'b!rmail bob@b.test "x"@b.test']).recipients == ("bob@b.test", '"x"@b.test')
    assert parse_uux(["-", "b!rmail", '("john doe"@b.test)']).recipients == ('"john doe"@b.test',)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "-",
        "rmail bob",
        "!rmail bob",
        "b!sh -c x",
        "b! bob",
        "- b!rmail <file",
        "- -Q b!rmail x",
        "--help",
        "b!rmail |x",
    ],
)
def test_what_is_no_mail_is_told(line: str) -> None:
    with pytest.raises(UsageFault):
        parse_uux(line.split())


@pytest.mark.parametrize("words", [[""], ["-", " "]])
def test_a_command_of_blanks_alone_is_none(words: list[str]) -> None:
    with pytest.raises(UsageFault):
        parse_uux(words)


@pytest.mark.parametrize("name", ["rnews", "cunbatch"])
def test_news_goes_as_send_uucp_hands_it_over(name: str) -> None:
    words = parse_uux(["-", "-z", "-r", "-gd", f"b!{name}"])
    assert (words.node, words.command, words.recipients) == ("b", RemoteCommand.RNEWS, ())
