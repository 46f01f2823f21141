"""An ONNX file -> a TensorRT engine and its sidecar. The same calls build with either flavour.

No precision is asked for: it is a property of the ONNX graph, and TensorRT 11 has no flag for it any more. Every call
that tells of its failure by a value alone is checked, and the error carries what TensorRT told its logger.
"""

import contextlib
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lseg_cli import __version__
from lseg_cli.config import SIZE_MULTIPLE
from lseg_cli.contract import PRECISION_KEY, GraphSpec
from lseg_cli.errors import LsegError, MismatchError, MissingError
from lseg_cli.files import file_sha256, staged
from lseg_engines.doctor.nvidia_driver import find_gpus
from lseg_engines.ort.header import read_onnx
from lseg_engines.tensorrt.flavour import FLAVOURS, Flavour, Session
from lseg_engines.tensorrt.options import BuildOptions
from lseg_engines.tensorrt.progress import Report, make_monitor
from lseg_engines.tensorrt.sidecar import (
    BuildRecord,
    Check,
    Shapes,
    Sidecar,
    make_build_id,
    onnx_of,
    read_sidecar,
    write_sidecar,
)

OPT_LEVELS = range(6)


class Cancelled(Exception):
    """The report said not to go on."""


def build_engine(
    onnx_path: Path,
    path: Path,
    options: BuildOptions,
    report: Report,
    onnx_name: str | None = None,
    onnx_check: Check | None = None,
) -> Sidecar:
    """Builds an engine and writes it with its sidecar.

    Args:
        onnx_path: a file of `lseg export`.
        path: of the engine to write; `lseg_cli.files.staged` gives one that a failure does not leave behind.
        options: what kind of engine.
        report: receives the progress of the build; never from another thread's signal handler, and it must not raise.
        onnx_name: of the ONNX file, relative to where the engine will lie; None if it will not be kept.
        onnx_check: how near the ONNX file is to the model.

    Raises:
        LsegError: options that cannot be.
        MissingError: the flavour is not installed, or needs a GPU.
        MismatchError: no whole ONNX file of this tool, or one that TensorRT does not build so.
        Cancelled: `report` said so.
    """
    session = open_session(options)
    header = read_onnx(onnx_path)
    spec = header.spec
    profiles = make_profiles(spec, options)
    gpus = find_gpus()
    build = BuildRecord(
        flavour=session.flavour.key,
        version=session.version,
        sm=(gpus[0].sm,) if session.flavour.needs_gpu else options.sm,
        gpu=gpus[0].name if gpus else "",
        platform=f"{sys.platform}-{platform.machine().lower()}",
        spec=spec.model_copy(update={"max_batch": options.max_batch, "max_labels": options.max_labels}),
        precision=header.metadata.get(PRECISION_KEY, "fp32"),
        onnx=onnx_name,
        onnx_sha256=file_sha256(onnx_path),
        onnx_check=onnx_check,
        profiles=profiles,
        options=replace(options, timing_cache=None),  # a path of this machine
    )
    engine = _build(session, onnx_path, build, options, report)
    path.write_bytes(engine)
    sidecar = Sidecar(
        written_by=f"lseg {__version__}",
        build_id=make_build_id(build),
        build=build,
        engine_bytes=path.stat().st_size,
        engine_sha256=file_sha256(path),
    )
    write_sidecar(sidecar, path)
    return sidecar


def rebuild_engine(path: Path) -> None:
    """Builds an engine again, with the options it was built with, for the TensorRT and the GPU that are here.

    Raises:
        MismatchError: its ONNX file is not here any more, or is another one.
        LsegError: as `build_engine`.
    """
    old = read_sidecar(path)
    build, onnx = old.build, onnx_of(old, path)
    here = tuple(gpu.sm for gpu in find_gpus())
    options = build.options
    if options.sm and not set(here) <= set(options.sm):
        options = replace(options, sm=tuple(sorted({*options.sm, *here})))
    with staged(path) as draft:
        build_engine(onnx, draft, options, lambda _phase, _share: True, build.onnx, build.onnx_check)


