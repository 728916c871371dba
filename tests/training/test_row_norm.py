import pytest
import torch
from torch import nn
from torch.nn import functional

pytest.importorskip("triton")
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="a kernel for graphics cards")


@pytest.mark.parametrize("shape", [(1024, 1024, 16), (333, 48), (64, 1024, 128), (1024, 256, 4, 32), (1024, 7, 128)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-3), (torch.bfloat16, 2e-2)])
def test_values_and_gradients_are_those_of_pytorch(shape, dtype, tolerance):
    from training.row_norm import RowNorm

    torch.manual_seed(0)
    theirs = nn.LayerNorm(shape[-1], eps=1e-6).cuda()
    nn.init.normal_(theirs.weight)
    nn.init.normal_(theirs.bias)
    ours = RowNorm(shape[-1], eps=1e-6).cuda()
    ours.load_state_dict(theirs.state_dict())
    values = (torch.randn(shape, device="cuda") * 3 + 1).to(dtype)
    weights = torch.randn(shape, device="cuda")
    given = [values.clone().requires_grad_() for _ in range(2)]

    expected = functional.layer_norm(given[0].float(), theirs.normalized_shape, theirs.weight, theirs.bias, theirs.eps)
    found = ours(given[1])
    (expected * weights).sum().backward()
    (found.float() * weights).sum().backward()

    assert found.dtype == dtype
    for one, other in (
        (expected, found),
        (given[0].grad, given[1].grad),
        (theirs.weight.grad, ours.weight.grad),
        (theirs.bias.grad, ours.bias.grad),
    ):
        assert (one.float() - other.float()).norm() < tolerance * one.float().norm()
