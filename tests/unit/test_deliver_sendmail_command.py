"""How the sendmail command is run, and what is made of its end."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.deliver.outcome import TEXT_LIMIT_CHARS
from gateway.deliver.sendmail_command import SendmailTarget, SendmailTargetSettings
from gateway.errors import ConfigError, MessageError, StoreCorrupt
from gateway.handover.frames import LOOP_VARIABLE
from gateway.message.envelope import Envelope
from gateway.msgqueue.entry import Outcome, QueuedMessage, Verdict
from tests.support.delivering import deliver_one
from tests.support.processes import is_alive, slowness, wait_until

BODY = b"Subject: test\r\n\r\n.\r\nhello\r\n"

RECORD = """
import json, os, sys
text = sys.stdin.buffer.read()
with open({path!r}, "a") as out:
    out.write(json.dumps([sys.argv[1:], text.decode("latin-1"), sorted(os.environ)]) + "\\n")
"""


def queued(*recipients: str, sender: str = "alice@a.test") -> QueuedMessage:
    seqs = tuple(range(1, len(recipients) + 1))
    return QueuedMessage(1, "id", Envelope(sender, recipients), seqs, len(BODY), "", "a", 0.0, 0)


class Command:
    """A sendmail of the test's own."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "sendmail"
        self.record = directory / "record"
        self.write(RECORD.format(path=str(self.record)))

    def write(self, code: str) -> None:
        self.path.write_text(f"#!{sys.executable} -IS\n{code}\n")
        self.path.chmod(0o755)

    def runs(self) -> list[list[object]]:
        return [json.loads(line) for line in self.record.read_text().splitlines()]

    def target(self, timeout_seconds: float = 30.0) -> SendmailTarget:
        return SendmailTarget(SendmailTargetSettings((str(self.path), "-i"), timeout_seconds))

    def deliver(
        self, message: QueuedMessage, body: bytes = BODY, timeout_seconds: float = 30.0
    ) -> list[Outcome]:
        return deliver_one(self.target(timeout_seconds), message, body)


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


def test_sender_and_recipients_are_arguments_and_the_message_has_lf(command: Command) -> None:
    outcomes = command.deliver(queued("bob@b.test", "carl@b.test"))
    assert [outcome.verdict for outcome in outcomes] == [Verdict.DELIVERED] * 2
    ((args, text, environment),) = command.runs()
    assert args == ["-i", "-f", "alice@a.test", "--", "bob@b.test", "carl@b.test"]
    assert text == "Subject: test\n\n.\nhello\n"
    assert "PATH" in environment  # type: ignore[operator]
    assert LOOP_VARIABLE in environment  # type: ignore[operator]
    assert "HOME" not in environment  # type: ignore[operator]


def test_the_null_sender_is_an_argument_too(command: Command) -> None:
    command.deliver(queued("bob@b.test", sender=""))
    assert command.runs()[0][0] == ["-i", "-f", "<>", "--", "bob@b.test"]


def test_no_address_becomes_an_option(command: Command) -> None:
    outcomes = command.deliver(queued("-bp@b.test", "bob@b.test", '"-t"@b.test', "|id@b.test"))
    assert [outcome.status for outcome in outcomes] == ["5.1.3", "2.0.0", "5.1.3", "2.0.0"]
    assert command.runs()[0][0] == ["-i", "-f", "alice@a.test", "--", "bob@b.test", "|id@b.test"]


@pytest.mark.parametrize("recipients", [("-oQ@b.test",), ("-t@b.test", '"-x y"@b.test')])
def test_a_message_for_options_alone_starts_nothing(command: Command, recipients: tuple[str, ...]) -> None:
    outcomes = command.deliver(queued(*recipients))
    assert {outcome.verdict for outcome in outcomes} == {Verdict.REFUSED}
    assert not command.record.exists()


def test_a_sender_like_an_option_is_refused(command: Command) -> None:
    (outcome,) = command.deliver(queued("bob@b.test", sender="-X/tmp/x@a.test"))
    assert (outcome.verdict, outcome.status) == (Verdict.REFUSED, "5.1.7")
    assert not command.record.exists()


def test_many_recipients_take_several_runs(command: Command) -> None:
    recipients = [f"user{number}@b.test" for number in range(250)]
    assert len(command.deliver(queued(*recipients))) == 250
    runs = [args[4:] for args, _, _ in command.runs()]  # type: ignore[index]
    assert [len(run) for run in runs] == [100, 100, 50]
    assert [recipient for run in runs for recipient in run] == recipients


def test_each_run_has_its_own_outcome(command: Command) -> None:
    command.write("import sys\nsys.stdin.buffer.read()\nsys.exit(67 if 'user0@b.test' in sys.argv else 75)")
    outcomes = command.deliver(queued(*(f"user{number}@b.test" for number in range(101))))
    assert [outcome.verdict for outcome in outcomes] == [Verdict.REFUSED] * 100 + [Verdict.DEFERRED]


