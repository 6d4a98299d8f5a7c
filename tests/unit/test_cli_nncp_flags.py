import pytest

from gateway import __version__
from gateway.cli.nncp.flags import (
    Flag,
    Kind,
    Parsed,
    Verb,
    parse,
    switch,
    text,
    unsigned,
    usage_of,
    wrong_usage,
)

VERB = Verb(
    "try",
    "try the flags",
    ("[options] NODE", "[options] area:AREA"),
    (
        text("word", "Any word", "x"),
        switch("on", "Switch it on"),
        unsigned("many", "How many", 7),
        Flag("sum", Kind.INT, "Any number", -1),
        switch("version", "Print the version"),
        switch("warranty", "Print the warranty"),
    ),
    "And that is all.",
)


def parsed(*arguments: str) -> Parsed:
    result = parse(VERB, list(arguments))
    assert isinstance(result, Parsed)
    return result


def test_absent_flags_have_their_defaults() -> None:
    found = parsed()
    assert (found.text("word"), found.switch("on"), found.number("many"), found.number("sum")) == (
        "x",
        False,
        7,
        -1,
    )
    assert found.given == frozenset()
    assert found.arguments == ()
    assert found.text("absent") == ""
    assert not found.switch("absent")


@pytest.mark.parametrize("arguments", [["-word", "a b"], ["--word", "a b"], ["-word=a b"], ["--word=a b"]])
def test_text_in_all_spellings(arguments: list[str]) -> None:
    found = parsed(*arguments)
    assert found.text("word") == "a b"
    assert found.given == {"word"}


def test_value_may_look_like_a_flag_and_hold_equals_signs() -> None:
    assert parsed("-word", "-on").text("word") == "-on"
    assert parsed("-word", "--").text("word") == "--"
    assert parsed("-word=a=b").text("word") == "a=b"
    assert parsed("-word=").text("word") == ""


def test_boolean_takes_a_value_only_after_an_equals_sign() -> None:
    assert parsed("-on", "false") == parsed("-on=1", "false")
    assert parsed("-on", "false").arguments == ("false",)
    assert not parsed("-on=F").switch("on")
    assert not parsed("-on", "-on=false").switch("on")


@pytest.mark.parametrize(
    ("arguments", "rest"),
    [
        (["a", "-on"], ("a", "-on")),
        (["--", "-on"], ("-on",)),
        (["-"], ("-",)),
        (["", "-on"], ("", "-on")),
        (["-on", "--", "--", "a"], ("--", "a")),
    ],
)
def test_flags_end_at_the_first_argument(arguments: list[str], rest: tuple[str, ...]) -> None:
    assert parsed(*arguments).arguments == rest


@pytest.mark.parametrize(
    ("written", "number"), [("0", 0), ("12", 12), ("0x1F", 31), ("010", 8), ("0o10", 8), ("1_000", 1000)]
)
def test_numbers_in_all_bases(written: str, number: int) -> None:
    assert parsed("-many", written).number("many") == number
    assert parsed("-sum", f"-{written}").number("sum") == -number


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-bad"], "flag provided but not defined: -bad"),
        (["-word"], "flag needs an argument: -word"),
        (["-on=2"], 'invalid boolean value "2" for -on: parse error'),
        (["-many", "x"], 'invalid value "x" for flag -many: parse error'),
        (["-many", "-1"], 'invalid value "-1" for flag -many: parse error'),
        (["-many", "1_"], 'invalid value "1_" for flag -many: parse error'),
        (["-many", "٣"], 'invalid value "٣" for flag -many: parse error'),
        (["-many", str(2**64)], f'invalid value "{2**64}" for flag -many: value out of range'),
        (["-sum", str(2**63)], f'invalid value "{2**63}" for flag -sum: value out of range'),
        (["---on"], "bad flag syntax: ---on"),
        (["-=1"], "bad flag syntax: -=1"),
        (["--=1"], "bad flag syntax: --=1"),
    ],
)
def test_wrong_flag_is_status_2_with_the_usage(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert parse(VERB, arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"{said}\n{usage_of(VERB)}\n"


def test_smallest_number_of_all() -> None:
    assert parsed("-sum", str(-(2**63))).number("sum") == -(2**63)


@pytest.mark.parametrize("flag", ["-h", "--help", "-help"])
def test_help_is_status_0(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(VERB, [flag]) == 0
    assert capsys.readouterr().err == usage_of(VERB) + "\n"


def test_wrong_use_is_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert wrong_usage(VERB) == 1
    assert capsys.readouterr().err == usage_of(VERB) + "\n"


def test_version_and_warranty_are_printed_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(VERB, ["-version"]) == 0
    assert __version__ in capsys.readouterr().out
    assert parse(VERB, ["-warranty", "-version"]) == 0
    assert "Apache License" in capsys.readouterr().out


def test_usage_has_the_shape_of_gos() -> None:
    assert usage_of(VERB).splitlines()[2:] == [
        "",
        "nncp-try -- try the flags",
        "",
        "Usage: nncp-try [options] NODE",
        "       nncp-try [options] area:AREA",
        "Options:",
        "  -many uint",
        "    \tHow many (default 7)",
        "  -on",
        "    \tSwitch it on",
        "  -sum int",
        "    \tAny number (default -1)",
        "  -version",
        "    \tPrint the version",
        "  -warranty",
        "    \tPrint the warranty",
        "  -word string",
        '    \tAny word (default "x")',
        "And that is all.",
    ]
