"""Steps as captured graphs of a graphics card, which starts their kernels by itself.

A step consists of thousands of short kernels. Started one by one by Python they take up to twice as long as the card
needs for them.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from napari_sam.nn.nano import Nano
from training.batches import Batch
from training.config import Config
from training.step import training_step

Numbers = dict[str, Tensor]


@dataclass(frozen=True)
class _Captured:
    graph: Any
    batch: Batch
    numbers: Numbers


class GradientSteps:
    """Fills the gradients of a network from batches; on a graphics card by graphs, captured when a kind of step recurs.

    Parameters
    ----------
    network
        The network. Its parameters keep their gradients' memory.
    config
        Settings.
    """

    def __init__(self, network: Nano, config: Config) -> None:
        self.network, self.config = network, config
        self.device = next(network.parameters()).device
        self.gradients = []
        for parameter in network.parameters():
            if not parameter.requires_grad:
                continue
            parameter.grad = torch.zeros_like(parameter)
            self.gradients.append(parameter.grad)
        self.seen: set[tuple[object, ...]] = set()
        self.captured: dict[tuple[object, ...], _Captured] = {}
        self.stream = torch.cuda.Stream() if self.device.type == "cuda" else None
        self.pool = torch.cuda.graph_pool_handle() if self.stream is not None else None

    def __call__(self, batch: Batch, frozen: bool) -> Numbers:
        """Replace the gradients by those of one batch.

        Parameters
        ----------
        batch
            In memory that the device can read.
        frozen
            Whether batch norms keep their statistics: which graph it is depends on that.

        Returns
        -------
        Means to log, of no axes, on the device.
        """
        if self.stream is None:
            return self._run(batch.to(self.device))
        # One stream for all: gradients are added up on the stream on which their parameter was first used.
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            numbers = self._captured_or_run(batch, frozen)
        torch.cuda.current_stream().wait_stream(self.stream)
        return numbers

    def _captured_or_run(self, batch: Batch, frozen: bool) -> Numbers:
        key = (frozen, *(tensor.shape for tensor in batch.tensors()))
        if key not in self.seen:
            # The first time also lets libraries choose their ways, which they cannot during capture.
            self.seen.add(key)
            return self._run(batch.to(self.device))
        if key not in self.captured:
            self.captured[key] = self._capture(batch)
        captured = self.captured[key]
        for ours, theirs in zip(captured.batch.tensors(), batch.tensors(), strict=True):
            ours.copy_(theirs, non_blocking=True)
        captured.graph.replay()
        return {name: number.clone() for name, number in captured.numbers.items()}

    def _run(self, batch: Batch) -> Numbers:
        torch._foreach_zero_(self.gradients)
        result = training_step(self.network, batch, self.config)
        result.loss.backward()
        return result.numbers

    def _capture(self, batch: Batch) -> _Captured:
        held = batch.to(self.device)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        # Worker threads of the loader may use the device meanwhile.
        with torch.cuda.graph(graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"):
            numbers = self._run(held)
        return _Captured(graph, held, numbers)
