"""Records of links: what is written is read back, and nothing else is taken for one."""

import json

from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import StoreCorrupt
from gateway.moment import Moment
from gateway.spool.link_record import (
    TEXT_LIMIT_CHARS,
    Attempt,
    History,
    Role,
    Running,
    Session,
    Totals,
    decode_history,
    decode_running,
    encode_history,
    encode_running,
)

TEXTS = st.text(max_size=TEXT_LIMIT_CHARS)
COUNTS = st.integers(0, (1 << 63) - 1)
SECONDS = st.floats(0, 1e12)
MOMENTS = st.builds(Moment, SECONDS, TEXTS, SECONDS)
ROLES = st.sampled_from(Role)
SESSIONS = st.builds(Session, TEXTS, ROLES, TEXTS, MOMENTS, SECONDS, COUNTS, COUNTS, TEXTS, SECONDS)
ATTEMPTS = st.builds(Attempt, MOMENTS, ROLES, TEXTS, TEXTS)
EVENTS = st.lists(st.one_of(st.tuples(SESSIONS, MOMENTS), ATTEMPTS), max_size=5)


@given(st.builds(Totals, MOMENTS), EVENTS)
def test_a_history_is_read_as_it_was_written(
    totals: Totals, events: list[tuple[Session, Moment] | Attempt]
) -> None:
    history = History(totals)
    for event in events:
        later = history.after_failure(event) if isinstance(event, Attempt) else history.after_session(*event)
        if max(later.totals.received_bytes, later.totals.sent_bytes) < 1 << 63:
            history = later
    assert decode_history(encode_history(history)) == history


@given(pid=st.integers(0, 1 << 32), session=SESSIONS, told=MOMENTS, is_alive=st.booleans())
def test_a_session_is_read_as_it_was_written(
    pid: int, session: Session, told: Moment, *, is_alive: bool
) -> None:
    running = Running(pid, session, told, is_alive)
    assert decode_running(encode_running(running), is_alive=is_alive) == running


@given(st.binary(max_size=200))
def test_garbage_is_no_record(raw: bytes) -> None:
    for read in (decode_history, lambda data: decode_running(data, is_alive=True)):
        try:
            read(raw)
        except StoreCorrupt:
            continue
        raise AssertionError("garbage was taken for a record")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner), max_leaves=5
)


@given(SESSIONS, MOMENTS, TREES, st.randoms(use_true_random=False))
def test_a_record_with_a_strange_part_is_read_or_refused(
    session: Session, told: Moment, part: object, random: object
) -> None:
    tree = json.loads(encode_running(Running(1, session, told)))
    places = [(tree, key) for key in tree] + [(tree["session"], key) for key in tree["session"]]
    at, key = random.choice(places)  # type: ignore[attr-defined] # hypothesis' Random
    at[key] = part
    try:
        running = decode_running(json.dumps(tree).encode(), is_alive=True)
    except StoreCorrupt:
        return
    assert decode_running(encode_running(running), is_alive=True) == running
