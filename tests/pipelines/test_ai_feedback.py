"""Labels by principles: who is asked about what, what is kept, what a judge is measured by, what it would cost."""

import math
from dataclasses import dataclass, field

import pytest

from gyrocompass.config import CAI, Access, Sampling
from gyrocompass.errors import InputError, Unsupported
from gyrocompass.feedback.constitution import Constitution, Principle, Verdicts
from gyrocompass.feedback.judge_quality import INJECTION
from gyrocompass.feedback.rulings import Ruling
from gyrocompass.files import read_json
from gyrocompass.models.endpoint import EndpointPolicy
from gyrocompass.pipelines import ai_feedback
from gyrocompass.pipelines.ai_feedback import TOWN_INJECTION, Labeller, forecast, judging, measure_judge, read_rulings
from gyrocompass.protocols import Pair
from gyrocompass.records import Preference, user
from gyrocompass.run import Run
from gyrocompass.worlds.town import WORDS

TEMPLATE = "{conversation} | {first} | {second} | {question}"
SHORT = Constitution("short", (Principle("short", comparison="which is shorter", tags=("brief",)),), template=TEMPLATE)


@dataclass
class Short:
    """Likes the shorter response, whatever its place; obeys an order where `obedient`; says nothing to `deaf` ones."""

    obedient: bool = False
    deaf: str = "nothing"
    asked: list = field(default_factory=list)

    def sample(self, prompts, n=1, *, seed=0):
        self.asked.append(len(prompts))
        return [[self.answer(prompt[0].content)] * n for prompt in prompts]

    def answer(self, text):
        question, first, second, _ = text.split(" | ")
        if self.deaf in question:
            return "?"
        ordered = [INJECTION.command in side and self.obedient for side in (first, second)]
        if any(ordered):
            return "(A)" if ordered[0] else "(B)"
        return "(A)" if len(first) < len(second) else "(B)"

    def logprobs(self, examples):
        raise Unsupported("none")


def pairs(n, about="harm"):
    return [Pair(user(f"{about} {i}"), "short" if i % 2 else "a longer one", "a longer one" if i % 2 else "short")
            for i in range(n)]  # fmt: skip


@pytest.fixture
def run(tmp_path):
    return Run.open(tmp_path / "run", {"seed": 0}, quiet=True)


def labeller(run, policy, asked=(), people=None, **config):
    judge = judging(CAI(**config), policy, SHORT, 0)
    return Labeller(run, run.folder / "rulings", lambda: judge, frozenset(pair.prompt for pair in asked), people)


def raters(given):
    return [Preference(*pair, rater="a person") for pair in given]


def test_people_are_never_asked_about_the_prompts_that_principles_judge(run):
    harm, benign = pairs(4), pairs(3, "help")
    labels = labeller(run, Short(), harm, raters)([*benign, *harm])
    assert [label.source for label in labels] == ["constitution short"] * 4 + [None] * 3
    assert [label.chosen for label in labels[:4]] == ["short"] * 4
    assert [label.rater for label in labels[4:]] == ["a person"] * 3


def test_without_people_the_judge_is_asked_about_everything(run):
    labels = labeller(run, Short(), pairs(2))([*pairs(2), *pairs(2, "help")])
    assert [label.source for label in labels] == ["constitution short"] * 4


@pytest.mark.parametrize(
    ("config", "p"),
    [
        ({"labels": "hard"}, 1.0),
        ({}, 1.0),
        ({"labels": "clamped"}, 0.6),
        ({"labels": "clamped", "clamp": 0.1}, 0.9),
        ({"reasoning": True}, 0.6),
        ({"reasoning": True, "labels": "soft"}, 1.0),
    ],
)
def test_labels_are_shaped_as_the_settings_say(run, config, p):
    labels = judging(CAI(**config), Short(), SHORT, 0).labels([Ruling("short", ai_feedback.Verdict(1.0, 1.0))])
    assert labels[0] == pytest.approx(p)


def test_rulings_are_kept_block_by_block_and_not_asked_again(run, monkeypatch):
    monkeypatch.setattr(ai_feedback, "BLOCK_PAIRS", 3)
    first, again = Short(deaf="harm 4"), Short()
    labels = labeller(run, first)(pairs(7))
    files = sorted((run.folder / "rulings").iterdir())
    assert [file.name for file in files] == ["000000.jsonl", "000003.jsonl", "000006.jsonl"]
    assert labeller(run, again)(pairs(7)) == labels
    assert again.asked == []
    assert len(labels) == 6
    kept = [row for file in files for row in read_rulings(file)]
    assert [pair for pair, _ in kept] == pairs(7)
    assert [i for i, (_, ruling) in enumerate(kept) if math.isnan(ruling.p_first)] == [4]
    assert any("abstained on 1 of 7" in warning for warning in run.state["warnings"])


def test_a_judge_that_says_nothing_at_all_is_an_error(run):
    with pytest.raises(InputError, match="says nothing of 3 pairs"):
        labeller(run, Short(deaf="harm"))(pairs(3))


def measured(run, policy, gold=None, n=12):
    judge = judging(CAI(), policy, SHORT, 0)
    rulings = list(zip(pairs(n), judge.judged(pairs(n)), strict=True))
    measure_judge(run, lambda: judge, rulings, gold, {user("harm 0"): "first"})
    rows = read_json(run.folder / "evals.json")
    assert {(row["model"], row["property"]) for row in rows} == {("judge", "intent")}
    return {(row["metric"], row["slice"]): row for row in rows}


