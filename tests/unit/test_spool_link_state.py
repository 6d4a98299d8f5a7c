"""The state of links: what sessions tell, what others read meanwhile, and what a died one leaves."""

import fcntl
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import StoreCorrupt
from gateway.moment import Moment
from gateway.spool import link_state
from gateway.spool.layout import Layout
from gateway.spool.link_record import (
    Contact,
    Fault,
    History,
    Role,
    Session,
    Totals,
    decode_history,
    encode_history,
)
from gateway.spool.link_state import LinkSession, LinkState, LinkStates
from tests.support.descriptors import open_files
from tests.support.spools import NODE, OTHER

ADDRESS = "192.0.2.1:5400"


class Links:
    """The links of one spool, with clocks that a test sets."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = 1000.0
        self.disk = Disk(is_syncing=False)

    @property
    def directory(self) -> Path:
        return self.root / NODE.text / "link"

    def moment(self) -> Moment:
        return Moment(1e9 + self.now, "boot", self.now)

    def open(self, disk: Disk | None = None) -> LinkStates:
        layout = Layout(self.root)
        return LinkStates(layout, disk or self.disk, read_now=self.moment, monotonic=lambda: self.now)

    def begin(self, disk: Disk | None = None, role: Role = Role.CALLER) -> LinkSession:
        return self.open(disk).began(NODE, role, ADDRESS)

    def read(self) -> LinkState:
        return self.open().read(NODE)


@pytest.fixture
def links(tmp_path: Path) -> Links:
    return Links(tmp_path)


def in_child(work: Callable[[], object]) -> None:
    """Do something in a process that ends without cleaning up."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def test_a_link_nobody_knows_of(links: Links) -> None:
    state = links.read()
    assert state == LinkState()
    assert (state.contact, state.fault) == (None, None)


def test_a_running_session_is_seen_by_others(links: Links) -> None:
    began = links.moment()
    with links.begin() as session:
        links.now += 60
        session.progress(4000, 500)
        [running] = links.read().sessions
        assert (running.pid, running.is_alive, running.told) == (os.getpid(), True, links.moment())
        expected = Session(running.session.token, Role.CALLER, ADDRESS, began, 60, 4000, 500)
        assert running.session == expected
        assert links.read().contact == Contact(links.moment(), Role.CALLER, ADDRESS)
        assert links.read().history is None
        session.end(5000, 600)
        assert links.read().sessions == ()


def test_progress_is_written_from_time_to_time_only(links: Links) -> None:
    with links.begin() as session:
        for number in range(1, 50):
            links.now += link_state.PROGRESS_SECONDS / 20
            session.progress(number, 0)
        [running] = links.read().sessions
        assert running.session.received_bytes == 40
        session.end(100, 0)


def test_a_session_that_is_over_is_history(links: Links) -> None:
    began = links.moment()
    with links.begin(role=Role.LISTENER) as session:
        links.now += 8
        session.end(4000, 800)
    history = links.read().history
    assert history is not None
    assert history.session is not None
    expected = Session(history.session.token, Role.LISTENER, ADDRESS, began, 8, 4000, 800)
    assert history.session == expected
    assert (history.session.received_per_second, history.session.sent_per_second) == (500, 100)
    assert history.contact == Contact(links.moment(), Role.LISTENER, ADDRESS)
    assert history.fault is None
    assert (history.attempt and history.attempt.at) == began
    totals = history.totals
    assert (totals.session_count, totals.failed_count, totals.seconds) == (1, 0, 8)
    assert (totals.received_bytes, totals.sent_bytes) == (4000, 800)
    assert [path.name for path in links.directory.iterdir()] == ["history.json"]


def test_the_speed_is_that_of_the_time_in_which_something_was_to_be_done(links: Links) -> None:
    with links.begin() as session:
        links.now += 50
        session.progress(1000, 0, 40)
        [running] = links.read().sessions
        assert (running.session.idle_seconds, running.session.received_per_second) == (40, 100)
        session.end(1000, 500, idle_seconds=30)
    history = links.read().history
    assert history is not None
    assert history.session is not None
    assert (history.session.received_per_second, history.session.sent_per_second) == (50, 25)


