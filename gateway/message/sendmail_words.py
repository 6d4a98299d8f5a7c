"""The command line of ``sendmail``, as mail programs, scripts and mail servers write it.

Options of any mail server's sendmail are known; those that would change nothing here are passed
over. What would make it another program (a daemon, a queue lister) is refused.

Spec: sendmail(1) of Postfix, Exim and Sendmail.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import ClassVar

from gateway.errors import UsageFault
from gateway.message.envelope import MailOptions, Notify, RecipientOptions
from gateway.message.esmtp import BadParameter, encode_xtext, with_mail_option, with_recipient_option

PASSED_OVER_FLAGS = frozenset("Umnsv")
PASSED_OVER_WITH_VALUE = frozenset("ABLOXehp")
"""-o too, but for -oi."""


class Mode(Enum):
    """What comes on standard input."""

    MESSAGE = auto()
    SMTP = auto()
    BATCH = auto()


@dataclass(slots=True)
class SendmailWords:
    """What a command line says.

    Args:
        mode: what comes on standard input.
        sender: behind -f, or None: whoever runs it.
        full_name: behind -F.
        is_scanning: -t: the header names recipients.
        is_dot_content: -i: a line with a dot alone is part of the message.
        is_passed_on: -G: the message comes from another mail system, its header stays as it is.
        options: -R and -V: what comes back with a failure, and the sender's name for the message.
        notify: -N: when to report about each recipient; empty: not said.
        recipients: as they were written.
    """

    mode: Mode = Mode.MESSAGE
    sender: str | None = None
    full_name: str | None = None
    is_scanning: bool = False
    is_dot_content: bool = False
    is_passed_on: bool = False
    options: MailOptions = field(default_factory=MailOptions)
    notify: frozenset[Notify] = frozenset()
    recipients: list[str] = field(default_factory=list)


def parse_sendmail(arguments: Sequence[str]) -> SendmailWords:
    """Read the words behind the command's name.

    Raises:
        UsageFault: an option that is not known or that can't be done here.
    """
    parser = _Parser(arguments)
    parser.run()
    return parser.found


class _Parser:
    """Reads words one after the other; options may follow recipients until ``--``."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.found = SendmailWords()
        self._words = list(arguments)

    def run(self) -> None:
        while self._words:
            word = self._words.pop(0)
            if word == "--":
                self.found.recipients += self._words
                return
            if word.startswith("-") and word != "-":
                self._take_cluster(word[1:])
            else:
                self.found.recipients.append(word)

    def _take_cluster(self, letters: str) -> None:
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter == "d":
                # A level of debugging, if any, stands right behind it.
                return
            if letter in self._VALUES or letter in PASSED_OVER_WITH_VALUE:
                value = letters or self._next_word(letter)
                try:
                    self._VALUES.get(letter, _Parser._pass_over)(self, value)
                except BadParameter as error:
                    raise UsageFault(f"-{letter}: {error}") from None
                return
            self._take_flag(letter)

    def _take_flag(self, letter: str) -> None:
        match letter:
            case "i":
                self.found.is_dot_content = True
            case "t":
                self.found.is_scanning = True
            case "G":
                self.found.is_passed_on = True
            case _ if letter not in PASSED_OVER_FLAGS:
                raise UsageFault(f"-{letter} is not an option of sendmail that works here")

    def _next_word(self, letter: str) -> str:
        if not self._words:
            raise UsageFault(f"-{letter} needs a value")
        return self._words.pop(0)

    def _take_sender(self, value: str) -> None:
        self.found.sender = value

    def _take_name(self, value: str) -> None:
        self.found.full_name = value

    def _take_old_option(self, value: str) -> None:
        if value.startswith("i"):
            self.found.is_dot_content = True

    def _take_mode(self, value: str) -> None:
        modes = {"m": Mode.MESSAGE, "s": Mode.SMTP, "S": Mode.BATCH}
        if value not in modes:
            raise UsageFault(f"-b{value} is not offered here, allowed: -bm, -bs, -bS")
        self.found.mode = modes[value]

    def _take_notify(self, value: str) -> None:
        asked = with_recipient_option(RecipientOptions(), "NOTIFY", value, is_utf8_allowed=False)
        self.found.notify = frozenset() if asked is None else asked.notify

    def _take_return(self, value: str) -> None:
        self._add_option("RET", value)

    def _take_envelope_id(self, value: str) -> None:
        self._add_option("ENVID", encode_xtext(value))

    def _add_option(self, keyword: str, value: str) -> None:
        self.found.options = with_mail_option(self.found.options, keyword, value) or self.found.options

    def _pass_over(self, value: str) -> None:
        """Do nothing: it changes nothing here."""

    _VALUES: ClassVar[dict[str, Callable[["_Parser", str], None]]] = {
        "f": _take_sender,
        "r": _take_sender,
        "F": _take_name,
        "o": _take_old_option,
        "b": _take_mode,
        "N": _take_notify,
        "R": _take_return,
        "V": _take_envelope_id,
    }
