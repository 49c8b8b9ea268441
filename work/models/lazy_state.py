"""The tensors of an opened checkpoint by name, left in the file until they are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, Mapping, Union

import numpy as np

from convert_weights.architectures import Shape
from convert_weights.plan import Converted
from work.errors import UserError


class MissingTensor(UserError, KeyError):
    """A checkpoint lacks a tensor; a KeyError as well, as mappings promise."""

    __str__ = UserError.__str__


class LazyState(Mapping[str, np.ndarray]):
    """Arrays by name, read from the file each time they are asked for; none is kept in memory.

    Args:
        source: the file, for errors.
        prefix: what comes before the names of `tensors` in the file, for errors.
    """

    def __init__(
        self, tensors: Mapping[str, Converted], source: Union[str, Path], prefix: str = ""
    ):
        self.tensors, self.source, self.prefix = dict(tensors), source, prefix

    def __getitem__(self, name: str) -> np.ndarray:
        tensor = self._find(name)
        return np.ascontiguousarray(tensor.numpy()).reshape(tensor.shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def __contains__(self, name: object) -> bool:
        return name in self.tensors

    def part(self, prefix: str) -> LazyState:
        """The tensors below a prefix such as "encoder.", without it."""
        tensors = {k[len(prefix) :]: v for k, v in self.tensors.items() if k.startswith(prefix)}
        return LazyState(tensors, self.source, self.prefix + prefix)

    def joined(self, prefix: str, other: LazyState) -> LazyState:
        """These tensors, and another file's below a prefix."""
        added = {prefix + name: tensor for name, tensor in other.tensors.items()}
        return LazyState({**self.tensors, **added}, self.source, self.prefix)

    def shape(self, name: str, rank: int) -> Shape:
        """A tensor's shape; its numbers are not read.

        Raises:
            UserError: it is missing, or has another number of dimensions than `rank`.
        """
        shape = self._find(name).shape
        if len(shape) != rank:
            raise UserError(
                f"{self.source}: {self.prefix}{name} has shape {list(shape)}, not {rank} dimensions"
            )
        return shape

    def _find(self, name: str) -> Converted:
        if name not in self.tensors:
            raise MissingTensor(
                f"{self.source}: holds no tensor {self.prefix}{name}; it is damaged or incomplete"
            )
        return self.tensors[name]