@pytest.mark.parametrize("idle_seconds", [-1.0, 5.0, 1e9, 0.0])
def test_a_session_in_which_nothing_was_to_be_done_has_no_speed(links: Links, idle_seconds: float) -> None:
    with links.begin() as session:
        links.now += 5 if idle_seconds > 0 else 0
        session.end(100, 100, idle_seconds=idle_seconds)
    history = links.read().history
    assert history is not None
    assert history.session is not None
    assert history.session.received_per_second == 0


def test_sums_go_on(links: Links) -> None:
    for _ in range(3):
        with links.begin() as session:
            links.now += 1
            session.end(10, 20)
    history = links.read().history
    assert history is not None
    totals = history.totals
    figures = (totals.session_count, totals.seconds, totals.received_bytes, totals.sent_bytes)
    assert figures == (3, 3, 30, 60)


def test_failures_in_a_row_are_counted_until_a_session_is_good(links: Links) -> None:
    states = links.open()
    for number in range(1, 4):
        links.now += 60
        states.failed(NODE, Role.CALLER, ADDRESS, f"no answer {number}")
        assert states.read(NODE).fault == Fault(links.moment(), f"no answer {number}", number)
    with links.begin() as session:
        session.end(0, 0, "cut off")
    assert links.read().fault == Fault(links.moment(), "cut off", 4)
    at = links.moment()
    links.now += 60
    with links.begin() as session:
        session.end(0, 0)
    assert links.read().fault == Fault(at, "cut off", 0)
    history = links.read().history
    assert history is not None
    assert (history.totals.session_count, history.totals.failed_count) == (2, 3)


def test_an_attempt_that_met_nobody_is_no_contact(links: Links) -> None:
    links.open().failed(NODE, Role.CALLER, ADDRESS, "")
    state = links.read()
    assert state.contact is None
    assert state.history is not None
    assert (state.history.attempt and state.history.attempt.error) == "no reason was told"


def test_packets_on_a_stick_are_a_contact_and_no_session(links: Links) -> None:
    states = links.open()
    states.failed(NODE, Role.CALLER, ADDRESS, "no answer")
    before = states.read(NODE).history
    links.now += 5
    states.met(NODE, Role.XFER, "/media/stick")
    state = states.read(NODE)
    assert state.contact == Contact(links.moment(), Role.XFER, "/media/stick")
    assert before is not None
    assert state.history == before.after_contact(state.contact)


def test_neighbours_are_apart(links: Links) -> None:
    links.open().failed(OTHER, Role.CALLER, ADDRESS, "no answer")
    assert links.read() == LinkState()


def test_two_sessions_at_once(links: Links) -> None:
    one = links.begin()
    links.now += 1
    two = links.begin(role=Role.LISTENER)
    assert [each.session.role for each in links.read().sessions] == [Role.CALLER, Role.LISTENER]
    one.end(1, 1)
    assert [each.session.role for each in links.read().sessions] == [Role.LISTENER]
    two.end(2, 2)
    history = links.read().history
    assert history is not None
    assert (history.totals.session_count, history.totals.received_bytes) == (2, 3)


def test_a_session_that_is_left_without_an_end_broke_off(links: Links) -> None:
    with pytest.raises(ZeroDivisionError), links.begin() as session:
        links.now += 9
        session.progress(7, 8)
        raise ZeroDivisionError
    state = links.read()
    assert (state.fault and state.fault.text) == "broken off: ZeroDivisionError"
    assert state.history is not None
    assert (state.history.totals.received_bytes, state.history.totals.sent_bytes) == (7, 8)


def test_only_the_first_end_counts(links: Links) -> None:
    with links.begin() as session:
        session.end(1, 1)
        session.end(2, 2, "again")
        links.now += 100
        session.progress(3, 3)
    state = links.read()
    assert (state.fault, state.sessions) == (None, ())
    assert state.history is not None
    assert state.history.totals.received_bytes == 1


