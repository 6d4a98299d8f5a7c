import dataclasses

import pytest

from gateway.message.envelope import Envelope


def test_envelope_is_a_value() -> None:
    envelope = Envelope("a@b", ("c@d",))
    assert envelope == Envelope(sender="a@b", recipients=("c@d",), is_8bit=False, is_smtputf8=False)
    assert len({envelope, Envelope("a@b", ("c@d",))}) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        envelope.sender = "x@y"  # type: ignore[misc]
