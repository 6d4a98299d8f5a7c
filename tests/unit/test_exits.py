import inspect

import pytest

from gateway import errors
from gateway.exits import Caller, exit_status, pipe_line
from gateway.ingest.routes import RecipientRefused

KINDS = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, Exception)]
BUG = ValueError("a bug")


@pytest.mark.parametrize("caller", Caller)
def test_success_is_0_for_everybody(caller: Caller) -> None:
    assert exit_status(None, caller) == 0


@pytest.mark.parametrize(
    ("error", "own", "pipe"),
    [
        (errors.UsageFault("x"), 64, 75),
        (errors.ConfigError("x"), 78, 75),
        (errors.UnknownNode("x"), 68, 75),
        (errors.BadIdentifier("x"), 65, 75),
        (errors.BadAddress("x"), 65, 65),
        (errors.BadAddress("x", status="5.1.7"), 65, 65),
        (errors.MailLoop("x"), 65, 65),
        (errors.MessageError("x"), 65, 65),
        (errors.MessageError("x", status="5.3.4"), 65, 65),
        (errors.MessageError("x", status="4.3.4"), 65, 75),
        (RecipientRefused("x", status="5.1.1"), 65, 67),
        (RecipientRefused("x", status="5.7.1"), 65, 77),
        (RecipientRefused("x", status="4.7.1"), 65, 75),
        (errors.StoreBusy("x"), 75, 75),
        (errors.StoreFull("x"), 75, 75),
        (errors.StoreError("x"), 74, 75),
        (errors.StoreCorrupt("x"), 74, 75),
        (errors.BadBlock("x"), 65, 75),
        (errors.RemoteProtocolError("x"), 76, 75),
        (errors.GatewayError("x"), 69, 75),
        (BUG, 70, 75),
        (KeyboardInterrupt(), 70, 75),
    ],
)
def test_each_error_has_its_status(error: BaseException, own: int, pipe: int) -> None:
    assert exit_status(error, Caller.OWN) == own
    assert exit_status(error, Caller.PIPE) == pipe
    assert exit_status(error, Caller.HANDLER) == 75


@pytest.mark.parametrize("kind", [*KINDS, ValueError, OSError, MemoryError])
def test_a_pipe_never_ends_with_a_status_that_bounces_by_mistake(kind: type[Exception]) -> None:
    assert exit_status(kind("x"), Caller.PIPE) in {65, 67, 75, 77}
    assert exit_status(kind("x"), Caller.HANDLER) == 75
    assert 64 <= exit_status(kind("x"), Caller.OWN) <= 78


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (errors.BadAddress("no\n such"), "5.1.3 no such"),
        (errors.ConfigError("x"), "4.3.5 x"),
        (errors.StoreFull("x"), "4.3.1 x"),
        (BUG, "4.3.0 internal error: ValueError"),
    ],
)
def test_a_mail_server_is_told_a_status_that_agrees(error: BaseException, line: str) -> None:
    assert pipe_line(error) == line
