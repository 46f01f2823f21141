"""Whether exported files answer as their source: graphs, text towers and TensorRT engines."""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lseg_cli.contract import Engine
from lseg_cli.errors import MissingError, VerificationError
from lseg_cli.evaluation.pictures import read_pictures
from lseg_cli.exporting.options import Verification
from lseg_cli.exporting.parity import Corner, check, compare, count_corners, summarize
from lseg_cli.exporting.reporter import Reporter
from lseg_cli.model.text.clip import ClipTextEncoder
from lseg_cli.model.text.exported_tower import ExportedTower
from lseg_engines.doctor.nvidia_driver import find_gpus
from lseg_engines.ort.engine import OnnxEngine
from lseg_engines.tensorrt.engine import TensorrtEngine
from lseg_engines.tensorrt.precision import check_precisions
from lseg_engines.tensorrt.sidecar import Check, IncompatibleEngineError, Sidecar, write_sidecar
from lseg_engines.torch_engine import TorchEngine
from lseg_export.bfloat16 import TracedEngine, widen

MOST_VERIFICATION = 3  # the largest batch that is compared

_TEXTS = ("sky", "a road", "traffic light", "", "a photo of " + "very " * 100 + "long text")
_MOST_TEXT_DIFFERENCE = 1e-5  # of embeddings of length 1


def verify_export(
    source: Path, exported: Path, precision: str, verification: Verification, reporter: Reporter
) -> list[Corner]:
    """Compare a file with the model it was made from, on the CPU, where arithmetic is the same everywhere.

    Args:
        source: the `.safetensors` model.
        exported: the `.onnx` file.
        precision: of the file.
        verification: how it is compared.
        reporter: receives the progress.

    Raises:
        VerificationError: the answers differ by more than the precision allows.
        DataError: there are no pictures, or one is damaged.
    """
    corners: list[Corner] = []
    if precision == "bf16":
        reporter.note(
            "ONNX Runtime has no bfloat16 convolutions on a CPU: it runs the graph, its numbers widened to float32, "
            "and PyTorch runs the module that was traced, in bfloat16."
        )
    reference = TorchEngine.open(source, "cpu", "fp32", verification.threads)
    chosen: list[NDArray[np.uint8]] | None = None
    with ExitStack() as stack:
        for candidate in _candidates(source, exported, precision, verification.threads, stack):
            spec = candidate.spec
            if verification.pictures and chosen is None:
                chosen = read_pictures(verification.pictures, spec, MOST_VERIFICATION)
            found = list(reporter.track(compare(reference, candidate, chosen or ()), count_corners(spec)))
            check(found, precision)
            corners += found
    return corners


def verify_text(encoder: ClipTextEncoder, exported: Path) -> float:
    """Compare an exported text tower with the one it was made from, and return the largest difference.

    Raises:
        VerificationError: the embeddings differ.
    """
    tower = ExportedTower.open(exported)
    differences = [np.abs(tower.embed(texts) - encoder.embed(texts)).max() for texts in (_TEXTS[:1], _TEXTS)]
    worst = float(max(differences))
    if not worst <= _MOST_TEXT_DIFFERENCE:  # what is not a number fails
        raise VerificationError(
            f"The exported text encoder does not answer as its source: embeddings differ by up to {worst:.2g}; they "
            f"must be within {_MOST_TEXT_DIFFERENCE:g}."
        )
    return worst


def verify_engine(
    draft: Path, sidecar: Sidecar, open_reference: Callable[[], Engine], against: str, reporter: Reporter
) -> Sidecar:
    """Run an engine beside what it was made from, and check its precision; where it cannot run, say so.

    Args:
        draft: of the engine.
        sidecar: of the engine.
        open_reference: what it must answer as.
        against: what to call that.
        reporter: receives the progress.

    Returns:
        The sidecar with what was found.

    Raises:
        VerificationError: it answers otherwise, or computes in another precision than its graph.
    """
    try:
        engine = TensorrtEngine.open(draft, is_ours=True)
    except (MissingError, IncompatibleEngineError) as error:
        reporter.note(
            f"The engine was not run: {error}" if find_gpus() else "The engine was not run: no NVIDIA GPU was found."
        )
        return sidecar
    found = engine.find_precisions()
    check_precisions(found, engine.precision)
    corners = list(reporter.track(compare(open_reference(), engine), count_corners(engine.spec)))
    check(corners, "fp16" if sidecar.build.options.is_tf32 else engine.precision)
    update = {"found_precisions": found, "engine_check": Check(against=against, **summarize(corners))}
    sidecar = sidecar.model_copy(update=update)
    write_sidecar(sidecar, draft)
    return sidecar


def _candidates(source: Path, exported: Path, precision: str, threads: int | None, stack: ExitStack) -> list[Engine]:
    if precision != "bf16":
        return [OnnxEngine.open(exported, "cpu", threads, keeps_memory=False)]
    wide = Path(stack.enter_context(tempfile.TemporaryDirectory())) / exported.name
    widen(exported, wide)
    engine = OnnxEngine.open(wide, "cpu", threads, keeps_memory=False)
    return [engine, TracedEngine(source, engine.spec, precision)]
