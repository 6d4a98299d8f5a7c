"""The figures of a run."""

from gateway.deliver.result import DeliverResult
from gateway.msgqueue.entry import Verdict


def test_each_verdict_has_its_figure() -> None:
    result = DeliverResult()
    assert result.is_empty
    for verdict, times in ((Verdict.DELIVERED, 1), (Verdict.DEFERRED, 2), (Verdict.REFUSED, 3)):
        for _ in range(times):
            result.count(verdict)
    assert result == DeliverResult(delivered_count=1, deferred_count=2, dead_count=3)
    assert not result.is_empty


def test_a_crash_alone_is_something_that_was_due() -> None:
    assert not DeliverResult(crash_count=1).is_empty
    assert DeliverResult(is_target_down=True).is_empty


def test_what_two_deliverers_did_is_added() -> None:
    result = DeliverResult(1, 2, 3, 4)
    result += DeliverResult(10, 20, 30, 40, is_target_down=True)
    result += DeliverResult()
    assert result == DeliverResult(11, 22, 33, 44, is_target_down=True)
