"""The common part of runs that write masks: their labels, their options as a job, and the tables of all pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from lseg_cli.config import TextConfig
from lseg_cli.data.film_frame import FilmFrame
from lseg_cli.data.labels import LabelSet, fold
from lseg_cli.data.vocabulary import open_labels
from lseg_cli.drawing import fonts
from lseg_cli.drawing.palette import recolored
from lseg_cli.errors import DataError, LsegError
from lseg_cli.files import atomic
from lseg_cli.inference.segmenter import PixelOutputs
from lseg_cli.results.cvat import write_cvat
from lseg_cli.results.folder import OutputFolder, file_name
from lseg_cli.results.formats import write_coco, write_table
from lseg_cli.results.journal_lines import JournalLines
from lseg_cli.results.kinds import OVERLAY_FILMS, TABLES, binary_kinds
from lseg_cli.results.mask_style import MaskStyle
from lseg_cli.results.masks import describe_labels
from lseg_cli.results.overlay_film import Overlay, is_newer, write_film
from lseg_cli.results.records import Item
from lseg_cli.runs.crew import Crew
from lseg_cli.runs.folder_run import Job
from lseg_cli.runs.options import MaskOptions

# Options that change what a mask says. Not the device, nor what runs at once: they change the last bits.
_DECISIVE = ("palette", "min_confidence", "min_margin")
_VERBS = {"segment": "segmented", "relabel": "relabelled"}
_NAMED = 20  # labels, in a sentence
_MOST_WITH_BEST = 1000  # labels, of which top-k writes probabilities unasked


def read_labels(options: MaskOptions) -> tuple[LabelSet, list[str]]:
    """The labels in their colours, and notices.

    Raises:
        LsegError: they, or the palette, cannot be read.
    """
    labels, notices = open_labels(options.labels)
    lacking = fonts.notice(labels.names) if "overlay" in options.save else ""
    notices = [*notices, *([lacking] if lacking else [])]
    if options.palette in (None, "none"):
        return labels, notices
    labels, more = recolored(labels, str(options.palette))
    return labels, [*notices, *more]


def style_of(options: MaskOptions, labels: LabelSet) -> MaskStyle:
    """Return which files are written for every picture.

    Raises:
        LsegError: a label that is to be cut out is none of these.
    """
    by_name = {fold(name): name for name in labels.names}
    unknown = [name for name in options.cutout if fold(name) not in by_name]
    if unknown:
        raise LsegError(
            f"--cutout {unknown[0]} is not one of the labels; choose from {', '.join(labels.names[:_NAMED])}"
            f"{' …' if len(labels.names) > _NAMED else ''}."
        )
    return MaskStyle(
        save=options.save,
        formats=options.formats,
        top_k=options.top_k,
        cutout=tuple(by_name[fold(name)] for name in options.cutout),
        binary=tuple(binary_kinds(labels.names)) if "binary" in options.formats else (),
        has_colors=options.palette != "none",
        min_confidence=options.min_confidence,
        min_margin=options.min_margin,
    )


def outputs_of(options: MaskOptions, labels: int) -> PixelOutputs:
    """Return what must be known of every pixel, for a number of labels.

    The probabilities of the K best are there for the asking as long as all labels are scored; of more than a thousand
    words, each of which gets next to nothing, they would cost many times all the rest.
    """
    is_filtered = options.min_confidence > 0 or options.min_margin > 0
    with_best = options.top_k > 1 and labels <= _MOST_WITH_BEST
    return PixelOutputs(
        best=max(options.top_k, 2 if options.min_margin or options.cutout else 1),
        probability=is_filtered or with_best or bool(options.cutout) or "conf" in options.save,
    )


@dataclass(frozen=True)
class MaskPlan:
    """All that decides what the masks of a run say, and where they go.

    Attributes:
        command: 'segment' or 'relabel'.
        options: of the run.
        output: where the masks go.
        labels: in their colours.
        text: the encoder of the labels, with its templates.
        model: name and sha256 of the model.
        more: options of the command alone that change what a mask says.
    """

    command: str
    options: MaskOptions
    output: OutputFolder
    labels: LabelSet
    text: TextConfig
    model: dict[str, str]
    more: dict[str, Any]

    def job(self, items: Sequence[Item], crew: Crew, notices: list[str]) -> Job:
        """Return what `FolderRun` is to do with these items."""
        options, labels, text = self.options, self.labels, self.text
        films = _films(items) if "overlay" in options.save else {}
        style = style_of(options, labels)
        record = {
            "command": self.command,
            "model": self.model["sha256"],
            "labels": labels.digest(),
            "text encoder": [text.sha256, text.templates],
            "options": {name: getattr(options, name) for name in _DECISIVE} | self.more,
        }
        return Job(
            verb=_VERBS[self.command],
            options=options,
            output=self.output,
            items=items,
            kinds=style.kinds,
            crew=crew,
            model=self.model,
            record=record,
            about={
                **describe_labels(labels),
                "settings": {kind: value for kind, value in style.settings.items() if kind in style.kinds},
                "encoder": text.model_dump(mode="json"),
                "templates": text.templates,
            },
            notices=notices,
            # A share writes none.
            tables=() if options.shard else (*(TABLES[each] for each in options.formats if each in TABLES), *films),
            write_tables=partial(_write_tables, self.output, labels, films),
            labels=labels,
        )


def _films(items: Sequence[Item]) -> dict[str, dict[str, FilmFrame]]:
    """The films that overlays are put together as: of each its frames, by their overlays."""
    films: dict[str, dict[str, FilmFrame]] = {}
    for item in items:
        frame = item.source.path
        if isinstance(frame, FilmFrame):
            film = OVERLAY_FILMS + item.name.rpartition("/")[0].removesuffix(".mp4") + ".mp4"
            films.setdefault(film, {})[file_name("overlay", item.name)] = frame
    return films


def _write_tables(
    output: OutputFolder, labels: LabelSet, films: dict[str, dict[str, FilmFrame]], names: Sequence[str]
) -> list[str]:
    notices, lines = [], JournalLines(output.folder)
    for film in (name for name in films if name in names):
        notices += _write_film(output, film, films[film])
    for kind, name in TABLES.items():
        if name not in names:
            continue
        with atomic(output.folder / name) as path:
            if kind == "csv":
                write_table(path, lines, labels)
                continue
            if kind == "cvat":
                left_out = write_cvat(path, output.folder, lines, labels)
            else:
                left_out = write_coco(path, kind, output.folder, lines, labels)
        if left_out:
            notices.append(f"{output.folder / name} lacks {left_out} pictures, done without --format {kind}.")
    return notices


def _write_film(output: OutputFolder, name: str, frames: dict[str, FilmFrame]) -> list[str]:
    """Write the overlays of a film as a film, unless it is there; notices."""
    there = [file for file in frames if (output.folder / file).is_file()]
    overlays = [Overlay(frames[file].time_us, output.folder / file) for file in there]
    if not overlays or is_newer(output.folder / name, overlays):
        return []
    output.confinement.check_folder(name)
    try:
        with atomic(output.folder / name) as path:
            write_film(path, overlays, frames[there[0]].film.path)
    except DataError as error:
        return [str(error)]
    return []
