"""A mapping that is bounded in bytes, for what is remembered under keys that clients choose."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

# What an entry takes besides the bytes that are counted: the objects, and its place in the mapping.
_ENTRY_OVERHEAD_BYTES = 500


class Bounded(Generic[K, V]):
    """Remembers entries up to a number of bytes; then the older half of them goes.

    There is no order of use, because keeping one would cost every hit more than it saves.

    Attributes:
        get: the value of a key, or None.
    """

    def __init__(self, bytes_max: int, weight: Callable[[K, V], int]) -> None:
        """Remember nothing yet.

        Args:
            weight: the bytes of an entry that vary.
        """
        self._bytes_max = bytes_max
        self._weight = weight
        self._entries: dict[K, V] = {}
        self._size = 0
        self.get = self._entries.get  # no call in between: it is on the path of every request

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """The bytes of all entries."""
        return self._size

    def put(self, key: K, value: V) -> None:
        """Remember an entry."""
        self.drop(key)
        self._entries[key] = value
        self._size += self._weigh(key, value)
        while self._size > self._bytes_max:
            for old in list(self._entries)[: max(1, len(self._entries) // 2)]:
                self.drop(old)

    def drop(self, key: K) -> None:
        """Forget an entry, if there is one."""
        if key in self._entries:
            self._size -= self._weigh(key, self._entries.pop(key))

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._size = 0

    def values(self) -> Iterable[V]:
        """The values, oldest first."""
        return self._entries.values()

    def _weigh(self, key: K, value: V) -> int:
        return self._weight(key, value) + _ENTRY_OVERHEAD_BYTES
