"""Tests of the words in which neighbours ask."""

import pytest

from gateway.nntp.remote_words import COMMANDS_LIMIT_COUNT, Verb, read_commands


@pytest.mark.parametrize(
    ("line", "verb", "pattern"),
    [
        ("+comp.lang.c", Verb.SUBSCRIBE, "comp.lang.c"),
        ("  + comp.* ", Verb.SUBSCRIBE, "comp.*"),
        ("-comp.*", Verb.UNSUBSCRIBE, "comp.*"),
        ("%list", Verb.LIST, None),
        ("%Rescan", Verb.RESCAN, None),
        ("%RESCAN comp.*", Verb.RESCAN, "comp.*"),
        ("%RESCAN comp.*,misc.*", Verb.STRANGE, None),
        ("%LIST all", Verb.STRANGE, None),
        ("+", Verb.STRANGE, None),
        ("+!comp.*", Verb.STRANGE, None),
        ("+@comp.*", Verb.STRANGE, None),
        ("+comp.*,misc.*", Verb.STRANGE, None),
        ("+comp.[a]", Verb.STRANGE, None),
        ("+comp x", Verb.STRANGE, None),
        ("Hello there", Verb.STRANGE, None),
    ],
)
def test_a_line_is_one_command(line: str, verb: Verb, pattern: str | None) -> None:
    (command,) = read_commands(line)
    assert (command.verb, command.pattern) == (verb, pattern)


def test_quotes_and_what_stands_behind_a_signature_mean_nothing() -> None:
    assert [each.line for each in read_commands("> +a.b\n\n# x\n%LIST\n-- \n+c.d\n")] == ["%LIST"]


def test_a_letter_is_not_read_to_its_end() -> None:
    assert len(read_commands("Dear Sir or Madam\n" * 100)) == 5
    assert len(read_commands("+comp.x\n" * 10_000)) == COMMANDS_LIMIT_COUNT
