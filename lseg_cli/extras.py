"""Packages that an installation may lack: which extra of this tool brings them, and the sentence that says so.

`pip install lseg-cli` runs models; training, exporting and converting them takes PyTorch, the extra `torch`.
"""

from importlib.util import find_spec

from lseg_cli.errors import MissingError

EXTRAS = {
    "torch": ("torch", "torchvision", "timm", "open_clip", "accelerate", "onnx", "onnxscript", "onnx_ir", "matplotlib"),
    "tensorboard": ("tensorboard",),
    "geo": ("rasterio", "pyogrio"),
    "openvino": ("openvino",),
    "trt": ("tensorrt",),
    "rtx": ("tensorrt_rtx",),
    "heif": ("pillow_heif",),
    "coco": ("pycocotools",),
    "slim": ("onnxslim",),
    "pull": ("gdown",),
    "ray": ("ray", "pyarrow"),
    "app": ("gradio",),
}


def has(extra: str) -> bool:
    """Whether all packages of an extra are here; none of them is imported."""
    return not missing_of(extra)


def missing_of(extra: str) -> list[str]:
    """The packages of an extra that are not here."""
    return [name for name in EXTRAS[extra] if find_spec(name) is None]


def require(extra: str, what: str) -> None:
    """Refuses to go on without the packages of an extra.

    Args:
        extra: one of `EXTRAS`.
        what: needs them, to begin the sentence with.

    Raises:
        MissingError: one is not installed.
    """
    missing = missing_of(extra)
    if missing:
        raise MissingError(_sentence(what, missing[0], extra))


def as_missing(error: ModuleNotFoundError, what: str) -> MissingError | None:
    """What an import that failed means to a user; None where the module is of no extra.

    Args:
        error: as Python raised it.
        what: needs it, to begin the sentence with.
    """
    name = (error.name or "").partition(".")[0]
    extra = next((extra for extra, packages in EXTRAS.items() if name in packages), None)
    return MissingError(_sentence(what, name, extra)) if extra else None


def _sentence(what: str, package: str, extra: str) -> str:
    return f"{what} needs the package {package}, which is not installed: pip install 'lseg-cli[{extra}]'."
