"""From ``[deliver]`` to the settings of the place that mail is delivered to."""

from collections.abc import Mapping
from pathlib import Path

from gateway.config.endpoints import address_of
from gateway.config.gateway_place import resolve_beside
from gateway.config.toml_schema import DeliverSection
from gateway.config.toml_values import UNIX_PREFIX
from gateway.deliver.batch_command import BatchTargetSettings
from gateway.deliver.maildir import MaildirTargetSettings
from gateway.deliver.sendmail_command import SendmailTargetSettings, refuse_own_program
from gateway.deliver.smtp import SmtpTargetSettings
from gateway.deliver.smtp_session import TcpPlace, UnixPlace

TargetSettings = SmtpTargetSettings | SendmailTargetSettings | BatchTargetSettings | MaildirTargetSettings

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "sendmail": ("/usr/sbin/sendmail", "-i"),
    "batch": ("/usr/sbin/exim4", "-bS"),
}
"""What delivers when nothing else is said, by destination."""


def target_settings(path: Path, section: DeliverSection, hostname: str) -> TargetSettings:
    """Where mail for here goes.

    Args:
        path: of the file, beside which other paths are.
        section: the table.
        hostname: our own name.

    Raises:
        ConfigError: the command is this very program.
    """
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
