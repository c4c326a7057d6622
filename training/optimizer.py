"""Orthogonalised momentum (Muon) for the convolutions, AdamW for the few other parameters."""

from __future__ import annotations

import torch
from torch import nn

# Odd polynomial that takes singular values in (0, 1] close to 1 when applied five times.
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
ROUNDS = 5
MOMENTUM = 0.95
BETAS = (0.9, 0.99)
EPSILON = 1e-8


def orthogonalise(matrix: torch.Tensor) -> torch.Tensor:
    """The nearest matrix with equal singular values, about; works on the smaller Gram matrix."""
    a, b, c = NEWTON_SCHULZ
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    wide = wide / (wide.norm() + 1e-7)
    gram = wide @ wide.T
    identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    product = identity
    for _ in range(ROUNDS):
        step = a * identity + b * gram + c * (gram @ gram)
        product = step @ product
        # All of these are polynomials of one symmetric matrix, so they commute.
        gram = step @ gram @ step
    out: torch.Tensor = product @ wide
    return out if matrix.shape[0] <= matrix.shape[1] else out.T


class Optimizer:
    """One step for all parameters of a network; its state is a flat dict of named tensors.

    Convolutions are followed by a batch norm, so only their direction matters: each keeps the
    norm it started with, and ``rate`` is the length of a step relative to it. Everything else
    moves by AdamW's rule at ``rate * other``.
    """

    def __init__(self, network: nn.Module, other: float = 0.1) -> None:
        self.parameters = dict(network.named_parameters())
        self.other = other
        self.steps = 0
        self.norms = {
            n: float(p.detach().norm()) for n, p in self.parameters.items() if p.ndim == 4
        }
        self.first = {n: torch.zeros_like(p) for n, p in self.parameters.items()}
        self.second = {n: torch.zeros_like(p) for n, p in self.parameters.items() if p.ndim != 4}

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move all parameters by their gradients, which are cleared."""
        self.steps += 1
        for name, parameter in self.parameters.items():
            if parameter.grad is None:
                continue
            if name in self.norms:
                self._turn(name, parameter, rate)
            else:
                self._adam(name, parameter, rate * self.other)
            parameter.grad = None

    def _turn(self, name: str, parameter: nn.Parameter, rate: float) -> None:
        gradient = parameter.grad
        assert gradient is not None
        momentum = self.first[name].lerp_(gradient, 1 - MOMENTUM)
        ahead = torch.lerp(gradient, momentum, MOMENTUM).flatten(1)
        direction = orthogonalise(ahead).view_as(parameter)
        norm = self.norms[name]
        parameter.add_(direction, alpha=-rate * norm / float(direction.norm() + 1e-12))
        parameter.mul_(norm / float(parameter.norm()))

    def _adam(self, name: str, parameter: nn.Parameter, rate: float) -> None:
        gradient = parameter.grad
        assert gradient is not None
        first = self.first[name].lerp_(gradient, 1 - BETAS[0])
        second = self.second[name].lerp_(gradient.square(), 1 - BETAS[1])
        first_share, second_share = 1 - BETAS[0] ** self.steps, 1 - BETAS[1] ** self.steps
        parameter.addcdiv_(
            first / first_share, (second / second_share).sqrt() + EPSILON, value=-rate
        )

    def state(self) -> dict[str, torch.Tensor]:
        """The running moments, by name; the tensors are the live ones."""
        named = {f"first.{n}": t for n, t in self.first.items()}
        return named | {f"second.{n}": t for n, t in self.second.items()}
