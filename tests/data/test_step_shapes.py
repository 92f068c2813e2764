import json

import pytest

from gyrocompass.data import read_steps, write
from gyrocompass.errors import InputError


def completion(text, rating):
    return {"text": text, "rating": rating, "flagged": False}


def step(*completions, chosen=0, human=None):
    return {"completions": list(completions), "human_completion": human, "chosen_completion": chosen}


def row(*steps, reason="solution"):
    question = {"problem": "what is 1 + 1 + 1", "ground_truth_answer": "3", "pre_generated_steps": None}
    return {"labeler": "x", "question": question, "label": {"steps": list(steps), "finish_reason": reason}}


def test_prm800k_follows_what_was_chosen():
    (chain,), report = read_steps(
        [row(step(completion("bad", -1), completion("1 + 1 = 2", 1), chosen=1), step(completion("hm", 0)),
             step(completion("x", -1), chosen=None, human=completion("2 + 1 = 3", None)), step(completion("so 3", 1)))]
    )  # fmt: skip
    assert chain.steps == ("1 + 1 = 2", "hm", "2 + 1 = 3", "so 3")
    assert chain.labels == (1.0, 1.0, 1.0, 1.0)
    assert chain.prompt[0].content == "what is 1 + 1 + 1"
    assert chain.meta == {"answer": "3", "finish_reason": "solution", "ratings": [1, 0, 1, 1]}
    assert report.shapes == ("question/label",)


def test_prm800k_ends_with_the_first_wrong_step():
    (chain,), _ = read_steps(
        [row(step(completion("a", 1)), step(completion("b", -1), chosen=None), reason="found_error")]
    )
    assert (chain.steps, chain.labels) == (("a", "b"), (1.0, 0.0))


def test_a_chain_is_kept_up_to_where_labels_are_missing(tmp_path):
    first = [step(completion("a", 1)), step(completion("b", 0))]
    rows = [
        row(*first), row(*first, step(completion("c", None)), step(completion("d", -1)), reason="give_up"),
        row(*first, step()),
    ]  # fmt: skip
    chains, report = read_steps(rows)
    assert [(chain.steps, chain.labels) for chain in chains] == [(("a", "b"), (1.0, 1.0))] * 3
    assert [chain.meta.get("shortened") for chain in chains] == [
        None, "a step without a rating", "a step without a completion",
    ]  # fmt: skip
    told = "1 shortened to what comes before a step without a rating (first at rows:2)"
    assert told in str(report)
    assert (report.dropped, report.shortened) == (0, 2)
    write(chains, tmp_path / "chains.jsonl")
    again, report = read_steps(tmp_path / "chains.jsonl")
    assert (again, report.shortened) == (chains, 2)


def test_rows_without_any_label_are_dropped_and_counted():
    chains, report = read_steps([row(step(completion("a", 1))), row(step(completion("a", None))), row(), row(step())])
    assert len(chains) == 1
    assert "1 with a step without a rating (first at rows:2)" in str(report)
    assert "1 with an empty chain of steps" in str(report)
    assert "1 with a step without a completion" in str(report)


@pytest.mark.parametrize(
    ("bad", "told"),
    [(row(step(completion("a", 2))), "rows:1: step 1 is rated 2; a rating is -1, 0 or 1"),
     (row(step(completion("a", 1), chosen=4)), "rows:1: step 1 chose completion 4 of 1"),
     (row("a"), "rows:1: step 1 is 'a', not an object"),
     ({"question": "q", "label": {}}, "rows:1: 'question' is 'q', not an object as in PRM800K"),
     ({"question": {"problem": "q"}, "label": {"steps": 3}}, "rows:1: 'steps' is 3; write it as a list")],
)  # fmt: skip
def test_prm800k_rows_that_are_broken_are_named(bad, told):
    with pytest.raises(InputError) as error:
        read_steps([bad])
    assert told in str(error.value)


def test_process_bench_tells_the_earliest_error(tmp_path):
    common = {"generator": "g", "problem": "q"}
    rows = [
        {**common, "id": "gsm8k-0", "steps": ["a", "b", "c"], "final_answer_correct": False, "label": 1},
        {**common, "id": "gsm8k-1", "steps": ["a"], "final_answer_correct": True, "label": -1},
    ]
    path = tmp_path / "gsm8k.json"
    path.write_text(json.dumps(rows))
    chains, _ = read_steps(path)
    assert [chain.labels for chain in chains] == [(1.0, 0.0, 0.0), (1.0,)]
    assert chains[0].meta == {"id": "gsm8k-0", "generator": "g", "final_answer_correct": False}


@pytest.mark.parametrize("label", [3, -2, "1", True])
def test_process_bench_labels_name_a_step(label):
    with pytest.raises(InputError, match="names none of 3 steps"):
        read_steps([{"problem": "q", "steps": ["a", "b", "c"], "label": label}])


def test_an_empty_step_drops_its_chain_or_ends_it():
    common = {"problem": "q", "label": 0}
    chains, report = read_steps([{**common, "steps": ["a", None]}, {**common, "steps": ["a"]}])
    assert len(chains) == 1
    assert "1 with an empty step (first at rows:1)" in str(report)
    (chain,), report = read_steps([row(step(completion("a", 1)), step(completion("", 1)))])
    assert (chain.steps, chain.meta["shortened"]) == (("a",), "an empty step")


def test_trl_rows_are_read_as_before():
    (chain,), _ = read_steps([{"prompt": "q", "completions": ["a", "b"], "labels": [True, False]}])
    assert chain.labels == (1.0, 0.0)
    with pytest.raises(InputError, match="2 steps but 1 labels"):
        read_steps([{"prompt": "q", "completions": ["a", "b"], "labels": [True]}])
