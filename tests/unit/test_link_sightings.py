from gateway.ids import NodeId
from gateway.link.sightings import ADDRESS_LIMIT_COUNT, KEPT_SECONDS, Sightings

BOB, EVE = NodeId(b"b" * 32), NodeId(b"e" * 32)


def test_nobody_was_seen() -> None:
    assert Sightings().addresses(BOB, 0.0) == ()


def test_newest_announcement_comes_first_and_is_new_once() -> None:
    seen = Sightings()
    assert [seen.see(BOB, address, now) for now, address in enumerate("abab")] == [True, True, False, False]
    assert seen.addresses(BOB, 4.0) == ("b", "a")
    assert seen.see(BOB, "a", 5.0) is False
    assert seen.addresses(BOB, 6.0) == ("a", "b")
    assert seen.addresses(EVE, 6.0) == ()


def test_address_is_forgotten_when_its_announcements_end() -> None:
    seen = Sightings()
    seen.see(BOB, "a", 0.0)
    seen.see(BOB, "b", 50.0)
    assert seen.addresses(BOB, KEPT_SECONDS - 0.1) == ("b", "a")
    assert seen.addresses(BOB, KEPT_SECONDS) == ("b",)
    assert seen.addresses(BOB, KEPT_SECONDS + 50) == ()
    assert seen.see(BOB, "a", 500.0) is True


def test_flood_of_addresses_keeps_the_newest() -> None:
    seen = Sightings()
    for number in range(10_000):
        seen.see(BOB, str(number), number / 1000)
    found = seen.addresses(BOB, 10.0)
    assert found == tuple(str(number) for number in range(9_999, 9_999 - ADDRESS_LIMIT_COUNT, -1))
