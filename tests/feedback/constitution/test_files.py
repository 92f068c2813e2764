import json
import re

import pytest

from gyrocompass.errors import InputError
from gyrocompass.feedback.constitution import TEMPLATE, Principle, Verdicts, read_constitution, shipped
from gyrocompass.feedback.constitution.files import form_of, located_constitution
from gyrocompass.records import Message

OWN = """\
name: small
system: you are careful
template: "{conversation} {first} {second} {question}"
answers: [first, second]
principles:
  - id: kind
    critique: >-
      is it
      unkind?
    revision: make it kind
    comparison: which is kinder?
    weight: 0.5
    tags: [tone, people]
  - id: "true"
    critique: is it false?
    revision: make it true
examples:
  - - {role: user, content: hello}
    - {role: assistant, content: go away}
    - {role: user, content: "is it unkind?"}
    - {role: assistant, content: "yes"}
    - {role: user, content: make it kind}
    - {role: assistant, content: hello there}
"""

PAPER = {
    "harmful0": {
        "prompt": ["\n\nCritiqueRequest: Is it harmful?\n\nCritique:"],
        "edit_request": "\n\nRevisionRequest: Make it harmless.\n\nRevision:",
    },
    "truth1": {"prompt": ["\n\nCritiqueRequest: Is it true?\n\nCritique:"], "edit_request": "Make it true."},
}
QUESTIONS = ["\nWhich is less harmful? Options:", "\nWhich is true? Options:"]
TURNS = ["ask", "answer", "criticise", "bad", "revise", "better"]
CHAT = [{"role": "assistant" if i % 2 else "user", "content": text} for i, text in enumerate(TURNS)]
SWARM = {
    "constitutions": [
        {"critic": "Is it harmful?", "revision": "Make it harmless."},
        {"critic": "Is it true?", "revision": "Make it true."},
    ],
    "system_chat": [CHAT],
}


@pytest.fixture
def file(tmp_path):
    """file(content, name) -> its path."""

    def make(content, name="x.yaml"):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1), encoding="utf-8")
        return path

    return make


def test_the_own_form(file):
    read = read_constitution(file(OWN))
    assert read.principles == (
        Principle("kind", "is it unkind?", "make it kind", "which is kinder?", 0.5, ("tone", "people")),
        Principle("true", "is it false?", "make it true"),
    )
    assert (read.name, read.system, read.answers) == ("small", "you are careful", ("first", "second"))
    assert read.examples[0][1] == Message("assistant", "go away")
    assert len(read.examples[0]) == 6


def test_verdicts(file):
    read = read_constitution(file(OWN.replace("answers:", 'verdicts: {fault: "yes", fine: "no"}\nanswers:')))
    assert read.verdicts == Verdicts("yes", "no")
    assert read.hash != read_constitution(file(OWN)).hash


def test_layout_changes_nothing(file):
    one = read_constitution(file(OWN))
    folded = OWN.replace(">-\n      is it\n      unkind?", '"is it unkind?"  # a question')
    other = read_constitution(file(folded.replace("name: small\n", ""), "y.yaml"))
    as_json = read_constitution(file(located_constitution(file(OWN)).plain, "z.json"))
    assert one.hash == other.hash == as_json.hash
    assert (other.name, as_json.name) == ("y", "small")


def test_the_requests_of_the_paper(file):
    read = read_constitution(file(PAPER, "instructions.json"))
    assert read.name == "instructions"
    assert read.principles == (
        Principle("harmful0", "Is it harmful?", "Make it harmless.", tags=("harmful",)),
        Principle("truth1", "Is it true?", "Make it true.", tags=("truth",)),
    )
    with pytest.raises(InputError, match="no principle with a comparison question"):
        read.having("comparison")


def test_comparison_questions_of_the_paper(file):
    read = read_constitution(file(QUESTIONS, "questions.json"))
    assert [principle.comparison for principle in read.principles] == ["Which is less harmful?", "Which is true?"]
    assert read.template == TEMPLATE
    with pytest.raises(InputError, match="no principle with a critique request and a revision request"):
        read.having("critique", "revision")


@pytest.mark.parametrize("content", [SWARM, SWARM["constitutions"]])
def test_critic_and_revision_pairs(file, content):
    read = read_constitution(file(content, "pairs.json"))
    assert read.principles[1] == Principle("principle1", "Is it true?", "Make it true.")
    assert [message.content for example in read.examples for message in example] in ([], TURNS)
    assert bool(read.examples) == (content is SWARM)


