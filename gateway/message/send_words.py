"""The command line of ``nncp-gateway send``: a sender, and recipients."""

from collections.abc import Sequence

from gateway.errors import UsageFault

_ALLOWED = "allowed: -f SENDER -- RECIPIENT..."


def parse_send(arguments: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Read the words behind the command's name.

    Returns:
        Sender, "" for the null sender, and recipients.

    Raises:
        UsageFault: an option that is not known, no sender, or no recipient.
    """
    sender: str | None = None
    recipients: list[str] = []
    words = list(arguments)
    while words:
        word = words.pop(0)
        if word == "--":
            recipients += words
            break
        if word in {"-f", "--sender"} and words:
            sender = words.pop(0)
        elif word.startswith("--sender="):
            sender = word.partition("=")[2]
        elif word.startswith("-f") and len(word) > len("-f"):
            sender = word[2:]
        elif word.startswith("-"):
            raise UsageFault(f"No such option or no value: {word}; {_ALLOWED}")
        else:
            recipients.append(word)
    if sender is None:
        raise UsageFault(f"Missing option -f; {_ALLOWED}")
    if not recipients:
        raise UsageFault(f"Missing argument RECIPIENT; {_ALLOWED}")
    return "" if sender == "<>" else sender, tuple(recipients)
