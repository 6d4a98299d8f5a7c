"""From the tables of ``gateway.toml`` that say where mail is taken in to settings of endpoints."""

from dataclasses import replace
from pathlib import Path

from gateway.config.gateway_place import resolve_beside
from gateway.config.toml_endpoints import LmtpSection, SmtpSection, SubmissionSection
from gateway.config.toml_listening import LoginSection, SocketSection
from gateway.ingest.certificates import CertificateFiles
from gateway.ingest.settings import Address, SmtpSettings
from gateway.ingest.submission_settings import SubmissionSettings
from gateway.ingest.unix_socket import UnixSocket
from gateway.routing.access import AccessList
from gateway.routing.table import Local, Rule, Table

PASSWORDS_NAME = "passwords"


def address_of(text: str) -> Address:
    """Host and port of a checked ``ADDRESS:PORT``."""
    host, _, port = text.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def unix_socket_of(path: Path, section: SocketSection) -> UnixSocket | None:
    """The unix socket that a table names, if it does, for a ``gateway.toml`` at this path."""
    if section.socket is None:
        return None
    place = resolve_beside(path, section.socket)
    return UnixSocket(place, int(section.socket_mode, 8), section.socket_group)


def certificate_of(path: Path, section: LoginSection) -> CertificateFiles | None:
    """The certificate that a table names, if it does, for a ``gateway.toml`` at this path."""
    if section.certificate is None:
        return None
    key = section.key or section.certificate
    return CertificateFiles(resolve_beside(path, section.certificate), resolve_beside(path, key))


def limits_of(hostname: str, section: SmtpSection) -> SmtpSettings:
    """The limits of ``[smtp]``, which hold for every way in; where it listens means nothing."""
    return SmtpSettings(hostname=hostname, **section.model_dump(exclude={"listen", "relay_from"}))


def smtp_settings(limits: SmtpSettings, section: SmtpSection) -> SmtpSettings | None:
    """The endpoint for SMTP, or None: there is none.

    Args:
        limits: of every way in.
        section: of the file.

    Raises:
        ConfigError: values that do not fit together.
    """
    if not section.listen:
        return None
    return replace(
        limits,
        listen=tuple(map(address_of, section.listen)),
        relay_from=AccessList.parse(section.relay_from),
    )


def lmtp_settings(path: Path, limits: SmtpSettings, section: LmtpSection) -> SmtpSettings | None:
    """The endpoint for LMTP, or None: there is none.

    Args:
        path: of ``gateway.toml``.
        limits: of every way in.
        section: of the file.

    Raises:
        ConfigError: values that do not fit together.
    """
    if not section.listen and section.socket is None:
        return None
    return replace(
        limits,
        section="lmtp",
        listen=tuple(map(address_of, section.listen)),
        unix=unix_socket_of(path, section),
        relay_from=AccessList.parse(section.relay_from),
    )


def passwords_path(path: Path, state_directory: Path, section: SubmissionSection) -> Path:
    """The file of users.

    Args:
        path: of ``gateway.toml``.
        state_directory: where it is unless told otherwise.
        section: of the file.
    """
    if section.passwords is None:
        return state_directory / PASSWORDS_NAME
    return resolve_beside(path, section.passwords)


def submission_settings(
    path: Path, limits: SmtpSettings, passwords: Path, section: SubmissionSection
) -> SubmissionSettings | None:
    """The endpoint for users, or None: there is none.

    Args:
        path: of ``gateway.toml``.
        limits: of every way in.
        passwords: the file of users.
        section: of the file.

    Raises:
        ConfigError: values that do not fit together.
    """
    if not section.listen and not section.listen_tls:
        return None
    return SubmissionSettings(
        endpoint=replace(
            limits,
            section="submission",
            listen=tuple(map(address_of, section.listen)),
            listen_tls=tuple(map(address_of, section.listen_tls)),
        ),
        passwords=passwords,
        certificate=certificate_of(path, section),
        is_cleartext_local=section.cleartext_on_loopback,
        senders={
            user: Table.from_rules([Rule(pattern, Local()) for pattern in patterns])
            for user, patterns in section.senders.items()
        },
        max_failures=section.max_failures,
        failure_seconds=section.failure_delay_seconds,
        bar_failures=section.bar_after_failures,
        bar_seconds=section.bar_seconds,
    )
