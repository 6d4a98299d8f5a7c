"""A peer that takes nearly all is not asked before each article; any other is."""

from gateway.nntp.check_habit import CheckHabit
from gateway.nntp.feeder import ArticleWanted, FeedDialogue


def taught(*taken: bool) -> CheckHabit:
    habit = CheckHabit()
    for is_taken in taken:
        habit.note(is_taken=is_taken)
    return habit


def streaming(habit: CheckHabit) -> FeedDialogue:
    feed = FeedDialogue(habit=habit)
    feed.receive_data(b"200 hello\r\n203 streaming\r\n")
    feed.data_to_send()
    return feed


def test_a_peer_that_is_not_known_is_asked() -> None:
    assert CheckHabit().is_asking
    assert taught(*[True] * 100).is_asking


def test_a_peer_that_takes_all_is_not_asked_and_one_that_refuses_some_is_asked_again() -> None:
    habit = taught(*[True] * 200)
    assert not habit.is_asking
    habit.note(is_taken=False)
    assert not habit.is_asking
    for _ in range(6):
        habit.note(is_taken=False)
    assert habit.is_asking


def test_a_peer_that_refuses_every_tenth_article_is_always_asked() -> None:
    habit = CheckHabit()
    for number in range(2000):
        habit.note(is_taken=number % 10 != 0)
        assert habit.is_asking


def test_articles_go_unasked_to_a_peer_that_takes_all() -> None:
    feed = streaming(taught(*[True] * 200))
    assert feed.offer("<1@a>") == [ArticleWanted("<1@a>")]
    feed.send_article("<1@a>", b"A: b\r\n\r\nc\r\n")
    assert feed.data_to_send() == b"TAKETHIS <1@a>\r\nA: b\r\n\r\nc\r\n.\r\n"


def test_what_becomes_of_articles_is_learnt_whichever_way_they_were_offered() -> None:
    feed = streaming(CheckHabit())
    for number in range(200):
        message_id = f"<{number}@a>"
        if not feed.offer(message_id):
            feed.receive_data(f"238 {message_id}\r\n".encode())
        feed.send_article(message_id, b"A: b\r\n\r\nc\r\n")
        feed.receive_data(f"239 {message_id}\r\n".encode())
    assert feed.offer("<next@a>")
    for number in range(10):
        message_id = f"<{number}@b>"
        is_unasked = bool(feed.offer(message_id))
        if is_unasked:
            feed.send_article(message_id, b"A: b\r\n\r\nc\r\n")
        feed.receive_data(f"{'439' if is_unasked else '438'} {message_id} Duplicate\r\n".encode())
    assert feed.offer("<last@a>") == []
