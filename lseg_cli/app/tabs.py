"""The parts of the page: the box of labels and the tabs, each with what answers its own buttons. Imports Gradio."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from lseg_cli.app import fragments
from lseg_cli.app.answers import Answers
from lseg_cli.app.view import KINDS
from lseg_cli.app.words import LABEL_SETS
from lseg_cli.app.workbench import Workbench

# How Gradio carries answers out. What is typed or set: while one is under way only the last counts.
LOOK: dict[str, Any] = {
    "show_progress": "hidden",
    "trigger_mode": "always_last",
    "concurrency_limit": 2,
    "concurrency_id": "look",
    "api_visibility": "private",
}
# What needs the image encoder or writes files: one after the other.
WORK: dict[str, Any] = {
    "concurrency_limit": 1,
    "concurrency_id": "work",
    "trigger_mode": "once",
    "api_visibility": "private",
}
# What takes no time, and what only waits.
AT_ONCE: dict[str, Any] = {"concurrency_limit": None, "api_visibility": "private", "show_progress": "hidden"}


@dataclass
class Controls:
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


def label_box(bench: Workbench, main: Controls) -> None:
    """Labels, label sets and models."""
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


def picture_tab(main: Controls) -> None:
    """The picture, its result, how it is looked at, and its labels."""
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


def compare_tab(bench: Workbench, answers: Answers, main: Controls) -> None:
    """Two label sets, or two models, beside each other."""
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
        **WORK,
    )


def grid_tab(bench: Workbench, answers: Answers, main: Controls) -> None:
    """The labels on twelve pictures of the folder."""
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
    first.click(lambda: 0, None, place, **AT_ONCE).then(answers.grid, [place, *main.asked], outputs, **WORK)
    more.click(answers.grid, [place, *main.asked], outputs, **WORK)


def take_away_tab(bench: Workbench, answers: Answers, main: Controls) -> None:
    """Files of the picture, and the command for the folder."""
    gr.Markdown("### This picture")
    with gr.Row(equal_height=True):
        cut = gr.Dropdown([], label="Cut-out of", allow_custom_value=True, scale=1, min_width=180)
        make = gr.Button("Make mask, overlay, cut-out and labels.yaml", variant="primary", scale=2, min_width=240)
    files = gr.File(label="Files", file_count="multiple", interactive=False, elem_id="lseg-files")
    make.click(answers.files, [cut, *main.asked], [main.status, files], **WORK)
    main.one.change(lambda name: name, main.one, cut, **AT_ONCE)
    gr.Markdown("### The whole folder")
    main.command = gr.Textbox(
        label="The same, on the command line", interactive=False, lines=2, buttons=["copy"], elem_id="lseg-command"
    )
    with gr.Row(equal_height=True, visible=bool(bench.library.sources)):
        main.out = gr.Textbox("out", label="Folder for the results", info=f"Under {bench.start}", scale=2)
        run = gr.Button("Run it here", variant="primary", scale=1, min_width=140)
        stop = gr.Button("Stop", scale=1, min_width=100)
    progress = gr.HTML("", js_on_load=None, elem_id="lseg-progress")
    run.click(answers.run, [main.out, *main.asked], [main.status, progress], **{**AT_ONCE, "trigger_mode": "once"})
    stop.click(answers.stop, None, main.status, **AT_ONCE)
    main.out.change(answers.command, [main.out, *main.asked], [main.status, main.command], **LOOK)