def open_session(options: BuildOptions) -> Session:
    """A flavour that can build here what is asked for; reports what is impossible before anything takes time.

    Raises:
        LsegError: options that cannot be.
        MissingError: the flavour is not installed, or needs a GPU.
    """
    flavour = FLAVOURS[options.flavour]
    _check_options(flavour, options)
    if flavour.needs_gpu and not find_gpus():
        raise MissingError(
            f"{flavour.title} builds an engine on the GPU that is to run it, and none was found; use --rtx to build "
            "here."
        )
    session = Session(flavour)
    if options.sm:
        _find_targets(session, options.sm)
    return session


def _check_options(flavour: Flavour, options: BuildOptions) -> None:
    _check_counts(options)
    if options.opt_level is not None and options.opt_level not in OPT_LEVELS:
        raise LsegError(f"--opt-level {options.opt_level} is invalid; give 0 to {OPT_LEVELS[-1]}.")
    if options.workspace_gib is not None and options.workspace_gib <= 0:
        raise LsegError(f"--workspace {options.workspace_gib:g} is invalid; give GiB, more than 0.")
    for name, is_given, only in (
        ("--sm", bool(options.sm), "rtx"),
        ("--timing-cache", options.timing_cache is not None, "trt"),
        ("--version-compatible", options.is_version_compatible, "trt"),
        ("--hardware-compatible", options.is_hardware_compatible, "trt"),
    ):
        if is_given and flavour.key != only:
            raise LsegError(f"{flavour.title} has no {name}: it goes with --{only} only.")


def _check_counts(options: BuildOptions) -> None:
    for name, (least, opt, most) in (("batch", options.batches), ("labels", options.labels)):
        if not least <= opt <= most:
            raise LsegError(f"--opt-{name} {opt} does not lie between 1 and --max-{name} {most}.")


def make_profiles(spec: GraphSpec, options: BuildOptions) -> dict[str, Shapes]:
    """The least, the tuned and the largest shape of every input.

    Raises:
        LsegError: a longest side that no picture can have.
    """
    tuned = spec.model.image.long_side_px
    longest = options.max_side_px or tuned
    if longest < SIZE_MULTIPLE or longest % SIZE_MULTIPLE:
        raise LsegError(f"--max-size {longest} is invalid; it must be a multiple of {SIZE_MULTIPLE}.")
    heights, widths = (
        (side, side, side) if side else (SIZE_MULTIPLE, min(tuned, longest), longest)
        for side in (spec.height_px, spec.width_px)
    )
    least, opt, most = ((*sides, 3) for sides in zip(options.batches, heights, widths, strict=True))
    few, usual, many = ((count, spec.model.text.width) for count in options.labels)
    return {"image": (least, opt, most), "text": (few, usual, many)}


def _build(session: Session, onnx_path: Path, build: BuildRecord, options: BuildOptions, report: Report) -> Any:
    """The engine's bytes."""
    trt, log = session.trt, session.log
    builder = _make_builder(session)
    network = builder.create_network(_network_flags(trt))  # kept: a parser does not keep it, and would crash
    parser = trt.OnnxParser(network, log)
    if not parser.parse_from_file(str(onnx_path.resolve())):  # by its path, for weights that lie beside it
        raise MismatchError(f"{session.flavour.title} cannot read {onnx_path.name}: {_parser_error(parser, session)}.")
    network.name = make_build_id(build)
    config = builder.create_builder_config()
    _add_profile(session, builder, network, config, build.profiles)
    cache = _configure(session, config, options)
    monitor = make_monitor(trt, report)
    config.progress_monitor = monitor
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        if monitor.is_cancelled:
            raise Cancelled
        target = "".join(f" for SM{each}" for each in build.sm[:1]) if len(build.sm) < 2 else " for these GPUs"
        raise MismatchError(f"{session.flavour.title} does not build this model{target}: {session.last_error()}.")
    if cache is not None:
        _write_timings(config, cache)
    return engine


