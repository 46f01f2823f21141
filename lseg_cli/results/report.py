"""The sums over the pictures of an output folder, in memory that does not grow with their number."""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from lseg_cli.data.finding import JOURNAL
from lseg_cli.data.labels import Label, LabelSet
from lseg_cli.drawing.palette import colors
from lseg_cli.errors import DataError, LsegError
from lseg_cli.files import open_regular, read_regular
from lseg_cli.reading import parse_json
from lseg_cli.results.folder import FAILURES, LABELS
from lseg_cli.results.journal_lines import JournalLines, find_journals
from lseg_cli.results.records import Failed, Stamp

MOST_FAILURES = 500  # that are kept; all are counted
_MOST_BYTES = 256_000_000  # of labels.json and run.json

T = TypeVar("T")


@dataclass(frozen=True)
class Picture:
    """A line of results.jsonl, as far as a report needs it; attributes as those of `Done`."""

    source: str
    mask: str
    height_px: int
    width_px: int
    share: dict[str, float]
    ignored: float
    ms: dict[str, float]
    file: Stamp
    overlay: str  # '' without one

    @classmethod
    def of(cls, data: dict[str, Any]) -> "Picture":
        """Raises ValueError, TypeError, KeyError or AttributeError where the line does not say all that."""
        return cls(
            str(data["source"]),
            str(data["mask"]),
            _number(data["height_px"]),
            _number(data["width_px"]),
            {name: _number(share) for name, share in data["share"].items()},
            _number(data["ignored"]),
            {stage: _number(ms) for stage, ms in data["ms"].items()},
            Stamp(**data["file"]),
            str(data["files"].get("overlay", "")),
        )


@dataclass
class LabelSum:
    """A label over all pictures.

    Attributes:
        pictures: in which it appears.
        pixels: that it has. From shares of six digits, so right to a millionth of the pixels.
        shares: its shares of the pictures, summed.
    """

    name: str
    id: int
    color: tuple[int, int, int] | None
    pictures: int = 0
    pixels: float = 0.0
    shares: float = 0.0

    def add(self, share: float, pixels: int) -> None:
        """Counts a picture of so many pixels."""
        self.pictures += share > 0
        self.pixels += share * pixels
        self.shares += share