def test_a_process_that_died_is_told_as_such_and_counted_once(links: Links) -> None:
    def work() -> None:
        session = links.begin()
        links.now += 30
        session.progress(300, 400)

    in_child(work)
    [running] = links.read().sessions
    assert (running.is_alive, running.session.received_bytes) == (False, 300)
    contact = links.read().contact
    assert contact is not None
    links.now += 100
    with links.begin() as session:
        assert links.read().contact == Contact(links.moment(), Role.CALLER, ADDRESS)
        session.end(1, 1)
    state = links.read()
    assert state.sessions == ()
    assert state.fault == Fault(contact.at, f"process {running.pid} ended in the middle of the session", 0)
    assert state.history is not None
    totals = state.history.totals
    assert (totals.session_count, totals.received_bytes) == (2, 301)


def test_a_session_that_was_counted_already_is_not_counted_by_what_it_left(links: Links) -> None:
    def die(step: str, path: Path) -> None:
        if step == "remove" and path.name.endswith(".session"):
            os._exit(0)

    in_child(lambda: links.begin(Disk(is_syncing=False, hook=die)).end(5, 5))
    assert len(links.read().sessions) == 1
    links.open().failed(NODE, Role.CALLER, ADDRESS, "no answer")
    state = links.read()
    assert state.sessions == ()
    assert state.history is not None
    assert state.history.totals.session_count == 1


def test_what_a_died_program_was_about_to_write_is_swept(links: Links) -> None:
    links.open().failed(NODE, Role.CALLER, ADDRESS, "no answer")
    old, young = links.directory / ".0.session.new", links.directory / ".1.session.new"
    old.write_bytes(b"{")
    young.write_bytes(b"{")
    os.utime(old, (1e9, links.moment().wall_seconds - link_state.LEFTOVER_SECONDS - 1))
    links.open().failed(NODE, Role.CALLER, ADDRESS, "no answer")
    assert not old.exists()
    assert young.exists()


def test_readers_see_a_whole_living_session_while_it_is_replaced(links: Links) -> None:
    session = links.begin()
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            links.now += link_state.PROGRESS_SECONDS
            session.progress(1, 1)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        states = [links.read() for _ in range(300)]
    finally:
        stop.set()
        thread.join(60)
    session.end(1, 1)
    assert all(state.damaged == () for state in states)
    assert [running.is_alive for state in states for running in state.sessions] == [True] * 300


@pytest.mark.parametrize("name", ["history.json", "0.session"])
@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[]", b"{}", b'{"version": 2}', b"[" * 9000, b"1" * 5000, b'{"version": 1}'],
    ids=["empty", "torn", "bytes", "list", "nothing", "newer", "deep", "digits", "bare"],
)
def test_a_damaged_file_costs_itself_and_no_more(links: Links, name: str, content: bytes) -> None:
    with links.begin() as session:
        path = links.directory / name
        path.write_bytes(content)
        state = links.read()
        assert len(state.sessions) == 1
        assert state.history is None
        [told] = state.damaged
        assert told.startswith(f"{path}: it is no ") or ": " in told
        session.end(1, 2)
    history = links.read().history
    assert history is not None
    assert history.totals.session_count == 1


def make_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def make_large(path: Path) -> None:
    path.write_bytes(b" " * 20_000)


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, make_link, make_large])
def test_what_is_no_small_file_is_not_read(links: Links, make: Callable[[Path], None]) -> None:
    links.directory.mkdir(parents=True)
    for name in ("history.json", "0.session"):
        make(links.directory / name)
    state = links.read()
    assert (state.history, state.sessions, len(state.damaged)) == (None, (), 2)
    with links.begin() as session:
        session.end(1, 2)


def valid_history() -> bytes:
    session = Session("t", Role.CALLER, ADDRESS, Moment(1, "b", 1), 1, 2, 3, "e")
    history = History(Totals(Moment(1, "b", 1)))
    return encode_history(history.after_session(session, Moment(2, "b", 2)))


