"""The options of commands that do something with many pictures, written once."""

from dataclasses import dataclass
from typing import Annotated, Any

from lseg_cli.commands import options
from lseg_cli.commands.options import FILMS, MACHINE, RUN, option
from lseg_cli.commands.parsing import parse_failures, parse_pixels, parse_shard, parse_time, picked
from lseg_cli.data.frame_pick import FramePick
from lseg_cli.runs import shard  # noqa: TID253  imports nothing
from lseg_cli.runs.failure_limit import FailureLimit  # noqa: TID253  imports nothing
from lseg_cli.runs.options import RunOptions, SegmentOptions  # noqa: TID253  imports nothing

Exclude = Annotated[
    list[str] | None,
    option(
        metavar="PATTERN",
        help="Leave out files and folders of this name inside folders, such as '*_mask.png' or old. Repeat for more.",
        rich_help_panel=RUN,
    ),
]
Recursive = Annotated[
    bool,
    option("--recursive", help="A list may name a folder that holds the list itself.", rich_help_panel=RUN),
]
MaxPixels = Annotated[
    float,  # megapixels
    option(
        metavar="N",
        parser=parse_pixels,
        show_default=False,
        rich_help_panel=MACHINE,
        help="Reject pictures whose header claims more pixels, such as 512M or 400000000. Default: 512M.",
    ),
]
Fps = Annotated[
    float | None,
    option(metavar="N", min=0.001, rich_help_panel=FILMS, help="Frames of a second of film. Default: all."),
]
Every = Annotated[
    int | None,
    option(metavar="N", min=1, rich_help_panel=FILMS, help="Only every N-th frame."),
]
Start = Annotated[
    float,
    option(
        metavar="TIME",
        parser=parse_time,
        rich_help_panel=FILMS,
        show_default=False,
        help="Where to begin, as seconds (90.5) or 1:30.5.",
    ),
]
End = Annotated[
    float | None,
    option(metavar="TIME", parser=parse_time, rich_help_panel=FILMS, help="Where to end. Default: the film's end."),
]

Watch = Annotated[
    bool,
    option("--watch", rich_help_panel=RUN, help="Go on with pictures as they arrive, until interrupted (Ctrl-C)."),
]
Shard = Annotated[
    shard.Shard | None,
    option(
        metavar="I/N",
        parser=parse_shard,
        rich_help_panel=RUN,
        help="Take only the I-th of N shares, for N processes or machines on one output folder.",
    ),
]
Ray = Annotated[
    str | None,
    option(
        metavar="ADDRESS",
        rich_help_panel=RUN,
        help="Use a Ray cluster, whose machines share the folders: its address; local: this machine; auto: the "
        "cluster that is running, else local.",
    ),
]
RayWorkers = Annotated[
    int | None,
    option(
        metavar="N",
        min=1,
        rich_help_panel=RUN,
        help="With --ray: processes, each with its own engine. Default: one per GPU, or per 4 cores.",
    ),
]
Resume = Annotated[
    bool,
    option(
        rich_help_panel=RUN,
        help="Continue an earlier run in the folder; otherwise its results are moved to previous-1.",
    ),
]
MaxFailures = Annotated[
    FailureLimit | None,
    option(
        metavar="N|P%",
        parser=parse_failures,
        rich_help_panel=RUN,
        help="Stop with exit code 8 when more pictures fail.",
    ),
]
FailFast = Annotated[bool, option("--fail-fast", rich_help_panel=RUN, help="Stop at the first failure.")]
IgnoreFailures = Annotated[
    bool,
    option("--ignore-failures", rich_help_panel=RUN, help="Exit with 0 although some pictures failed."),
]


@dataclass(frozen=True)
class RunFlags:
    """How a run goes over its pictures, as the command line gives it: fields of `RunOptions`."""

    workers: options.Workers = RunOptions.workers
    shard: Shard = RunOptions.shard
    ray: Ray = RunOptions.ray
    ray_workers: RayWorkers = RunOptions.ray_workers
    resume: Resume = RunOptions.resume
    overwrite: options.Overwrite = RunOptions.overwrite
    max_failures: MaxFailures = RunOptions.max_failures
    fail_fast: FailFast = RunOptions.fail_fast
    ignore_failures: IgnoreFailures = RunOptions.ignore_failures


@dataclass(frozen=True)
class PictureFlags:
    """Which pictures are read, as the command line gives it."""

    exclude: Exclude = None
    recursive: Recursive = RunOptions.recursive
    max_pixels: MaxPixels = SegmentOptions.max_megapixels
    fps: Fps = FramePick.fps
    every: Every = FramePick.every
    start: Start = FramePick.start_s
    end: End = FramePick.end_s
    watch: Watch = SegmentOptions.watch

    def values(self) -> dict[str, Any]:
        """Return the same as fields of `SegmentOptions` and `EmbedOptions`."""
        return {
            "exclude": tuple(self.exclude or ()),
            "recursive": self.recursive,
            "max_megapixels": self.max_pixels,
            "watch": self.watch,
            "frames": picked(self.fps, self.every, self.start, self.end),
        }
