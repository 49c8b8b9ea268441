"""Networks that are not trained: whether parameters take gradients."""

from __future__ import annotations

from typing import TypeVar

from paddle.nn import Layer

AnyLayer = TypeVar("AnyLayer", bound=Layer)


def freeze(network: AnyLayer) -> AnyLayer:
    """Put a network into evaluation mode and switch the gradients of its parameters off."""
    network.eval()
    take_gradients(network, False)
    return network


def take_gradients(network: Layer, taken: bool) -> None:
    """Whether the parameters of a network take gradients from now on."""
    for parameter in network.parameters():
        parameter.stop_gradient = not taken
