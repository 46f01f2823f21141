"""`lseg eval`: a model's figures on a data set."""

from pathlib import Path
from typing import Annotated, Any

from lseg_cli.commands import options
from lseg_cli.commands.label_words import joined_labels, whole_variable
from lseg_cli.commands.parsing import parse_batch, parse_folds
from lseg_cli.commands.parsing import split as split_commas
from lseg_cli.console.evaluation import name_next, show_evaluation
from lseg_cli.console.terminal import Console
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.evaluation import options as eval_options  # noqa: TID253  imports nothing
from lseg_cli.evaluation.options import PROTOCOLS, EvalOptions  # noqa: TID253  imports nothing

Data = Annotated[
    str,
    options.option(metavar="DATA", help="A dataset.yaml, or a known data set and its folder, as NAME:ROOT."),
]
Split = Annotated[str, options.option(metavar="NAME", help="Of the data set.")]
Protocol = Annotated[
    eval_options.Protocol, options.option(metavar="NAME", help=f"How to evaluate: {', '.join(PROTOCOLS)}.")
]
Compare = Annotated[
    tuple[str, str] | None,
    options.option(metavar="A B", help="Two models or engines side by side, instead of --model."),
]
Masks = Annotated[
    str | None,
    options.option(metavar="FOLDER", help="Measure the masks in an output folder of lseg segment instead."),
]
Fold = Annotated[
    Any,  # tuple[int, ...], whose length Typer would ask for
    options.option(metavar="N|all", parser=parse_folds, help="Fold of pascal5i or coco20i: 0 to 3, or all."),
]
Lists = Annotated[
    str | None,
    options.option(metavar="FOLDER", help="HSNet's split lists, if they are not in ROOT/splits."),
]
Labels = Annotated[
    list[str] | None,
    options.option(
        "-l",
        "--labels",
        metavar="WORDS",
        callback=whole_variable,
        help="Other words for the classes, one for each and in their order, as of lseg segment; or a vocabulary.",
    ),
]
Extra = Annotated[
    list[str] | None,
    options.option(
        metavar="WORDS",
        callback=whole_variable,
        help="Labels beside the classes: a labelled pixel that gets one is wrong.",
    ),
]
Without = Annotated[
    list[str] | None,
    options.option(metavar="CLASSES", help="Classes that the model is not asked for, though they are there."),
]
Unseen = Annotated[
    list[str] | None,
    options.option(metavar="CLASSES", help="Classes whose mIoU is reported separately from the rest."),
]
LabelMap = Annotated[
    str | None,
    options.option(
        metavar="FILE",
        help="Merges classes: a YAML file of new names, each with a list of classes; others stay.",
    ),
]
MinConfidence = Annotated[
    float,
    options.option(metavar="P", min=0.0, max=1.0, help="Pixels below it get no label, which is wrong."),
]
Window = Annotated[int, options.option(metavar="PX", help="slide: side of the windows.")]
Stride = Annotated[
    int | None,
    options.option(metavar="PX", help="slide: from one to the next. Default: two thirds of a window."),
]
Batch = Annotated[
    int | None,
    options.option(
        "-b",
        "--batch",
        metavar="N|auto",
        parser=parse_batch,
        rich_help_panel=options.MACHINE,
        help="Windows per network call. Default: auto, 1 on the CPU, else 8.",
    ),
]
Out = Annotated[
    str | None,
    options.option("-o", "--out", metavar="FOLDER", help="For report.json, tables and the confusion picture."),
]


def evaluate(  # noqa: PLR0913  an option is a parameter
    *,
    data: Data,
    model: options.Model = EngineChoice.model,
    compare: Compare = None,
    masks: Masks = EvalOptions.masks,
    split: Split = EvalOptions.split,
    protocol: Protocol = EvalOptions.protocol,
    fold: Fold = None,
    lists: Lists = EvalOptions.lists,
    labels: Labels = None,
    extra_labels: Extra = None,
    without: Without = None,
    unseen: Unseen = None,
    label_map: LabelMap = EvalOptions.label_map,
    template: options.Template = None,
    min_confidence: MinConfidence = EvalOptions.min_confidence,
    imgsz: options.ImageSize = EvalOptions.imgsz,
    window: Window = EvalOptions.window,
    stride: Stride = EvalOptions.stride,
    out: Out = None,
    engine: options.Engine = EngineChoice.kind,
    device: options.Device = EngineChoice.device,
    precision: options.Precision = EngineChoice.precision,
    threads: options.Threads = EngineChoice.threads,
    batch: Batch = EvalOptions.batch,
    offline: options.Offline = False,  # acted on where it is defined
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure a model on a data set: IoU of every class, mIoU, pixel accuracy.

    Example: lseg eval -m lseg-tiny --data street/dataset.yaml --split val
    """
    from lseg_cli.api.tasks import open_evaluation
    from lseg_cli.evaluation.processes import Processes
    from lseg_cli.evaluation.report_files import write_report

    wanted = EvalOptions(
        data=data,
        engines=tuple(EngineChoice(each, engine, device, precision, threads) for each in compare or (model,)),
        masks=masks,
        protocol=protocol,
        split=split,
        folds=fold or (),
        lists=lists,
        labels=joined_labels(labels) if labels else None,
        extra_labels=joined_labels(extra_labels) if extra_labels else None,
        without=split_commas(without),
        unseen=split_commas(unseen),
        label_map=label_map,
        templates=tuple(template or ()),
        min_confidence=min_confidence,
        imgsz=imgsz,
        window=window,
        stride=stride,
        batch=batch,
    )
    processes = Processes.here()
    console = Console(quiet or processes.index > 0)
    run = open_evaluation(wanted)
    for notice in run.notices:
        console.note(f"Note: {notice}")
    for _ in console.track(run.run(), len(run)):
        pass
    if processes.index == 0:
        report = run.report()
        if out is not None:
            write_report(report, Path(out))
        show_evaluation(report, json)
        name_next(report, console)