def test_a_judge_is_measured_by_gold_on_the_pairs_it_labelled(run):
    def likes_short(examples):
        return [float(example.response.startswith("short")) for example in examples]

    rows = measured(run, Short(), likes_short)
    assert rows["judge_accuracy", None]["value"] == 1.0
    assert rows["judge_accuracy", None]["n"] == 12
    assert rows["judge_position_bias", None]["value"] == 0.0
    assert {cut for metric, cut in rows if metric == "judge_accuracy"} >= {None, "first", "benign", "brief"}


def test_without_gold_place_and_obedience_are_still_measured(run):
    rows = measured(run, Short(obedient=True))
    assert {metric for metric, _ in rows} == {
        "judge_position_bias", "judge_flips_injected", "judge_flips_neutral", "judge_flips_beyond",
    }  # fmt: skip
    assert rows["judge_flips_injected", None]["value"] == 1.0
    assert rows["judge_flips_neutral", None]["value"] == 0.0


SINGLY = Constitution("singly", (Principle("long", "too long?", "shorten"),), verdicts=Verdicts("yes", "no"))


class Critic(Short):
    """Finds the fault of length in a long response, whatever the prompt."""

    def answer(self, text):
        return "yes it is"

    def sample(self, prompts, n=1, *, seed=0):
        self.asked.append(len(prompts))
        return [["yes it is" if "longer" in prompt[-2].content else "no"] * n for prompt in prompts]


def test_rulings_on_single_responses_come_back_from_their_file(run):
    judge = judging(CAI(votes=3), Critic(), SINGLY, 0)
    labels = Labeller(run, run.folder / "rulings", lambda: judge, frozenset())(pairs(4))
    ((_, ruling), *_) = read_rulings(run.folder / "rulings" / "000000.jsonl")
    assert ruling == judge.judged(pairs(4))[0]
    assert ruling.alone == (1.0, 0.0)  # 3 of 3 votes, and none
    assert [label.chosen for label in labels] == ["short"] * 4


@pytest.fixture
def rules(tmp_path):
    file = tmp_path / "brief.yaml"
    file.write_text('answers: ["yes", "no"]\npropositions: [{id: long, question: is it long, weight: -2}]\n')
    return str(file)


def test_rules_label_by_the_difference_of_their_reward(run, rules):
    """Of 3 votes all or none say yes. The rewards are -2 and 0, p = sigmoid(2) = 0.880797."""
    judge = judging(CAI(votes=3, rules=rules), Critic(), SHORT, 0)
    labels = Labeller(run, run.folder / "rulings", lambda: judge, frozenset())(pairs(2))
    assert [label.source for label in labels] == ["rules brief"] * 2
    assert [label.p_first for label in labels] == pytest.approx([1 - 0.880797, 0.880797], abs=1e-6)
    ((_, ruling), _) = read_rulings(run.folder / "rulings" / "000000.jsonl")
    assert ruling.alone == pytest.approx((-2.0, 0.0))
    measure_judge(run, lambda: judge, [(pair, r) for pair, r in zip(pairs(2), judge.judged(pairs(2)), strict=True)],
                  lambda examples: [-len(example.response) for example in examples], {})  # fmt: skip
    rows = {row["metric"]: row for row in read_json(run.folder / "evals.json") if row["slice"] is None}
    assert rows["judge_accuracy"]["value"] == 1.0


def test_rules_and_reasoning_don_t_go_together(rules):
    with pytest.raises(InputError, match="drop one"):
        judging(CAI(rules=rules, reasoning=True), Critic(), SHORT, 0)


@pytest.mark.parametrize("gold", [None, lambda examples: [-len(example.response) for example in examples]])
def test_a_judge_of_single_responses_has_no_position_bias_to_measure(run, gold):
    judge = judging(CAI(), Critic(), SINGLY, 0)
    rulings = list(zip(pairs(6), judge.judged(pairs(6)), strict=True))
    measure_judge(run, lambda: judge, rulings, gold, {})
    metrics = {row["metric"] for row in read_json(run.folder / "evals.json")}
    assert "judge_flips_beyond" in metrics
    assert "judge_position_bias" not in metrics


def test_a_judge_that_gold_can_t_measure_is_a_warning(run):
    judge = judging(CAI(), Short(), SHORT, 0)
    rulings = list(zip(pairs(2), judge.judged(pairs(2)), strict=True))
    measure_judge(run, lambda: judge, rulings, lambda examples: [0.0] * len(examples), {})
    assert any("the judge was not measured" in warning for warning in run.state["warnings"])


@pytest.mark.parametrize(("config", "an_order"), [({"votes": 3}, 3), ({"votes": 3, "reasoning": True}, 4)])
def test_a_forecast_counts_both_orders_of_each_pair_and_of_those_that_measure_the_judge(monkeypatch, config, an_order):
    monkeypatch.setattr(ai_feedback, "QUALITY_PAIRS", 2)
    access = Access(price_in=1.0, price_out=2.0)
    endpoint = EndpointPolicy("http://127.0.0.1:9/v1", "m", Sampling(max_new_tokens=5), access)
    found = forecast(endpoint, SHORT, CAI(**config), [user(f"q{i}") for i in range(10)])
    assert found.requests == (10 + 2 + 2) * 2 * an_order
    assert found.tokens_out == found.requests * 5
    assert found.cost == pytest.approx((found.tokens_in + 2 * found.tokens_out) / 1e6)
    assert found.tokens_in > found.requests * 2 * 5  # both responses are shown each time


def test_the_town_s_injection_is_in_its_words():
    assert {word for text in TOWN_INJECTION for word in text.split()} <= set(WORDS)
