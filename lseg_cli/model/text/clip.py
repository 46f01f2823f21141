"""CLIP's text tower (section 3.1), frozen and alone: the image tower of the CLIP model is never built nor read.

OpenAI's weights were trained with QuickGELU: open_clip's names that end in `-quickgelu`. Where open_clip knows that of
a tag, the tower gets that activation whatever its name says; of a file nobody knows, so there the name decides.
"""

import hashlib
import logging
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import safetensors
import torch
from numpy.typing import NDArray
from torch import Tensor

from lseg_cli.config import TextConfig
from lseg_cli.errors import MismatchError, MissingError
from lseg_cli.files import open_regular
from lseg_cli.model.archive import ScriptTensors, check_sizes, is_torchscript, is_whole_zip, open_archive
from lseg_cli.model.text.clip_files import architecture, count_numbers, find_weights
from lseg_cli.model.text.confinement import VARIABLE, confined, may_fetch
from lseg_cli.model.text.encoder_name import HF_HUB, LOCAL_DIR
from lseg_cli.reading import reading, reason_of

_BATCH = 64
_SMALL = 30_000_000  # numbers that any machine has room for
# The smallest image tower there can be: open_clip builds whole models only.
_NO_VISION = {"image_size": 32, "patch_size": 32, "width": 64, "layers": 1}
_NOT_TEXT = ("visual.", "text_decoder.", "logit_")
# How files name what we call `token_embedding.weight`: CLIP, CustomTextCLIP, the same from a parallel run, lang-seg.
_PREFIXES = ("", "text.", "module.", "module.text.", "net.clip_pretrained.")


class _Tower(Protocol):
    def encode_text(self, text: Tensor, normalize: bool) -> Tensor: ...


class _Tokenizer(Protocol):
    def __call__(self, texts: list[str]) -> Tensor: ...

    def encode(self, text: str) -> list[int]: ...


class ClipTextEncoder:
    """A `TextEncoder` of open_clip, on the CPU in float32.

    Attributes:
        width: C.
        sha256: of the tower's tensors and its activation.
        context_length: tokens of a text that are read.
        tower: open_clip's module, with its ``encode_text``.
        tokenizer: open_clip's.
    """

    context_length: int | None

    def __init__(self, tower: "_Tower", tokenizer: "_Tokenizer", width: int, context_length: int, sha256: str) -> None:
        """`tower` has open_clip's ``encode_text``; `open` is the usual way in."""
        self.tower = tower
        self.tokenizer = tokenizer
        self.width = width
        self.context_length = context_length
        self.sha256 = sha256

    @classmethod
    def open(cls, config: TextConfig) -> "ClipTextEncoder":
        """Load a text tower.

        Args:
            config: `name` is an open_clip architecture, ``local-dir:`` with a folder, or ``hf-hub:`` with a repository;
                `pretrained` a tag of open_clip or a file.

        Raises:
            LsegError: open_clip knows no such name or weights.
            MissingError: the weights are not on this machine and cannot be fetched.
            MismatchError: the file holds no text tower of this architecture; or as `confined`.
        """
        with _quiet(), torch.random.fork_rng(devices=[]):  # the same random numbers follow, cached or not
            config = confined(config)
            path = find_weights(config)
            import open_clip  # noqa: PLC0415  takes seconds: not before a missing file is found out

            facts = architecture(config.name)
            _check_built_from(config, facts, path)
            tag = open_clip.get_pretrained_cfg(config.name, config.pretrained) or {}
            quick_gelu = bool(facts.get("quick_gelu") or tag.get("quick_gelu"))
            tower, tokenizer = _build(config, quick_gelu)
        wanted = {name.removeprefix("text."): tensor for name, tensor in tower.state_dict().items() if _is_text(name)}
        tensors = read_text_tower(path, wanted)
        prefix = "text." if hasattr(tower, "text") else ""
        tower.load_state_dict({prefix + name: tensor for name, tensor in tensors.items()}, strict=False, assign=True)
        tower.eval().requires_grad_(requires_grad=False)
        return cls(
            tower, tokenizer, int(facts["embed_dim"]), int(tower.context_length), tower_sha256(tensors, quick_gelu)
        )

    def token_count(self, text: str) -> int:
        """Return how many tokens a text has, with the marks of begin and end."""
        inner: _Tokenizer | None = getattr(self.tokenizer, "tokenizer", None)  # of transformers: sets the marks itself
        return len(inner.encode(text)) if inner else len(self.tokenizer.encode(text)) + 2

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Return what the tower reads: N texts -> ``(N, context length) int64``."""
        return self.tokenizer(list(texts))

    @torch.inference_mode()
    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """N texts -> ``(N, C) float32``, rows of length 1. Text beyond the context length is cut."""
        rows = [np.empty((0, self.width), np.float32)]
        for start in range(0, len(texts), _BATCH):
            tokens = self.tokenize(texts[start : start + _BATCH])  # (n, context length)
            rows.append(self.tower.encode_text(tokens, normalize=True).numpy())  # (n, C)
        return np.concatenate(rows)


def tower_sha256(tensors: Mapping[str, Tensor], quick_gelu: bool) -> str:
    """The hash by which a model knows its text encoder, in hex.

    Over the activation, which the tensors do not show, and each tensor's name, shape and float32 bytes, by name. Half
    precision becomes float32 without a loss, so a checkpoint in either has the same hash.

    Args:
        tensors: the tower alone, under the names of OpenAI's CLIP (``token_embedding.weight`` and so on).
        quick_gelu: whether it uses QuickGELU, as OpenAI's weights do.
    """
    digest = hashlib.sha256(f"quick_gelu={bool(quick_gelu)}\n".encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().float().numpy().tobytes())
    return digest.hexdigest()


def read_text_tower(path: Path, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The text tower's tensors out of a file with a whole CLIP model, a lang-seg model or a tower alone.

    Args:
        path: `.safetensors`, or what torch saves: a state dict, a training checkpoint, OpenAI's TorchScript archive.
        wanted: tensors by name that show the shapes and types to come back.

    Raises:
        MismatchError: the file cannot be read, or holds no such tower.
    """
    with reading(path, "cannot be read as weights", advice="; give a whole .safetensors file of them"):
        if path.suffix == ".safetensors":
            open_regular(path).close()
            with safetensors.safe_open(path, "pt") as file:  # image tensors stay on the disk
                return _pick(file.keys(), lambda name: file.get_slice(name).get_shape(), file.get_tensor, wanted, path)
        state = _unpickle(path)
        shape_of = state.shape if isinstance(state, ScriptTensors) else lambda name: tuple(state[name].shape)
        return _pick(state.keys(), shape_of, state.__getitem__, wanted, path)


