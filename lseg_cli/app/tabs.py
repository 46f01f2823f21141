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
    "concurrency_limit": 4,
    "concurrency_id": "look",
    "api_visibility": "private",
}
# What takes long: one after the other.
WORK: dict[str, Any] = {
    "concurrency_limit": 1,
    "concurrency_id": "work",
    "trigger_mode": "always_last",
    "api_visibility": "private",
}
# What takes no time, and what only waits.
AT_ONCE: dict[str, Any] = {"concurrency_limit": None, "api_visibility": "private", "show_progress": "hidden"}
# The same where each one counts, also while another is answered: Gradio drops it otherwise.
EACH: dict[str, Any] = {**AT_ONCE, "trigger_mode": "multiple"}


@dataclass
class Controls:
    """The components that answers read and write, by what they are.

    Attributes:
        turn: a number that an answer changes when there is something else to show.
    """

    turn: Any = None
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
    cut: Any = None
    out: Any = None
    command: Any = None

    @property
    def asked(self) -> list[Any]:
        """What `Answers` makes an `Asked` of, in its order."""
        return [self.labels, self.model, self.kind, self.one, self.opacity, self.confidence, self.margin]

    @property
    def shown(self) -> list[Any]:
        """What `Answers.show` gives, in its order."""
        return [
            self.original, self.status, self.result, self.pointer, self.chips, self.one, self.cut, self.command
        ]  # fmt: skip


def label_box(bench: Workbench, main: Controls) -> None:
    """Labels, label sets and models."""
    main.turn = gr.State(0)
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
        main.one = gr.Dropdown([], label="The one label", allow_custom_value=True, scale=1, min_width=200)
    with gr.Row():
        main.opacity, main.confidence, main.margin = (
            gr.Slider(0, 1, value, step=step, label=label, min_width=220)
            for label, value, step in (
                ("Opacity", 0.5, 0.05),
                ("Minimum confidence", 0, 0.01),
                ("Minimum margin", 0, 0.01),
            )
        )
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
                sides.append((text, model))
    button = gr.Button("Compare on this picture", variant="primary")
    results = []
    with gr.Row():
        for side in "AB":
            with gr.Column(min_width=300):
                image = gr.Image(
                    label=f"Result {side}", format="jpeg", interactive=False, buttons=["fullscreen"],
                    alt_text=f"Result {side}", elem_id=f"lseg-compare-{side.lower()}",
                )  # fmt: skip
                results.append((image, gr.HTML("", js_on_load=None)))
    inputs = [part for side in sides for part in side]
    outputs = [part for result in results for part in result]
    gr.on(
        [button.click, *(text.submit for text, _ in sides)],
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
    legend = gr.HTML("", js_on_load=None)
    pictures = gr.Gallery(
        label="Twelve pictures", columns=4, format="jpeg", object_fit="contain", interactive=False, buttons=[],
        height="auto", elem_id="lseg-grid",
    )  # fmt: skip
    outputs = [main.status, pictures, legend]
    first.click(answers.first_grid, main.asked, outputs, **WORK)
    more.click(answers.next_grid, main.asked, outputs, **WORK)


def take_away_tab(bench: Workbench, answers: Answers, main: Controls) -> None:
    """Files of the picture, and the command for the folder."""
    gr.Markdown("### This picture")
    with gr.Row(equal_height=True):
        main.cut = gr.Dropdown([], label="Cut-out of", allow_custom_value=True, scale=1, min_width=180)
        make = gr.Button(
            "Make mask, overlay, cut-out and labels.yaml",
            variant="primary",
            scale=2,
            min_width=240,
            elem_classes="lseg-low",
        )
    files = gr.File(label="Files", file_count="multiple", interactive=False, elem_id="lseg-files")
    make.click(answers.files, [main.cut, *main.asked], [main.status, files], **WORK)
    gr.Markdown("### The whole folder")
    main.command = gr.Textbox(
        label="The same, on the command line", interactive=False, lines=2, buttons=["copy"], elem_id="lseg-command"
    )
    with gr.Row(equal_height=True, visible=bool(bench.library.sources)):
        main.out = gr.Textbox("out", label="Folder for the results", info=f"Under {bench.start}", scale=2)
        run = gr.Button("Run it here", variant="primary", scale=1, min_width=140, elem_classes="lseg-low")
        stop = gr.Button("Stop", scale=1, min_width=100, elem_classes="lseg-low")
    progress = gr.HTML("", js_on_load=None, elem_id="lseg-progress")
    run.click(answers.run, [main.out, *main.asked], [main.status, progress], **EACH)
    stop.click(answers.stop, None, main.status, **EACH)
    main.out.change(answers.command, [main.out, *main.asked], [main.status, main.command], **LOOK)
