"""Archives that torch writes (zip), read without running anything in them.

A TorchScript archive is a program: `torch.jit.load` runs its `__setstate__`. OpenAI publishes CLIP as such archives, so
their tensors are taken from the zip's members, and the pickle that names them is unpickled into inert records.
"""

import io
import os
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lseg_cli.errors import LsegError, MismatchError
from lseg_cli.files import open_regular
from lseg_cli.reading import reading

_MAX_PICKLE = 64_000_000  # bytes; OpenAI's largest has 0.3 MB
_MAX_DEPTH = 100  # modules within modules
_DTYPES = {
    "FloatStorage": torch.float32, "HalfStorage": torch.float16, "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}  # fmt: skip


def open_archive(path: Path, error: type[LsegError] = MismatchError) -> zipfile.ZipFile:
    """The zip of a file that torch wrote.

    Raises:
        LsegError: as `error`; it is damaged or compressed, which torch's never are: what a file holds cannot be more
            than its size.
    """
    size = os.stat(path).st_size  # noqa: PTH116  as open_regular does it
    with reading(path, "is damaged", error, "; fetch it again"):
        open_regular(path).close()
        archive = zipfile.ZipFile(path)
        # What is text in a program's archive is compressed, and never read.
        members = [member for member in archive.infolist() if "/code/" not in member.filename]
        for member in members:
            if member.compress_type != zipfile.ZIP_STORED or member.file_size > size:
                raise ValueError(f"its part {member.filename[:80]!r} is compressed, and torch compresses no numbers")
            if member.filename.endswith(".pkl") and member.file_size > _MAX_PICKLE:
                raise ValueError(f"its part {member.filename[:80]!r} is too large")
        if (
            len({member.filename for member in members}) < len(members)
            or sum(each.file_size for each in members) > size
        ):
            raise ValueError("its parts overlap")
    return archive


def is_whole_zip(path: Path) -> bool:
    """Return whether a file has the end of a zip, however strange: `open_archive` says what is wrong with it."""
    try:
        return zipfile.is_zipfile(path)
    except Exception:  # of a directory that claims to lie on several disks, for one
        return True


def is_torchscript(archive: zipfile.ZipFile) -> bool:
    """Return whether an archive holds a program rather than a dictionary of tensors."""
    return any(name.endswith("/constants.pkl") for name in archive.namelist())


def check_sizes(path: Path, tensors: Mapping[str, Tensor], error: type[LsegError] = MismatchError) -> None:
    """Check that tensors are as large as what the file holds: a few bytes can claim to be gigabytes.

    Raises:
        LsegError: as `error`; a tensor needs more bytes than the file has, or repeats its numbers.
    """
    size = os.stat(path).st_size  # noqa: PTH116
    for name, tensor in tensors.items():
        wanted = tensor.numel() * tensor.element_size()
        if tensor.layout != torch.strided or wanted > size or (wanted and wanted > tensor.untyped_storage().nbytes()):
            raise error(f"{path} is damaged: its tensor {name[:80]!r} claims more numbers than the file holds.")


class _Storage(NamedTuple):
    key: str
    dtype: torch.dtype
    numbers: int


class _Spec(NamedTuple):
    """A tensor that was not read yet."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Record:
    """Stands for an object of the program: keeps its state and does nothing."""

    state: object = None

    def __new__(cls, *_: object) -> "_Record":
        return object.__new__(cls)

    def __setstate__(self, state: object) -> None:
        self.state = state


class ScriptTensors(Mapping[str, Tensor]):
    """The tensors of a TorchScript archive by their names, as `state_dict` would name them; read when asked for."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        """Reads names and shapes.

        Raises:
            MismatchError: the archive is damaged, or holds objects that are not tensors or modules.
        """
        self._path, self._archive = path, archive
        with reading(path, "is damaged, or not an archive of tensors"):
            main = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            self._root = main.removesuffix("data.pkl")
            data = archive.read(main)
            _check_opcodes(data)
            self._specs = dict(_named(_Unpickler(io.BytesIO(data)).load(), "", 0))

    def __getitem__(self, name: str) -> Tensor:
        spec = self._specs[name]
        with reading(self._path, f"is damaged at its tensor {name[:80]!r}"):
            data = bytearray(self._archive.read(f"{self._root}data/{spec.storage.key}"))
            numbers = (
                torch.frombuffer(data, dtype=spec.storage.dtype) if data else torch.empty(0, dtype=spec.storage.dtype)
            )
            last = spec.offset + sum((side - 1) * stride for side, stride in zip(spec.shape, spec.strides, strict=True))
            count = torch.Size(spec.shape).numel()
            if (
                min((spec.offset, *spec.shape, *spec.strides)) < 0
                or count > len(numbers)
                or last >= max(len(numbers), 1)
            ):
                raise ValueError("it claims more numbers than there are")
            return numbers.as_strided(spec.shape, spec.strides, spec.offset)

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the facts of a tensor without reading it."""
        return self._specs[name].shape


def _rebuild_tensor(storage: object, offset: object, shape: object, strides: object, *_: object) -> _Spec:
    sides = (shape, strides)
    is_whole = all(isinstance(each, tuple) and all(type(side) is int for side in each) for each in sides)
    if not isinstance(storage, _Storage) or type(offset) is not int or not is_whole:
        raise pickle.UnpicklingError("a tensor is not described as torch describes it")
    return _Spec(storage, offset, tuple(shape), tuple(strides))  # type: ignore[arg-type]  # checked above


def _first(value: object, *_: object) -> object:
    return value


class _Unpickler(pickle.Unpickler):
    """Knows tensors, dictionaries and inert records."""

    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
            ("torch._utils", "_rebuild_parameter"): _first,
            ("collections", "OrderedDict"): OrderedDict,
        }
        if module.startswith("__torch__"):
            return _Record
        if module == "torch.jit._pickle":  # marks of types around lists and numbers
            return _first
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        if (module, name) in known:
            return known[module, name]
        raise pickle.UnpicklingError(
            f"it holds {module}.{name}, which is neither a tensor nor a module; nothing was run"
        )

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _, count = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise pickle.UnpicklingError("a storage is not described as torch describes it")
        return _Storage(str(key), dtype, int(count))


def _check_opcodes(data: bytes) -> None:
    """Python's unpickler makes room for as many objects as an index claims; there are never more than bytes."""
    for opcode, argument, _ in pickletools.genops(data):
        if "PUT" in opcode.name and isinstance(argument, int) and argument > len(data):
            raise pickle.UnpicklingError("it numbers more objects than it can hold")


def _named(node: object, prefix: str, depth: int) -> Iterator[tuple[str, _Spec]]:
    if depth > _MAX_DEPTH:
        raise pickle.UnpicklingError("its modules are nested too deeply")
    state = node.state if isinstance(node, _Record) else node
    for name, value in state.items() if isinstance(state, dict) else ():
        if isinstance(value, _Spec):
            yield f"{prefix}{name}", value
        elif isinstance(value, _Record):
            yield from _named(value, f"{prefix}{name}.", depth + 1)
