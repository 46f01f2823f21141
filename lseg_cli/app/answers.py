"""What the page's functions answer: components' values in and out, and a sentence where something is wrong."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from lseg_cli.app import fragments
from lseg_cli.app.library import PAGE, page_count
from lseg_cli.app.pictures import Chosen, smaller
from lseg_cli.app.sessions import Session
from lseg_cli.app.take_away import command
from lseg_cli.app.view import KINDS, Look
from lseg_cli.app.words import edited
from lseg_cli.app.workbench import GRID, Asked, Chip, Shown, Workbench
from lseg_cli.errors import LsegError

_POLL_S = 0.3  # how often a run's progress is shown
_GRID_PX = 480  # long side of each of twelve pictures
_BUG = "This is a bug, and the terminal in which lseg app runs says where."
_LOG = logging.getLogger(__name__)


class Answers:
    """Of a workbench. The last values of most are what `_asked` takes; the first answer of most is the status.

    Gradio passes who asks and what happened by the types of parameters, before the values.
    """

    def __init__(self, bench: Workbench) -> None:
        """Binds it."""
        self._bench = bench

    def begin(self, request: gr.Request, text: str, *asked: Any) -> list[Any]:
        """A page was opened: the first pictures, and the first of them."""
        session = self._session(request)
        found = self._told(2, lambda: self.gallery(request, text, 1), is_first=False)
        if not self._bench.library.sources:
            return [*found, gr.skip(), *self._show(session, "out", asked)]
        first = self._bench.library.choose(0)
        return [*found, *self._told(7, lambda: self._take(session, first, "out", asked), place=1)]

    def end(self, request: gr.Request) -> None:
        """A page was closed."""
        self._bench.sessions.free(str(request.session_hash))

    def gallery(self, request: gr.Request, text: str, number: float | None) -> list[Any]:
        """A page of small pictures."""
        matching = self._bench.library.matching(text)
        pages = page_count(len(matching))
        page = min(max(int(number or 1), 1), pages)
        shown = matching[(page - 1) * PAGE : page * PAGE]
        self._session(request).shown = tuple(shown)
        pictures = gr.update(value=self._bench.library.thumbnails(shown), selected_index=None)
        return [pictures, gr.update(value=page, label=f"Page, of {pages}")]

    def choose(self, request: gr.Request, event: gr.SelectData, out: str, *asked: Any) -> list[Any]:
        """A picture of the gallery."""
        session = self._session(request)

        def take() -> list[Any]:
            number = event.index if isinstance(event.index, int) else -1
            if not 0 <= number < len(session.shown):
                raise LsegError("There is no such picture on this page of the gallery.")
            return self._take(session, self._bench.library.choose(session.shown[number]), out, asked)

        return self._told(7, take, place=1)

    def receive(self, request: gr.Request, path: str | None, out: str, *asked: Any) -> list[Any]:
        """A picture that was dropped, pasted or taken."""
        if path is None:
            return [gr.skip()] * 8
        session = self._session(request)

        def take() -> list[Any]:
            chosen = session.receive(self._bench.uploaded(path))
            try:
                return self._take(session, chosen, out, asked)
            except Exception:
                session.discard(chosen)
                raise

        return [None, *self._told(7, take, place=1)]

    def show(self, request: gr.Request, out: str, *asked: Any) -> list[Any]:
        """The result for what is typed and set."""
        return self._show(self._session(request), out, asked)

    def edit(self, event: gr.EventData, text: str) -> list[Any]:
        """Something was done with a label of the list."""

        def change() -> list[Any]:
            labels, _ = self._bench.labels.read(text)
            act, index = str(event.act), int(event.index)
            kind = {"alone": KINDS[2], "heat": KINDS[3]}.get(act)
            if kind is not None:
                if not 0 <= index < len(labels.labels):
                    raise LsegError(f"There is no label number {index + 1}.")
                return [gr.skip(), gr.skip(), kind, labels.names[index]]
            return [gr.skip(), edited(labels, act, index, str(event.text)[:10_000]), gr.skip(), gr.skip()]

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

    def grid(self, first: int, *asked: Any) -> Iterator[list[Any]]:
        """The labels on twelve pictures, as they come."""
        library, figures, wrong = self._bench.library, list[tuple[Any, str]](), list[str]()
        chips = list[tuple[Chip, ...]]()
        numbers = range(first, min(first + GRID, len(library.sources)))
        for number in numbers:
            try:
                shown = self._bench.show(library.choose(number), self._asked(asked))
                figures.append((smaller(shown.image, _GRID_PX), f"{library.sources[number].name}: {_largest(shown)}"))
                chips.append(shown.chips)
            except LsegError as error:
                wrong.append(str(error))
            status = fragments.status(f"{len(figures)} of {len(numbers)} pictures.", wrong=list(dict.fromkeys(wrong)))
            legend = fragments.legend(chips, "Labels and their mean shares")
            yield [status, list(figures), legend, numbers.stop if numbers.stop < len(library.sources) else 0]

    def files(self, request: gr.Request, cut_out: str, *asked: Any) -> list[Any]:
        """Mask, overlay, cut-out and labels.yaml of the picture."""

        def make() -> list[Any]:
            files = self._bench.files(self._session(request), self._asked(asked), self._position(asked[0], cut_out))
            return [fragments.status("The files are ready, at the picture's own size."), [str(file) for file in files]]

        return self._told(2, make)

    def command(self, out: str, *asked: Any) -> list[Any]:
        """The command line for the folder."""
        return self._told(2, lambda: [fragments.status(), self._command(out, self._asked(asked))])

    def run(self, request: gr.Request, out: str, *asked: Any) -> Iterator[list[Any]]:
        """The run over the folder, and how far it is."""
        job = self._bench.job
        begun = self._told(2, lambda: self._begin(out, asked, str(request.session_hash)))
        yield begun
        if not isinstance(begun[1], str):  # it did not begin
            return
        while job.is_running and job.owner == request.session_hash:
            yield [gr.skip(), fragments.progress_bar(job.progress)]
            time.sleep(_POLL_S)
        if job.owner == request.session_hash:
            yield [gr.skip(), fragments.progress_bar(job.progress)]

    def stop(self, request: gr.Request) -> str:
        """Ends the run that this page began."""
        if self._bench.job.is_running and self._bench.job.owner == request.session_hash:
            self._bench.job.stop()
            return fragments.status("The run stops after the pictures in flight.")
        return fragments.status("No run of this page is under way.")

    def _begin(self, out: str, asked: tuple[Any, ...], owner: str) -> list[Any]:
        self._bench.begin_run(self._asked(asked), out, owner)
        return [fragments.status(), fragments.progress_bar(self._bench.job.progress)]

    def _session(self, request: gr.Request) -> Session:
        return self._bench.sessions.get(str(request.session_hash))

    def _take(self, session: Session, chosen: Chosen, out: str, asked: tuple[Any, ...]) -> list[Any]:
        picture = self._bench.picture(chosen, asked[1])
        session.choose(chosen)
        height, width = picture.size
        label = f"Original: {chosen.title}, {width} x {height}"
        return [gr.update(value=picture.pixels, label=label), *self._show(session, out, asked)]

    def _show(self, session: Session, out: str, values: tuple[Any, ...]) -> list[Any]:
        return self._told(6, lambda: self._shown(session, out, values))

    def _shown(self, session: Session, out: str, values: tuple[Any, ...]) -> list[Any]:
        asked = self._asked(values)
        if not asked.text.strip(" ,"):
            plain = self._bench.picture(session.chosen, asked.model).pixels if session.chosen else None
            return [fragments.status("Type some labels, such as: sky, road, other"), plain, None, "", gr.skip(), ""]
        line = self._command(out, asked)
        if session.chosen is None:
            chips = self._bench.chips(asked.text, asked.model)
            choices = gr.update(choices=[chip.name for chip in chips])
            status = fragments.status("Choose a picture, or drop, paste or take one.")
            return [status, gr.skip(), gr.skip(), fragments.chip_list(chips), choices, line]
        shown = self._bench.show(session.chosen, asked)
        names = list(shown.labels.names)
        one = gr.update(choices=names, value=names[asked.look.label] if asked.look.label < len(names) else names[0])
        count = f"{len(names)} label{'s' if len(names) > 1 else ''}, {shown.ms:.0f} ms."
        return [
            fragments.status(count, *shown.notices),
            gr.update(value=shown.image, label=_title(asked, names), alt_text=fragments.summary(shown)),
            fragments.pointer_map(shown.ids, shown.labels),
            fragments.chip_list(shown.chips),
            one,
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

    def _told(self, count: int, answer: Callable[[], list[Any]], place: int = 0, is_first: bool = True) -> list[Any]:
        """An answer of so many values; a sentence at the place of the status, and nothing else, where that fails."""
        try:
            return answer()
        except LsegError as error:
            text = str(error)
        except MemoryError:
            text = "This does not fit into memory; take a smaller picture or fewer labels."
        except Exception:  # a dead page says less than this
            _LOG.exception("lseg app")
            text = _BUG
        kept: list[Any] = [gr.skip()] * count
        if is_first:
            kept[place] = fragments.status(wrong=[text])
        return kept


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
