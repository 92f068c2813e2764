import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gyrocompass.maths import logprobs
from gyrocompass.maths.logprobs import token_logprobs


def plain(hidden, weight, targets, temperature, bias):
    logits = hidden @ weight.T + (0 if bias is None else bias)
    return torch.log_softmax(logits / temperature, -1).gather(-1, targets[:, None])[:, 0]


def inputs(n, d, v, seed, with_bias):
    g = torch.Generator().manual_seed(seed)
    hidden = torch.randn(n, d, generator=g, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(v, d, generator=g, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(v, generator=g, dtype=torch.float64, requires_grad=True) if with_bias else None
    return hidden, weight, torch.randint(v, (n,), generator=g), bias


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 9),
    v=st.integers(2, 12),
    seed=st.integers(0, 99),
    bias=st.booleans(),
    temperature=st.floats(0.3, 3),
    rows=st.integers(1, 5),
)
def test_value_and_gradient_equal_plain_softmax_however_rows_are_blocked(n, v, seed, bias, temperature, rows):
    hidden, weight, targets, b = inputs(n, 4, v, seed, bias)
    grad = torch.randn(n, generator=torch.Generator().manual_seed(seed + 1))
    whole, fewest = logprobs.CHUNK_ELEMENTS, logprobs.MIN_ROWS
    logprobs.CHUNK_ELEMENTS, logprobs.MIN_ROWS = rows * v, 1
    try:
        ours = token_logprobs(hidden, weight, targets, temperature, b)
        ours.backward(grad)
    finally:
        logprobs.CHUNK_ELEMENTS, logprobs.MIN_ROWS = whole, fewest
    leaves = [x for x in (hidden, weight, b) if x is not None]
    found = [x.grad.clone() for x in leaves]
    expected = torch.autograd.grad(plain(hidden, weight, targets, temperature, b), leaves, grad.double())
    torch.testing.assert_close(ours.double(), plain(hidden, weight, targets, temperature, b), atol=1e-5, rtol=1e-5)
    for ours_grad, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours_grad, theirs, atol=1e-5, rtol=1e-4)


def test_equal_logits_give_minus_log_v():
    """Zero weights make every token equally likely: log(1/8) = -2.0794415."""
    found = token_logprobs(torch.ones(3, 2), torch.zeros(8, 2), torch.tensor([0, 3, 7]))
    torch.testing.assert_close(found, torch.full((3,), -2.0794415))


def test_temperature_divides_logits():
    """Logits (2, 0) at temperature 2 are (1, 0): log sigma(1) = -0.3132617."""
    found = token_logprobs(torch.tensor([[1.0]]), torch.tensor([[2.0], [0.0]]), torch.tensor([0]), 2.0)
    torch.testing.assert_close(found, torch.tensor([-0.3132617]))


def test_bf16_autocast_stays_near_fp32():
    hidden, weight, targets, _ = inputs(64, 32, 100, 0, False)
    hidden, weight = hidden.float(), weight.float() * 0.1
    with torch.autocast("cpu", torch.bfloat16):
        low = token_logprobs(hidden, weight, targets)
    assert (low - token_logprobs(hidden, weight, targets)).abs().max() < 0.05


def test_temperature_must_be_positive():
    with pytest.raises(ValueError, match="temperature"):
        token_logprobs(torch.ones(1, 1), torch.ones(2, 1), torch.tensor([0]), 0.0)
