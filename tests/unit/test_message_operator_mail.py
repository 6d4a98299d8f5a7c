from email import message_from_bytes, policy

from gateway.message.operator_mail import HeldItem, write_operator_mail

ITEM = HeldItem("0123456789abcdef", "alice@a.test", ("bob@b.test",), "to node hub", "too large: 5 bytes")


def write(*items: HeldItem, operator: str = "root@a.test") -> bytes:
    return write_operator_mail(
        hostname="mx.a.test", operator=operator, message_id="1@mx.a.test", date_seconds=0.0, items=items
    )


def test_one_message_is_told_with_the_commands_that_decide() -> None:
    raw = write(ITEM)
    assert raw.isascii()
    assert raw.count(b"\n") == raw.count(b"\r\n")
    message = message_from_bytes(raw, policy=policy.default)
    assert message["Subject"] == "1 message is held at mx.a.test: too large for the link"
    text = message.get_payload()
    for command in ("release", "move --to-node NODE", "expire", "drop"):
        assert f"nncp-gateway queue {command} {ITEM.queue_id}" in text


def test_of_many_the_commands_name_the_first() -> None:
    items = [HeldItem(f"{number:016x}", "", ("bob@b.test",), "to node hub", "why") for number in range(5)]
    text = write(*items).decode()
    assert f"queue drop {items[0].queue_id} {items[1].queue_id} {items[2].queue_id} ..." in text
    assert all(item.queue_id in text for item in items)


def test_what_strangers_wrote_adds_no_field_and_no_line() -> None:
    evil = "a\r\nBcc: x@y\r\n\r\n.\x1b[2J\u2028b@c.test"
    raw = write(HeldItem("1", evil, (evil,), evil, evil), operator=evil)
    plain = write(ITEM)
    assert raw.count(b"\r\n") == plain.count(b"\r\n")
    message = message_from_bytes(raw, policy=policy.default.clone(refold_source="none"))
    assert "Bcc" not in message
    assert b"\x1b" not in raw


def test_addresses_in_utf8_are_declared_so() -> None:
    raw = write(HeldItem("1", "ann@bücher.test", ("bob@b.test",), "to node hub", "why"))
    assert b"charset=utf-8\r\nContent-Transfer-Encoding: 8bit" in raw
    assert "from <ann@bücher.test>" in raw.decode()


def test_no_line_is_longer_than_mail_allows() -> None:
    raw = write(HeldItem("1", "a" * 5000, ("b" * 5000,), "to node hub", "c" * 5000))
    assert max(map(len, raw.split(b"\r\n"))) <= 998
