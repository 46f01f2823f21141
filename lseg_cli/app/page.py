"""The page itself: Gradio's components, and which function answers which of them. Imports Gradio."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from lseg_cli.app import fragments
from lseg_cli.app.answers import Answers
from lseg_cli.app.library import page_count
from lseg_cli.app.view import KINDS
from lseg_cli.app.words import LABEL_SETS
from lseg_cli.app.workbench import Workbench

_MOST_WAITING = 64  # requests; more are told to come again
_CLEAN_S, _OLD_S = 60, 600  # how often, and from which age on, pictures that were shown are deleted
_LOOK: dict[str, Any] = {
    "queue": True,
    "show_progress": "hidden",
    "trigger_mode": "always_last",
    "concurrency_limit": 2,
}
_LOOK |= {"concurrency_id": "look", "api_visibility": "private"}
_WORK: dict[str, Any] = {
    "concurrency_limit": 1,
    "concurrency_id": "work",
    "trigger_mode": "once",
    "api_visibility": "private",
}
_AT_ONCE: dict[str, Any] = {"concurrency_limit": None, "api_visibility": "private", "show_progress": "hidden"}


def page_style() -> dict[str, Any]:
    """What Gradio takes beside the page: fonts of the system, colours, and no script of its own."""
    system = ("system-ui", "sans-serif")
    theme = gr.themes.Default(
        primary_hue="teal", neutral_hue="zinc", font=system, font_mono=("ui-monospace", "monospace")
    ).set(
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_text_color="white",
        block_label_text_color="*neutral_800",
        block_label_text_color_dark="*neutral_100",
        block_title_text_color="*neutral_800",
        block_title_text_color_dark="*neutral_100",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
    )
    return {"theme": theme, "css": fragments.script("page.css")}


@dataclass
class _Main:
    """The components that answers read and write, by what they are."""

    labels: Any = None
    sets: Any = None
    model: Any = None
    status: Any = None
    original: Any = None
    result: Any = None
    pointer: Any = None
    chips: Any = None
    kind: Any = None
    one: Any = None
    opacity: Any = None
    confidence: Any = None
    margin: Any = None
    best: Any = None
    out: Any = None
    command: Any = None

    @property
    def asked(self) -> list[Any]:
        """What `Answers` makes an `Asked` of, in its order."""
        return [self.labels, self.model, self.kind, self.one, self.opacity, self.confidence, self.margin]

    @property
    def shown(self) -> list[Any]:
        """What `Answers.show` gives, in its order."""
        return [self.status, self.result, self.pointer, self.chips, self.one, self.command]


def make_page(bench: Workbench) -> gr.Blocks:
    """The page of a workbench."""
    answers, main = Answers(bench), _Main()
    with gr.Blocks(title="lseg", fill_width=True, analytics_enabled=False, delete_cache=(_CLEAN_S, _OLD_S)) as page:
        model = bench.models.get(bench.models.names[0])
        gr.HTML(
            '<div id="lseg-head"><h1>lseg</h1><p>Find the words that segment your pictures.</p></div>',
            js_on_load=None,
        )
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                gallery = _pictures(bench, answers, main)
            with gr.Column(scale=4, min_width=320):
                _label_box(bench, main)
                main.status = gr.HTML(
                    fragments.status(f"{model.name} on {model.device}."), elem_id="lseg-status", js_on_load=None
                )
                with gr.Tabs():
                    with gr.Tab("Picture"):
                        _picture_tab(main)
                    with gr.Tab("Compare"):
                        _compare_tab(bench, answers, main)
                    with gr.Tab("Many pictures"):
                        _grid_tab(bench, answers, main)
                    with gr.Tab("Take away"):
                        _take_away_tab(bench, answers, main)
        _wire(answers, main)
        page.load(
            answers.begin, [gallery.filter, *main.asked], [*gallery.outputs, main.original, *main.shown], **_AT_ONCE
        )
        _wire_pictures(answers, main, gallery)
        page.unload(answers.end)
    page.state_session_capacity = 64  # of what Gradio itself keeps of each page
    return page.queue(max_size=_MOST_WAITING, default_concurrency_limit=4, api_open=False)


@dataclass
class _Gallery:
    inbox: Any
    filter: Any
    number: Any
    pictures: Any
    before: Any
    after: Any

    @property
    def outputs(self) -> list[Any]:
        """What `Answers.gallery` gives, in its order."""
        return [self.pictures, self.number]


def _pictures(bench: Workbench, answers: Answers, main: _Main) -> _Gallery:
    inbox = gr.Image(
        label="Drop, paste or take a picture",
        sources=["upload", "clipboard", "webcam"],
        type="filepath",
        image_mode=None,
        height=190,
        buttons=[],
        elem_id="lseg-inbox",
    )
    # Not opened by Gradio, whose reader knows fewer formats: the pipeline's own reads it, or says what is wrong.
    inbox.preprocess = lambda payload: payload.path if payload else None
    count, has_some = len(bench.library.sources), bool(bench.library.sources)
    with gr.Column(visible=has_some):
        text = gr.Textbox(label="Pictures whose names hold", placeholder=f"{count:,} pictures", max_lines=1)
        pictures = gr.Gallery(
            label="Pictures of the folder",
            columns=2,
            height=430,
            allow_preview=False,
            interactive=False,
            object_fit="cover",
            buttons=[],
            elem_id="lseg-gallery",
        )
        with gr.Row(equal_height=True, visible=page_count(count) > 1):
            before = gr.Button("Previous", size="sm", min_width=60)
            number = gr.Number(1, label=f"Page, of {page_count(count)}", precision=0, minimum=1, min_width=60)
            after = gr.Button("Next", size="sm", min_width=60)
    return _Gallery(inbox, text, number, pictures, before, after)


def _label_box(bench: Workbench, main: _Main) -> None:
    with gr.Row(equal_height=True):
        main.labels = gr.Textbox(
            bench.options.labels,
            label="Labels",
            info="Separate them by commas. Synonyms: road=street|asphalt.",
            placeholder="sky, road, other",
            scale=5,
            min_width=300,
            max_lines=4,
            autofocus=True,
            elem_id="lseg-labels",
        )
        main.sets = gr.Dropdown(
            [*([bench.options.labels] if bench.options.labels else []), *LABEL_SETS],
            value=None,
            label="Label set",
            info="Takes the labels' place.",
            scale=1,
            min_width=160,
        )
        main.model = gr.Dropdown(
            list(bench.models.names),
            value=bench.models.names[0],
            label="Model",
            scale=1,
            min_width=140,
            visible=len(bench.models.names) > 1,
        )


def _picture_tab(main: _Main) -> None:
    with gr.Row():
        main.original = gr.Image(
            label="Original", format="jpeg", interactive=False, buttons=["fullscreen"], min_width=300,
            alt_text="The picture", elem_id="lseg-original",
        )  # fmt: skip
        main.result = gr.Image(
            label="Result", format="jpeg", interactive=False, buttons=["fullscreen"], min_width=300,
            alt_text="The result", elem_id="lseg-result",
        )  # fmt: skip
    main.pointer = gr.HTML(
        None,
        html_template='<div class="lseg-tip" aria-live="polite" hidden></div><div class="lseg-cross" hidden></div>',
        js_on_load=fragments.script("pointer.js"),
        elem_id="lseg-pointer",
    )
    with gr.Row():
        main.kind = gr.Radio(list(KINDS), value=KINDS[0], label="Show", scale=3, min_width=300)
        main.one = gr.Dropdown([], label="The one label", allow_custom_value=True, scale=1, min_width=150)
        main.opacity = gr.Slider(0, 1, 0.5, step=0.05, label="Opacity", scale=2, min_width=160)
        main.confidence = gr.Slider(0, 1, 0, step=0.01, label="Minimum confidence", scale=2, min_width=160)
        main.margin = gr.Slider(0, 1, 0, step=0.01, label="Minimum margin", scale=2, min_width=160)
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            main.chips = gr.HTML("", js_on_load=fragments.script("chips.js"), elem_id="lseg-chips")
        with gr.Column(scale=1, min_width=240):
            main.best = gr.HTML(
                "<p>Click the result, and the best labels of that place are listed here.</p>",
                js_on_load=None,
                elem_id="lseg-best",
            )


def _compare_tab(bench: Workbench, answers: Answers, main: _Main) -> None:
    sides = []
    with gr.Row():
        for side in "AB":
            with gr.Column(min_width=300):
                text = gr.Textbox(bench.options.labels, label=f"Labels {side}", elem_id=f"lseg-labels-{side.lower()}")
                model = gr.Dropdown(
                    list(bench.models.names), value=bench.models.names[0 if side == "A" else -1], label=f"Model {side}"
                )
                image = gr.Image(
                    label=f"Result {side}", format="jpeg", interactive=False, buttons=["fullscreen"],
                    alt_text=f"Result {side}", elem_id=f"lseg-compare-{side.lower()}",
                )  # fmt: skip
                sides.append((text, model, image, gr.HTML("", js_on_load=None)))
    button = gr.Button("Compare on this picture", variant="primary")
    inputs = [part for text, model, _, _ in sides for part in (text, model)]
    outputs = [part for _, _, image, legend in sides for part in (image, legend)]
    gr.on(
        [button.click, *(text.submit for text, *_ in sides)],
        answers.compare,
        [*inputs, *main.asked],
        [main.status, *outputs],
        **_WORK,
    )


def _grid_tab(bench: Workbench, answers: Answers, main: _Main) -> None:
    if not bench.library.sources:
        gr.Markdown("Start `lseg app` with a folder, and these labels are shown on many of its pictures here.")
        return
    with gr.Row():
        first = gr.Button("Show these labels on twelve pictures", variant="primary")
        more = gr.Button("The next twelve")
    place = gr.State(0)
    legend = gr.HTML("", js_on_load=None)
    pictures = gr.Gallery(
        label="Twelve pictures", columns=4, format="jpeg", object_fit="contain", interactive=False, buttons=[],
        height="auto", elem_id="lseg-grid",
    )  # fmt: skip
    outputs = [main.status, pictures, legend, place]
    first.click(lambda: 0, None, place, **_AT_ONCE).then(answers.grid, [place, *main.asked], outputs, **_WORK)
    more.click(answers.grid, [place, *main.asked], outputs, **_WORK)


def _take_away_tab(bench: Workbench, answers: Answers, main: _Main) -> None:
    gr.Markdown("### This picture")
    with gr.Row(equal_height=True):
        cut = gr.Dropdown([], label="Cut-out of", allow_custom_value=True, scale=1, min_width=180)
        make = gr.Button("Make mask, overlay, cut-out and labels.yaml", variant="primary", scale=2, min_width=240)
    files = gr.File(label="Files", file_count="multiple", interactive=False, elem_id="lseg-files")
    make.click(answers.files, [cut, *main.asked], [main.status, files], **_WORK)
    main.one.change(lambda name: name, main.one, cut, **_AT_ONCE)
    gr.Markdown("### The whole folder")
    main.command = gr.Textbox(
        label="The same, on the command line", interactive=False, lines=2, buttons=["copy"], elem_id="lseg-command"
    )
    with gr.Row(equal_height=True, visible=bool(bench.library.sources)):
        main.out = gr.Textbox("out", label="Folder for the results", info=f"Under {bench.start}", scale=2)
        run = gr.Button("Run it here", variant="primary", scale=1, min_width=140)
        stop = gr.Button("Stop", scale=1, min_width=100)
    progress = gr.HTML("", js_on_load=None, elem_id="lseg-progress")
    run.click(answers.run, [main.out, *main.asked], [main.status, progress], **{**_AT_ONCE, "trigger_mode": "once"})
    stop.click(answers.stop, None, main.status, **_AT_ONCE)
    main.out.change(answers.command, [main.out, *main.asked], [main.status, main.command], **_LOOK)


def _wire(answers: Answers, main: _Main) -> None:
    """What is typed, set or clicked -> what is shown. Typed faster than it is answered, only the last counts."""
    inputs = [main.out, *main.asked]
    changes: Sequence[Any] = [
        main.labels.change,
        main.model.input,
        main.kind.input,
        main.one.input,
        main.opacity.input,
        main.confidence.input,
        main.margin.input,
    ]
    for change in changes:
        change(answers.show, inputs, main.shown, **_LOOK)
    main.sets.input(lambda name: name or gr.skip(), main.sets, main.labels, **_AT_ONCE)
    main.chips.edit(answers.edit, main.labels, [main.status, main.labels, main.kind, main.one], **_AT_ONCE).then(
        answers.show, inputs, main.shown, **_LOOK
    )
    main.result.select(answers.clicked, main.asked, [main.status, main.best], **_AT_ONCE)
    main.pointer.point(answers.pointed, main.asked, [main.status, main.best], **_AT_ONCE)


def _wire_pictures(answers: Answers, main: _Main, gallery: _Gallery) -> None:
    asked = [main.out, *main.asked]
    outputs = [main.original, *main.shown]
    gallery.pictures.select(answers.choose, asked, outputs, **_WORK)
    gallery.inbox.input(answers.receive, [gallery.inbox, *asked], [gallery.inbox, *outputs], **_WORK)
    for change in (gallery.filter.change, gallery.number.input):
        change(answers.gallery, [gallery.filter, gallery.number], gallery.outputs, **_LOOK)
    for button, step in ((gallery.before, -1), (gallery.after, 1)):
        button.click(lambda number, step=step: (number or 1) + step, gallery.number, gallery.number, **_AT_ONCE).then(
            answers.gallery, [gallery.filter, gallery.number], gallery.outputs, **_LOOK
        )
