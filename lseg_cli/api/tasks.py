"""Training, evaluation and export as functions, each of one object of options. The commands are made of these."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from lseg_cli.api.labels import warn
from lseg_cli.errors import LsegError
from lseg_cli.evaluation.options import EvalOptions
from lseg_cli.exporting.options import Companions, Verification, check_calibration, check_name
from lseg_cli.extras import require
from lseg_cli.training.options import TrainOptions
from lseg_engines.tensorrt.options import BuildOptions
from lseg_export.options import GraphOptions

if TYPE_CHECKING:
    from lseg_cli.config import TrainConfig
    from lseg_cli.evaluation.protocols import Run
    from lseg_cli.training.loop import MakeEngine, Trainer
    from lseg_cli.training.reports import Report as Step
    from lseg_cli.training.vocabulary import Embed

T = TypeVar("T")


@dataclass(frozen=True)
class Trained:
    """A training run that is finished.

    Attributes:
        folder: of the run.
        weights: the model to use: of the epoch with the best mIoU where there was validation, else of the last step.
        best_miou: between 0 and 1; None without validation.
    """

    folder: Path
    weights: Path
    best_miou: float | None


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What `export` makes; names and defaults are those of `lseg export`.

    Attributes:
        model: the bundled model's name, that of a published one, or a `.safetensors` file.
        out: the `.onnx` or `.engine` file to write; None: the model's name, here.
        size: (height, width) of pictures in px, multiples of 32; None: any, or of an engine as the model was trained.
        precision: fp32, fp16, bf16 or int8.
        opset: of the ONNX standard.
        calibrate: pictures to measure the ranges of int8 on.
        slim: simplify the graph with onnxslim.
        with_text_encoder: write the CLIP text tower beside it; None: if the model has one and its weights can be had.
        triton: a model repository of Triton to put it into.
        engine: 'rtx' or 'trt': build a TensorRT engine; None: leave the ONNX file.
        keep_onnx: with `engine`: leave the ONNX file beside it.
        max_batch: pictures at once that an engine takes.
        max_labels: labels that an engine takes.
        verify: compare with PyTorch; no file is left if the answers differ.
        verify_images: pictures to compare on; None: those of `calibrate`, or made ones.
        threads: of the CPU; None: all cores.
    """

    model: str | Path = "lseg-tiny"
    out: str | Path | None = None
    size: tuple[int, int] | None = None
    precision: Literal["fp32", "fp16", "bf16", "int8"] = "fp32"
    opset: int = GraphOptions.opset
    calibrate: str | None = None
    slim: bool = GraphOptions.is_slim
    with_text_encoder: bool | None = None
    triton: Path | None = None
    engine: Literal["rtx", "trt"] | None = None
    keep_onnx: bool = False
    max_batch: int = BuildOptions.max_batch
    max_labels: int = BuildOptions.max_labels
    verify: bool = True
    verify_images: str | None = None
    threads: int | None = None


def train(options: TrainOptions, report: "Callable[[Step], None]" = lambda _: None) -> Trained:
    """Train a model to the end.

    Args:
        options: data, model, recipe, folder.
        report: is called with a `StepReport` after every step and an `EpochReport` after every epoch.

    Raises:
        LsegError: what is wrong with the data, the recipe or the folder, before the first step.
        MissingError: PyTorch is not installed.
    """
    from lseg_engines.opener import find_trainable

    recipe, note = options.recipe(find_trainable)
    warn([note] if note and options.model is None else [])
    trainer = open_trainer(recipe, options.folder, options.resume is not None)
    for step in trainer.run():
        report(step)
    best, last = (options.folder / "weights" / f"{name}.safetensors" for name in ("best", "last"))
    is_validated = recipe.validation is not None and best.is_file()
    return Trained(options.folder, best if is_validated else last, trainer.best_miou if is_validated else None)


