"""`lseg eval`: a model's figures on a data set."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from lseg_cli.commands import options
from lseg_cli.commands.label_words import joined, whole_variable
from lseg_cli.console.evaluation import show_evaluation
from lseg_cli.console.terminal import Console
from lseg_cli.evaluation.options import PROTOCOLS, EvalJob  # noqa: TID253  imports nothing

Data = Annotated[
    str,
    typer.Option(
        metavar="DATA", show_envvar=False, help="A dataset.yaml, or a known data set and its folder, as NAME:ROOT."
    ),
]
Split = Annotated[str, typer.Option(metavar="NAME", show_envvar=False, help="Of the data set.")]
Protocol = Annotated[
    str, typer.Option(metavar="NAME", show_envvar=False, help=f"How it is looked at: {', '.join(PROTOCOLS)}.")
]
Compare = Annotated[
    tuple[str, str] | None,
    typer.Option(metavar="A B", show_envvar=False, help="Two models or engines side by side, instead of --model."),
]
Masks = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER", show_envvar=False, help="Measure the masks in an output folder of lseg segment instead."
    ),
]
Fold = Annotated[str | None, typer.Option(metavar="N|all", show_envvar=False, help="Of pascal5i and coco20i: 0 to 3.")]
Lists = Annotated[
    str | None,
    typer.Option(metavar="FOLDER", show_envvar=False, help="HSNet's split lists, if they are not in ROOT/splits."),
]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        "-l",
        "--labels",
        metavar="WORDS",
        show_envvar=False,
        callback=whole_variable,
        help="Other words for the classes, one for each and in their order, as of lseg segment; or a vocabulary.",
    ),
]
Extra = Annotated[
    list[str] | None,
    typer.Option(
        metavar="WORDS",
        show_envvar=False,
        callback=whole_variable,
        help="Labels beside the classes: a labelled pixel that gets one is wrong.",
    ),
]
Without = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CLASSES", show_envvar=False, help="Classes that the model is not asked for, though they are there."
    ),
]
Unseen = Annotated[
    list[str] | None,
    typer.Option(metavar="CLASSES", show_envvar=False, help="Classes whose mIoU is told apart from that of the rest."),
]
LabelMap = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        show_envvar=False,
        help="Merges classes: a YAML file of new names, each with a list of classes; others stay.",
    ),
]
MinConfidence = Annotated[
    float,
    typer.Option(
        metavar="P", min=0.0, max=1.0, show_envvar=False, help="Pixels below it get no label, which is wrong."
    ),
]
Window = Annotated[int, typer.Option(metavar="PX", show_envvar=False, help="slide: side of the windows.")]
Stride = Annotated[
    int | None,
    typer.Option(metavar="PX", show_envvar=False, help="slide: from one to the next. Default: two thirds of a window."),
]
Batch = Annotated[
    str,
    typer.Option(
        "-b", "--batch", metavar="N|auto", show_envvar=False, help="Windows at once. auto: 1 on the CPU, else 8."
    ),
]
Out = Annotated[
    str | None,
    typer.Option(
        "-o", "--out", metavar="FOLDER", show_envvar=False, help="For report.json, tables and the confusion picture."
    ),
]


def evaluate(  # noqa: PLR0913  an option is a parameter
    *,
    data: Data,
    model: options.Model = EvalJob.models[0],
    compare: Compare = None,
    masks: Masks = EvalJob.masks,
    split: Split = EvalJob.split,
    protocol: Protocol = EvalJob.protocol,
    fold: Fold = EvalJob.fold,
    lists: Lists = EvalJob.lists,
    labels: Labels = None,
    extra_labels: Extra = None,
    without: Without = None,
    unseen: Unseen = None,
    label_map: LabelMap = EvalJob.label_map,
    template: options.Template = None,
    min_confidence: MinConfidence = EvalJob.min_confidence,
    imgsz: options.ImageSize = EvalJob.imgsz,
    window: Window = EvalJob.window,
    stride: Stride = EvalJob.stride,
    out: Out = None,
    engine: options.Engine = "auto",
    device: options.Device = EvalJob.device,
    precision: options.Precision = EvalJob.precision,
    threads: options.Threads = EvalJob.threads,
    batch: Batch = EvalJob.batch,
    offline: options.Offline = False,  # acted on where it is defined
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure a model on a data set: IoU of every class, mIoU, pixel accuracy.

    Example: lseg eval -m lseg-tiny --data street/dataset.yaml --split val
    """
    from lseg_cli.evaluation.processes import Processes
    from lseg_cli.evaluation.protocols import open_run
    from lseg_cli.evaluation.report_files import write_report
    from lseg_engines.opener import open_engine, require_engine

    job = EvalJob(
        data=data,
        models=compare or (model,),
        masks=masks,
        protocol=protocol,
        split=split,
        fold=fold,
        lists=lists,
        labels=joined(labels) if labels else None,
        extra_labels=joined(extra_labels) if extra_labels else None,
        without=options.split(without),
        unseen=options.split(unseen),
        label_map=label_map,
        templates=tuple(template or ()),
        min_confidence=min_confidence,
        imgsz=imgsz,
        window=window,
        stride=stride,
        device=device,
        precision=precision,
        threads=threads,
        batch=batch,
    )
    for each in job.models:
        require_engine(each, engine)
    processes = Processes.here()
    console = Console(quiet or processes.index > 0)
    run = open_run(job, partial(open_engine, outputs=job.outputs), processes)
    for notice in run.notices:
        console.note(f"Note: {notice}")
    for _ in console.track(run.run(), len(run)):
        pass
    if processes.index == 0:
        report = run.report()
        if out is not None:
            write_report(report, Path(out))
        show_evaluation(report, json)
