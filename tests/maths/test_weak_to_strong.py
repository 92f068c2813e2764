import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gyrocompass.maths.weak_to_strong import adaptive_threshold, confidence_weight, weak_supervision


def test_the_weight_rises_over_the_warmup_and_stays():
    assert [confidence_weight(p, 0.5, 0.2) for p in (0.0, 0.1, 0.2, 0.9)] == pytest.approx([0.0, 0.25, 0.5, 0.5])
    assert confidence_weight(0.0, 0.5, 0.0) == 0.5


def test_with_balanced_labels_half_of_the_cases_lie_above_the_threshold():
    logits = torch.tensor([3.0, -1.0, 8.0, 2.0])
    assert adaptive_threshold(logits, torch.full((4,), 0.5)) == 2.5


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=30, unique=True), st.floats(0, 1, width=32))
def test_as_many_cases_lie_above_the_threshold_as_the_weak_labels_say(numbers, share):
    logits = torch.tensor(numbers, dtype=torch.float32)
    threshold = adaptive_threshold(logits, torch.full((len(numbers),), share))
    assert int((logits > threshold).sum()) == round(float(torch.full((len(numbers),), share).mean()) * len(numbers))


def test_without_weight_it_is_the_cross_entropy_to_the_weak_labels():
    logits, weak = torch.tensor([0.0, math.log(3)]), torch.tensor([1.0, 0.5])
    loss, metrics = weak_supervision(logits, weak)
    by_hand = (math.log(2) - 0.5 * math.log(0.75) - 0.5 * math.log(0.25)) / 2
    assert float(loss) == pytest.approx(by_hand, rel=1e-6)
    assert float(metrics["agreement"]) == 0.0


def test_with_all_weight_it_is_the_cross_entropy_to_the_students_own_opinion():
    logits = torch.tensor([2.0, 1.0, -1.0])
    loss, _ = weak_supervision(logits, torch.tensor([0.0, 1.0, 1.0]), weight=1.0, threshold=1.5)
    by_hand = (math.log1p(math.exp(-2)) + math.log1p(math.exp(1)) + math.log1p(math.exp(-1))) / 3
    assert float(loss) == pytest.approx(by_hand, rel=1e-6)


def test_the_gradient_is_the_probability_minus_the_mixed_target():
    logits = torch.tensor([0.4, -2.0], requires_grad=True)
    loss, _ = weak_supervision(logits, torch.tensor([0.2, 0.9]), weight=0.25, threshold=0.0)
    loss.backward()
    target = torch.tensor([0.75 * 0.2 + 0.25, 0.75 * 0.9])
    assert torch.allclose(logits.grad, (torch.sigmoid(logits.detach()) - target) / 2)


def test_shares_of_a_step_add_up():
    logits, weak = torch.randn(7), torch.rand(7)
    whole, metrics = weak_supervision(logits, weak, 0.5, 0.1)
    parts = [weak_supervision(logits[cut], weak[cut], 0.5, 0.1, 7) for cut in (slice(0, 2), slice(2, 7))]
    assert float(sum(loss for loss, _ in parts)) == pytest.approx(float(whole), rel=1e-5)
    assert float(sum(m["agreement"] for _, m in parts)) == pytest.approx(float(metrics["agreement"]))


@pytest.mark.parametrize("weight", [-0.1, 1.1])
def test_a_weight_outside_its_range_is_refused(weight):
    with pytest.raises(ValueError, match="outside"):
        weak_supervision(torch.zeros(1), torch.zeros(1), weight)
