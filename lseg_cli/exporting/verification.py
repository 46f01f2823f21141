"""What `lseg export` asks of run times: int8 from pictures, and whether a file answers as its source."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from lseg_cli.contract import Engine, GraphSpec
from lseg_cli.errors import VerificationError
from lseg_cli.evaluation.pictures import read_pictures
from lseg_cli.exporting.parity import Corner, check, compare, count_corners
from lseg_cli.model.text.clip import ClipTextEncoder
from lseg_cli.model.text.exported_tower import ExportedTower
from lseg_engines.ort.engine import OnnxEngine
from lseg_engines.ort.quantizer import quantize
from lseg_engines.torch_engine import TorchEngine
from lseg_export.bfloat16 import TracedEngine, widen
from lseg_export.text_file import export_text

T = TypeVar("T")


class Reporter(Protocol):
    """Is told how far a check is; the console of the command line is one."""

    def note(self, message: str) -> None:
        """Takes a sentence for the user."""

    def track(self, items: "Iterable[T]", total: int) -> "Iterator[T]":
        """Passes items on and shows how far they are."""


MOST_CALIBRATION = 64  # pictures; minima and maxima hardly move after some dozens
MOST_VERIFICATION = 3  # the largest batch that is compared

_TEXTS = ("sky", "a road", "traffic light", "", "a photo of " + "very " * 100 + "long text")
_MOST_TEXT_DIFFERENCE = 1e-5  # of embeddings of length 1


def quantize_file(draft: Path, spec: "GraphSpec", calibrate: str) -> None:
    """Replaces an fp32 file by an int8 one.

    Raises:
        DataError: there are no pictures at `calibrate`, or one is damaged.
    """
    pictures = read_pictures(calibrate, spec, MOST_CALIBRATION)
    with tempfile.TemporaryDirectory(dir=draft.parent.parent, prefix=".lseg-") as folder:
        source = Path(folder) / draft.name
        for file in draft.parent.iterdir():  # the graph, and its data where that is beside it
            file.replace(source.with_name(file.name))
        quantize(source, draft, pictures, spec.model.text.width)


def verify_export(
    source: Path, precision: str, threads: int | None, pictures: str | None, console: Reporter, exported: Path
) -> "list[Corner]":
    """Compares a file with the model it was made from, on the CPU, where arithmetic is the same everywhere.

    Args:
        source: the `.safetensors` model.
        precision: of the file.
        threads: of the CPU.
        pictures: where to find some to compare on; None: made ones.
        console: shows how far it is.
        exported: the `.onnx` file.

    Raises:
        VerificationError: the answers differ by more than the precision allows.
        DataError: there are no pictures, or one is damaged.
    """
    corners: list[Corner] = []
    if precision == "bf16":
        console.note(
            "ONNX Runtime has no bfloat16 convolutions on a CPU: it runs the graph, its numbers widened to float32, "
            "and PyTorch runs the module that was traced, in bfloat16."
        )
    reference = TorchEngine.open(source, "cpu", "fp32", threads)
    chosen: list[NDArray[np.uint8]] | None = None
    with ExitStack() as stack:
        for candidate in _candidates(source, exported, precision, threads, stack):
            spec = candidate.spec
            if pictures and chosen is None:
                chosen = read_pictures(pictures, spec, MOST_VERIFICATION)
            found = list(console.track(compare(reference, candidate, chosen or ()), count_corners(spec)))
            check(found, precision)
            corners += found
    return corners


def write_text_encoder(spec: "GraphSpec", draft: Path, opset: int, verify: bool, console: Reporter) -> None:
    """Writes the text tower of a model beside its graph, and compares it.

    Raises:
        LsegError: the model has no text tower, or its weights cannot be had.
        VerificationError: its embeddings differ from their source's.
    """
    path = draft.with_name(f"{draft.stem}.text.onnx")
    encoder = export_text(spec.model.text, path, opset)
    check = f"embeddings within {verify_text(encoder, path):.2g} of PyTorch's" if verify else "not checked"
    console.note(f"{path.name}: token ids (N, {encoder.context_length}) in, embeddings out; {check}.")


def verify_text(encoder: "ClipTextEncoder", exported: Path) -> float:
    """Compares an exported text tower with the one it was made from; returns the largest difference.

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


def _candidates(source: Path, exported: Path, precision: str, threads: int | None, stack: ExitStack) -> "list[Engine]":
    if precision != "bf16":
        return [OnnxEngine.open(exported, "cpu", threads)]
    wide = Path(stack.enter_context(tempfile.TemporaryDirectory())) / exported.name
    widen(exported, wide)
    engine = OnnxEngine.open(wide, "cpu", threads)
    return [engine, TracedEngine(source, engine.spec, precision)]
