"""The convolutions of torchvision's AlexNet and VGG16, with the outputs that LPIPS compares."""

from __future__ import annotations

from paddle import Tensor, nn

from work.models.ops.convolution import Conv2D


class Features(nn.Layer):
    """A stack of layers that returns the outputs of some of them.

    Args:
        layers: the stack; parameters are named `features.N` as in torchvision.
        taps: indices of the layers whose output is returned.
        channels: channels of each returned map.
    """

    def __init__(self, layers: list[nn.Layer], taps: tuple[int, ...], channels: tuple[int, ...]):
        super().__init__()
        self.features = nn.LayerList(layers)
        self.taps, self.channels = taps, channels

    def forward(self, x: Tensor) -> list[Tensor]:
        """Images [N, 3, H, W] -> one map [N, channels[i], h, w] per tap."""
        maps = []
        for i, layer in enumerate(self.features):
            x = layer(x)
            if i in self.taps:
                maps.append(x)
        return maps


def alexnet() -> Features:
    layers = [Conv2D(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2D(3, 2)]
    layers += [Conv2D(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2D(3, 2)]
    layers += [Conv2D(192, 384, 3, padding=1), nn.ReLU()]
    layers += [
        Conv2D(384, 256, 3, padding=1),
        nn.ReLU(),
        Conv2D(256, 256, 3, padding=1),
        nn.ReLU(),
    ]
    return Features(layers, (1, 4, 7, 9, 11), (64, 192, 384, 256, 256))


def vgg16() -> Features:
    layers: list[nn.Layer] = []
    channels = 3
    for count, out in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        for _ in range(count):
            layers += [Conv2D(channels, out, 3, padding=1), nn.ReLU()]
            channels = out
        layers.append(nn.MaxPool2D(2, 2))
    return Features(layers[:-1], (3, 8, 15, 22, 29), (64, 128, 256, 512, 512))
