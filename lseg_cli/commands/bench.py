"""`lseg bench`: how fast engines are, side by side, and what they take."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from lseg_cli.commands import options
from lseg_cli.console.bench import show_bench
from lseg_cli.console.terminal import Console
from lseg_cli.errors import LsegError

if TYPE_CHECKING:
    from lseg_cli.contract import Engine, Output

OUTPUTS = ("logits", "mask", "confidence", "scores")

Models = Annotated[
    list[str],
    typer.Argument(metavar="MODELS", help="The bundled model, .safetensors or .onnx files; the first is 1.00."),
]
Labels = Annotated[
    int, typer.Option("--labels", "--labels-count", metavar="N", min=1, show_envvar=False, help="How many labels.")
]
Sweep = Annotated[
    str | None,
    typer.Option(metavar="N,N,…", show_envvar=False, help="Several counts of labels, such as 1,8,32,150,257,1000."),
]
Size = Annotated[
    str, typer.Option("--imgsz", metavar="N|HxW", show_envvar=False, help="Of the pictures: N x N, or height x width.")
]
Batch = Annotated[int, typer.Option("-b", "--batch", metavar="N", min=1, show_envvar=False, help="Pictures at once.")]
Runs = Annotated[
    int, typer.Option(metavar="N", min=1, show_envvar=False, help="Timed runs of each engine at each count of labels.")
]
Outputs = Annotated[
    str, typer.Option(metavar="KINDS", show_envvar=False, help=f"What is asked for, of {','.join(OUTPUTS)}.")
]
Peer = Annotated[
    str | None,
    typer.Option(metavar="NAME", show_envvar=False, help="Run every .onnx file in it as well; there is openvino."),
]
Memory = Annotated[
    bool, typer.Option(show_envvar=False, help="Measure peak memory too, of each engine in a process of its own.")
]


def bench(  # noqa: PLR0913  an option is a parameter
    models: Models,
    *,
    labels: Labels = 3,
    sweep_labels: Sweep = None,
    imgsz: Size = "480x480",
    batch: Batch = 1,
    outputs: Outputs = "mask",
    runs: Runs = 10,
    peer: Peer = None,
    memory: Memory = True,
    device: options.Device = "auto",
    precision: options.Precision = "fp32",
    threads: options.Threads = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure engines side by side: latency, pictures per second, peak memory, share of the machine's peak.

    Example: lseg bench lseg-tiny tiny.onnx --peer openvino --threads 2 --sweep-labels 1,8,150
    """
    from lseg_cli.bench.benchmark import Bench
    from lseg_cli.bench.latency import Workload
    from lseg_cli.inference.parsing import parse_size

    size = parse_size(imgsz)
    height, width = size if isinstance(size, tuple) else (size or 0, size or 0)
    workloads = [Workload(batch, count, height, width, _outputs(outputs)) for count in _counts(sweep_labels, labels)]
    openers = find_openers(models, peer, device, precision, threads, _outputs(outputs))
    console = Console(quiet or json, json_lines=json)
    if memory:
        console.note("Peak memory first, of each engine in a process of its own.")
    run = Bench(openers, workloads, runs, threads, memory)
    for _ in console.track(run, len(run)):
        pass
    show_bench(run.report(), json)


def find_openers(
    models: list[str],
    peer: str | None,
    device: str,
    precision: str,
    threads: int | None,
    outputs: "tuple[Output, ...]",
) -> "dict[str, Callable[[], Engine]]":
    """What opens each engine, by the name it is shown under.

    Raises:
        LsegError: a model that is none or that is named twice, or a peer that is none or has nothing to run.
    """
    from lseg_engines.opener import find_model, kind_of, open_engine
    from lseg_engines.openvino.peer import OpenVinoPeer

    if peer not in (None, "openvino"):
        raise LsegError(f"There is no peer {peer!r}; there is openvino.")
    openers: dict[str, Callable[[], Engine]] = {}
    for model in dict.fromkeys(models):
        path = find_model(model)
        kind = kind_of(path)
        openers[f"{model} ({'torch' if kind == 'safetensors' else kind})"] = partial(
            open_engine, model, device, precision, threads, outputs=outputs
        )
        if peer and kind == "onnx":
            openers[f"{model} ({peer})"] = partial(OpenVinoPeer, path, threads)
    if peer and len(openers) == len(set(models)):
        raise LsegError(f"{peer} runs .onnx files, and none is given; write one with lseg export.")
    return openers


def _counts(sweep: str | None, labels: int) -> list[int]:
    parts = sorted(set(options.split([sweep]))) if sweep else [str(labels)]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise LsegError(f"--sweep-labels {sweep!r} is no list of counts; write such as 1,8,32,150.")
    return sorted(map(int, parts))


def _outputs(text: str) -> "tuple[Output, ...]":
    parts = options.split([text])
    unknown = [part for part in parts if part not in OUTPUTS]
    if unknown or not parts:
        raise LsegError(f"--outputs {text!r} cannot be asked for; choose from {', '.join(OUTPUTS)}.")
    return tuple(name for name in OUTPUTS if name in parts)  # type: ignore[misc]  # they are the literals
