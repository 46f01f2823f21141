"""The page itself: Gradio's components, and which function answers which of them. Imports Gradio."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from lseg_cli.app import fragments
from lseg_cli.app.answers import Answers
from lseg_cli.app.library import page_count
from lseg_cli.app.tabs import (
    AT_ONCE,
    EACH,
    LOOK,
    Controls,
    compare_tab,
    grid_tab,
    label_box,
    picture_tab,
    take_away_tab,
)
from lseg_cli.app.workbench import Workbench

_MOST_WAITING = 64  # requests; more are told to come again
_CLEAN_S, _OLD_S = 60, 600  # how often, and from which age on, pictures that were shown are deleted


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


def make_page(bench: Workbench) -> gr.Blocks:
    """The page of a workbench."""
    answers, main = Answers(bench), Controls()
    with gr.Blocks(title="lseg", fill_width=True, analytics_enabled=False, delete_cache=(_CLEAN_S, _OLD_S)) as page:
        model = bench.models.get(bench.models.names[0])
        gr.HTML(
            '<div id="lseg-head"><h1>lseg</h1><p>Find the words that segment your pictures.</p></div>',
            js_on_load=fragments.script("paste.js"),
        )
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                gallery = _pictures(bench, answers, main)
            with gr.Column(scale=4, min_width=320):
                label_box(bench, main)
                main.status = gr.HTML(
                    fragments.status(f"{model.name} on {model.device}."), elem_id="lseg-status", js_on_load=None
                )
                with gr.Tabs():
                    with gr.Tab("Picture"):
                        picture_tab(main)
                    with gr.Tab("Compare"):
                        compare_tab(bench, answers, main)
                    with gr.Tab("Many pictures"):
                        grid_tab(bench, answers, main)
                    with gr.Tab("Take away"):
                        take_away_tab(bench, answers, main)
        _wire(page, answers, main, gallery)
        _wire_pictures(page, answers, main, gallery)
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


def _pictures(bench: Workbench, answers: Answers, main: Controls) -> _Gallery:
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
            height=465,
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


def _wire(page: gr.Blocks, answers: Answers, main: Controls, gallery: _Gallery) -> None:
    """What is typed, set or chosen -> what is shown.

    All of it is one event of Gradio's: of two, the older could be answered last, and would stay. While one is answered
    others wait, of which the last counts: it takes what is set by then.
    """
    page.load(answers.begin, None, main.turn, **AT_ONCE)
    gallery.pictures.select(answers.choose, None, [main.status, main.turn], **EACH)
    gallery.inbox.input(answers.receive, gallery.inbox, [gallery.inbox, main.status, main.turn], **EACH)
    main.chips.look(answers.look, main.labels, [main.status, main.kind, main.one, main.turn], **EACH)
    changes: Sequence[Any] = [
        main.turn.change,
        main.labels.change,
        main.model.input,
        main.kind.input,
        main.one.input,
        main.opacity.input,
        main.confidence.input,
        main.margin.input,
    ]
    gr.on(changes, answers.show, [main.out, main.cut, *main.asked], main.shown, **LOOK)
    main.sets.input(None, main.sets, [main.labels, main.sets], js="(name) => [name || undefined, null]")
    for ask, answer in ((main.result.select, answers.clicked), (main.pointer.point, answers.pointed)):
        ask(answer, main.asked, [main.status, main.best], **EACH)


def _wire_pictures(page: gr.Blocks, answers: Answers, main: Controls, gallery: _Gallery) -> None:
    changes: Sequence[Any] = [page.load, gallery.filter.change, gallery.number.change]
    settings = {**LOOK, "concurrency_id": "gallery"}
    gr.on(changes, answers.gallery, [gallery.filter, gallery.number], gallery.outputs, **settings)
    for button, step in ((gallery.before, -1), (gallery.after, 1)):
        button.click(None, gallery.number, gallery.number, js=f"(number) => Math.max(1, (number || 1) + {step})")