class EvenSample(Generic[T]):
    """An even sample of a stream, of bounded size however long the stream gets."""

    def __init__(self, most: int) -> None:
        """`most`: may be 0."""
        self._most = most
        self._kept: list[T] = []
        self._every = 1
        self._count = 0

    def add(self, item: T) -> None:
        """The next one."""
        if self._most and self._count % self._every == 0:
            self._kept.append(item)
            if len(self._kept) == 2 * self._most:
                del self._kept[1::2]
                self._every *= 2
        self._count += 1

    def __iter__(self) -> Iterator[T]:
        """Those that are kept, in order."""
        count = len(self._kept)
        most = min(count, self._most)
        return (self._kept[index * count // most] for index in range(most))


@dataclass
class FolderReport:
    """The content of an output folder.

    Attributes:
        folder: of `lseg segment` or `lseg relabel`.
        label_set: what the ids of the masks mean.
        labels: by name, in the order of the label set.
        ignored: the pixels without a label.
        sheet: the pictures to show.
        pictures: that are done.
        pixels: of all of them.
        failed: pictures by stage.
        failures: the first of them.
        ms: milliseconds by stage, summed over the pictures.
        damaged: lines that could not be read.
        left: pictures that the last run did not come to.
        facts: of the last run, such as the model.
        notices: what is odd about the folder, in sentences.
    """

    folder: Path
    label_set: LabelSet
    labels: dict[str, LabelSum]
    ignored: LabelSum
    sheet: EvenSample[Picture]
    pictures: int = 0
    pixels: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    failures: list[Failed] = field(default_factory=list)
    ms: dict[str, float] = field(default_factory=dict)
    damaged: int = 0
    left: int = 0
    facts: dict[str, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A row per label, the largest first, and ignored pixels last where there are any; shares from 0 to 1."""
        ranked = sorted(self.labels.values(), key=lambda each: -each.pixels)
        return [
            {
                "label": each.name,
                "id": each.id,
                "color": "#" + bytes(each.color).hex() if each.color else None,
                "pictures": each.pictures,
                "pixels": round(each.pixels),
                "share": round(each.pixels / max(self.pixels, 1), 6),
                "mean_share": round(each.shares / max(self.pictures, 1), 6),
            }
            for each in (*ranked, *([self.ignored] if self.ignored.pictures else []))
        ]

    @property
    def stages(self) -> list[dict[str, Any]]:
        """A row per stage: seconds, its share of all, and milliseconds a picture. Stages run side by side."""
        total = sum(self.ms.values()) or 1.0
        return [
            {
                "stage": stage,
                "seconds": round(ms / 1000, 3),
                "share": round(ms / total, 4),
                "ms_per_picture": round(ms / max(self.pictures, 1), 1),
            }
            for stage, ms in self.ms.items()
        ]

    def as_data(self) -> dict[str, Any]:
        """All of it but the sheet, as JSON has it."""
        return {
            "folder": str(self.folder),
            "run": self.facts,
            "pictures": self.pictures,
            "pixels": self.pixels,
            "labels": self.rows,
            "failed": self.failed,
            "failures": list(map(asdict, self.failures)),
            "stages": self.stages,
            "left": self.left,
            "damaged_lines": self.damaged,
            "notices": self.notices,
        }


def read_report(folder: Path, most_pictures: int) -> FolderReport:
    """Reads the journals of a folder once.

    Args:
        folder: of any run that wrote masks; it may still be running.
        most_pictures: of the sheet.

    Raises:
        LsegError: there is no such folder.
        DataError: it is none of ours, or nothing has been done in it.
    """
    if not folder.is_dir():
        raise LsegError(f"There is no folder {str(folder)!r}; give the one that lseg segment wrote to.")
    labels = _read_labels(folder)
    sums = {
        label.name: LabelSum(label.name, label.id, color)
        for label, color in zip(labels.labels, colors(labels), strict=True)
    }
    ignored = LabelSum("(no label)", labels.ignore_id, None)
    report = FolderReport(folder, labels, sums, ignored, EvenSample(most_pictures))
    try:
        _read_pictures(report)
        _read_failures(report)
        _read_runs(report)
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror}).") from error
    if not report.pictures and not report.failed:
        raise DataError(f"{folder} holds no results yet: no picture is done, and none has failed.")
    return report


def _read_labels(folder: Path) -> LabelSet:
    if not (folder / LABELS).exists() or not find_journals(folder):
        raise DataError(
            f"{folder} is not an output folder of lseg segment or lseg relabel: "
            f"there is no {JOURNAL if (folder / LABELS).exists() else LABELS} in it."
        )
    try:
        entries = parse_json(read_regular(folder / LABELS, _MOST_BYTES))["labels"]
        keys = ("id", "name", "prompts", "color")
        return LabelSet(labels=tuple(Label.model_validate({key: each[key] for key in keys}) for each in entries))
    except (OSError, ValueError, KeyError, TypeError, RecursionError, LsegError) as error:
        raise DataError(f"{folder / LABELS} is damaged, so nobody knows what its masks mean.") from error


def _read_pictures(report: FolderReport) -> None:
    lines = JournalLines(report.folder)
    for data in lines:
        try:
            picture = Picture.of(data)
            parts = [(report.labels[name], share) for name, share in picture.share.items()]
        except (ValueError, TypeError, KeyError, AttributeError):
            report.damaged += 1
            continue
        pixels = picture.height_px * picture.width_px
        for label, share in (*parts, (report.ignored, picture.ignored)):
            label.add(share, pixels)
        for stage, ms in picture.ms.items():
            report.ms[stage] = report.ms.get(stage, 0.0) + ms
        report.pictures += 1
        report.pixels += pixels
        report.sheet.add(picture)
    report.damaged += lines.damaged
    if report.damaged:
        report.notices.append(f"Damaged lines of the journals, left out: {report.damaged}.")


def _read_failures(report: FolderReport) -> None:
    for path in sorted(report.folder.glob(FAILURES.replace(".", "*."))):
        with open_regular(path) as file:
            for line in file:
                try:
                    failure = Failed(**json.loads(line))
                except (ValueError, TypeError, RecursionError):
                    failure = Failed("", "unknown", "This line of the journal is damaged.")
                report.failed[failure.stage] = report.failed.get(failure.stage, 0) + 1
                if len(report.failures) < MOST_FAILURES:
                    report.failures.append(failure)


def _read_runs(report: FolderReport) -> None:
    """Read what the last runs reported, and whether they came to their end."""
    is_unfinished = False
    for journal in find_journals(report.folder):
        path = journal.with_name(journal.name.replace("results", "run").replace(".jsonl", ".json"))
        try:
            data = parse_json(read_regular(path, _MOST_BYTES))
            counts = data["counts"]
            report.left += max(0, int(counts["found"]) - int(counts["done"]) - int(counts["failed"]))
            report.facts = {
                "model": str(data["model"]["name"]),
                **{key: str(data[key]) for key in ("device", "precision") if key in data},
            }
        except FileNotFoundError:
            is_unfinished |= journal.stat().st_size > 0  # a run of shares leaves the whole's empty
            continue
        except (ValueError, KeyError, TypeError, RecursionError):
            report.notices.append(f"{path} is damaged.")
            continue
        is_unfinished |= path.stat().st_mtime_ns < journal.stat().st_mtime_ns
    if is_unfinished:
        report.notices.append("A run is under way or was killed: this is what is done so far.")
    elif report.left:
        report.notices.append(f"The last run was stopped before its end; pictures left: {report.left}.")


def _number(value: Any) -> Any:
    if not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"{value!r} is not a number from 0")
    return value
