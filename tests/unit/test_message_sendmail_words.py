import pytest

from gateway.errors import UsageFault
from gateway.message.envelope import MailOptions, Notify, Return
from gateway.message.sendmail_words import Mode, SendmailWords, parse_sendmail


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("", SendmailWords()),
        ("bob@b.test carl@c.test", SendmailWords(recipients=["bob@b.test", "carl@c.test"])),
        ("-t -i", SendmailWords(is_scanning=True, is_dot_content=True)),
        ("-ti", SendmailWords(is_scanning=True, is_dot_content=True)),
        ("-oi -oem -f a@x -- -b@x", SendmailWords(sender="a@x", is_dot_content=True, recipients=["-b@x"])),
        ("-fa@x -F Alice b@x", SendmailWords(sender="a@x", full_name="Alice", recipients=["b@x"])),
        (
            "-i -FCronDaemon -B8BITMIME -oem root",
            SendmailWords(full_name="CronDaemon", is_dot_content=True, recipients=["root"]),
        ),
        ("-G -ra@x b@x", SendmailWords(sender="a@x", is_passed_on=True, recipients=["b@x"])),
        (
            "-N success,Delay -Rhdrs -V a+b b@x",
            SendmailWords(
                options=MailOptions("a+2Bb", Return.HEADERS),
                notify=frozenset({Notify.SUCCESS, Notify.DELAY}),
                recipients=["b@x"],
            ),
        ),
        (
            "-L tag -X /log -h 5 -pSMTP -Am -O x=y -d8.1 -em -m -n -U -v b@x",
            SendmailWords(recipients=["b@x"]),
        ),
        ("b@x -i", SendmailWords(is_dot_content=True, recipients=["b@x"])),
        ("-bs", SendmailWords(mode=Mode.SMTP)),
        ("-bS", SendmailWords(mode=Mode.BATCH)),
        ("-bm b@x", SendmailWords(recipients=["b@x"])),
        ("-ifa@x -", SendmailWords(sender="a@x", is_dot_content=True, recipients=["-"])),
    ],
)
def test_options_of_any_mail_server_are_known(line: str, found: SendmailWords) -> None:
    assert parse_sendmail(line.split()) == found


def test_empty_words_are_values() -> None:
    assert parse_sendmail(["-f", "", "-F", "", ""]) == SendmailWords(sender="", full_name="", recipients=[""])


@pytest.mark.parametrize(
    "line",
    [
        *("-bp", "-bd", "-bi", "-bv x", "-q", "-q30m", "-I", "-C /etc x", "-z", "-f", "-b", "-tZ"),
        *("-N", "-N always", "-N never,delay", "-R none", "-V ä", "-R full -R full"),
    ],
)
def test_what_can_not_be_done_here_is_told(line: str) -> None:
    with pytest.raises(UsageFault):
        parse_sendmail(line.split())
