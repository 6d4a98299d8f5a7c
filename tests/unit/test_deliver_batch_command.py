"""What the batch target writes to a command, and what it makes of its end."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.deliver.batch_command import MESSAGES_LIMIT_COUNT, BatchTarget, BatchTargetSettings
from gateway.deliver.target import Job
from gateway.errors import ConfigError, StoreCorrupt
from gateway.message.envelope import Envelope
from gateway.msgqueue.entry import Outcome, QueuedMessage, Verdict
from gateway.msgqueue.store import INLINE_BODY_BYTES
from tests.support.delivering import deliver_all, deliver_one

BODY = b"Subject: test\r\n\r\n.hello\r\n"
LIKE_EXIM = """
import json, re, sys
taken = 0
text = sys.stdin.buffer.read().decode("latin-1")
greeting, _, rest = text.partition("\\r\\n")
ended = rest.endswith("QUIT\\r\\n")
with open({record!r}, "a") as record:
    record.write(json.dumps([greeting, rest]) + "\\n")
for sender, recipients, body in re.findall(
    r"MAIL FROM:<(.*?)>\\r\\n((?:RCPT TO:<.*?>\\r\\n)+)DATA\\r\\n(.*?)\\r\\n\\.\\r\\n", rest, re.DOTALL
):
    fault = {faults!r}.get(sender)
    if fault:
        print(fault)
        print("Transaction started in line 1\\nError detected in line 3", flush=True)
        word = "message was" if taken == 1 else "messages were"
        print(f"{{taken}} previous {{word}} successfully processed.", file=sys.stderr)
        sys.exit(1 if taken else 2)
    taken += 1
sys.exit({status})
"""


def queued(sender: str = "alice@a.test", *recipients: str, size_bytes: int = len(BODY)) -> QueuedMessage:
    recipients = recipients or ("bob@b.test",)
    return QueuedMessage(
        1, "id", Envelope(sender, recipients), tuple(range(len(recipients))), size_bytes, "", "a", 0.0, 0
    )


class Command:
    """A script in the place of Exim."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "batch"
        self.record = directory / "record"
        self.like_exim()

    def like_exim(self, faults: dict[str, str] | None = None, status: int = 0) -> None:
        self.write(LIKE_EXIM.format(record=str(self.record), faults=faults or {}, status=status))

    def write(self, code: str) -> None:
        self.path.write_text(f"#!{sys.executable} -IS\n{code}\n")
        self.path.chmod(0o755)

    def runs(self) -> list[list[str]]:
        """The senders of each run."""
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        return [
            [part.partition(">")[0] for part in json.loads(line)[1].split("MAIL FROM:<")[1:]]
            for line in lines
        ]

    def texts(self) -> list[str]:
        return ["\r\n".join(json.loads(line)) for line in self.record.read_text().splitlines()]

    def target(self, timeout_seconds: float = 30.0) -> BatchTarget:
        return BatchTarget(BatchTargetSettings((str(self.path), "-bS"), "mx.b.test", timeout_seconds))


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


def jobs(*messages: QueuedMessage) -> list[Job]:
    return [Job(message, lambda: iter([BODY])) for message in messages]


def verdicts(outcomes: list[list[Outcome]]) -> list[list[str]]:
    return [[str(outcome.verdict) for outcome in one] for one in outcomes]


def from_many(count: int) -> list[QueuedMessage]:
    return [queued(f"user{number}@a.test") for number in range(count)]


def test_many_messages_go_into_one_run_as_they_are(command: Command) -> None:
    outcomes = deliver_all(
        command.target(), jobs(queued("alice@a.test", "bob@b.test", "carl@b.test"), queued(""))
    )
    assert verdicts(outcomes) == [["delivered"] * 2, ["delivered"]]
    body = BODY.replace(b"\r\n.", b"\r\n..").decode()
    assert command.texts() == [
        (
            "HELO mx.b.test\r\nMAIL FROM:<alice@a.test>\r\nRCPT TO:<bob@b.test>\r\nRCPT TO:<carl@b.test>\r\n"
            f"DATA\r\n{body}.\r\nMAIL FROM:<>\r\nRCPT TO:<bob@b.test>\r\nDATA\r\n{body}.\r\nQUIT\r\n"
        )
    ]


def test_a_run_holds_a_bounded_number_of_messages(command: Command) -> None:
    messages = from_many(MESSAGES_LIMIT_COUNT + 1)
    assert verdicts(deliver_all(command.target(), jobs(*messages))) == [["delivered"]] * len(messages)
    assert [len(senders) for senders in command.runs()] == [MESSAGES_LIMIT_COUNT, 1]


@pytest.mark.parametrize("place", [0, 1, 2, 4])
@pytest.mark.parametrize(
    ("fault", "verdict", "status"),
    [
        ("552 Message size exceeds maximum permitted", "refused", "5.0.0"),
        ("452 4.3.1 space shortage", "deferred", "4.3.1"),
        ("what is this", "deferred", "4.3.0"),
    ],
)
def test_the_message_at_fault_is_tried_alone_and_no_other_is_given_twice(
    command: Command, place: int, fault: str, verdict: str, status: str
) -> None:
    messages = from_many(5)
    bad = messages[place].envelope.sender
    command.like_exim({bad: fault})
    outcomes = deliver_all(command.target(), jobs(*messages))
    expected = [["delivered"]] * 5
    expected[place] = [verdict]
    assert verdicts(outcomes) == expected
    assert outcomes[place][0].status == status
    senders = [message.envelope.sender for message in messages]
    runs = [senders, [bad], senders[place + 1 :]]
    assert command.runs() == [run for run in runs if run]


