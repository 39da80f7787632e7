"""PyTorch, in eager mode or through `torch.compile`."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fastmlp.benchmarks.contenders.base import Contender
from fastmlp.benchmarks.problem import Problem

__all__ = ["TorchContender"]

Array = NDArray[Any]

_ACTIVATIONS = {"sigmoid": torch.nn.Sigmoid, "tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}
_LOSSES = {
    "softmax": torch.nn.functional.cross_entropy,
    "sigmoid": torch.nn.functional.binary_cross_entropy_with_logits,
}


class TorchContender(Contender):
    """`nn.Sequential`, batches that are views of one tensor, a fused optimizer.

    Compiled are the forward pass with the loss and, through it, the backward pass; the optimizer
    is one call already.
    """

    def __init__(self, problem: Problem, compiled: bool = False) -> None:
        super().__init__(problem)
        work = self.work
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
        real = getattr(torch, work.dtype)
        layers: list[Any] = []
        for inputs, outputs in zip(work.sizes, work.sizes[1:], strict=False):
            layers += [torch.nn.Linear(inputs, outputs, dtype=real), _ACTIVATIONS[work.hidden]()]
        self.model = torch.nn.Sequential(*layers[:-1])
        self.linear = [layer for layer in layers if isinstance(layer, torch.nn.Linear)]
        self.x = torch.from_numpy(problem.scaled)
        self.y = torch.from_numpy(np.ascontiguousarray(problem.y))
        if work.output == "sigmoid":
            self.y = self.y.to(real)[:, None]
        self.last = torch.nn.Sigmoid() if work.output == "sigmoid" else torch.nn.Softmax(dim=1)
        self.loss = torch.compile(self._loss) if compiled else self._loss
        self.forward = torch.compile(self._forward) if compiled else self._forward
        self.reset()

    def _loss(self, x: Any, y: Any) -> Any:
        return _LOSSES[self.work.output](self.model(x), y)

    def _forward(self, x: Any) -> Any:
        return self.last(self.model(x))

    def reset(self) -> None:
        """Take back the parameters to the start and make a new optimizer."""
        with torch.no_grad():
            for layer, w, b in zip(
                self.linear, self.problem.weights, self.problem.biases, strict=True
            ):
                layer.weight.copy_(torch.from_numpy(w.T))
                layer.bias.copy_(torch.from_numpy(b))
        rule = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[self.work.optimizer]
        self.optimizer = rule(self.model.parameters(), lr=self.work.learning_rate, fused=True)

    def fit(self) -> None:
        """Run the usual loop."""
        batch = self.work.batch or self.work.rows
        for _ in range(self.work.epochs):
            for first in range(0, self.work.rows, batch):
                loss = self.loss(self.x[first : first + batch], self.y[first : first + batch])
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()

    def parameters(self) -> tuple[list[Array], list[Array]]:
        """Return copies of the parameters."""
        weights = [layer.weight.detach().numpy().T.copy() for layer in self.linear]
        return weights, [layer.bias.detach().numpy().copy() for layer in self.linear]

    def outputs(self) -> Any:
        """Run the layers forward in inference mode."""
        with torch.inference_mode():
            return self.forward(self.x)

    def classes(self) -> Any:
        """Return the places of the largest outputs."""
        return self.outputs().argmax(dim=1)

    def facts(self) -> dict[str, str]:
        """Return the version and the vector instructions in use."""
        capability = torch.backends.cpu.get_cpu_capability()
        return {"torch": torch.__version__, "instructions of PyTorch": capability}
