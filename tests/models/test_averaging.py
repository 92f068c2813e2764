"""Averaged reward models: weights and scale by hand, and what has no mean."""

import shutil

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from gyrocompass.config import Compute
from gyrocompass.errors import InputError
from gyrocompass.models.averaging import averaged, likeness
from gyrocompass.models.loading import load
from gyrocompass.models.scorer import RewardModel
from gyrocompass.records import Example, user

FP32 = Compute(precision="fp32", device="cpu")
ASKED = [Example(user(f"say {word}"), word * 3) for word in ("a", "bc", "def")]


@pytest.fixture
def wandered(checkpoint, tmp_path):
    """wandered(seed, far) -> a reward model that went `far` times its own size from the common start, folder."""

    def make(seed, far=0.1, scale=(0.0, 1.0), head=False, architecture="llama"):
        start, folder = checkpoint(architecture), tmp_path / f"{architecture}-{seed}-{far}"
        model = AutoModelForSequenceClassification.from_pretrained(start, num_labels=1)
        draw = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            model.score.weight.copy_(torch.randn(model.score.weight.shape, generator=draw))
            for name, p in model.named_parameters():
                if p.dim() > 1 and not name.startswith("score") and not head:
                    step = torch.randn(p.shape, generator=draw)
                    p.add_(step * (far * p.norm() / step.norm()))
        model.config.reward_mean, model.config.reward_std = scale
        model.save_pretrained(folder)
        for file in start.glob("tokenizer*"):
            shutil.copy(file, folder)
        return str(folder)

    return make


def weights(folder):
    return dict(load(folder, FP32, scalar=True).core.named_parameters())


def test_weights_and_scale_are_the_mean_of_all(wandered):
    folders = [wandered(seed, scale=(seed, 1.0 + seed)) for seed in range(3)]
    found, parts = averaged(folders, FP32), [weights(folder) for folder in folders]
    for name, p in found.core.named_parameters():
        torch.testing.assert_close(p, torch.stack([part[name] for part in parts]).mean(0))
    assert (found.core.config.reward_mean, found.core.config.reward_std) == pytest.approx((1.0, 2.0))


def test_copies_of_one_model_average_to_it_exactly(wandered):
    folder = wandered(0)
    own = weights(folder)
    for name, p in averaged([folder] * 3, FP32).core.named_parameters():
        assert torch.equal(p, own[name])


def test_models_that_differ_in_their_heads_alone_average_their_scores(wandered):
    """A score is linear in the head."""
    folders = [wandered(seed, head=True) for seed in range(2)]
    single = [RewardModel(load(folder, FP32, scalar=True))(ASKED) for folder in folders]
    assert RewardModel(averaged(folders, FP32))(ASKED) == pytest.approx(np.mean(single, axis=0), abs=1e-5)


def test_as_far_apart_as_the_start_is_large_the_cosine_is_a_half(wandered):
    """(s + a) (s + b) / |s + a| |s + b| with s, a, b of one size at right angles: 1/2."""
    one, two = (load(wandered(seed, far=1.0), FP32, scalar=True) for seed in range(2))
    assert likeness(one, two) == pytest.approx(0.5, abs=0.02)
    assert likeness(one, one) == pytest.approx(1.0)


def test_models_without_a_common_start_are_refused_in_one_line(wandered):
    with pytest.raises(InputError, match=r"no common start .*cosine 0\.0\d") as caught:
        averaged([wandered(seed, far=10.0) for seed in range(2)], FP32)
    assert "\n" not in str(caught.value)


def test_other_shapes_and_a_model_alone_are_refused(wandered):
    with pytest.raises(InputError, match="shape and tokens"):
        averaged([wandered(0), wandered(0, architecture="gpt2")], FP32)
    with pytest.raises(InputError, match="nothing to be averaged with"):
        averaged([wandered(1)], FP32)
