"""Both sides do the same work at the smallest size, and the command says so in one object; no test looks at a clock."""

import json
import math
from dataclasses import replace
from itertools import chain

import pytest

pytest.importorskip("trl")


@pytest.fixture
def here(bench, monkeypatch):
    """Every trial in this process: it saves the starts of as many others."""
    for name in ("sides", "compare"):
        monkeypatch.setattr(bench[name], "in_child", lambda act, *arguments: (act(*arguments), 1000.0))
    return bench


@pytest.fixture
def task(bench, tmp_path):
    def made(method, **options):
        found = bench["task"].Task(method, "town", tmp_path, batch=4, steps=2, **options)
        found.prepare()
        return found

    return made


def test_the_command_ends_with_one_json_object(here, capsys):
    options = "sft town --batch 4 --steps 2 --alternations 1 --json"
    here["compare"].main(options.split(), standalone_mode=False)
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["method"], told["size"], told["precision"], told["n"]) == ("sft", "town", "fp32", 1)
    rates = told["tokens_per_second"]
    assert rates.keys() == told["peak_memory_mib"].keys() == {"ours", "theirs_best", "theirs_defaults"}
    assert min(rates.values()) > 0
    assert told["tokens_per_second_ratio"] == pytest.approx(rates["ours"] / rates["theirs_best"])
    assert told["tokens_per_second_ratio_defaults"] == pytest.approx(rates["ours"] / rates["theirs_defaults"])
    assert told["peak_memory_ratio"] == told["peak_memory_ratio_defaults"] == 1
    assert told["versions"]["trl"]
    assert all(0 < share < 2 for share in told["ceiling_fraction"].values())
    here["sides"].show(told)
    assert "against TRL's best settings" in capsys.readouterr().out


@pytest.mark.parametrize("method", ["reward", "dpo"])
def test_loss_and_gradient_of_the_first_step_agree(here, task, method):
    work = task(method)
    mine = here["ours"].trial(work)
    theirs = [here["peers"].trial(work, form) for form in (here["peers"].DEFAULTS, here["peers"].BEST[method][1])]
    for other in theirs:
        here["compare"].check_same_work(work, mine, other)
        assert sum(other.tokens) == sum(mine.tokens)
        assert len(other.seconds) == len(mine.seconds) == work.steps
    if method == "dpo":
        assert mine.first_loss == pytest.approx(math.log(2), rel=1e-5)
        assert mine.reference_seconds > 0
        assert theirs[0].reference_seconds is None
        assert theirs[1].reference_seconds > 0
    other = mine._replace(first_gradient=2 * mine.first_gradient)
    with pytest.raises(Exception, match="not the same work: first gradient norm"):
        here["compare"].check_same_work(work, other, theirs[0])


def test_rollouts_of_both_sides_have_lengths_of_one_distribution(here, task):
    work = task("grpo", generations=2)
    mine, theirs = here["ours"].trial(work), here["peers"].trial(work, here["peers"].DEFAULTS)
    here["compare"].check_same_work(work, mine, theirs)
    assert len(mine.tokens) == len(theirs.tokens) == len(theirs.seconds) == work.steps
    assert all(0 < a < t for trial in (mine, theirs) for a, t in zip(trial.answered, trial.tokens, strict=True))


def test_both_orders_hold_the_same_examples_and_one_holds_alike_lengths(bench, task):
    work = replace(task("sft"), steps=5)
    orders = {kind: work.order(kind) for kind in ("random", "grouped")}
    assert orders["random"][0] == orders["grouped"][0] == [0, 1, 2, 3]
    assert sorted(chain(*orders["random"])) == sorted(chain(*orders["grouped"])) == list(range(24))

    def padding(steps):
        lengths = [[work.items[i].longest for i in step] for step in steps[1:]]
        return sum(len(step) * max(step) - sum(step) for step in lengths)

    assert padding(orders["grouped"]) < padding(orders["random"]) / 3


def test_a_vocabulary_can_be_chosen_but_not_the_towns(bench):
    size_of = bench["workload"].size_of
    assert size_of("15m", 1000).shape().vocab_size == len(size_of("small", 1000).tokenizer()) == 1000
    assert size_of("0.5b").shape().hidden_size == 896
    with pytest.raises(ValueError, match="vocabulary of its own"):
        size_of("town", 1000)
    with pytest.raises(Exception, match="vocabulary of its own"):
        bench["compare"].main(["sft", "town", "--vocabulary", "1000"], standalone_mode=False)