@pytest.mark.parametrize("value", [None, -1, True, "x", [], {}, float("nan"), 1e300, 1 << 70])
@pytest.mark.parametrize(
    "path",
    [
        "totals",
        "totals.received_bytes",
        "totals.seconds",
        "contact.role",
        "contact.at",
        "session.began.boot_id",
    ],
)
def test_a_value_that_is_not_what_it_must_be(path: str, value: object) -> None:
    tree = json.loads(valid_history())
    *way, last = path.split(".")
    at = tree
    for key in way:
        at = at[key]
    at[last] = value
    is_text = path.endswith("boot_id") and isinstance(value, str)
    if is_text:
        return
    with pytest.raises(StoreCorrupt):
        decode_history(json.dumps(tree).encode())


def test_long_texts_are_cut(links: Links) -> None:
    states = links.open()
    states.failed(NODE, Role.CALLER, "a" * 10_000, "e" * 100_000)
    state = states.read(NODE)
    assert state.damaged == ()
    assert (state.fault and len(state.fault.text)) == 500


def test_texts_that_are_no_unicode_are_kept(links: Links) -> None:
    links.open().failed(NODE, Role.CALLER, "\udcff", "\x1b[2J\n")
    state = links.read()
    assert (state.fault and state.fault.text) == "\x1b[2J\n"
    assert state.history is not None
    assert (state.history.attempt and state.history.attempt.address) == "\udcff"


def refuse(_step: str, path: Path) -> None:
    if "link" in path.parts:
        raise OSError(28, "No space left on device")


def test_a_full_disk_fails_no_session_and_is_told_once(
    links: Links, caplog: pytest.LogCaptureFixture
) -> None:
    states = links.open(Disk(is_syncing=False, hook=refuse))
    with caplog.at_level(logging.WARNING):
        with states.began(NODE, Role.CALLER, ADDRESS) as session:
            links.now += 60
            session.progress(1, 1)
            session.end(1, 1)
        states.failed(NODE, Role.CALLER, ADDRESS, "no answer")
        states.met(NODE, Role.BUNDLE)
    assert len(caplog.records) == 1
    assert f"the state of the link with {NODE} is not kept: cannot create" in caplog.text
    assert links.read() == LinkState()


def test_a_disk_that_is_full_for_a_while_spoils_nothing(links: Links) -> None:
    is_full = True

    def hook(step: str, path: Path) -> None:
        if is_full:
            refuse(step, path)

    with links.begin(Disk(is_syncing=False, hook=hook)) as session:
        is_full = False
        links.now += 10
        session.progress(5, 5)
        is_full = True
        links.now += 10
        session.progress(6, 6)
        [running] = links.read().sessions
        assert (running.is_alive, running.session.received_bytes) == (True, 5)
        is_full = False
        session.end(7, 7)
    history = links.read().history
    assert history is not None
    assert history.totals.received_bytes == 7


@pytest.fixture
def locked(links: Links) -> Iterator[None]:
    links.directory.mkdir(parents=True)
    fd = os.open(links.directory, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    yield
    os.close(fd)


@pytest.mark.usefixtures("locked")
def test_who_locks_the_directory_keeps_nobody_from_telling(links: Links) -> None:
    with links.begin() as session:
        session.end(1, 1)
    assert links.read().history is not None


def test_more_files_of_sessions_than_anybody_has(links: Links) -> None:
    links.directory.mkdir(parents=True)
    for number in range(100):
        (links.directory / f"{number:03}.session").touch()
    state = links.read()
    assert len(state.damaged) == 64
    assert state.sessions == ()


def test_nothing_is_left_open(links: Links) -> None:
    before = open_files(links.directory)
    for _ in range(20):
        with links.begin() as session:
            links.now += 10
            session.progress(1, 1)
            session.end(1, 1)
    links.read()
    assert open_files(links.directory) == before