def test_two_faults_in_a_batch_are_both_found(command: Command) -> None:
    command.like_exim(dict.fromkeys(("user1@a.test", "user2@a.test"), "550 5.7.1 no"))
    outcomes = deliver_all(command.target(), jobs(*from_many(4)))
    assert verdicts(outcomes) == [["delivered"], ["refused"], ["refused"], ["delivered"]]
    assert [run[0] for run in command.runs()] == [
        "user0@a.test",
        "user1@a.test",
        "user2@a.test",
        "user2@a.test",
        "user3@a.test",
    ]


@pytest.mark.parametrize(
    ("recipient", "sender"),
    [
        ("x@[127.0.0.1]", ""),
        ("x@under_score.test", ""),
        ("not an address", ""),
        ("eve@b.test>\r\nDATA", ""),
        ("bob@b.test", "alice@[127.0.0.1]"),
    ],
)
def test_an_address_that_would_stop_the_batch_is_never_written(
    command: Command, recipient: str, sender: str
) -> None:
    odd = queued(sender, "carl@b.test", recipient)
    outcomes = deliver_all(command.target(), jobs(queued(), odd, queued()))
    assert verdicts([outcomes[0], outcomes[2]]) == [["delivered"]] * 2
    assert outcomes[1][1].verdict is Verdict.REFUSED
    assert (outcomes[1][0].verdict is Verdict.DELIVERED) == (sender == "")
    assert len(command.runs()) == 1
    assert recipient == "bob@b.test" or recipient not in command.texts()[0]


def test_a_body_that_can_not_be_read_or_sent_is_never_begun(command: Command) -> None:
    def broken() -> Iterator[bytes]:
        yield BODY
        raise StoreCorrupt("body file x is missing")

    three = [
        *jobs(queued()),
        Job(queued(), broken),
        Job(queued(), lambda: iter([b"bare\nLF"])),
        *jobs(queued()),
    ]
    outcomes = deliver_all(command.target(), three)
    assert verdicts(outcomes) == [["delivered"], ["refused"], ["refused"], ["delivered"]]
    assert "body file x is missing" in outcomes[1][0].text
    assert [len(run) for run in command.runs()] == [2]


def test_a_large_message_has_a_run_of_its_own_and_is_not_ended_when_it_breaks_off(command: Command) -> None:
    size_bytes = INLINE_BODY_BYTES + 1
    large = Job(queued("large@a.test", size_bytes=size_bytes), lambda: iter([b"x" * size_bytes + b"\r\n"]))

    def broken() -> Iterator[bytes]:
        yield b"x" * 500_000 + b"\r\n"
        raise StoreCorrupt("body file x is missing")

    cut = Job(queued("cut@a.test", size_bytes=size_bytes), broken)
    outcomes = deliver_all(command.target(), [*jobs(queued()), large, cut, *jobs(queued("last@a.test"))])
    assert verdicts(outcomes) == [["delivered"], ["delivered"], ["refused"], ["delivered"]]
    assert command.runs() == [["alice@a.test"], ["large@a.test"], ["last@a.test"]]


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.kill(os.getpid(), 9)",
        "import sys; sys.stdin.read(); sys.exit(1)",
        "import sys; sys.stdin.read(); print('7 previous messages were successfully processed'); sys.exit(1)",
        "import sys; sys.stdin.read(); sys.exit(75)",
    ],
    ids=["killed", "says-nothing", "counts-wrong", "own-status"],
)
def test_an_end_that_tells_nothing_leaves_each_message_to_be_tried_alone(command: Command, code: str) -> None:
    command.write(code)
    outcomes = deliver_all(command.target(), jobs(queued(), queued()))
    assert verdicts(outcomes) == [["deferred"]] * 2
    assert all(outcome.is_cut for one in outcomes for outcome in one)


def test_a_command_that_takes_too_long_is_killed(command: Command) -> None:
    command.write("import time; time.sleep(600)")
    (outcome,) = deliver_one(command.target(0.5), queued(), BODY)
    assert (outcome.verdict, outcome.status, outcome.is_cut) == (Verdict.DEFERRED, "4.4.7", True)


def test_a_missing_command_is_no_fault_of_the_messages(tmp_path: Path) -> None:
    target = BatchTarget(BatchTargetSettings((str(tmp_path / "none"), "-bS"), "mx.b.test"))
    outcomes = deliver_all(target, jobs(queued(), queued()))
    target.close()
    assert verdicts(outcomes) == [["deferred"]] * 2
    assert "cannot start" in outcomes[0][0].text


@pytest.mark.parametrize(
    "settings", [(("exim4", "-bS"), "mx.b.test"), ((), "x"), (("/bin/true",), "no name")]
)
def test_settings_that_can_not_work_are_refused(settings: tuple[tuple[str, ...], str]) -> None:
    with pytest.raises(ConfigError):
        BatchTarget(BatchTargetSettings(*settings))
