"""The lines of results.jsonl and failures.jsonl, one for each picture of a run."""

from dataclasses import dataclass, field

from lseg_cli.data.film_frame import FilmFrame, FrameSource
from lseg_cli.data.finding import Source
from lseg_cli.data.store import Place, absolute


@dataclass(frozen=True, slots=True)
class Item:
    """A picture, a frame of a film, or an embedding of one, and its name in the output.

    Attributes:
        source: what is read.
        name: below each of the output's folders, without extension.
        kinds: the files to write, of `lseg_cli.results.kinds.FILES`; None: all that the run writes.
    """

    source: Source | FrameSource
    name: str
    kinds: frozenset[str] | None = None

    @property
    def time_s(self) -> float | None:
        """Of a frame, from the beginning of its film."""
        return self.source.path.time_us / 1e6 if isinstance(self.source.path, FilmFrame) else None


@dataclass(frozen=True)
class Stamp:
    """The state of a file that was read: with another size or time it is another picture."""

    path: str  # absolute, or an address; in a journal relative to the output folder where the two may move together
    size_bytes: int = 0
    mtime_ns: int = 0

    @classmethod
    def of(cls, path: Place | FilmFrame) -> "Stamp":
        """Return the state of a file as it is now, or as a store listed it; zeros if there is none."""
        try:
            state = path.stat()
        except (OSError, ValueError):
            return cls(absolute(path))
        return cls(absolute(path), state.st_size, state.st_mtime_ns)


@dataclass(frozen=True)
class Done:
    """A picture that was segmented: a line of results.jsonl."""

    source: str
    mask: str  # below the output folder
    height_px: int
    width_px: int
    share: dict[str, float]  # of the picture's pixels, for every label
    ignored: float  # share of pixels without a label
    mean_confidence: float
    ms: dict[str, float]  # per stage
    file: Stamp = Stamp("")  # of the source
    files: dict[str, str] = field(default_factory=dict)  # beside the mask, by kind
    sizes: dict[str, int] = field(default_factory=dict)  # in bytes, of the mask and of these, by kind
    values: str = ""  # how the picture's numbers became 8 bits; '' where they were
    time_s: float | None = None  # of a frame, from the beginning of its film


@dataclass(frozen=True)
class Embedded:
    """A picture that was embedded: a line of results.jsonl."""

    source: str
    embedding: str  # below the output folder
    height_px: int
    width_px: int
    ms: dict[str, float]  # per stage
    file: Stamp = Stamp("")  # of the source
    files: dict[str, str] = field(default_factory=dict)  # beside the embedding, by kind
    sizes: dict[str, int] = field(default_factory=dict)  # in bytes, of the embedding and of these, by kind
    values: str = ""  # as in `Done`
    time_s: float | None = None  # as in `Done`


@dataclass(frozen=True)
class Failed:
    """A picture that was not: a line of failures.jsonl."""

    source: str
    stage: str  # read, decode, infer or write
    error: str


Result = Done | Embedded | Failed
