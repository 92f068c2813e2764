import pytest
import torch

from gyrocompass.maths.products import cast, matmul_t, outer, product_type, unchanged_weights


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float64])
def test_products_are_those_of_torch(kind):
    x, w, g = (
        torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(kind) for shape in ((5, 3), (4, 3), (5, 4))
    )
    torch.testing.assert_close(matmul_t(x, w), x @ w.T)
    torch.testing.assert_close(outer(g, x), g.T @ x)


def test_a_weight_is_cast_once_while_it_doesn_t_change_and_anew_afterwards():
    """The fused optimiser changes a weight without any trace in its version: nothing may outlive the scope."""
    weight = torch.nn.Parameter(torch.ones(2, 3))
    with unchanged_weights():
        kept = cast(weight, torch.bfloat16)
        assert cast(weight, torch.bfloat16) is kept
        with unchanged_weights():
            assert cast(weight, torch.bfloat16) is not kept
        assert cast(weight, torch.bfloat16) is kept
        assert cast(weight, torch.float32) is not kept
    weight.grad = torch.ones(2, 3)
    torch.optim.AdamW([weight], lr=0.5, fused=True).step()
    with unchanged_weights():
        torch.testing.assert_close(cast(weight, torch.bfloat16), weight.detach().bfloat16())
    assert cast(weight, torch.bfloat16) is not cast(weight, torch.bfloat16)


def test_products_run_in_the_type_of_autocast():
    x = torch.ones(1)
    assert product_type(x) == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert product_type(x) == torch.bfloat16
