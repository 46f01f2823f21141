"""What the page's functions answer: components' values in and out, and a sentence where something is wrong."""

import itertools
import logging
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr

from lseg_cli.app import fragments
from lseg_cli.app.library import PAGE, page_count
from lseg_cli.app.pictures import smaller
from lseg_cli.app.sessions import Session
from lseg_cli.app.take_away import command
from lseg_cli.app.view import KINDS, Look
from lseg_cli.app.workbench import GRID, Asked, Chip, Shown, Workbench
from lseg_cli.errors import LsegError

_POLL_S = 0.3  # how often a run's progress is shown
_GRID_PX = 480  # long side of each of twelve pictures
_BUG = "This is a bug, and the terminal in which lseg app runs says where."
_LOG = logging.getLogger(__name__)
T = TypeVar("T")


class Answers:
    """Of a workbench. The last values of most are what `_asked` takes; the first answer of most is the status.

    Gradio passes who asks and what happened by the types of parameters, before the values.
    """

    def __init__(self, bench: Workbench) -> None:
        """Binds it."""
        self._bench = bench
        self._turns = itertools.count(1)

    def begin(self, request: gr.Request) -> int:
        """A page was opened: its picture is the first."""
        session = self._session(request)
        if self._bench.library.sources:
            session.wanted = self._bench.library.choose(0)
        return next(self._turns)

    def end(self, request: gr.Request) -> None:
        """A page was closed."""
        self._bench.sessions.free(str(request.session_hash))

    def gallery(self, text: str, number: float | None) -> list[Any]:
        """A page of small pictures."""
        matching = self._bench.library.matching(text)
        pages = page_count(len(matching))
        page = min(max(int(number or 1), 1), pages)
        thumbnails = self._bench.library.thumbnails(matching[(page - 1) * PAGE : page * PAGE])
        return [gr.update(value=thumbnails, selected_index=None), gr.update(value=page, label=f"Page, of {pages}")]

    def choose(self, request: gr.Request, event: gr.SelectData) -> list[Any]:
        """A picture of the gallery, which is known by its small picture's name: another page may be on its way."""

        def want() -> list[Any]:
            number = Path(str(event.value["image"]["path"])).stem
            self._session(request).wanted = self._bench.library.choose(int(number) if number.isdecimal() else -1)
            return [gr.skip(), next(self._turns)]

        return self._told(2, want)

    def receive(self, request: gr.Request, path: str | None) -> list[Any]:
        """A picture that was dropped, pasted or taken."""
        if path is None:
            return [gr.skip()] * 3
        session = self._session(request)

        def want() -> list[Any]:
            session.receive(self._bench.uploaded(path))
            return [gr.skip(), next(self._turns)]

        return [None, *self._told(2, want)]

    def show(self, request: gr.Request, out: str, cut_out: str, *asked: Any) -> list[Any]:
        """The picture, if it is another one, and the result for what is typed and set."""
        session = self._session(request)
        original, wrong = self._tried(lambda: self._taken(session, asked))
        if original is None:
            return [gr.skip(), fragments.status(wrong=[wrong]), *[gr.skip()] * 6]
        shown, wrong = self._tried(lambda: self._shown(session, out, cut_out, asked))
        if shown is not None:
            return [original, *shown]
        answer = [original, fragments.status(wrong=[wrong]), *[gr.skip()] * 6]
        if "value" in original:  # the masks of another picture do not stay beside it
            answer[2:4] = [gr.update(value=original["value"], label="Result"), None]
        return answer

    def look(self, event: gr.EventData, text: str) -> list[Any]:
        """A label of the list is to be shown alone, or its heat map."""

        def change() -> list[Any]:
            labels, _ = self._bench.labels.read(text)
            kind = {"alone": KINDS[2], "heat": KINDS[3]}.get(str(event.act))
            if kind is None or event.name not in labels.names:
                raise LsegError("There is no such label any more.")
            return [gr.skip(), kind, str(event.name), next(self._turns)]

        return self._told(4, change)

    def clicked(self, request: gr.Request, event: gr.SelectData, *asked: Any) -> list[Any]:
        """The best labels where the result was clicked."""

        def find() -> list[Any]:
            column, row = event.index
            return self._best(self._session(request), asked, int(row), int(column))

        return self._told(2, find)

    def pointed(self, request: gr.Request, event: gr.EventData, *asked: Any) -> list[Any]:
        """The best labels where the keyboard's cross is."""
        session = self._session(request)

        def find() -> list[Any]:
            height, width = self._bench.picture(session.picture, asked[1]).shape
            return self._best(session, asked, int(float(event.down) * height), int(float(event.right) * width))

        return self._told(2, find)

    def compare(self, request: gr.Request, *values: Any) -> list[Any]:
        """Two label sets, or two models, on the picture."""
        session, sides, asked = self._session(request), (values[:2], values[2:4]), values[4:]

        def show() -> list[Any]:
            answer: list[Any] = [fragments.status(f"Compared on {session.picture.title}.")]
            for name, (text, model) in zip("AB", sides, strict=True):
                shown = self._bench.show(session.picture, self._asked((text, model, *asked[2:]), of_one=False))
                image = gr.update(value=shown.image, alt_text=fragments.summary(shown))
                answer += [image, fragments.legend([shown.chips], f"Labels of result {name}")]
            return answer

        return self._told(5, show)

    def first_grid(self, request: gr.Request, *asked: Any) -> Iterator[list[Any]]:
        """The labels on the first twelve pictures, as they come."""
        self._session(request).grid_place = 0
        yield from self.next_grid(request, *asked)

    def next_grid(self, request: gr.Request, *asked: Any) -> Iterator[list[Any]]:
        """The labels on the next twelve pictures, as they come; after the last the first again."""
        library, session = self._bench.library, self._session(request)
        figures, chips, wrong = list[tuple[Any, str]](), list[tuple[Chip, ...]](), list[str]()
        numbers = range(session.grid_place, min(session.grid_place + GRID, len(library.sources)))
        session.grid_place = numbers.stop if numbers.stop < len(library.sources) else 0
        for number in numbers:
            shown, error = self._tried(partial(self._on_picture, number, asked))
            if shown is None:
                wrong.append(error)
            else:
                figures.append((smaller(shown.image, _GRID_PX), f"{library.sources[number].name}: {_largest(shown)}"))
                chips.append(shown.chips)
            status = fragments.status(f"{len(figures)} of {len(numbers)} pictures.", wrong=list(dict.fromkeys(wrong)))
            legend = fragments.legend(chips, "Labels and their mean shares") if self._asked(asked).has_colors else ""
            yield [status, list(figures), legend]

    def files(self, request: gr.Request, cut_out: str, *asked: Any) -> list[Any]:
        """Mask, overlay, cut-out and labels.yaml of the picture."""

        def make() -> list[Any]:
            files = self._bench.files(self._session(request), self._asked(asked), self._position(asked[0], cut_out))
            return [fragments.status("The files are ready, at the picture's own size."), [str(file) for file in files]]

        return self._told(2, make)

    def command(self, out: str, *asked: Any) -> list[Any]:
        """The command line for the folder."""
        return self._told(2, lambda: [fragments.status(), self._command(out, self._asked(asked))])

    def run(self, out: str, *asked: Any) -> Iterator[list[Any]]:
        """The run over the folder, and how far it is; of one that is under way already, how far that is."""
        job = self._bench.job
        _, wrong = self._tried(lambda: self._bench.begin_run(self._asked(asked), out))
        status = fragments.status(wrong=[wrong] if wrong else [])
        if wrong and not job.is_running:
            yield [status, gr.skip()]
            return
        while job.is_running:
            yield [status, fragments.progress_bar(job.progress)]
            status = gr.skip()
            time.sleep(_POLL_S)
        yield [status, fragments.progress_bar(job.progress)]

    def stop(self) -> str:
        """Ends the run that is under way, whichever page began it."""
        if not self._bench.job.is_running:
            return fragments.status("No run is under way.")
        self._bench.job.stop()
        return fragments.status("The run stops after the pictures in flight.")

    def _session(self, request: gr.Request) -> Session:
        return self._bench.sessions.get(str(request.session_hash))

    def _taken(self, session: Session, values: tuple[Any, ...]) -> Any:
        """An update for the original: an empty one where it is the same."""
        wanted = session.wanted
        if wanted is None or wanted is session.chosen:
            return gr.skip()
        try:
            picture = self._bench.picture(wanted, values[1])
        except BaseException:
            session.refuse(wanted)
            raise
        session.choose(wanted)
        height, width = picture.size
        return gr.update(value=picture.pixels, label=f"Original: {wanted.title}, {width} x {height}")

    def _on_picture(self, number: int, values: tuple[Any, ...]) -> Shown:
        return self._bench.show(self._bench.library.choose(number), self._asked(values))

    def _shown(self, session: Session, out: str, cut_out: str, values: tuple[Any, ...]) -> list[Any]:
        asked = self._asked(values)
        if not asked.text.strip(" ,"):
            plain = self._bench.picture(session.chosen, asked.model).pixels if session.chosen else None
            sentence = fragments.status("Type some labels, such as: sky, road, other")
            return [sentence, plain, None, "", gr.skip(), gr.skip(), ""]
        line = self._tried(lambda: self._command(out, asked))[0] or ""  # where it is typed it says what is wrong
        if session.chosen is None:
            chips = self._bench.chips(asked.text, asked.model)
            choices = gr.update(choices=[chip.name for chip in chips])
            status = fragments.status("Choose a picture, or drop, paste or take one.")
            return [status, gr.skip(), gr.skip(), fragments.chip_list(asked.text, chips), choices, choices, line]
        shown = self._bench.show(session.chosen, asked)
        names = list(shown.labels.names)
        # What is set meanwhile stays: only a label that is not there any more is replaced.
        one, cut = (
            gr.update(choices=names, **({} if name in names else {"value": names[0]})) for name in (values[3], cut_out)
        )
        count = f"{len(names)} label{'s' if len(names) > 1 else ''}, {shown.ms:.0f} ms."
        return [
            fragments.status(count, *shown.notices),
            gr.update(value=shown.image, label=_title(asked, names), alt_text=fragments.summary(shown)),
            fragments.pointer_map(shown.ids, shown.labels),
            fragments.chip_list(asked.text, shown.chips),
            one,
            cut,
            line,
        ]

    def _best(self, session: Session, values: tuple[Any, ...], row: int, column: int) -> list[Any]:
        rows = self._bench.best_at(session.picture, self._asked(values), row, column)
        return [gr.skip(), fragments.best_table(rows, row, column)]

    def _command(self, out: str, asked: Asked) -> str:
        return command(self._bench.run_options(asked, out or "out"))

    def _position(self, text: str, name: str) -> int:
        """Of a label by its name; the first where there is none of it."""
        try:
            names = self._bench.labels.read(text)[0].names
        except LsegError:
            return 0
        return names.index(name) if name in names else 0

    def _asked(self, values: tuple[Any, ...], of_one: bool = True) -> Asked:
        """What the page sent; `of_one`: also ways of looking that show one of its own labels."""
        text, model, kind, one, opacity, min_confidence, min_margin = values
        kinds = KINDS if of_one else KINDS[:2]
        look = Look(kind if kind in kinds else KINDS[0], self._position(text, str(one or "")), _part(opacity))
        return Asked(str(text or ""), str(model or ""), look, _part(min_confidence), _part(min_margin))

    def _told(self, count: int, answer: Callable[[], list[Any]]) -> list[Any]:
        """An answer of so many values, of which the first is the status; that alone says so where it fails."""
        values, wrong = self._tried(answer)
        return [fragments.status(wrong=[wrong]), *[gr.skip()] * (count - 1)] if values is None else values

    def _tried(self, answer: Callable[[], T]) -> tuple[T | None, str]:
        """An answer, or a sentence that says why there is none."""
        try:
            return answer(), ""
        except LsegError as error:
            return None, str(error)
        except MemoryError:
            return None, "This does not fit into memory; take a smaller picture or fewer labels."
        except Exception:  # a dead page says less than this
            _LOG.exception("lseg app")
            return None, _BUG


def _part(value: Any) -> float:
    """A number from 0 to 1, whatever a page sent."""
    return min(max(float(value or 0), 0.0), 1.0)


def _title(asked: Asked, names: list[str]) -> str:
    kind, number = asked.look.kind, min(asked.look.label, len(names) - 1)
    return {KINDS[2]: f"Result: {names[number]} alone", KINDS[3]: f"Result: heat map of {names[number]}"}.get(
        kind, "Result"
    )


def _largest(shown: Shown) -> str:
    chips = sorted(shown.chips, key=lambda chip: -(chip.share or 0.0))[:3]
    return ", ".join(f"{chip.name} {fragments.percent(chip.share)}" for chip in chips if chip.share) or "no label"
