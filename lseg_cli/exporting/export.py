"""A model -> an ONNX file that was compared with it; or a TensorRT engine built from one."""

import tempfile
from pathlib import Path

from lseg_cli.contract import TOWER_SUFFIX, GraphSpec
from lseg_cli.data.finding import find_images
from lseg_cli.errors import MissingError
from lseg_cli.evaluation.pictures import read_pictures
from lseg_cli.exporting.build import build_onnx
from lseg_cli.exporting.options import Companions, Verification, check_name
from lseg_cli.exporting.parity import Corner, summarize
from lseg_cli.exporting.reporter import Reporter, Watch
from lseg_cli.exporting.verify import verify_engine, verify_export, verify_text
from lseg_cli.files import staged
from lseg_engines.ort.quantizer import quantize
from lseg_engines.tensorrt.builder import open_session
from lseg_engines.tensorrt.options import BuildOptions
from lseg_engines.tensorrt.sidecar import Check, Sidecar
from lseg_engines.torch_engine import TorchEngine
from lseg_export.onnx_file import check_options, export_onnx
from lseg_export.options import GraphOptions
from lseg_export.text_file import export_text
from lseg_export.triton import add_to_repository

MOST_CALIBRATION = 64  # pictures; minima and maxima hardly move after some dozens


def export_graph(
    source: Path,
    target: Path,
    options: GraphOptions,
    calibrate: str | None,
    verification: Verification,
    companions: Companions,
    reporter: Reporter,
) -> tuple[GraphSpec, list[Corner] | None]:
    """Write an ONNX file; nothing is left if it does not answer as its source.

    Args:
        source: the `.safetensors` model.
        target: the file to write.
        options: of the graph.
        calibrate: pictures to measure int8's ranges on.
        verification: how it is compared.
        companions: what is written with it.
        reporter: receives the progress.

    Returns:
        What the graph takes, and the comparisons; None: it was not compared.

    Raises:
        LsegError: a name that does not end with .onnx; or as `export_onnx`.
        DataError: there are no pictures, or one is damaged.
        VerificationError: the answers differ by more than the precision allows.
    """
    check_name(target, ".onnx")
    check_options(options)
    _check_pictures(calibrate, verification.pictures)
    corners = None
    with staged(target) as draft:
        spec = export_onnx(source, draft, options)
        if calibrate:
            _quantize_file(draft, spec, calibrate)
        if verification.is_wanted:
            corners = verify_export(source, draft, options.precision, verification, reporter)
        _write_text_encoder(spec, draft, options.opset, companions, verification.is_wanted, reporter)
    if companions.triton:
        add_to_repository(target, companions.triton, spec)
    return spec, corners


def export_engine(
    source: Path,
    target: Path,
    options: GraphOptions,
    build: BuildOptions,
    verification: Verification,
    companions: Companions,
    reporter: Reporter,
    watch: Watch,
) -> Sidecar:
    """Export to ONNX in a hidden folder beside `target`, compare that as ever, and build the engine from it.

    Args:
        source: the `.safetensors` model.
        target: the `.engine` file to write.
        options: of the graph.
        build: what kind of engine.
        verification: how both are compared.
        companions: what is written with it.
        reporter: receives the progress.
        watch: receives TensorRT's progress.

    Raises:
        LsegError: a name that does not end with .engine; or as `export_onnx` and `build_engine`.
        VerificationError: the answers differ by more than the precision allows.
    """
    check_name(target, ".engine")
    check_options(options)
    _check_pictures(verification.pictures)
    open_session(build)  # what is missing is told before the export, which takes minutes
    with staged(target) as draft:
        onnx = draft.with_suffix(".onnx")
        spec = export_onnx(source, onnx, options)
        check = None
        if verification.is_wanted:
            corners = verify_export(source, onnx, options.precision, verification, reporter)
            check = Check(against="PyTorch", **summarize(corners))
        sidecar = build_onnx(onnx, draft, build, onnx.name if companions.keeps_onnx else None, check, watch)
        if verification.is_wanted:
            sidecar = verify_engine(draft, sidecar, lambda: TorchEngine.open(source, "cpu"), "PyTorch", reporter)
        _write_text_encoder(spec, draft, options.opset, companions, verification.is_wanted, reporter)
        if not companions.keeps_onnx:
            for file in draft.parent.glob(f"{onnx.name}*"):
                file.unlink()
    return sidecar


def _check_pictures(*inputs: str | None) -> None:
    """Check before the export, which takes minutes, that there are pictures; raises as `find_images`."""
    for each in inputs:
        if each:
            find_images([each])


def _quantize_file(draft: Path, spec: GraphSpec, calibrate: str) -> None:
    """Replaces an fp32 file by an int8 one."""
    pictures = read_pictures(calibrate, spec, MOST_CALIBRATION)
    with tempfile.TemporaryDirectory(dir=draft.parent.parent, prefix=".lseg-") as folder:
        source = Path(folder) / draft.name
        for file in draft.parent.iterdir():  # the graph, and its data where that is beside it
            file.replace(source.with_name(file.name))
        quantize(source, draft, pictures, spec.model.text.width)


def _write_text_encoder(
    spec: GraphSpec, draft: Path, opset: int, companions: Companions, verify: bool, reporter: Reporter
) -> None:
    """Writes the text tower of a model beside its graph, and compares it."""
    if not companions.has_text_encoder:
        return
    path = draft.with_name(f"{draft.stem}{TOWER_SUFFIX}")
    try:
        encoder = export_text(spec.model.text, path, opset)
    except MissingError as error:
        if companions.requires_text_encoder:
            raise
        reporter.note(f"The text encoder was not exported, so new words need PyTorch: {error}")
        return
    check = f"embeddings within {verify_text(encoder, path):.2g} of PyTorch's" if verify else "not checked"
    reporter.note(f"{path.name}: token ids (N, {encoder.context_length}) in, embeddings out; {check}.")
