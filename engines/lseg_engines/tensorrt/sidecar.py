"""What is known of a TensorRT engine, as JSON in `<name>.engine.json` beside it.

The engine's file stays plain, so that trtexec, Triton and C++ load it; TensorRT keeps nothing of the ONNX file's own
metadata. What ties the two: a digest of all that was known before the build is the network's name, which the engine
keeps; and the engine's own hash is in the sidecar. So an engine that does not run here is told with its reasons before
the runtime speaks, on a machine without a GPU too.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Literal

from lseg_cli.config import Frozen
from lseg_cli.contract import GraphSpec
from lseg_cli.errors import MismatchError
from lseg_cli.files import file_sha256, open_regular, read_regular
from lseg_cli.reading import parse_json, reading
from lseg_engines.tensorrt.flavour import FLAVOURS, Flavour
from lseg_engines.tensorrt.options import BuildOptions

TIE_PREFIX = "lseg:"
TRUSTED = "LSEG_TRUSTED_ENGINES"  # folders or engines with commas between
_MAX_SIDECAR = 10_000_000  # bytes
_BEGINNING = 1 << 20  # bytes: TensorRT-RTX 1.7 has the name within the first 4,000
AMPERE = 80  # the first compute capability, times ten, that a portable engine runs on

Shapes = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]  # the least, the tuned and the largest


class IncompatibleEngineError(MismatchError):
    """An engine that another TensorRT or another GPU was meant to run: to be built again."""


class Check(Frozen):
    """How near answers are to those of another engine."""

    against: str  # such as 'PyTorch'
    corners: int  # comparisons made
    difference: float  # the largest between two logits
    equal: float  # share of pixels with the same label


class BuildRecord(Frozen):
    """All that is known before the build; its digest becomes the network's name."""

    flavour: Literal["trt", "rtx"]
    version: str  # of TensorRT, such as '11.4.0.106'
    sm: tuple[int, ...]  # compute capabilities times ten; none: all from Ampere on
    gpu: str  # that built it; '' without one
    platform: str  # such as 'linux-x86_64'
    spec: GraphSpec
    precision: str
    onnx: str | None  # path relative to the engine's folder; None if the file was not kept
    onnx_sha256: str
    onnx_check: Check | None  # of the ONNX file, which runs everywhere; None: not asked for
    profiles: dict[str, Shapes]  # by input
    options: BuildOptions


class Sidecar(Frozen):
    """The whole file."""

    written_by: str  # such as 'lseg 0.1.0'
    build_id: str  # the network's name
    build: BuildRecord
    engine_bytes: int
    engine_sha256: str
    found_precisions: tuple[str, ...] | None = None  # by the engine inspector; None: no GPU to ask
    engine_check: Check | None = None  # None: no GPU to run it

    @property
    def flavour(self) -> Flavour:
        """The TensorRT that it was built with."""
        return FLAVOURS[self.build.flavour]


def make_build_id(build: BuildRecord) -> str:
    """The name to give to a network."""
    return _build_id(build.model_dump(mode="json"))


def sidecar_path(engine: Path) -> Path:
    """Where an engine's sidecar lies."""
    return engine.with_name(f"{engine.name}.json")


def write_sidecar(sidecar: Sidecar, engine: Path) -> None:
    """Writes it beside the engine, to be read by people as well."""
    text = sidecar.model_dump_json(indent=2)
    sidecar_path(engine).write_text(f"{text}\n", encoding="utf-8")


def read_sidecar(engine: Path) -> Sidecar:
    """Reads the sidecar of an engine; costs next to nothing.

    Raises:
        MismatchError: there is none, it cannot be read, or it is that of another engine.
    """
    path = sidecar_path(engine)
    if not path.exists():
        raise MismatchError(
            f"{engine} is a TensorRT engine without {path.name}, which says what it is: put that file beside it, or "
            "build the engine again with `lseg build`."
        )
    advice = "; build the engine again with `lseg build`"
    with reading(path, "is damaged", advice=advice):
        content: dict[str, Any] = parse_json(read_regular(path, _MAX_SIDECAR))
    with reading(path, "was written by another version of this tool", advice=advice):
        sidecar = Sidecar.model_validate(content, strict=False)
        spec = sidecar.build.spec
        spec = spec.model_copy(update={"model": spec.model.found_in(engine)})
        sidecar = sidecar.model_copy(update={"build": sidecar.build.model_copy(update={"spec": spec})})
        is_whole = _build_id(content["build"]) == sidecar.build_id
    if not is_whole:
        raise MismatchError(f"{path} was changed after it was written; build the engine again with `lseg build`.")
    size = engine.stat().st_size
    if size != sidecar.engine_bytes:
        raise MismatchError(
            f"{path.name} is not of this {engine}: it states {sidecar.engine_bytes:,} bytes, and the engine has "
            f"{size:,}; copy both files again, or build the engine with `lseg build`."
        )
    return sidecar


