import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gyrocompass.data.located import read_located
from gyrocompass.errors import InputError

YAML = """\
# a comment
name: one
list:
  - a
  -
    key: >-
      folded
      text
    weight: 2
"""


@pytest.fixture
def file(tmp_path):
    """file(text, name) -> its path."""

    def make(text, name="x.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return make


def test_every_part_knows_its_line(file):
    read = read_located(file(YAML))
    assert read.plain == {"name": "one", "list": ["a", {"key": "folded text", "weight": 2}]}
    lines = {(): 2, ("name",): 2, ("list",): 3, ("list", 0): 4, ("list", 1): 6, ("list", 1, "weight"): 9}
    assert {path: read.at(*path).place.line for path in lines} == lines
    assert read.at("list", 1, "nowhere", 7).place.line == 6
    assert read.at("list", 1, "weight").number("weight") == 2.0
    assert read.at("name").text("name") == "one"


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda read: read.at("list").text("it"), "x.yaml:3: it is a list, not text"),
        (lambda read: read.at("name").number("it"), "x.yaml:2: it is 'one', not a number"),
        (lambda read: read.at("name").items("it"), "x.yaml:2: it is 'one', not a list"),
        (lambda read: read.at("list").fields("it"), "x.yaml:3: it is a list, not a mapping"),
        (lambda read: read.at("list", 1).text("it"), "x.yaml:6: it is a mapping, not text"),
    ],
)
def test_a_part_of_another_kind_is_refused_at_its_line(file, call, says):
    with pytest.raises(InputError, match=says):
        call(read_located(file(YAML)))


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        ("a: 1\nb: [1,\n", "x.yaml", r"x.yaml:3: not valid YAML"),
        ("a: 1\nb: 2\na: 3\n", "x.yaml", r"x.yaml:3: 'a' stands here again \(first on line 1\)"),
        ('{"a": 1,\n "b": 2\n "c": 3}', "x.json", r"x.json:3: not valid JSON"),
        ('{"a": 1,\n "a": 2}', "x.json", r"x.json:2: 'a' stands here again"),
        ("1: one\n", "x.yaml", r"x.yaml:1: a key is 1, not text"),
        ("a: !unknown 1\n", "x.yaml", r"x.yaml:1: not valid YAML"),
        ("a: &a [*a]\n", "x.yaml", r"x.yaml: not valid YAML"),
        ("a: \x00", "x.yaml", r"x.yaml: not valid YAML"),
    ],
)
def test_what_is_no_yaml_or_json_is_one_line_with_its_place(file, text, name, says):
    with pytest.raises(InputError, match=says) as caught:
        read_located(file(text, name))
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="it can't be read"):
        read_located(tmp_path)
    (tmp_path / "x.yaml").write_bytes(b"a: \xff")
    with pytest.raises(InputError, match="isn't UTF-8"):
        read_located(tmp_path / "x.yaml")


def test_an_empty_file_is_nothing(file):
    assert read_located(file("# nothing\n")).value is None


VALUES = st.recursive(
    st.text() | st.booleans() | st.none() | st.integers(-1000, 1000),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcé😀"), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES, indent=st.sampled_from([None, 1, "\t"]), plain=st.booleans())
def test_json_reads_as_json(file, value, indent, plain):
    text = json.dumps({"value": value}, indent=indent, ensure_ascii=plain)
    assert read_located(file(text, "x.json")).at("value").plain == value
