"""Whatever stands under ``link``: it is refused by its key, or it is a session's settings."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.carry.online.link_settings import link_settings
from gateway.config.nncp_document import Object
from gateway.config.nncp_fields import Findings, Section
from gateway.config.nncp_link import link_of, read_link
from gateway.schedule.call import Limits

KEYS = (
    "thin", "padding", "ping-interval", "handshake-deadline", "stall-deadline", "silence-deadline",
    "max-bytes", "chunk", "THIN", "Chunk", "other",
)  # fmt: skip
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-2, 1 << 60)
    | st.floats()
    | st.sampled_from(["none", "go", "full", "GO", ""])
    | st.lists(st.integers(), max_size=1)
)
LINKS = st.dictionaries(st.sampled_from(KEYS), VALUES).map(Object)


@given(LINKS, LINKS, st.integers(1, 1000))
def test_it_is_refused_by_key_or_gives_settings(
    neighbour: Object, call: Object, deadline_seconds: int
) -> None:
    findings = Findings()
    inherited = read_link(Section(findings, "neigh.bob", Object(link=neighbour)), {})
    values = read_link(Section(findings, "neigh.bob.calls.0", Object(link=call)), inherited)
    if findings.errors:
        assert all(": " in error and "allowed: " in error for error in findings.errors)
        assert all(error.startswith("neigh.bob.") for error in findings.errors)
        return
    link = link_of(values, deadline_seconds)
    settings = link_settings(link, Limits())
    assert settings.chunk_bytes == link.chunk_bytes
    assert min(settings.handshake_seconds, settings.stall_seconds) >= 1
    assert min(settings.ping_seconds, settings.silence_seconds, settings.budget_bytes) >= 0
