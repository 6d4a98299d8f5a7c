"""What MAIL and RCPT have told."""

from gateway.ingest.intake import Recipient
from gateway.ingest.parameters import MailParameters
from gateway.ingest.transaction import Transaction
from gateway.message.envelope import Notify, RecipientOptions


def test_null_sender_is_a_sender() -> None:
    transaction = Transaction()
    assert transaction.mail_from is None
    transaction.mail_from = ""
    transaction.add(Recipient("a@b.test"), RecipientOptions())
    submission = transaction.submission(client_ip="", helo="", protocol="ESMTP", is_8bit_found=False)
    assert submission.sender == ""


def test_domain_has_no_case_and_a_local_part_has() -> None:
    transaction = Transaction()
    transaction.add(Recipient("Bob@B.test"), RecipientOptions())
    assert transaction.join("Bob@b.TEST", RecipientOptions())
    assert not transaction.join("bob@b.test", RecipientOptions())
    transaction.add(Recipient("bob@b.test"), RecipientOptions())
    assert [recipient.address for recipient in transaction.recipients] == ["Bob@B.test", "bob@b.test"]
    assert transaction.recipients_count == 2
    assert transaction.accepted_count == 3


def test_what_is_asked_for_a_recipient_stands_under_the_address_that_is_kept() -> None:
    transaction = Transaction()
    transaction.add(Recipient("bob@B.test"), RecipientOptions(frozenset({Notify.NEVER}), "rfc822;one@b.test"))
    transaction.add(Recipient("carl@b.test"), RecipientOptions())
    transaction.join("bob@b.test", RecipientOptions(frozenset({Notify.DELAY}), "rfc822;two@b.test"))
    submission = transaction.submission(client_ip="", helo="", protocol="ESMTP", is_8bit_found=False)
    assert submission.recipient_options == {
        "bob@B.test": RecipientOptions(frozenset({Notify.DELAY}), "rfc822;one@b.test")
    }


def test_8bit_content_is_8bit_whatever_was_declared() -> None:
    transaction = Transaction()
    found = transaction.submission(client_ip="", helo="", protocol="ESMTP", is_8bit_found=True)
    assert found.is_8bit
    transaction.parameters = MailParameters(is_8bit=True)
    declared = transaction.submission(client_ip="", helo="", protocol="ESMTP", is_8bit_found=False)
    assert declared.is_8bit
