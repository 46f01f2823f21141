"""What this installation consists of, for `lseg doctor`: packages, threads, caches, settings. No runtime is loaded."""

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from lseg_cli import __version__
from lseg_cli.extras import missing_of
from lseg_cli.model.text.cache import cache_root

State = Literal["ok", "warning", "not here"]

# Of each group one is needed, and two of it overwrite each other's files.
_NEEDED = (
    ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino"),
    ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless"),
    ("numpy",),
    ("pillow",),
    ("safetensors",),
    ("tokenizers",),
)
_TRAINING = ("torch", "torchvision", "timm", "open_clip_torch", "onnx", "onnxscript")  # of the extra `torch`
_OPTIONAL = {"openvino": "for --engine openvino"}
_WITH_TORCH = "pip install 'lseg-cli[torch]'"
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


@dataclass(frozen=True)
class Check:
    """One thing looked at.

    Attributes:
        name: what.
        state: 'not here' is no fault in itself: it says what this machine cannot do.
        found: as it is.
        advice: what to do; '' if nothing.
    """

    name: str
    state: State
    found: str
    advice: str = ""


def check_environment() -> Iterator[Check]:
    """Everything that is known without importing a runtime."""
    yield Check("lseg", "ok", __version__)
    yield Check("python", "ok", f"{platform.python_version()} on {platform.platform()}")
    yield _install()
    yield from _packages()
    yield _threads()
    yield from _caches()
    offline = [f"{name}={os.environ[name]}" for name in _OFFLINE if os.environ.get(name)]
    found = (
        f"{', '.join(offline)}: no weights are fetched" if offline else "weights of CLIP may be fetched from the hub"
    )
    yield Check("hub", "ok", found)


def _install() -> Check:
    """Which of the two installations this is."""
    missing = missing_of("torch")
    if not missing:
        return Check("install", "ok", "with the extra torch: runs, trains, exports and converts models")
    found = f"without the extra torch ({', '.join(missing)}): runs models; train, export and convert need it"
    return Check("install", "ok", found, _WITH_TORCH)


def _packages() -> Iterator[Check]:
    for group in _NEEDED:
        here = {name: found for name in group if (found := _version(name))}
        found = ", ".join(f"{name} {each}" for name, each in here.items())
        if not here:
            yield Check(group[0], "not here", "not installed", f"pip install {group[0]}")
        elif len(here) > 1:
            first = next(iter(here))
            advice = f"they overwrite each other: pip uninstall {' '.join(here)}, then pip install one, such as {first}"
            yield Check(group[0], "warning", found, advice)
        else:
            yield from (Check(name, "ok", each) for name, each in here.items())
    for name in _TRAINING:
        found = _version(name)
        state: State = "ok" if found else "not here"
        yield Check(name, state, found or "not installed", "" if found else _WITH_TORCH)
    for name, purpose in _OPTIONAL.items():
        found = _version(name)
        yield Check(name, "ok" if found else "not here", found or purpose, "" if found else f"pip install {name}")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _threads() -> Check:
    """How many cores work, and what keeps a runtime from using them or makes it think that there are more."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked, quota = os.environ.get("OMP_NUM_THREADS", ""), _quota()
    found = f"{cores} of {os.cpu_count()} cores" + (f", OMP_NUM_THREADS={asked}" if asked else "")
    if quota is not None and quota < cores:
        advice = f"this container may use {quota:g} of them at a time: give --threads {max(1, int(quota))}"
        return Check("threads", "warning", found, advice)
    if asked.isdecimal() and int(asked) < cores:
        return Check("threads", "warning", found, "it keeps PyTorch from using all cores: unset it, or give --threads")
    return Check("threads", "ok", found)


def _quota() -> float | None:
    """Cores' worth of time that a container may use; None without such a limit."""
    try:
        most, period = _CPU_QUOTA.read_text().split()
        return int(most) / int(period)
    except (OSError, ValueError):  # no file, or 'max'
        return None


def _caches() -> Iterator[Check]:
    from huggingface_hub.constants import HF_HUB_CACHE  # noqa: PLC0415  takes a moment

    for name, folder in (("cache", cache_root()), ("hub cache", Path(HF_HUB_CACHE))):
        there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
        size_mb = sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
        if there.is_dir() and os.access(there, os.W_OK):
            yield Check(name, "ok", f"{folder}, {size_mb:.1f} MB")
        else:
            advice = "everything is fetched and embedded in every run: set " + (
                "LSEG_CACHE" if name == "cache" else "HF_HOME"
            )
            yield Check(name, "warning", f"{folder} cannot be written", advice + " to a folder that can be")
