"""Articles on their way: whatever clients do, one is asked at a time, and nobody waits for ever."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.ingest.nntp_offers import PROMISE_SECONDS, PROMISES_LIMIT_COUNT, Offers

IDS = st.sampled_from(["<0>", "<1>", "<2>"])
CLIENTS = st.sampled_from("abc")


class OffersMachine(RuleBasedStateMachine):
    """Three clients and three articles; what is expected is kept as plainly as can be."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.offers = Offers(lambda: self.now)
        self.holders: dict[str, tuple[str, float]] = {}
        self.arriving: dict[str, int] = {}
        self.ended_count = 0
        self.expected_count = 0

    def end(self) -> None:
        self.ended_count += 1

    @rule(message_id=IDS, client=CLIENTS)
    def promise(self, message_id: str, client: str) -> None:
        holder, until = self.holders.get(message_id, (client, 0.0))
        is_free = holder == client or until <= self.now
        assert self.offers.promise(message_id, client) is is_free
        if is_free:
            self.holders[message_id] = (client, self.now + PROMISE_SECONDS)

    @rule(message_id=IDS, client=CLIENTS)
    def withdraw(self, message_id: str, client: str) -> None:
        self.offers.withdraw(message_id, client)
        if self.holders.get(message_id, ("",))[0] == client:
            del self.holders[message_id]

    @rule(client=CLIENTS)
    def forget(self, client: str) -> None:
        self.offers.forget(client)
        self.holders = {name: held for name, held in self.holders.items() if held[0] != client}

    @rule(message_id=IDS)
    def arrive(self, message_id: str) -> None:
        self.offers.arrive(message_id)
        self.arriving.setdefault(message_id, 0)

    @rule(message_id=IDS)
    def wait(self, message_id: str) -> None:
        is_arriving = message_id in self.arriving
        assert self.offers.wait(message_id, self.end) is is_arriving
        if is_arriving:
            self.arriving[message_id] += 1

    @rule(message_id=IDS)
    def settle(self, message_id: str) -> None:
        self.offers.settle(message_id)
        self.expected_count += self.arriving.pop(message_id, 0)

    @rule()
    def later(self) -> None:
        self.now += PROMISE_SECONDS / 2

    @invariant()
    def every_wait_ends_once(self) -> None:
        assert self.ended_count == self.expected_count


TestOffers = OffersMachine.TestCase


def test_a_client_that_offers_without_end_is_remembered_in_part() -> None:
    offers = Offers(lambda: 0.0)
    for number in range(2 * PROMISES_LIMIT_COUNT):
        assert offers.promise(f"<{number}>", "a")
    assert offers.promise("<0>", "b")
    assert not offers.promise(f"<{2 * PROMISES_LIMIT_COUNT - 1}>", "b")
    offers.forget("a")
    assert offers.promise(f"<{2 * PROMISES_LIMIT_COUNT - 1}>", "b")
