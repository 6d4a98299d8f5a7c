"""Whom received mail may be for, and how often it may have travelled. Pure.

A node delivers for its own domains alone: what a neighbour sends for any other is refused, so that
no neighbour can use us to reach others.
"""

from dataclasses import dataclass

from gateway.message.address import POSTMASTER, domain_of
from gateway.msgqueue.entry import Outcome, Target, Verdict

NOT_HERE_STATUS = "5.7.1"
LOOP_STATUS = "5.4.6"


@dataclass(frozen=True, slots=True)
class Admission:
    """The rules.

    Args:
        local_domains: domains delivered here, in lower case; ``.example.org`` means every domain
            below ``example.org``. Mail for a bare ``postmaster`` goes to the first.
        max_hops: Received fields a message may have when it comes.
    """

    local_domains: tuple[str, ...]
    max_hops: int = 50

    def target(self, recipient: str) -> Target:
        """Where mail for a valid address goes: here, or nowhere."""
        if is_postmaster(recipient) and self.local_domains:
            return Target(f"{POSTMASTER}@{self.local_domains[0].lstrip('.')}")
        if self._is_local(domain_of(recipient)):
            return Target(recipient)
        text = "mail for this domain is not delivered here"
        return Target(recipient, refusal=Outcome(Verdict.REFUSED, NOT_HERE_STATUS, text))

    def loop(self, hop_count: int) -> Outcome | None:
        """Why a message with so many Received fields is not taken, or None."""
        if hop_count <= self.max_hops:
            return None
        text = f"the message has {hop_count} Received fields, {self.max_hops} are allowed: it goes in circles"
        return Outcome(Verdict.REFUSED, LOOP_STATUS, text)

    def _is_local(self, domain: str) -> bool:
        return any(
            domain == own or (own.startswith(".") and domain.endswith(own)) for own in self.local_domains
        )


def is_postmaster(recipient: str) -> bool:
    """Whether an address is the bare ``postmaster`` that every host must know (RFC 5321 section 4.5.1)."""
    return recipient.lower() == POSTMASTER
