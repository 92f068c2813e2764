import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gyrocompass.maths import masked


def test_mean_and_last_index_by_hand():
    mask = torch.tensor([[True, True, False], [False, True, True]])
    x = torch.tensor([[1.0, 2.0, 9.0], [9.0, 3.0, 6.0]])
    assert float(masked.mean(x, mask)) == 3.0
    assert masked.last_index(mask).tolist() == [1, 2]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 50), shift=st.floats(-9, 9))
def test_whitened_has_mean_zero_and_variance_one_whatever_the_scale(seed, scale, shift):
    g = torch.Generator().manual_seed(seed)
    x, mask = torch.randn(5, 4, generator=g), torch.rand(5, 4, generator=g) > 0.4
    mask[0] = True
    white = masked.whiten(x, mask)
    assert abs(float(masked.mean(white, mask))) < 1e-5
    assert abs(float(masked.mean(white.square(), mask)) - 1) < 1e-4
    torch.testing.assert_close(white, masked.whiten(x * scale + shift, mask), atol=2e-3, rtol=1e-3)
    assert (white[~mask] == 0).all()
