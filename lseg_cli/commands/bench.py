"""`lseg bench`: how fast engines are, side by side, and what they take."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lseg_cli.commands import options
from lseg_cli.commands.parsing import parse_counts, parse_fixed_size, parse_kinds
from lseg_cli.console.bench import show_bench
from lseg_cli.console.terminal import Console
from lseg_cli.engine_choice import EngineChoice, EngineKind

if TYPE_CHECKING:
    from lseg_cli.contract import Engine, Output

ENGINES: tuple[EngineKind, ...] = ("auto", "torch", "onnx", "openvino", "trt")
OUTPUTS: "tuple[Output, ...]" = ("logits", "mask", "confidence", "scores", "features")

Models = Annotated[
    list[str],
    typer.Argument(metavar="MODELS", help="The bundled model, .safetensors or .onnx files; the first is 1.00."),
]
Labels = Annotated[int, options.option("--labels", "--labels-count", metavar="N", min=1, help="How many labels.")]
Sweep = Annotated[
    Any,  # tuple[int, ...], whose length Typer would ask for
    options.option(
        metavar="N,N",
        parser=parse_counts,
        help="Several numbers of labels, such as 1,8,32,150,257,1000.",
    ),
]
Size = Annotated[
    Any,  # tuple[int, int]
    options.option(
        "--imgsz",
        metavar="N|HxW",
        parser=parse_fixed_size,
        show_default=False,
        help="Size of the pictures: N x N, or height x width. Default: 480.",
    ),
]
Batch = Annotated[int, options.option("-b", "--batch", metavar="N", min=1, help="Pictures at once.")]
Runs = Annotated[int, options.option(metavar="N", min=1, help="Timed runs of each engine at each count of labels.")]
Outputs = Annotated[
    Any,  # of tuples
    options.option(
        metavar="KINDS",
        parser=parse_kinds("--outputs", OUTPUTS),
        autocompletion=lambda: list(OUTPUTS),
        show_default=False,
        help="Outputs to compute: logits, mask, confidence, scores, features. Separate by commas. Default: mask.",
    ),
]
Engines = Annotated[
    Any,  # of tuples
    options.option(
        "--engine",
        metavar="KINDS",
        parser=parse_kinds("--engine", ENGINES),
        autocompletion=lambda: list(ENGINES),
        show_default=False,
        help="Engines to run each model in, as far as they take its file: torch, onnx, openvino, trt. "
        "Separate by commas. Default: the one that segment uses.",
    ),
]
Memory = Annotated[bool, options.option(help="Measure peak memory too, of each engine in a process of its own.")]


def bench(  # noqa: PLR0913  an option is a parameter
    models: Models,
    *,
    labels: Labels = 3,
    sweep_labels: Sweep = None,
    imgsz: Size = (480, 480),
    batch: Batch = 1,
    outputs: Outputs = ("mask",),
    runs: Runs = 10,
    engine: Engines = ("auto",),
    memory: Memory = True,
    device: options.Device = EngineChoice.device,
    precision: options.Precision = EngineChoice.precision,
    threads: options.Threads = EngineChoice.threads,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure engines side by side: latency, pictures per second, peak memory, share of the machine's peak.

    Example: lseg bench lseg-tiny --engine onnx,openvino,torch --threads 2 --sweep-labels 1,8,150
    """
    from lseg_cli.bench.benchmark import Bench
    from lseg_cli.bench.latency import Workload

    wanted = tuple(kind for kind in OUTPUTS if kind in outputs)
    height, width = imgsz
    workloads = [Workload(batch, count, height, width, wanted) for count in sweep_labels or (labels,)]
    openers = find_openers(
        [*dict.fromkeys(models)], engine, EngineChoice("", "auto", device, precision, threads), wanted
    )
    console = Console(quiet or json, json_lines=json)
    if memory:
        console.note("Peak memory first, of each engine in a process of its own.")
    run = Bench(openers, workloads, runs, threads, memory)
    for _ in console.track(run, len(run)):
        pass
    show_bench(run.report(), json)


def find_openers(
    models: "Sequence[str]", engines: "Sequence[EngineKind]", choice: EngineChoice, outputs: "tuple[Output, ...]"
) -> "dict[str, Callable[[], Engine]]":
    """Return what opens each model in each engine that takes its file, by the name it is shown under.

    Args:
        models: each named once.
        engines: to run them in.
        choice: how they are to be run.
        outputs: that will be asked for.

    Raises:
        LsegError: a model that is not there.
        MismatchError: a model that no engine takes.
    """
    from lseg_engines.opener import engine_of, open_engine, require_kind

    openers: dict[str, Callable[[], Engine]] = {}
    for model in models:
        choices = [replace(choice, model=model, kind=kind) for kind in engines]
        fitting = [each for each in choices if each.kind in ("auto", *engine_of(each))]
        if not fitting:
            require_kind(choices[0])
        for each in fitting:
            kind = engine_of(each)[0] if each.kind == "auto" else each.kind
            openers[f"{model} ({kind})"] = partial(open_engine, each, outputs=outputs)
    return openers
