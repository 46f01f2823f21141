"""Graphs as ONNX Runtime has optimised them, kept on disk: opening one again takes a fourth of the time.

The bundled model on one core, CPU time: checked, cut and optimised 190 ms, 40 more where it is written here, and 100 ms
from here. So it is written at a model's second time: who runs once, or in containers that forget, pays nothing. What
is kept is for one runtime on one kind of processor, so the key holds both, and all else it
depends on. A file that is damaged counts as missing; a folder that cannot be written costs time, never a run.
"""

import functools
import hashlib
import json
import mmap
import os
import platform
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import onnxruntime
from isal import isal_zlib

from lseg_cli import __version__
from lseg_cli.contract import Output
from lseg_cli.files import open_regular
from lseg_cli.model.text.cache import cache_root

_LARGEST = 100_000_000  # bytes of a model: of larger ones the disk would hold gigabytes to save a fraction of a run
_MOST = 8  # graphs that are kept, those used last
_SUFFIX = ".onnx"
_BESIDE = b"\x0a\x08location"  # how a graph says that weights lie in another file, which the key would not hold


def key_of(path: Path, outputs: Collection[Output] | None, threads: int | None) -> str:
    """All that an optimised graph depends on, as a name; '' of a model that is not kept.

    Args:
        path: of the model.
        outputs: that are left of it; None: all.
        threads: of the session.
    """
    with suppress(OSError), open_regular(path, _LARGEST) as file:
        facts = [__version__, onnxruntime.__version__, onnxruntime.get_build_info(), _processor(), threads]
        facts.append(None if outputs is None else sorted(outputs))
        data = file.read()
        if _BESIDE not in data:
            return hashlib.sha256(data + json.dumps(facts).encode()).hexdigest()[:40]
    return ""


def find(key: str) -> Path | None:
    """The optimised graph of a key; None: it is not kept, or damaged."""
    with suppress(OSError, ValueError):  # the latter: an empty file
        for path in _folder().glob(f"{key}-*{_SUFFIX}"):
            if path.name == _name(key, path):
                path.touch()  # used last
                return path
            path.unlink()
    return None


def draft_of(key: str) -> Path | None:
    """Where the runtime is to write the graph of a key; None: it is its first time, or nothing can be written there."""
    with suppress(OSError):
        _folder().mkdir(parents=True, exist_ok=True)
        if _mark(key).exists():
            return _folder() / f".{key}-{os.getpid()}{_SUFFIX}"
        _mark(key).touch()
    return None


def keep(key: str, draft: Path) -> None:
    """Puts what was written into its place, and lets go of what was not used for longest."""
    with suppress(OSError, ValueError):
        draft.replace(draft.with_name(_name(key, draft)))
        _mark(key).unlink(missing_ok=True)
        kept = sorted(_folder().glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime)
        for path in kept[:-_MOST]:  # also what killed processes left
            path.unlink()


def _mark(key: str) -> Path:
    return _folder() / f".{key}"


def _name(key: str, path: Path) -> str:
    """With a checksum of the file's content."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return f"{key}-{isal_zlib.crc32(data):08x}{_SUFFIX}"


def _folder() -> Path:
    return cache_root() / "graphs"


@functools.cache
def _processor() -> str:
    """What this processor is and can do."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text("utf-8").split("\n\n", 1)[0].splitlines()
        return "\n".join(line for line in lines if line.startswith(("vendor_id", "model name", "flags", "Features")))
    return f"{platform.machine()} {platform.processor()}"
