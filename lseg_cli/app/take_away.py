"""What somebody takes away from the page: files at the picture's own size, and the command that does the same."""

import shlex
import shutil
from dataclasses import replace
from pathlib import Path

from lseg_cli.app.folder import OpenForRun
from lseg_cli.app.pictures import Chosen
from lseg_cli.data.labels import LabelSet
from lseg_cli.drawing.palette import colors
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.errors import DataError
from lseg_cli.inference.many_labels import are_many
from lseg_cli.results.records import Done, Failed
from lseg_cli.runs.options import SegmentOptions
from lseg_cli.runs.segment import needed_outputs, open_segmentation
from lseg_engines.description import read_spec


def command(options: SegmentOptions) -> str:
    """The command line of a run, for a POSIX shell; what is as usual is left out."""
    usual, engine = EngineChoice(), options.engine
    words = ["lseg", "segment", *options.inputs, "-l", options.labels]
    for name, value, default in (
        ("-m", engine.model, usual.model),
        ("--engine", engine.kind, usual.kind),
        ("-d", engine.device, usual.device),
        ("--precision", engine.precision, usual.precision),
        ("--threads", engine.threads, usual.threads),
        ("--min-confidence", options.min_confidence, 0.0),
        ("--min-margin", options.min_margin, 0.0),
        ("--save", ",".join(options.save), ""),
        ("-o", options.out, ""),
    ):
        if value != default:
            words += [name, f"{value:g}" if isinstance(value, float) else str(value)]
    words += [word for pattern in options.exclude for word in ("--exclude", pattern)]
    return shlex.join(words)


def write_files(
    chosen: Chosen, labels: LabelSet, cut_out: int, options: SegmentOptions, open_engine: OpenForRun, folder: Path
) -> list[Path]:
    """Mask, overlay, cut-out and labels of a picture, in a folder that is emptied first.

    The mask is that of `lseg segment` to the byte, for `lseg segment` makes it.

    Args:
        chosen: the picture.
        labels: of the options.
        cut_out: the position of the label whose pixels the cut-out keeps.
        options: whose inputs and folder do not count.
        open_engine: as `lseg_cli.app.models.OpenModel.engine_for_run`.
        folder: to write to.

    Raises:
        DataError: the picture cannot be read.
        LsegError: as `lseg_cli.runs.segment.open_segmentation`.
    """
    shutil.rmtree(folder, ignore_errors=True)
    label = labels.labels[min(max(cut_out, 0), len(labels.labels) - 1)]
    inputs = (str(chosen.path),)
    plain = replace(options, inputs=inputs, exclude=(), out=str(folder / "run"), save=("overlay",), workers=1)
    with_cut_out = replace(plain, cutout=(label.name,))
    # Of many labels masks are made another way where probabilities are asked for, as a cut-out does.
    is_many = are_many(len(labels.labels), with_probability=False)
    done = _segmented(plain if is_many else with_cut_out, open_engine)
    cut = _segmented(replace(with_cut_out, out=str(folder / "cut")), open_engine) if is_many else done
    stem = Path(chosen.title).stem or "picture"
    files = [
        (folder / "run" / done.mask, f"{stem}-mask.png"),
        (folder / "run" / done.files["overlay"], f"{stem}-overlay.jpg"),
        (folder / ("cut" if is_many else "run") / cut.files["cutout"], f"{stem}-{_file_name(label.name)}.png"),
    ]
    written = [source.replace(folder / name) for source, name in files]
    for each in ("run", "cut"):
        shutil.rmtree(folder / each, ignore_errors=True)
    listed = folder / "labels.yaml"
    listed.write_text(labels_yaml(labels), encoding="utf-8")
    return [*written, listed]


def labels_yaml(labels: LabelSet) -> str:
    """A file for `--labels @labels.yaml`: names, prompts, colours and ids."""
    import yaml  # noqa: PLC0415  only who takes labels away waits for it

    entries = [
        {"name": label.name, "prompts": list(label.prompts), "color": "#" + bytes(color).hex(), "id": label.id}
        for label, color in zip(labels.labels, colors(labels), strict=True)
    ]
    return str(yaml.safe_dump(entries, allow_unicode=True, sort_keys=False))


def _segmented(options: SegmentOptions, open_engine: OpenForRun) -> Done:
    outputs = needed_outputs(options)
    run = open_segmentation(options, lambda choice: open_engine(choice, outputs), read_spec)
    with run:
        (result,) = list(run.run())
    if isinstance(result, Failed):
        raise DataError(result.error)
    if not isinstance(result, Done):
        raise ValueError(f"a run of masks gave {type(result).__name__}")
    return result


def _file_name(text: str) -> str:
    """Of a label, which may hold anything, something that is a file's name everywhere."""
    plain = "".join(letter if letter.isalnum() else "-" for letter in text)[:40].strip("-")
    return plain or "label"