def check_is_of(sidecar: Sidecar, engine: Path) -> None:
    """Whether a sidecar is that of an engine: by the network's name near its beginning, else by the whole file's hash.

    Raises:
        MismatchError: it is not.
    """
    with open_regular(engine) as file:
        has_name = sidecar.build_id.encode() in file.read(_BEGINNING)
    if not has_name and file_sha256(engine) != sidecar.engine_sha256:
        raise MismatchError(_other(engine))


def check_build_id(sidecar: Sidecar, name: str, engine: Path) -> None:
    """Whether a sidecar is that of an engine whose network has a name.

    Raises:
        MismatchError: it is not.
    """
    if name != sidecar.build_id:
        raise MismatchError(_other(engine))


def check_fits(sidecar: Sidecar, version: str, sm: int, engine: Path) -> None:
    """Whether an engine runs with a version of its TensorRT on a GPU.

    Raises:
        IncompatibleEngineError: it does not; says what differs and what to do.
    """
    build, title = sidecar.build, sidecar.flavour.title
    if _fits_version(build, version) and _fits_gpu(build, sm):
        return
    wanted, here = _shorten(build.version, version)
    sms = " and ".join(f"SM{each}" for each in build.sm) or f"SM{AMPERE} and later"
    raise IncompatibleEngineError(
        f"{engine} was built with {title} {wanted} for {sms}, here are {here} and SM{sm}: run "
        f"`{_advice(build, engine)}`."
    )


def onnx_of(sidecar: Sidecar, engine: Path) -> Path:
    """The ONNX file that an engine was built from, if it is still there and the same.

    Raises:
        MismatchError: it was not kept, is gone or has changed.
    """
    build = sidecar.build
    path = engine.parent / build.onnx if build.onnx else None
    if path is None or not path.is_file():
        raise MismatchError(
            f"The ONNX file that {engine} was built from is not here{f' ({path})' if path else ''}: run "
            f"`{_advice(build, engine)}`."
        )
    if file_sha256(path) != build.onnx_sha256:
        raise MismatchError(f"{path} has changed since {engine} was built from it: run `{_advice(build, engine)}`.")
    return path


def _advice(build: BuildRecord, engine: Path) -> str:
    command = f"lseg build {engine.parent / build.onnx}" if build.onnx else f"lseg export {build.spec.model.name}"
    return f"{command} --{build.flavour} -o {engine}"


def check_code(sidecar: Sidecar, engine: Path) -> None:
    """Whether an engine carries no code for the processor, or lies in a folder that the user trusts.

    A version-compatible engine brings its own runtime, which is loaded like any library. A sidecar lies beside the
    engine and comes from the same hands, so what it says is no reason to trust either.

    Raises:
        MismatchError: it does, and does not.
    """
    allowed = [each.strip() for each in os.environ.get(TRUSTED, "").split(",") if each.strip()]
    place = engine.resolve()
    is_trusted = any(Path(each).expanduser().resolve() in (place, *place.parents) for each in allowed)
    if sidecar.build.options.is_version_compatible and not is_trusted:
        raise MismatchError(
            f"{engine} is version-compatible: it carries code that would run on this machine. If you trust it, say so "
            f"with {TRUSTED}={place.parent}."
        )


def _other(engine: Path) -> str:
    return (
        f"{sidecar_path(engine).name} is not of this {engine} but of another build; copy both files again, or build "
        "the engine with `lseg build`."
    )


def _build_id(build: dict[str, Any]) -> str:
    """Of the JSON as it is in the file: a later version of this tool may know more fields."""
    text = json.dumps(build, sort_keys=True, separators=(",", ":"))
    return TIE_PREFIX + hashlib.sha256(text.encode()).hexdigest()[:16]


def _fits_version(build: BuildRecord, version: str) -> bool:
    """An engine runs with the very release that built it; a version-compatible one with later ones too."""
    if build.options.is_version_compatible:
        return _numbers(version) >= _numbers(build.version)
    return version == build.version


def _fits_gpu(build: BuildRecord, sm: int) -> bool:
    if not build.sm or build.options.is_hardware_compatible:
        return sm >= AMPERE
    return sm in build.sm


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdecimal()]


def _shorten(wanted: str, here: str) -> tuple[str, str]:
    """As few of the numbers as tell two versions apart, two at the least."""
    parts = wanted.split("."), here.split(".")
    for count in range(2, max(map(len, parts))):
        if parts[0][:count] != parts[1][:count]:
            return ".".join(parts[0][:count]), ".".join(parts[1][:count])
    return wanted, here
