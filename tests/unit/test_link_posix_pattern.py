import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigError
from gateway.link.posix_pattern import PATTERN_LIMIT_CHARS, compile_posix

NAMES = ("eth0", "eth10", "wlan0", "br-lan", "veth.7", "a]", "-", "x{,2}")


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("eth", ["eth0", "eth10", "veth.7"]),
        ("^eth", ["eth0", "eth10"]),
        ("^eth.$", ["eth0"]),
        ("^(eth|wlan)[0-9]+$", ["eth0", "eth10", "wlan0"]),
        ("^eth[[:digit:]]{2}$", ["eth10"]),
        ("^eth[[:digit:]]{1,}$", ["eth0", "eth10"]),
        ("^e?th", ["eth0", "eth10"]),
        ("^v?eth", ["eth0", "eth10", "veth.7"]),
        ("^e*?t", ["eth0", "eth10"]),
        ("(^b|\\.)", ["br-lan", "veth.7"]),
        ("[^[:alnum:]-]", ["veth.7", "a]", "x{,2}"]),
        ("[]x]", ["a]", "x{,2}"]),
        ("[^]a-z0-9.-]", ["x{,2}"]),
        ("^[--/]$", ["-"]),
        ("[b-]r?", ["br-lan", "-"]),
        ("x{,2}", ["x{,2}"]),
        ("[\\]]", ["a]"]),
        ("[.]", ["veth.7"]),
        ("^()-|^$", ["-"]),
        ("a**]", ["a]"]),
        ("[[:^alpha:]]0", ["eth10"]),
    ],
)
def test_pattern_names_interfaces(pattern: str, names: list[str]) -> None:
    found = compile_posix(pattern)
    assert [name for name in NAMES if found.search(name)] == names


@pytest.mark.parametrize(
    ("pattern", "error"),
    [
        ("(eth", r"a \( without its \)"),
        ("eth)", r"a \) without its \("),
        ("eth[0-9", r"a \[ without its \]"),
        ("*", r"nothing in front of \*"),
        ("a|+", r"nothing in front of \+"),
        ("{2}", "nothing in front of {"),
        ("\\d", "means nothing"),
        ("eth\\", "means nothing"),
        ("[[:letters:]]", "is not known"),
        ("[b-a]", "ends before it begins"),
        ("[a-b-c]", "neither first, last"),
        ("a{2,1}", "no number of times"),
        ("a{1001}", "no number of times"),
        ("x" * (PATTERN_LIMIT_CHARS + 1), "allowed: 256"),
    ],
)
def test_pattern_that_go_refuses_too_is_refused(pattern: str, error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        compile_posix(pattern)


@given(st.text(alphabet="ab0.^$|()[]{}*+?-\\,:12 \n\u00e4", max_size=30), st.text("ab0-]", max_size=5))
def test_any_text_is_a_pattern_or_refused(pattern: str, name: str) -> None:
    try:
        found = compile_posix(pattern)
    except ConfigError:
        return
    found.search(name)


@given(st.text(min_size=1, max_size=15))
def test_name_with_every_sign_escaped_names_itself_alone(name: str) -> None:
    signs = set("\\.^$|()[]{}*+?")
    pattern = "".join("\\" + char if char in signs else char for char in name)
    found = compile_posix(f"^{pattern}$")
    assert found.search(name)
    assert not found.search(name + "x")
