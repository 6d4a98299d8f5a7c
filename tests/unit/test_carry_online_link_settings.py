from gateway.carry.online.link_settings import link_settings, settings_of_call
from gateway.link.settings import LONGEST_CHUNK_BYTES, LinkSettings, Padding
from gateway.schedule.call import CHUNK_LIMIT_BYTES, PADDINGS, THIN, Call, Limits, Link
from gateway.schedule.cron import parse_cron


def test_what_nobody_configured_is_what_a_session_has_by_itself() -> None:
    assert link_settings(Link(), Limits()) == LinkSettings()


def test_configuration_allows_what_the_protocol_has() -> None:
    assert [padding.value for padding in Padding] == list(PADDINGS)
    assert CHUNK_LIMIT_BYTES == LONGEST_CHUNK_BYTES


def test_thin_link() -> None:
    assert link_settings(THIN, Limits()) == LinkSettings(
        padding=Padding.NONE,
        ping_seconds=0,
        handshake_seconds=300,
        stall_seconds=180,
        silence_seconds=600,
        chunk_bytes=1024,
    )


def test_everything_of_a_call_arrives() -> None:
    call = Call(
        parse_cron("@hourly"),
        nice=96,
        xx="rx",
        limits=Limits(1, 2, 3, 4),
        link=Link(True, "full", 5, 6, 7, 8, 9, 10),
    )
    expected = LinkSettings(96, True, False, Padding.FULL, 5, 6, 7, 3, 8, 4, 1, 2, 9, 10)
    assert settings_of_call(call) == expected


def test_direction() -> None:
    both = [link_settings(Link(), Limits(), xx=xx) for xx in (None, "rx", "tx")]
    flags = [(each.is_receiving, each.is_sending) for each in both]
    assert flags == [(True, True), (True, False), (False, True)]