def evaluate(options: EvalOptions) -> dict[str, Any]:
    """Measure a model on a data set, and return its figures, as in report.json.

    Args:
        options: data, engines, protocol, labels.

    Raises:
        LsegError: options that cannot be combined, or a data set that is not there.
        DataError: a picture or mask that cannot be read.
        MismatchError: a model that does not give what the protocol needs.
    """
    run = open_evaluation(options)
    warn(run.notices)
    for _ in run.run():
        pass
    return run.report()


def export(options: ExportOptions) -> Path:
    """Write a model as an ONNX file, or as a TensorRT engine, after comparing it with PyTorch; return the file.

    Args:
        options: model, file, kind of graph or engine.

    Raises:
        LsegError: a name, size or combination that cannot be used, or a full disk.
        DataError: pictures that cannot be read.
        MissingError: PyTorch, TensorRT or a GPU is missing.
        VerificationError: the answers differ by more than the precision allows; no file is left.
    """
    from lseg_cli.exporting.source import find_source, usual_size, wants_text_encoder

    check_calibration(options.precision, options.calibrate)
    if options.engine and (options.calibrate or options.triton):
        raise LsegError("calibrate and triton are for .onnx files; omit them here.")
    source = find_source(str(options.model))
    target = Path(options.out or f"{source.stem}{'.engine' if options.engine else '.onnx'}")
    check_name(target, ".engine" if options.engine else ".onnx")
    has_tower = wants_text_encoder(source, options.with_text_encoder)
    require("torch", "lseg_cli.export")
    from lseg_cli.exporting.export import export_engine, export_graph

    size = options.size or (usual_size(source) if options.engine else None)
    graph = GraphOptions(size, options.precision, options.opset, options.slim)
    verification = Verification(options.verify, options.verify_images or options.calibrate, options.threads)
    companions = Companions(has_tower, bool(options.with_text_encoder), options.triton, options.keep_onnx)
    if options.engine is None:
        export_graph(source, target, graph, options.calibrate, verification, companions, _Silent())
    else:
        build = BuildOptions(flavour=options.engine, max_batch=options.max_batch, max_labels=options.max_labels)
        export_engine(source, target, graph, build, verification, companions, _Silent(), _unwatched)
    return target


def parts_of(recipe: "TrainConfig") -> "tuple[Embed, MakeEngine]":
    """Return what a trainer embeds text with, the model's own encoder, and what it validates on, the PyTorch engine."""
    from lseg_cli.model.text.cache import EmbeddingCache
    from lseg_cli.model.text.labels import embed_labels
    from lseg_engines.torch_engine import TorchEngine

    text, cache = recipe.model_config_of().text, EmbeddingCache()
    return (
        lambda texts: embed_labels([[each] for each in texts], text, cache)[0],
        lambda model: TorchEngine(model, sha256="", device=recipe.device),
    )


def open_trainer(recipe: "TrainConfig", out: Path, resume: bool) -> "Trainer":
    """Return a trainer for a run folder; raises as `Trainer`."""
    from lseg_cli.training.loop import Trainer

    return Trainer(recipe, out, *parts_of(recipe), resume=resume)


def open_evaluation(options: EvalOptions) -> "Run":
    """Return an evaluation that is ready to run, in this process's share; raises as `evaluate`."""
    from lseg_cli.evaluation.processes import Processes
    from lseg_cli.evaluation.protocols import open_run
    from lseg_engines.opener import open_engine, require_kind

    for choice in options.engines:
        require_kind(choice)
    return open_run(options, partial(open_engine, outputs=options.outputs), Processes.here())


class _Silent:
    """A reporter for programs: what is worth a sentence is a warning."""

    def note(self, message: str, /) -> None:
        warn([message])

    def track(self, items: Iterable[T], total: int) -> Iterator[T]:
        yield from items


def _unwatched() -> "AbstractContextManager[Callable[[str, float], bool]]":
    return nullcontext(lambda _phase, _share: True)