def _make_builder(session: Session) -> Any:
    try:
        return session.trt.Builder(session.log)
    except TypeError as error:  # pybind's way to say that there is no CUDA
        raise MissingError(
            f"{session.flavour.title} {session.version} does not start ({session.last_error()}); its libraries and the "
            "GPU's driver must fit each other."
        ) from error


def _network_flags(trt: Any) -> int:
    """Types as the graph has them: a flag up to TensorRT 10; from 11 on, and on RTX, it is the only way."""
    is_old = hasattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH")
    return 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED) if is_old else 0


def _parser_error(parser: Any, session: Session) -> str:
    if not parser.num_errors:
        return session.last_error()
    error = parser.get_error(0)
    node = f" (node {error.node_name()})" if error.node_name() else ""
    return f"{error.desc().rpartition('Assertion failed: ')[2].rstrip('.')}{node}"


def _add_profile(session: Session, builder: Any, network: Any, config: Any, profiles: dict[str, Shapes]) -> None:
    """One profile for all inputs. An unknown name would pass and fail later, elsewhere."""
    names = [network.get_input(index).name for index in range(network.num_inputs)]
    if sorted(names) != sorted(profiles):
        raise MismatchError(f"The graph takes {', '.join(names)}; it must take {' and '.join(profiles)}.")
    profile = builder.create_optimization_profile()
    for name, (least, opt, most) in profiles.items():
        profile.set_shape(name, least, opt, most)
    if config.add_optimization_profile(profile) < 0:
        raise MismatchError(f"{session.flavour.title} does not take these limits: {session.last_error()}.")


def _configure(session: Session, config: Any, options: BuildOptions) -> Path | None:
    """Sets what was asked for; the file to write timings to, if any."""
    trt = session.trt
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # so that the inspector tells of types
    if not options.is_tf32:
        config.clear_flag(trt.BuilderFlag.TF32)  # on by default, and off by a thousandth
    if options.workspace_gib is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, int(options.workspace_gib * 2**30))
    if options.opt_level is not None:
        config.builder_optimization_level = options.opt_level
    if options.is_version_compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    if options.is_hardware_compatible:
        config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS
    if options.sm:
        _set_targets(session, config, options.sm)
    if options.timing_cache is None:
        return None
    return _read_timings(session, config, Path(options.timing_cache))


def _find_targets(session: Session, sms: Sequence[int]) -> list[Any]:
    """The module's names for compute capabilities."""
    known = session.trt.ComputeCapability.__members__
    for sm in sms:
        if f"SM{sm}" not in known:
            here = ", ".join(sorted((name[2:] for name in known if name.startswith("SM")), key=int))
            raise LsegError(f"{session.flavour.title} does not build for SM{sm}; choose of {here}.")
    return [known[f"SM{sm}"] for sm in sms]


def _set_targets(session: Session, config: Any, sms: Sequence[int]) -> None:
    config.num_compute_capabilities = len(sms)
    for index, target in enumerate(_find_targets(session, sms)):
        if not config.set_compute_capability(target, index):
            raise MismatchError(f"{session.flavour.title} does not take SM{sms[index]}: {session.last_error()}.")


def _read_timings(session: Session, config: Any, path: Path) -> Path:
    """Takes earlier timings, if they are of this version and GPU; their file's name carries both."""
    sm = find_gpus()[0].sm
    place = path.with_name(f"{path.stem}.{session.version}.sm{sm}{path.suffix or '.cache'}")
    content = place.read_bytes() if place.is_file() else b""
    cache = config.create_timing_cache(content)
    if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
        cache = config.create_timing_cache(b"")  # of another machine, or damaged: from the beginning
        config.set_timing_cache(cache, ignore_mismatch=False)
    return place


def _write_timings(config: Any, path: Path) -> None:
    """A folder that cannot be written costs the next build time, and this one nothing."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.write_bytes(config.get_timing_cache().serialize())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
