"""The tables about news become settings, or a line that says what is wrong."""

from pathlib import Path

import pytest

from gateway.config.gateway_toml import GatewayConfig, load_gateway_config
from gateway.errors import ConfigError
from gateway.ingest.unix_socket import UnixSocket
from gateway.msgqueue.entry import Form
from tests.support.gateways import GatewayNode
from tests.support.news import make_area

HOST = '\n[news]\npathhost = "gw.a.test"\n'


def peer(name: str) -> str:
    return f'[[news.peer]]\nname = "{name}"\naddress = "h:1"\n'


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> GatewayNode:
    place = tmp_path_factory.mktemp("news")
    a, b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
    a.accept(b)
    make_area("village", [a])
    return a


def load(node: GatewayNode, text: str) -> GatewayConfig:
    path = node.home / "tried.toml"
    path.write_text(node.config_path.read_text() + text)
    return load_gateway_config(path, {})


def test_without_a_name_for_path_there_is_no_news(node: GatewayNode) -> None:
    assert load(node, "").news is None


def test_every_feed_is_there_with_its_limits(node: GatewayNode) -> None:
    (node.home / "secret").write_text("word\n")
    text = HOST + (
        '[[news.peer]]\nname = "inn"\naddress = "[::1]:119"\nuser = "gw"\npassword_file = "secret"\n'
        '[[news.peer]]\nname = "near"\naddress = "/run/news/nntpin"\nfeed = ""\n'
        '[[news.area]]\narea = "village"\nfeed = "local.*"\n'
        '[news.rnews]\ncommand = ["/usr/bin/rnews"]\n'
        '[neighbour.b.news]\nfeed = "comp.*"\naccept = "*"\nnice = "N"\nlevel = 3\nmax_groups = 4\n'
    )
    news = load(node, text).news
    assert news is not None
    assert [feed.name for feed in news.rules.feeds.feeds] == ["inn", "near", "rnews", "b", "area:village"]
    b = news.feed_of("b")
    assert b is not None
    assert b.node is not None
    assert (b.nice, b.max_groups_count) == (160, 4)
    policy = news.batch.policy(b.node)
    assert (policy.form, policy.level) == (Form.RNEWS, 3)
    assert news.origins[b.node].name == "b"
    inn = news.peers["inn"]
    assert (inn.host, inn.port, inn.feed.password) == ("::1", 119, "word")
    assert (news.peers["near"].host, news.peers["near"].port) == ("/run/news/nntpin", 0)
    assert "word" not in repr(news)
    area = news.feed_of("area:village")
    assert area is not None
    assert area.node not in news.origins


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[news.peer]]\nname = "x"\naddress = "h:1"\n', "news.pathhost: is missing"),
        ('[neighbour.b.news]\nfeed = "*"\n', "news.pathhost: is missing"),
        ('[news]\npathhost = "a b"\n', "news.pathhost"),
        (HOST + 'groups = "comp.["\n', "news.groups"),
        (HOST + "history_days = 3.0\n", "history_days"),
        (HOST + peer("b") + "[neighbour.b.news]\n", "the name of another feed"),
        (HOST + peer("x") + peer("x"), "one name"),
        (HOST + '[[news.peer]]\nname = "x"\naddress = "relative"\n', "news.peer[1].address"),
        (HOST + '[[news.peer]]\nname = "x"\naddress = "h:1"\nuser = "u"\n', "user and password_file"),
        (
            HOST + '[[news.peer]]\nname = "x"\naddress = "h:1"\nuser = "u"\npassword_file = "none"\n',
            "cannot be read",
        ),
        (HOST + '[[news.area]]\narea = "nowhere"\n', "is no area"),
        (HOST + '[news.rnews]\ncommand = ["rnews"]\n', "news.rnews.command"),
        (HOST + '[neighbour.b.news]\ndistributions = ["!"]\n', "distributions"),
        (HOST + peer("reader"), "the name of another feed"),
        (HOST + '[news.reader.groups]\n"a b" = "x"\n', "news.reader.groups"),
        (HOST + '[news.reader.groups]\n"a.b" = "x\\ny"\n', "news.reader.groups"),
        (HOST + '[news.reader]\nfeed = "comp.["\n', "news.reader.feed"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_with_its_key(node: GatewayNode, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(node, text)
    assert said in str(caught.value)
    assert str(Path("tried.toml")) in str(caught.value)


def test_a_store_for_newsreaders_is_there_once_it_has_groups(node: GatewayNode) -> None:
    nothing = load(node, HOST + "[news.reader]\nkeep_days = 3.0\n").news
    assert nothing is not None
    assert (nothing.reader, nothing.feed_of("reader")) == (None, None)
    text = (
        '[news.reader]\nfeed = "comp.*,!comp.os.*"\nkeep_days = 2.0\nno_posting = "comp.answers"\n'
        'new_groups = ""\n[news.reader.groups]\n"comp.os.linux" = "Linux"\n"local.talk" = ""\n'
        '[nntp]\nmoderated = "comp.lang.mod"\n'
    )
    news = load(node, HOST + text).news
    assert news is not None
    feed, rules = news.feed_of("reader"), news.reader
    assert feed is not None
    assert rules is not None
    names = ("comp.lang", "comp.os.unix", "comp.os.linux", "local.talk", "alt.x")
    assert [feed.groups.matches(name) for name in names] == [True, False, True, True, False]
    assert rules.groups == feed.groups
    assert (rules.host, rules.keep_seconds, rules.created.matches("comp.lang")) == (
        "gw.a.test",
        172_800,
        False,
    )
    statuses = [rules.status(name) for name in ("comp.answers", "comp.lang", "comp.lang.mod")]
    assert statuses == ["n", "y", "m"]
    assert not feed.is_control_fed
    assert news.reader_directory == node.home / "state/news/reader"


def test_named_groups_alone_are_a_store(node: GatewayNode) -> None:
    news = load(node, HOST + '[news.reader.groups]\n"local.talk" = "Anything"\n').news
    assert news is not None
    assert news.reader is not None
    assert not news.reader.groups.matches("comp.lang")


def test_the_endpoint_for_news_and_who_may_bring_what(node: GatewayNode) -> None:
    text = HOST + (
        '[[news.peer]]\nname = "inn"\nhosts = ["192.0.2.0/24"]\n'
        'path_names = ["inn.test"]\naccept = "comp.*"\n'
        '[[news.peer]]\nname = "far"\nlogin = "far"\naccept = ""\nmax_connections = 2\n'
        "max_receive_bytes = 5000\n"
        '[[news.peer]]\nname = "fed"\naddress = "h:119"\n'
        '[nntp]\nlisten = ["[::1]:119"]\nsocket = "nntp"\ncleartext_on_loopback = true\n'
        'moderators = ["local.*:mod@a.test", "*:%s@m.test"]\nmoderated = "local.announce"\n'
    )
    config = load(node, text)
    assert config.nntp is not None
    assert config.news is not None
    assert config.nntp.places.listen == (("::1", 119),)
    assert config.nntp.places.unix == UnixSocket(node.home / "nntp")
    assert config.nntp.passwords == config.state_directory / "news-passwords" != config.passwords
    inn, far = config.nntp.peers
    assert inn.hosts.permits("192.0.2.9")
    assert (inn.origin.name, inn.origin.path_names) == ("inn", ("inn.test",))
    assert inn.origin.accept is not None
    assert [inn.origin.accept.matches(name) for name in ("comp.x", "alt.x")] == [True, False]
    assert (far.login, far.max_connections) == ("far", 2)
    assert (inn.origin.max_article_bytes, far.origin.max_article_bytes) == (None, 5000)
    assert far.origin.accept is not None
    assert not far.origin.accept.matches("comp.x")
    assert [feed.name for feed in config.news.rules.feeds.feeds] == ["fed"]
    assert list(config.news.peers) == ["fed"]
    moderators = config.nntp.moderators
    assert [address for groups, address in moderators.addresses if groups.matches("local.announce")] == [
        "mod@a.test",
        "%s@m.test",
    ]
    assert load(node, HOST).nntp is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('\n[nntp]\nlisten = ["h:119"]\n', "nntp: there is no news"),
        (HOST + '[nntp]\nlisten_tls = ["h:563"]\n', "nntp.listen_tls needs a certificate"),
        (HOST + '[nntp]\nlisten = ["h:1"]\nmax_inflight_bytes = 2000\n', "nntp.max_inflight_bytes"),
        (HOST + '[[news.peer]]\nname = "a"\n', "has no address, hosts or login"),
        (HOST + '[[news.peer]]\nname = "a"\nlogin = "a"\n[nntp]\nlisten = ["h:1"]\n', "could not log in"),
        (HOST + '[nntp]\nmoderators = ["local.*"]\n', "nntp.moderators"),
        (HOST + '[nntp]\nmoderators = ["local.*:nobody"]\n', "nntp.moderators"),
    ],
)
def test_an_endpoint_for_news_that_can_not_work_is_told(node: GatewayNode, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(node, text)
    assert said in str(caught.value)
