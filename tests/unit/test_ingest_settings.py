"""Settings of the SMTP endpoint."""

from typing import Any

import pytest

from gateway.errors import ConfigError
from gateway.ingest.settings import SmtpSettings


def test_defaults_serve_this_machine_alone() -> None:
    settings = SmtpSettings("gw.example.org")
    assert settings.relay_from.permits("127.0.0.1")
    assert not settings.relay_from.permits("192.0.2.1")
    assert {host for host, _ in settings.listen} == {"127.0.0.1"}
    assert settings.max_inflight_bytes >= settings.max_message_bytes


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"hostname": ""}, "smtp.hostname"),
        ({"hostname": "two words"}, "smtp.hostname"),
        ({"hostname": "gw\r\n250 evil"}, "smtp.hostname"),
        ({"listen": ()}, "smtp.listen"),
        ({"listen": (("127.0.0.1", 65536),)}, "smtp.listen"),
        ({"max_message_bytes": 0}, "smtp.max_message_bytes"),
        ({"max_recipients": 0}, "smtp.max_recipients"),
        ({"idle_seconds": -1.0}, "smtp.idle_seconds"),
        ({"stop_seconds": -1.0}, "smtp.stop_seconds"),
        ({"max_message_bytes": 1001, "max_inflight_bytes": 1000}, "smtp.max_inflight_bytes"),
    ],
)
def test_impossible_value_is_refused_by_name(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named) as caught:
        SmtpSettings(**{"hostname": "gw.example.org", **fields})
    assert "allowed" in str(caught.value)
