"""What a run is to do: pictures as they are found, and the frames of films."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from lseg_cli.data.film_frame import FilmFrame, FrameSource
from lseg_cli.data.films import BrokenFilm, Film
from lseg_cli.data.finding import Source, find_images
from lseg_cli.data.formats import is_film
from lseg_cli.data.frame_pick import FramePick
from lseg_cli.data.images import PictureError
from lseg_cli.data.live import LiveSource, is_live
from lseg_cli.data.store import absolute
from lseg_cli.errors import LsegError
from lseg_cli.results.names import output_names
from lseg_cli.results.records import Item
from lseg_cli.runs.folder_run import Job, shared
from lseg_cli.runs.options import EmbedOptions, SegmentOptions


def find_items(options: SegmentOptions | EmbedOptions, say: Callable[[str], None]) -> list[Item]:
    """Find what the inputs name, of the run's share: a picture each, a film as its frames.

    Args:
        options: of the run.
        say: is told what was passed over, in a sentence.

    Raises:
        LsegError: as `find_images`; a film in an object store or for a cluster.
        MissingError: PyAV is not installed, and there is a film.
        DataError: there is no picture at all.

    Returns:
        The items; of a camera or a stream nothing, see `with_live`.
    """
    if any(map(is_live, options.inputs)):
        return []
    sources = find_images(options.inputs, options.exclude, options.recursive, say)
    if options.unsettled:
        sources = [source for source in sources if absolute(source.path) not in options.unsettled]
    items = list(_items(sources, options))
    return shared(items, options.shard)


def with_live(job: Job, options: SegmentOptions | EmbedOptions) -> Job:
    """Return the job with the pictures of a camera or stream, if that is what the inputs name.

    Raises:
        LsegError: it is not the only input, or does not go with other options; as `LiveSource`.
    """
    if not any(map(is_live, options.inputs)):
        return job
    if len(options.inputs) > 1 or options.shard or options.ray or options.watch:
        raise LsegError("A camera or stream is an input of its own; omit other inputs, --shard, --ray and --watch.")
    source = LiveSource(options.inputs[0])
    return replace(job, live=_live_items(source, options.frames))


def _live_items(source: LiveSource, pick: FramePick) -> Iterator[Item | None]:
    for frame in source.frames(pick):
        if frame is None:
            yield None
            continue
        seconds, part_us = divmod(frame.time_us, 1_000_000)
        moment = datetime.fromtimestamp(seconds).strftime("%Y-%m-%dT%H-%M-%S")
        name = f"{source.name}/{moment}.{part_us // 1000:03}"
        yield Item(FrameSource(frame, Path(), name), name)


def _items(sources: Sequence[Source], options: SegmentOptions | EmbedOptions) -> Iterator[Item]:
    for source, name in zip(sources, output_names(sources), strict=True):
        if not is_film(source.path.name):
            yield Item(source, name)
            continue
        if not isinstance(source.path, Path):
            raise LsegError(f"Films are read from files, and {source.path} is an address; copy it first.")
        if options.ray is not None:
            raise LsegError(
                f"{source.path} is a film, whose frames are read one after another; omit --ray, or take --shard."
            )
        for frame, moment in _named(_frames(source.path, options)):
            yield Item(FrameSource(frame, source.path.parent, f"{source.name}/{moment}"), f"{name}/{moment}")


def _frames(path: Path, options: SegmentOptions | EmbedOptions) -> list[FilmFrame]:
    try:
        return Film(path).frames(options.frames)
    except PictureError as error:
        return [FilmFrame(BrokenFilm(path, error), 0, 0)]


def _named(frames: Sequence[FilmFrame]) -> Iterator[tuple[FilmFrame, str]]:
    """Frames with their times; of two in one millisecond the second says its microseconds too."""
    last = ""
    for frame in frames:
        moment = frame.clock if frame.clock != last else f"{frame.clock}-{frame.time_us % 1000:03}"
        last = frame.clock
        yield frame, moment
