"""The fragments of ``postfix/``, ``exim/`` and ``conf/`` as they stand, with the places of a test in them."""

from collections.abc import Mapping

from tests.support.peers import PROJECT


def fragment(name: str, places: Mapping[str, str] | None = None) -> str:
    """A fragment, such as ``postfix/main.cf.sample``.

    Args:
        name: below the project.
        places: what stands in the fragment, each at least once, and what a test has instead.
    """
    text = (PROJECT / name).read_text()
    for there, here in (places or {}).items():
        assert there in text, f"{name} does not have {there!r}"
        text = text.replace(there, here)
    return text


def settings(text: str) -> list[str]:
    """The lines that are no comments."""
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def choice(text: str, beginning: str) -> str:
    """The one line with these first words behind the domain, whether or not it is commented out."""
    (line,) = [
        line.removeprefix("#")
        for line in text.splitlines()
        if " ".join(line.removeprefix("#").split()[1:2]).startswith(beginning)
    ]
    return line
