"""What is kept of pictures, for all sessions together, within so many bytes: what was used longest ago goes first."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Protocol, TypeVar


class Sized(Protocol):
    """What says how much memory it takes."""

    @property
    def bytes(self) -> int:
        """Of memory."""
        ...


T = TypeVar("T", bound=Sized)


class Memory:
    """Values by key. Several threads may ask for the same one: the first makes it, the others wait for it.

    Attributes:
        most_bytes: of all values; a larger one is made and not kept.
        used_bytes: of those that are kept.
    """

    def __init__(self, most_bytes: int) -> None:
        """Empty."""
        self.most_bytes = most_bytes
        self.used_bytes = 0
        self._values: OrderedDict[Hashable, Any] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many values are kept."""
        return len(self._values)

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of a key, made if it is not kept.

        Args:
            key: holds all that the value depends on.
            make: the value; what it raises is raised.
        """
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            value: T | None = self._kept(key)
            if value is None:
                try:
                    value = make()
                    self._keep(key, value)
                finally:
                    with self._lock:
                        self._making.pop(key, None)
        return value

    def _kept(self, key: Hashable) -> Any:
        with self._lock:
            if key not in self._values:
                return None
            self._making.pop(key, None)
            self._values.move_to_end(key)
            return self._values[key]

    def _keep(self, key: Hashable, value: Sized) -> None:
        with self._lock:
            if value.bytes > self.most_bytes:
                return
            before = self._values.pop(key, None)
            self.used_bytes += value.bytes - (before.bytes if before else 0)
            self._values[key] = value
            while self.used_bytes > self.most_bytes:
                _, oldest = self._values.popitem(last=False)
                self.used_bytes -= oldest.bytes
