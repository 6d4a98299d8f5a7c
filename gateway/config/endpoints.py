"""From the tables of ``gateway.toml`` that say where mail is taken in to settings of endpoints."""

from dataclasses import replace

from gateway.config.toml_endpoints import SmtpSection
from gateway.ingest.settings import Address, SmtpSettings
from gateway.routing.access import AccessList


def address_of(text: str) -> Address:
    """Host and port of a checked ``ADDRESS:PORT``."""
    host, _, port = text.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def limits_of(hostname: str, section: SmtpSection) -> SmtpSettings:
    """The limits of ``[smtp]``, which hold for every way in; where it listens means nothing."""
    return SmtpSettings(hostname=hostname, **section.model_dump(exclude={"listen", "relay_from"}))


def smtp_settings(hostname: str, section: SmtpSection) -> SmtpSettings | None:
    """The endpoint for SMTP, or None: there is none.

    Raises:
        ConfigError: values that do not fit together.
    """
    if not section.listen:
        return None
    return replace(
        limits_of(hostname, section),
        listen=tuple(map(address_of, section.listen)),
        relay_from=AccessList.parse(section.relay_from),
    )
