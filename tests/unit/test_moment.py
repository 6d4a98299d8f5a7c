from gateway.moment import Moment, read_moment


def test_within_a_boot_the_time_of_day_does_not_count() -> None:
    assert Moment(5.0, "a", 100.0).age_seconds(Moment(1.7e9, "a", 130.0)) == 30
    assert Moment(1.7e9, "a", 100.0).age_seconds(Moment(5.0, "a", 130.0)) == 30


def test_across_boots_it_is_all_there_is() -> None:
    assert Moment(1000.0, "a", 100.0).age_seconds(Moment(1030.0, "b", 1.0)) == 30
    assert Moment(1000.0, "", 100.0).age_seconds(Moment(1030.0, "", 500.0)) == 30


def test_nothing_is_in_the_future() -> None:
    assert Moment(1.7e9, "a", 100.0).age_seconds(Moment(5.0, "b", 1.0)) == 0
    assert Moment(1000.0, "a", 100.0).age_seconds(Moment(1000.0, "a", 99.0)) == 0


def test_now() -> None:
    one, two = read_moment(), read_moment()
    assert 0 <= one.age_seconds(two) < 60
    assert one.boot_id == two.boot_id
