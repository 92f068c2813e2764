import numpy as np
import pytest

from gyrocompass.config import Compute, Reward
from gyrocompass.errors import Diverged, InputError
from gyrocompass.learn import loop
from gyrocompass.learn.reward import RewardModelling, accuracy, split_by_prompt
from gyrocompass.models.pairs import encode_pairs
from gyrocompass.models.scorer import RewardModel, checked, ensemble
from gyrocompass.protocols import Scorer
from gyrocompass.records import Example, Preference, user
from gyrocompass.run import Run


def pairs(n, p=1.0):
    return [Preference(user(f"q{i}"), "good" + "!" * (i % 3), "evil" + "!" * (i % 2), p) for i in range(n)]


def trained(tiny, tmp_path, preferences, **changes):
    network = tiny("llama", Compute(precision="fp32"), scalar=True, trainable=True)
    config = Reward(learning_rate=3e-3, batch_size=16, epochs=3, **changes)
    run = Run.open(tmp_path, {"seed": 0}, quiet=True)
    loop.train(RewardModelling(network, encode_pairs(network, preferences)[0], config, 0), config, run, "reward")
    return RewardModel(network)


def test_it_learns_which_is_better_and_says_so_on_prompts_it_never_saw(tiny, tmp_path):
    scorer = trained(tiny, tmp_path / "run", pairs(120))
    found = accuracy(scorer, [p.swap() if i % 2 else p for i, p in enumerate(pairs(40))])
    assert found.low > 0.8
    assert found.n == 40


def test_preferences_that_share_a_prompt_count_as_one(tiny):
    scorer = RewardModel(tiny("llama", scalar=True, trainable=True))
    assert accuracy(scorer, pairs(10) + [p.swap() for p in pairs(10)]).n == 10


def test_soft_labels_are_learnt_as_odds(tiny, tmp_path):
    """At p = 0.75 the score difference that minimises the loss is log(0.75 / 0.25) = 1.0986."""
    scorer = trained(tiny, tmp_path / "run", pairs(160, p=0.75), centring=0.0)
    examples = [Example(user("q9"), text) for text in ("good", "evil")]
    first, second = scorer(examples)
    assert first - second == pytest.approx(np.log(3), abs=0.35)


def test_centring_pulls_scores_towards_zero(tiny, tmp_path):
    loose, tight = (trained(tiny, tmp_path / str(c), pairs(80), centring=c) for c in (0.0, 1.0))
    examples = [Example(p.prompt, text) for p in pairs(20) for text in (p.first, p.second)]
    assert abs(tight(examples).mean()) < 0.3
    assert abs(tight(examples)).max() <= abs(loose(examples)).max()


def test_splits_share_no_prompt():
    doubled = pairs(30) + [p.swap() for p in pairs(30)]
    train, heldout = split_by_prompt(doubled, 0.2, 1)
    assert len(train) + len(heldout) == 60
    assert len(heldout) == 12
    assert not {p.prompt for p in train} & {p.prompt for p in heldout}


def test_a_pair_with_one_response_too_long_is_left_out_whole(tiny):
    network = tiny("llama", Compute(max_tokens=60), scalar=True, trainable=True)
    rows, kept, notes = encode_pairs(network, [*pairs(2), Preference(user("q"), "a" * 80, "b")])
    assert len(rows) == len(kept) == 2
    assert "1 of 6" in notes[0]


def test_no_preferences_are_refused(tiny):
    with pytest.raises(InputError, match="no preferences"):
        RewardModelling(tiny("llama", scalar=True, trainable=True), [], Reward(), 0)


def test_ensembles_by_hand():
    """Scores (1, 3) and (3, 3): mean (2, 3), min (1, 3), mean - variance (2 - 1, 3 - 0)."""
    one, two = (lambda examples, v=v: np.array(v, dtype=float) for v in ([1, 3], [3, 3]))
    examples = [Example(user("q"), "a"), Example(user("q"), "b")]
    assert ensemble([one, two], "mean")(examples).tolist() == [2, 3]
    assert ensemble([one, two], "min")(examples).tolist() == [1, 3]
    assert ensemble([one, two], "mean_minus_variance")(examples).tolist() == [1, 3]
    assert isinstance(ensemble([one]), Scorer)
    with pytest.raises(InputError, match="no scorers"):
        ensemble([])


def test_a_nan_score_is_never_passed_on():
    with pytest.raises(Diverged, match="judge: 1 of 2 scores are NaN"):
        checked(np.array([1.0, np.nan]), 2, "judge")
    for wrong in (np.float64(1.0), np.ones(3)):
        with pytest.raises(InputError, match="return one number each"):
            checked(wrong, 2, "judge")
