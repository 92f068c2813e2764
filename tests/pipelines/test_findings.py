"""What the frontier is said to show, and what it isn't said to show."""

import numpy as np

from gyrocompass.maths.stats import Estimate
from gyrocompass.pipelines import findings
from gyrocompass.pipelines.changed_raters import Changed, Policy
from gyrocompass.pipelines.cost import Cost
from gyrocompass.pipelines.curves import Curve, compare
from gyrocompass.pipelines.verdict import Probed
from gyrocompass.records import Example, user

KL = (0.0, 2.0, 5.0, 9.0)


def curve(model, gold, noise=0.2, n=200, proxy=(0, 1, 2, 3)):
    rng = np.random.default_rng(7)
    values = {name: np.array(means)[:, None] + rng.normal(0, noise, (4, n))
              for name, means in {"gold": gold, "proxy": proxy, "kl_nats": KL}.items()}  # fmt: skip
    answers = tuple(Example(user(f"q{i}"), "a") for i in range(n))
    probed = Probed([0, 10, 20, 40], values, list(map(str, range(n))))
    return Curve(model, 0.1, f"{model}-1", probed, answers, answers, default=True)


def equal_kl(ppo, dpo, **more):
    return findings.equal_kl([compare(curve("ppo", ppo, **more), curve("dpo", dpo, **more), "gold")], "gold")


def test_a_difference_at_equal_kl_is_said_which_way_and_how_large():
    said = equal_kl(ppo=(0.2, 0.4, 0.6, 0.8), dpo=(0.2, 0.3, 0.4, 0.5))
    assert said.startswith("At equal KL, from 1 to 8 nats, DPO's gold is lower than PPO's by 0.1")
    assert "higher" in equal_kl(ppo=(0.2, 0.3, 0.4, 0.5), dpo=(0.2, 0.4, 0.6, 0.8))


def test_a_difference_that_the_interval_doesn_t_carry_is_not_claimed():
    assert "can't be told from PPO's" in equal_kl(ppo=(0.2, 0.4, 0.6, 0.8), dpo=(0.2, 0.4, 0.6, 0.8), n=20)


def test_without_a_kl_in_common_nothing_is_compared():
    assert "can't be compared" in findings.equal_kl([], "gold")


def test_each_method_s_verdict_names_its_setting():
    said = findings.optimised(curve("ppo", (0.2, 0.6, 0.3, 0.0)), "gold")
    assert said.startswith(
        "PPO (kl_coef=0.1): over-optimised: the proxy rose, but the true intent (gold) peaked at step 10"
    )
    assert findings.optimised(curve("dpo", (0.2, 0.4, 0.6, 0.8)), "gold").startswith("DPO (beta=0.1): both rose")


def test_costs_are_those_beyond_what_all_share():
    gold = (0.2, 0.4, 0.6, 0.8)
    said = findings.costs([(curve("ppo", gold), Cost(118.4, 900.0, 300.0)), (curve("dpo", gold), Cost(66, None, None))])
    assert said == (
        "Beyond what all share, PPO with its reward model took 118 s and 300 MiB of memory and DPO took 66 s."
    )


def changed(ppo, dpo_new, n=100):
    rng = np.random.default_rng(3)

    def policy(model, mean):
        return Policy(model, "", "changed raters", mean + rng.normal(0, 0.5, n))

    before, old = policy("ppo", 0.3), policy("dpo", 0.3)
    return Changed(
        ("ppo-1", "dpo-1"), Estimate(0.58, 0.55, 0.61, 900), policy("sft", 0.5), before, policy("ppo", ppo), old,
        policy("dpo", dpo_new),
    )  # fmt: skip


def test_ppo_that_follows_and_dpo_held_back_by_its_data():
    first, gained, limit = findings.following(changed(ppo=1.0, dpo_new=0.9))
    assert "see 58% [55%, 61%] of pairs the other way round (n=900)" in first
    assert "PPO went on with a new reward model and is worth more to them than DPO on the old pairs, by 0." in first
    assert gained.startswith("What PPO is worth to them changed by 0.")
    assert limit.endswith("its limit is the data, not the loss.")


def test_ppo_that_doesn_t_follow_is_not_said_to():
    first, _, limit = findings.following(changed(ppo=0.3, dpo_new=0.3, n=30))
    assert "can't be told from DPO on the old pairs" in first
    assert "limit" not in limit
    assert "DPO on the old pairs is still worth more, by 1." in findings.following(changed(ppo=-1.0, dpo_new=0.3))[0]
