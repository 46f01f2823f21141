"""Kernels that TensorRT-RTX compiled at run time, on disk, so that the next run starts at once.

The file's name carries what they depend on; TensorRT checks it again, with the driver, and refuses what does not fit.
A lock lets several processes share the folder. If a folder cannot be used, a run takes longer but does not fail.
"""

import contextlib
import os
import re
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

_PATIENCE_S = 10.0


class RuntimeCache:
    """The kernels of one engine."""

    def __init__(self, folder: Path, version: str, gpu: str, build_id: str) -> None:
        """Names the file, which need not exist.

        Args:
            folder: for all of them.
            version: of TensorRT-RTX.
            gpu: its name.
            build_id: of the engine.
        """
        key = re.sub(r"[^A-Za-z0-9.]+", "-", f"{version} {gpu} {build_id}")
        self.path = folder / f"{key}.kernels"
        self._lock = FileLock(folder / f"{key}.lock", timeout=_PATIENCE_S)

    def load_into(self, cache: Any) -> None:
        """Gives what is on disk to an `IRuntimeCache`, which takes it or leaves it."""
        with contextlib.suppress(OSError, Timeout):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock:
                content = self.path.read_bytes()
            cache.deserialize(content)

    def save(self, cache: Any) -> None:
        """Writes what an `IRuntimeCache` holds."""
        content = cache.serialize()
        if content is None:
            return
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        with contextlib.suppress(OSError, Timeout), self._lock:
            try:
                draft.write_bytes(content)
                draft.replace(self.path)
            finally:
                draft.unlink(missing_ok=True)
