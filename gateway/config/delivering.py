"""From ``[deliver]`` to the settings of the places that mail is delivered to."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.config.endpoints import address_of
from gateway.config.gateway_place import resolve_beside
from gateway.config.toml_schema import DeliverSection, OtherPlaceSection, PlaceKeys
from gateway.config.toml_values import UNIX_PREFIX
from gateway.deliver.batch_command import BatchTargetSettings
from gateway.deliver.maildir import MaildirTargetSettings
from gateway.deliver.sendmail_command import SendmailTargetSettings, refuse_own_program
from gateway.deliver.smtp import SmtpTargetSettings
from gateway.deliver.smtp_session import TcpPlace, UnixPlace
from gateway.errors import ConfigError
from gateway.routing.places import Places

TargetSettings = SmtpTargetSettings | SendmailTargetSettings | BatchTargetSettings | MaildirTargetSettings

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "sendmail": ("/usr/sbin/sendmail", "-i"),
    "batch": ("/usr/sbin/exim4", "-bS"),
}
"""What delivers when nothing else is said, by destination."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place that mail is delivered to.

    Args:
        title: its table in the file.
        domains: that are delivered there; ``.domain`` for those below one.
        target: what it is.
        connection_count: how many messages are delivered there at the same time.
    """

    title: str
    domains: tuple[str, ...]
    target: TargetSettings
    connection_count: int

    @property
    def text(self) -> str:
        """Where it is, for people."""
        match self.target:
            case MaildirTargetSettings(path=path):
                return f"the Maildir {path}"
            case SendmailTargetSettings(command=command) | BatchTargetSettings(command=command):
                return f"the command {' '.join(command)}"
            case SmtpTargetSettings(place=place, is_lmtp=is_lmtp):
                return f"{place} by {'LMTP' if is_lmtp else 'SMTP'}"


@dataclass(frozen=True, slots=True)
class Delivery:
    """All places that mail is delivered to.

    Args:
        places: that of ``[deliver]`` first.
        by_domain: which of them it is.
    """

    places: tuple[Place, ...]
    by_domain: Places

    def place_of(self, address: str) -> Place:
        """The place for somebody here."""
        return self.places[self.by_domain.number_of(address)]

    def text_for(self, address: str) -> str:
        """The place for somebody here, in words, with its table."""
        place = self.place_of(address)
        return f"{place.text} ({place.title})"

    def is_for(self, place: Place, address: str) -> bool:
        """Whether mail for somebody here goes to a place."""
        return self.place_of(address) is place


def delivery(path: Path, section: DeliverSection, hostname: str) -> Delivery:
    """Where mail for here goes.

    Args:
        path: of the file, beside which other paths are.
        section: the table.
        hostname: our own name.

    Raises:
        ConfigError: a command is this very program, or a domain has two places; a line for each fault.
    """
    places: list[Place] = []
    problems: list[str] = []
    tables: list[tuple[str, DeliverSection | OtherPlaceSection]] = [("deliver", section)]
    tables += [(f"deliver.other[{number}]", other) for number, other in enumerate(section.other, 1)]
    for title, keys in tables:
        try:
            target = _target_settings(path, keys, hostname)
        except ConfigError as error:
            problems.append(f"{title}.command: {error}")
        else:
            places.append(Place(title, tuple(keys.domains), target, keys.connections))
    by_domain = Places([])
    try:
        by_domain = Places([keys.domains for _, keys in tables])
    except ConfigError as error:
        problems.append(f"deliver.other.domains: {error}")
    if problems:
        raise ConfigError("\n".join(problems))
    return Delivery(tuple(places), by_domain)


def _target_settings(path: Path, section: PlaceKeys, hostname: str) -> TargetSettings:
    if section.to == "maildir":
        return MaildirTargetSettings(
            path=str(resolve_beside(path, section.path or "")),
            own_name=hostname,
            recipient_delimiter=section.recipient_delimiter,
            is_mailbox_made=section.make_mailboxes,
        )
    if section.to in COMMANDS:
        command = COMMANDS[section.to] if section.command is None else tuple(section.command)
        refuse_own_program(command[0])
        if section.to == "batch":
            return BatchTargetSettings(command, hostname, section.timeout_seconds)
        return SendmailTargetSettings(command, section.timeout_seconds)
    return SmtpTargetSettings(
        _place(path, section.address),
        own_name=hostname,
        is_lmtp=section.to == "lmtp",
        reply_seconds=section.timeout_seconds,
    )


def _place(path: Path, address: str) -> TcpPlace | UnixPlace:
    if address.startswith(UNIX_PREFIX):
        return UnixPlace(str(resolve_beside(path, address.removeprefix(UNIX_PREFIX))))
    return TcpPlace(*address_of(address))
