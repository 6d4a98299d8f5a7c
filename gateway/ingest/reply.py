"""Answers of the SMTP endpoint, as values: code, RFC 3463 status, text.

Spec: RFC 5321 section 4.2; RFC 2034.
"""

from dataclasses import dataclass

from gateway.errors import BadAddress, GatewayError, MailLoop, MessageError, StoreError, StoreFull
from gateway.message.address import NON_ASCII_STATUS

TEXT_LIMIT_CHARS = 400
"""RFC 5321 section 4.5.3.1.5 gives a reply line 512 octets."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of a single line.

    Args:
        code: three digits.
        status: RFC 3463 status; its first digit agrees with the code.
        text: printable ASCII.
    """

    code: int
    status: str
    text: str

    @property
    def is_refusal(self) -> bool:
        """Whether it says no, for now or for good."""
        return self.code >= 400  # noqa: PLR2004 - RFC 5321 section 4.2.1

    @property
    def line(self) -> str:
        """As it is sent, without the line end."""
        return f"{self.code} {self.status} {self.text}"


def refusal(status: str, text: str) -> Reply:
    """The answer for a refusal that has no code of its own."""
    return Reply(550 if status.startswith("5") else 450, status, text)


def reply_to(error: GatewayError) -> Reply:
    """The answer for an error. Whatever is wrong with our disk asks the client to come back."""
    text = "".join(char if " " <= char <= "~" else "?" for char in str(error)[:TEXT_LIMIT_CHARS])
    match error:
        case StoreFull():
            return Reply(452, "4.3.1", "not enough free space here, try again later")
        case StoreError():
            return Reply(451, "4.3.0", "the queue can not take the message now, try again later")
        case BadAddress():
            return Reply(553 if error.status == NON_ASCII_STATUS else 501, error.status, text)
        case MailLoop() | MessageError():
            return Reply(554, error.status, text)
        case _ if error.is_temporary:
            return Reply(451, error.status, text)
    return Reply(554, error.status, text)
