"""Exponential moving average of a network's parameters and buffers."""

import torch
from torch import Tensor, nn


class MovingAverage:
    """Follows a network; the decay grows from 0 to its final value over the first steps."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.state = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take one more state of the network in."""
        self.updates += 1
        decay = min(self.decay, self.updates / (self.updates + 20))
        state = network.state_dict()
        floating = [name for name, tensor in state.items() if tensor.is_floating_point()]
        torch._foreach_lerp_([self.state[name] for name in floating], [state[name] for name in floating], 1 - decay)
        for name in state.keys() - set(floating):
            self.state[name].copy_(state[name])

    def state_dict(self) -> dict[str, object]:
        """For a checkpoint."""
        return {"updates": self.updates, "state": self.state}

    def load_state_dict(self, saved: dict[str, object]) -> None:
        """The inverse of `state_dict`."""
        state = saved["state"]
        assert isinstance(state, dict)
        self.updates = int(str(saved["updates"]))
        self.state = {
            name: tensor.to(self.state[name].device) for name, tensor in state.items() if isinstance(tensor, Tensor)
        }