def test_each_form_is_told(file):
    names = [form_of(located_constitution(file(c, "x.json"))).name for c in (PAPER, QUESTIONS, SWARM)]
    assert len({*names, form_of(located_constitution(file(OWN))).name}) == 4


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("    revision: make it kind\n", "", 6, "the principle 'kind' has no revision request; add `revision:`"),
        ("    critique: is it false?\n", "", 14, "the principle 'true' has no critique request"),
        ("make it true", '""', 16, "the principle 'true' has no revision request"),
        ("    revision: make it true", "    revision:", 16, "the principle 'true' has no revision request"),
        ('id: "true"', "id: kind", 14, "two principles have the id 'kind'"),
        ('id: "true"', "id: true", 14, "id is True, not text; put it in quotes"),
        ('- id: "true"\n   ', "-", 14, "a principle has no id"),
        ("weight: 0.5", "weight: 0", 12, "the weight of 'kind' is 0; give a finite number above 0"),
        ("weight: 0.5", "weight: -2", 12, "is -2"),
        ("weight: 0.5", "weight: .inf", 12, "is inf"),
        ("weight: 0.5", "weight: .nan", 12, "is nan"),
        ("weight: 0.5", "weight: heavy", 12, "weight is 'heavy', not a number"),
        ("weight: 0.5", "weight: true", 12, "weight is True, not a number"),
        ("weight: 0.5", "wieght: 0.5", 12, "unknown key 'wieght' in a principle; the nearest one is 'weight'"),
        ("system:", "sistem:", 2, "unknown key 'sistem' in the constitution; the nearest one is 'system'"),
        ("tags: [tone, people]", "tags: tone", 13, "tags is 'tone', not a list"),
        ("tags: [tone, people]", "tags: [1]", 13, "a tag is 1, not text"),
        ("    weight: 0.5", "    weight: 0.5\n    weight: 2", 13, "'weight' stands here again (first on line 12)"),
        ("{conversation} ", "", 3, "the template lacks {conversation}"),
        ("answers: [first, second]", "answers: [first]", 4, "there are 1 answers; give two"),
        ("answers: [first, second]", "answers: [same, same]", 4, "give two different ones"),
        (
            "answers: [first, second]",
            "verdicts: {fault: yes, fine: no}",
            4,
            "fault is True, not text; put it in quotes",
        ),
        ("answers: [first, second]", "verdicts: {fault: bad}", 4, "the verdicts lack 'fine'"),
        ("answers: [first, second]", "verdicts: {fault: bad, good: fine}", 4, "unknown key 'good' in the verdicts"),
        ("answers: [first, second]", "verdicts: {fault: bad, fine: bad not}", 4, "neither may begin with the other"),
        ("    - {role: assistant, content: hello there}\n", "", 18, "example 1 isn't a prompt, a response"),
        ("role: assistant, content: go", "role: robot, content: go", 18, "role 'robot' is none of"),
        ("    - {role: user, content: make it kind}", "    - {role: user}", 18, "lacks 'role' or 'content'"),
        ("  - id: kind\n", "  - kind\n  - id: kind\n", 6, "a principle is 'kind', not a mapping"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_place(file, old, new, line, says):
    assert old in OWN
    with pytest.raises(InputError, match=re.escape(f"x.yaml:{line}: ") + ".*" + re.escape(says)) as caught:
        read_constitution(file(OWN.replace(old, new, 1)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        ("", "x.yaml", "x.yaml:1: the constitution is empty"),
        ("{}", "x.json", "x.json:1: the constitution is empty"),
        ("[]", "x.json", "x.json:1: the constitution is empty"),
        ("name: a\nprinciples: []\n", "x.yaml", "x.yaml:2: the constitution 'a' is empty"),
        ("name: a\nprinciples:\n", "x.yaml", "x.yaml:2: the constitution 'a' is empty"),
        ("name: a\n", "x.yaml", "x.yaml:1: the constitution 'a' is empty"),
        ({"constitutions": []}, "x.json", "the constitution 'x' is empty"),
        ("just text\n", "x.yaml", "x.yaml:1: no form of a constitution"),
        ("a: {b: c}\n", "x.yaml", "x.yaml:1: no form of a constitution"),
        ({"h": {"prompt": PAPER["truth1"]["prompt"]}}, "x.json", "x.json:2: the principle 'h' has no revision request"),
        ({"h": {"edit_request": "mend it"}}, "x.json", "x.json:2: the principle 'h' has no critique request"),
        ({"h": PAPER["truth1"] | {"prompt": ["a", "b"]}}, "x.json", "x.json:3: the principle 'h' has 2 critique"),
        ({"h": PAPER["truth1"] | {"edit_request": "RevisionRequest:"}}, "x.json", "x.json:6: a request is empty"),
        ({"h": PAPER["truth1"] | {"more": "x"}}, "x.json", "x.json:7: unknown key 'more'"),
        (
            '{"h": {"prompt": "a", "edit_request": "b"},\n "h": {"prompt": "a"}}',
            "x.json",
            "x.json:2: 'h' stands here again",
        ),
        ({"constitutions": [{"critic": "a"}]}, "x.json", "x.json:3: the principle has no revision request"),
        ({"constitutions": [{"revision": "a"}]}, "x.json", "x.json:3: the principle has no critique request"),
        (["Which?", "\n\nHuman: hi\n\nAssistant: ho"], "x.json", "x.json:3: this is a transcript"),
        (["Which?", " "], "x.json", "x.json:3: a request is empty"),
        (["Which?", {"critic": "a", "revision": "b"}], "x.json", "x.json:2: a principle is 'Which?', not a mapping"),
    ],
)
def test_no_constitution_is_one_line_with_its_place(file, content, name, says):
    with pytest.raises(InputError, match=re.escape(says)) as caught:
        read_constitution(file(content, name))
    assert "\n" not in str(caught.value)


def test_a_missing_file_names_the_shipped_ones(tmp_path):
    with pytest.raises(InputError, match=r"nowhere.yaml: no such constitution; give a file, or one of .*assistant"):
        read_constitution(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize("name", shipped())
def test_shipped_ones_read_by_name(name):
    read = read_constitution(name)
    assert read.name == name
    assert read.having("critique", "revision", read.judged_by) == tuple(sorted(read.principles, key=lambda p: p.id))


def test_the_shipped_one_for_assistants_shows_its_own_requests():
    read = read_constitution("assistant")
    assert 8 <= len(read.principles) <= 14
    assert {tag for p in read.principles for tag in p.tags} == {"harmlessness", "honesty", "autonomy", "instruction"}
    requests = {(p.critique, p.revision) for p in read.principles}
    assert 2 <= len(read.examples) <= 3
    assert {(example[-4].content, example[-2].content) for example in read.examples} <= requests
