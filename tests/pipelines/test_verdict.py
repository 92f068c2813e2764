import json

import numpy as np

from gyrocompass.pipelines import verdict


def probes(folder, gold, proxy, n=200, noise=0.3):
    """Probe files whose means follow the given curves, prompts differing by noise that stays their own."""
    rng = np.random.default_rng(0)
    own = rng.normal(0, 0.5, n)
    for step, (g, p) in enumerate(zip(gold, proxy, strict=True)):
        words = [{"model": "ppo", "kind": None, "prompt": f"q{i}", "response": "a"} for i in range(n)]
        values = [{"proxy": p + rng.normal(own[i], noise), "gold": g + rng.normal(own[i], noise)} for i in range(n)]
        rows = [word | value | {"kl_nats": float(step)} for word, value in zip(words, values, strict=True)]
        (folder / f"{step * 10:06d}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    read = verdict.probed(folder)
    peak = verdict.peak_of(read, "gold")
    return peak, verdict.sentences(read, peak, "gold")


def test_a_proxy_that_rises_while_gold_falls_is_over_optimisation(tmp_path):
    peak, words = probes(tmp_path, gold=[0.4, 0.6, 0.3, 0.0], proxy=[0, 1, 2, 3])
    assert peak["step"] == 10
    assert peak["drop_low"] < 0.6 < peak["drop_high"]
    assert words[0].startswith("Over-optimised")
    assert "step 10" in words[0]


def test_both_rising_is_said_so(tmp_path):
    _, words = probes(tmp_path, gold=[0.1, 0.3, 0.5], proxy=[0, 1, 2])
    assert words[0].startswith("Both rose")
    assert not any("fall from the peak" in sentence for sentence in words)


def test_too_few_prompts_give_no_verdict_on_intent(tmp_path):
    _, words = probes(tmp_path, gold=[0.40, 0.41, 0.40], proxy=[0, 1, 2], n=12)
    assert "can't be told from no change at n = 12" in words[0]


def test_no_change_at_all_is_said_so(tmp_path):
    _, words = probes(tmp_path, gold=[0.4, 0.4, 0.4], proxy=[0, 0, 0])
    assert "didn't raise the proxy" in words[0]


def test_choosing_the_peak_doesn_t_flatter_it(tmp_path):
    """With gold flat, the drop from the chosen peak is as often below 0 as above: its interval holds 0."""
    drops = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        gold = rng.normal(0, 1, (8, 100))
        read = verdict.Probed(list(range(8)), {"gold": gold, "kl_nats": np.zeros((8, 100))}, list(map(str, range(100))))
        peak = verdict.peak_of(read, "gold")
        drops.append(peak["drop_low"] > 0)
    assert np.mean(drops) < 0.15
