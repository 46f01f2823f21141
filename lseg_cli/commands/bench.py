"""`lseg bench`: how fast engines are, side by side, and what they take."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lseg_cli.commands import options
from lseg_cli.commands.parsing import parse_counts, parse_fixed_size, parse_kinds
from lseg_cli.console.bench import show_bench
from lseg_cli.console.terminal import Console
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.errors import LsegError

if TYPE_CHECKING:
    from lseg_cli.contract import Engine, Output

OUTPUTS: "tuple[Output, ...]" = ("logits", "mask", "confidence", "scores")

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
        help="Outputs to compute: logits, mask, confidence, scores. Separate by commas. Default: mask.",
    ),
]
Peer = Annotated[
    Literal["openvino"] | None,
    options.option(metavar="NAME", help="Run every .onnx file in another runtime as well: openvino."),
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
    peer: Peer = None,
    memory: Memory = True,
    device: options.Device = EngineChoice.device,
    precision: options.Precision = EngineChoice.precision,
    threads: options.Threads = EngineChoice.threads,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure engines side by side: latency, pictures per second, peak memory, share of the machine's peak.

    Example: lseg bench lseg-tiny tiny.onnx --peer openvino --threads 2 --sweep-labels 1,8,150
    """
    from lseg_cli.bench.benchmark import Bench
    from lseg_cli.bench.latency import Workload

    wanted = tuple(kind for kind in OUTPUTS if kind in outputs)
    height, width = imgsz
    workloads = [Workload(batch, count, height, width, wanted) for count in sweep_labels or (labels,)]
    choices = [EngineChoice(model, "auto", device, precision, threads) for model in dict.fromkeys(models)]
    openers = find_openers(choices, peer, wanted)
    console = Console(quiet or json, json_lines=json)
    if memory:
        console.note("Peak memory first, of each engine in a process of its own.")
    run = Bench(openers, workloads, runs, threads, memory)
    for _ in console.track(run, len(run)):
        pass
    show_bench(run.report(), json)


def find_openers(
    choices: "Sequence[EngineChoice]", peer: str | None, outputs: "tuple[Output, ...]"
) -> "dict[str, Callable[[], Engine]]":
    """Return what opens each engine, by the name it is shown under.

    Args:
        choices: models, each named once.
        peer: a runtime that runs every ONNX file as well.
        outputs: that will be asked for.

    Raises:
        LsegError: a model that is not there, or a peer that has nothing to run.
    """
    from lseg_engines.opener import find_model, kind_of, open_engine
    from lseg_engines.openvino.peer import OpenVinoPeer

    openers: dict[str, Callable[[], Engine]] = {}
    for choice in choices:
        path = find_model(choice.model)
        kind = kind_of(path)
        name = f"{choice.model} ({'torch' if kind == 'safetensors' else kind})"
        openers[name] = partial(open_engine, choice, outputs=outputs)
        if peer and kind == "onnx":
            openers[f"{choice.model} ({peer})"] = partial(OpenVinoPeer, path, choice.threads)
    if peer and len(openers) == len(choices):
        raise LsegError(f"--peer {peer} runs .onnx files, and none is given; write one with lseg export.")
    return openers