def _pick(
    names: Collection[str],
    shape_of: Callable[[str], Sequence[int]],
    get: Callable[[str], Tensor],
    wanted: Mapping[str, Tensor],
    path: Path,
) -> dict[str, Tensor]:
    for prefix in _PREFIXES:
        if all(prefix + name in names for name in wanted):
            break
    else:
        missing = next(name for name in wanted if name not in names)
        raise MismatchError(
            f"{path} holds no such text encoder: {missing} and others are missing; give a CLIP model's weights."
        )
    for name, like in wanted.items():  # before any is read: a file can claim any size
        shape = tuple(shape_of(prefix + name))
        if shape != like.shape:
            raise MismatchError(
                f"{path} is of another text encoder: {name} is {shape} there, and {tuple(like.shape)} in the one that "
                "the model names."
            )
    return {name: get(prefix + name).to(like.dtype, copy=True) for name, like in wanted.items()}


def _unpickle(path: Path) -> Mapping[str, Tensor]:
    """A state dict that torch saved. Nothing but tensors is unpickled, and no program is run."""
    open_regular(path).close()
    is_zip = is_whole_zip(path)
    if is_zip:
        archive = open_archive(path)
        if is_torchscript(archive):
            return ScriptTensors(path, archive)
        archive.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    inner = state.get("state_dict", state)
    tensors: dict[str, Tensor] = {name: value for name, value in inner.items() if isinstance(value, Tensor)}
    check_sizes(path, tensors)
    return tensors


def _check_built_from(config: TextConfig, facts: dict[str, Any], path: Path) -> None:
    """Check that the tower of a folder's configuration can be the one in a file, and needs nothing else.

    Raises:
        MismatchError: it is larger than the file; or a model's file names parts of the hub.
    """
    text = facts.get("text_cfg") or {}
    parts = [str(text[key]) for key in ("hf_model_name", "hf_tokenizer_name") if text.get(key)]
    is_own = not config.name.startswith((LOCAL_DIR, HF_HUB))  # open_clip's, which names what it knows
    if is_own:
        return
    if parts and not may_fetch(config):
        raise MismatchError(
            f"The text encoder {config.name} is built from {parts[0]}, which would be fetched from the hub: if you "
            f"trust it, say so with {VARIABLE}={config.name}."
        )
    if not parts and count_numbers(facts) > max(_SMALL, path.stat().st_size):  # in whatever precision
        raise MismatchError(f"{path} is of another text encoder: it is smaller than what {config.name} describes.")


def _is_text(name: str) -> bool:
    return not name.startswith(_NOT_TEXT)


def _build(config: TextConfig, quick_gelu: bool) -> tuple[Any, Any]:
    """open_clip's model with random numbers and nothing but a text tower; and its tokenizer.

    Raises:
        MissingError: it needs a package or files that are not here.
    """
    import open_clip  # noqa: PLC0415  takes seconds

    try:
        tower = open_clip.create_model(
            config.name,
            load_weights=False,
            pretrained_text=False,
            force_quick_gelu=quick_gelu,
            vision_cfg=_NO_VISION,
        )
        tokenizer = open_clip.get_tokenizer(config.name)
    except ImportError as error:
        raise MissingError(
            f"The text encoder {config.name} needs a package that is not installed; run pip install {error.name}."
        ) from error
    except Exception as error:  # whatever a strange configuration makes open_clip stumble over
        raise MissingError(
            f"The text encoder {config.name} cannot be built ({reason_of(error)}); files that it needs may be out of "
            "reach."
        ) from error
    for name in ("visual", "text_decoder"):
        if hasattr(tower, name):
            delattr(tower, name)
    return tower, tokenizer


@contextmanager
def _quiet() -> Iterator[None]:
    """open_clip speaks by warnings and by the root logger, and would set that up for the whole program."""
    root, before = logging.getLogger(), logging.root.manager.disable
    handler = logging.NullHandler()
    root.addHandler(handler)
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
        root.removeHandler(handler)
