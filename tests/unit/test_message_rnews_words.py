"""The command line of rnews, as batchers write it."""

import pytest

from gateway.errors import UsageFault
from gateway.message.rnews_words import parse_rnews


@pytest.mark.parametrize(
    ("words", "name"),
    [([], ""), (["-N"], ""), (["-vN"], ""), (["-h", "inn"], "inn"), (["-Nhinn", "-v"], "inn"), (["-h"], "")],
)
def test_options_that_change_nothing_and_the_one_that_does(words: list[str], name: str) -> None:
    assert parse_rnews(words) == name


@pytest.mark.parametrize("words", [["-U"], ["-r", "host"], ["batch"], ["-N", "batch"], ["-Nx"]])
def test_what_would_be_something_else_is_told(words: list[str]) -> None:
    with pytest.raises(UsageFault):
        parse_rnews(words)
