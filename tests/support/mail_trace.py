"""Takes off what the mail servers on the way put in front of a message."""

TRACE = (
    b"return-path:",
    b"x-original-to:",
    b"delivered-to:",
    b"received:",
    b"envelope-to:",
    b"delivery-date:",
)


def without_trace(mail: bytes, original: bytes) -> bytes:
    """The mail without the trace fields in front, as far as they are not the original's own.

    Args:
        mail: as it was delivered, LF line ends.
        original: as it was handed in, LF line ends; it may begin with trace fields itself.
    """
    own_count = _leading_fields(original)
    lines = mail.split(b"\n")
    added_count = _leading_fields(mail) - own_count
    place = 0
    while added_count > 0:
        place += 1
        while lines[place][:1] in {b" ", b"\t"}:
            place += 1
        added_count -= 1
    return b"\n".join(lines[place:])


def _leading_fields(mail: bytes) -> int:
    count = 0
    for line in mail.split(b"\n"):
        if line.lower().startswith(TRACE):
            count += 1
        elif line[:1] not in {b" ", b"\t"} or not count:
            break
    return count
