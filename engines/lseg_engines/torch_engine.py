"""The engine that runs a model file in PyTorch, on any device PyTorch knows."""

import warnings
from collections.abc import Collection
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lseg_cli.contract import GraphSpec, Output
from lseg_cli.errors import LsegError, MemoryFullError, MissingError
from lseg_cli.files import file_sha256
from lseg_cli.model import load
from lseg_cli.model.correlation import compact
from lseg_cli.model.decision import decide
from lseg_cli.model.decoder import upsample2_each
from lseg_cli.model.lseg import LSeg
from lseg_cli.model.regularizer import kernel_of

_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class TorchEngine:
    """Fulfils `lseg_cli.contract.Engine`."""

    def __init__(self, model: LSeg, sha256: str, device: str = "auto", precision: str = "fp32") -> None:
        """Takes a model as it is; `open` is the usual way in.

        Args:
            model: with its configuration.
            sha256: of the file it came from.
            device: 'auto' (the first of cuda, mps and cpu that is there), 'cpu', 'cuda', 'cuda:1' or 'mps'.
            precision: 'fp16' and 'bf16' run what is safe in half precision, on CUDA only.

        Raises:
            LsegError: no such precision.
            MissingError: a device that is not there, or one that has not this precision.
        """
        self._device = find_device(device)
        _check_precision(self._device, precision)
        self.spec = GraphSpec(model=model.config, model_sha256=sha256, kernel=kernel_of(model.regularizer))
        self.device = str(self._device)
        self.precision = precision
        # On a CPU lseg-tiny takes 132 ms instead of 205 (5 labels, 384x480, one core); a ResNet and a ViT lose nothing.
        self._model = model.eval().to(self._device).to(memory_format=torch.channels_last)
        self._mean = torch.tensor(model.config.image.mean, device=self._device)[:, None, None] * 255
        self._std = torch.tensor(model.config.image.std, device=self._device)[:, None, None] * 255

    @classmethod
    def open(
        cls, path: Path, device: str = "auto", precision: str = "fp32", threads: int | None = None
    ) -> "TorchEngine":
        """Opens a `.safetensors` model.

        Args:
            path: of the file.
            device: as in the constructor.
            precision: as in the constructor.
            threads: of the CPU, for the whole process; None: as PyTorch chooses.

        Raises:
            MissingError: a device that is not there, or one that has not this precision.
            MismatchError: the file is no model of this tool.
            DataError: the file cannot be read.
        """
        if threads is not None:
            torch.set_num_threads(threads)
        _check_precision(find_device(device), precision)  # before the file: loading takes seconds
        return cls(load(path), file_sha256(path), device, precision)

    def run(
        self, image: NDArray[np.uint8], text: NDArray[np.float32], outputs: Collection[Output]
    ) -> dict[str, NDArray[np.generic]]:
        """Shapes as in GraphSpec; mask, confidence and features are made on the device.

        Raises:
            MismatchError: a shape, width or type that the model does not take.
            MemoryFullError: the device's memory is full.
        """
        self.spec.check(image, text)
        return self._run(image, text, outputs)

    def run_float(
        self, image: NDArray[np.float32], text: NDArray[np.float32], outputs: Collection[Output]
    ) -> dict[str, NDArray[np.generic]]:
        """As `run`, of pictures that are not rounded: float32 (B, H, W, 3) of 0 to 255. Raises as `run`."""
        self.spec.check(image, text, "float32")
        return self._run(image, text, outputs)

    def _run(
        self,
        image: NDArray[np.uint8] | NDArray[np.float32],
        text: NDArray[np.float32],
        outputs: Collection[Output],
    ) -> dict[str, NDArray[np.generic]]:
        try:
            with torch.inference_mode():
                wanted = dict[str, Tensor]()
                features = self._features(torch.from_numpy(image))
                if "features" in outputs:
                    wanted["features"] = compact(features)
                if set(outputs) <= {"features"}:
                    return {name: wanted[name].cpu().numpy() for name in outputs}
                wanted["scores"] = scores = self._scores(features, torch.from_numpy(text))
                del features  # it would lie in memory beside the logits
                if "logits" in outputs:
                    wanted["logits"] = upsample2_each(scores)
                if not {"mask", "confidence"}.isdisjoint(outputs):
                    wanted["mask"], wanted["confidence"] = decide(scores)
                return {name: wanted[name].cpu().numpy() for name in outputs}
        except torch.OutOfMemoryError as error:
            raise MemoryFullError(
                f"The memory of {self.device} is full at {image.shape[1]}x{image.shape[2]} pixels with {len(text)} "
                "labels; take a smaller --imgsz or fewer labels."
            ) from error

    def _autocast(self) -> torch.autocast:
        dtype = _DTYPES[self.precision]
        return torch.autocast(self._device.type, dtype=dtype, enabled=dtype != torch.float32)

    def _features(self, image: Tensor) -> Tensor:
        """(B, H, W, 3) of 0 to 255 -> (B, C, H / 4, W / 4) in the run's precision, on the device."""
        pixels = (image.to(self._device).permute(0, 3, 1, 2).float() - self._mean) / self._std
        with self._autocast():
            return self._model.features(pixels)

    def _scores(self, features: Tensor, text: Tensor) -> Tensor:
        """(B, C, H / 4, W / 4), (N, C) -> (B, N, H / 2, W / 2) float32: what `LSeg.forward` upsamples."""
        with self._autocast():
            scores = self._model.score(features, text.to(self._device))
        return scores.float()


def find_device(name: str) -> torch.device:
    """The device of a name such as 'auto', 'cpu', 'cuda:1' or 'mps'.

    Raises:
        MissingError: it is not there; never another one instead.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a driver that is too old: it counts as not there
        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    has_mps = torch.backends.mps.is_available()
    here = ["cpu", *(f"cuda:{index}" for index in range(gpus)), *(["mps"] if has_mps else [])]
    wanted = {"auto": "cuda:0" if gpus else "mps" if has_mps else "cpu", "cuda": "cuda:0"}.get(name, name)
    if wanted not in here:
        raise MissingError(f"The device {name!r} is not here; here are {', '.join(here)}: choose one with --device.")
    return torch.device(wanted)


def _check_precision(device: torch.device, precision: str) -> None:
    if precision not in _DTYPES:
        raise LsegError(f"The precision {precision!r} is not known; choose one of {', '.join(_DTYPES)}.")
    if precision != "fp32" and device.type != "cuda":
        raise MissingError(f"{precision} needs a CUDA device; on {device} use --precision fp32.")
    if precision == "bf16" and not torch.cuda.is_bf16_supported():
        raise MissingError(f"{torch.cuda.get_device_name(device)} has no bf16; use --precision fp16 or fp32.")