def test_what_the_command_says_counts(command: Command) -> None:
    command.write("import sys\nsys.stdin.buffer.read()\nprint('5.1.1 no such user here')\nsys.exit(75)")
    (outcome,) = command.deliver(queued("bob@b.test"))
    assert (outcome.verdict, outcome.status, outcome.text) == (
        Verdict.REFUSED,
        "5.1.1",
        "sendmail: no such user here",
    )


def test_endless_output_is_bounded(command: Command) -> None:
    command.write("import sys\nsys.stderr.write('no\\n' * 2_000_000)\nsys.stdin.buffer.read()\nsys.exit(1)")
    (outcome,) = command.deliver(queued("bob@b.test"), b"x\r\n" * 200_000)
    assert outcome.verdict is Verdict.DEFERRED
    assert len(outcome.text) <= TEXT_LIMIT_CHARS


def test_a_large_message_goes_through_unchanged(command: Command) -> None:
    body = b"line of text\r\n" * 100_000
    command.deliver(queued("bob@b.test"), body)
    assert command.runs()[0][1] == body.replace(b"\r\n", b"\n").decode()


def test_a_command_that_does_not_end_is_killed_with_its_children(command: Command, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    command.write(
        "import os, time\nchild = os.fork()\n"
        f"open({str(pids)!r}, 'a').write(f'{{os.getpid()}}\\n')\ntime.sleep(600)"
    )
    (outcome,) = command.deliver(queued("bob@b.test"), timeout_seconds=3 * slowness())
    assert outcome.verdict is Verdict.DEFERRED
    assert "was killed" in outcome.text
    for pid in pids.read_text().split():
        wait_until(lambda pid=pid: not is_alive(int(pid)), 60, f"the end of {pid}")  # type: ignore[misc]


def test_a_child_left_in_the_background_is_not_waited_for(command: Command, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    command.write(
        "import os, sys, time\nsys.stdin.buffer.read()\nif os.fork():\n    sys.exit(0)\n"
        f"open({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    )
    (outcome,) = command.deliver(queued("bob@b.test"))
    assert outcome.verdict is Verdict.DELIVERED
    left = int(wait_until(lambda: pid.exists() and pid.read_text(), 60, "the child"))
    assert is_alive(left)
    os.kill(left, 9)


def test_a_command_that_does_not_read_the_message_has_not_got_it(command: Command) -> None:
    command.write("import sys\nsys.exit(0)")
    (outcome,) = command.deliver(queued("bob@b.test"), b"x" * 1_000_000 + b"\r\n")
    assert outcome.verdict is Verdict.DEFERRED
    assert "before it had read" in outcome.text


def test_a_refusal_before_the_message_was_read_is_a_refusal(command: Command) -> None:
    command.write("import sys\nprint('5.7.1 not for you')\nsys.exit(77)")
    (outcome,) = command.deliver(queued("bob@b.test"), b"x" * 1_000_000 + b"\r\n")
    assert (outcome.verdict, outcome.status) == (Verdict.REFUSED, "5.7.1")


def test_a_missing_command_is_no_fault_of_the_message(tmp_path: Path) -> None:
    target = SendmailTarget(SendmailTargetSettings((str(tmp_path / "none"),)))
    (outcome,) = deliver_one(target, queued("bob@b.test"), BODY)
    target.close()
    assert outcome.verdict is Verdict.DEFERRED
    assert "No such file" in outcome.text


def test_a_message_that_breaks_off_is_not_sent(command: Command) -> None:
    def body() -> Iterator[bytes]:
        yield BODY
        raise StoreCorrupt("the body file is missing")

    with pytest.raises(StoreCorrupt):
        deliver_one(command.target(), queued("bob@b.test"), body)
    with pytest.raises(MessageError, match="bare LF"):
        command.deliver(queued("bob@b.test"), BODY + b"stray\nbyte\r\n")
    assert not command.record.exists()


@pytest.mark.parametrize("argv", [(), ("sendmail", "-i"), ("./sendmail",)])
def test_the_command_needs_an_absolute_path(argv: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="absolute path"):
        SendmailTarget(SendmailTargetSettings(argv))


@pytest.mark.parametrize("name", ["nncp-gateway", "nncp-gateway-pipe"])
def test_our_own_sendmail_is_not_called(tmp_path: Path, name: str) -> None:
    own = tmp_path / name
    own.touch()
    (tmp_path / "sendmail").symlink_to(own)
    with pytest.raises(ConfigError, match="itself"):
        SendmailTarget(SendmailTargetSettings((str(tmp_path / "sendmail"), "-i")))
