"""`lseg labels`: label sets compiled into vocabularies, checked and listed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lseg_cli.commands import options
from lseg_cli.commands.parsing import parse_text_encoder
from lseg_cli.console.facts import show_table
from lseg_cli.console.labels import show_check, show_suggestions, show_vocabulary
from lseg_cli.console.terminal import Console
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.model.text.encoder_name import EncoderName  # noqa: TID253  imports nothing

if TYPE_CHECKING:
    from lseg_cli.config import TextConfig

labels_app = typer.Typer(
    name="labels", help="Label sets: compile them into a vocabulary, check them, list them.", no_args_is_help=True
)

Spec = Annotated[
    str, typer.Argument(metavar="LABELS", help="A file of labels, a vocabulary, or words as for segment --labels.")
]
Vocabulary = Annotated[Path, options.option("-o", "--out", metavar="FILE", help="The .safetensors file to write.")]
TextEncoder = Annotated[
    EncoderName | None,
    options.option(
        parser=parse_text_encoder,
        metavar="NAME[/TAG]",
        help="Rather than the model's: words, or one of open_clip's such as ViT-B-32-quickgelu/openai.",
    ),
]

_SOME_FAILED = 3  # as of segment

Candidates = Annotated[
    str,
    options.option("-l", "--labels", metavar="LABELS", help="Words to choose from; words:N are the N most frequent."),
]
Count = Annotated[int, options.option("-n", "--count", metavar="N", min=1, help="How many words to list.")]


@labels_app.command("compile")
def compile_labels(
    labels: Spec,
    *,
    out: Vocabulary,
    model: options.Model = EngineChoice.model,
    text_encoder: TextEncoder = None,
    template: options.Template = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Compile labels into a vocabulary: names, prompts, colours and embeddings. Used wherever labels are.

    Example: lseg labels compile street.yaml -o street.vocab.safetensors
    """
    from lseg_cli.data.vocabulary import open_labels  # noqa: PLC0415  numpy
    from lseg_cli.inference.label_embedding import compile_vocabulary, write_vocabulary
    from lseg_cli.model.text.cache import EmbeddingCache

    chosen, notices = open_labels(_as_labels(labels))
    vocabulary, more = compile_vocabulary(chosen, _encoder(model, text_encoder, template), EmbeddingCache())
    write_vocabulary(vocabulary, out)
    show_vocabulary(out, vocabulary, notices + more, Console(quiet, json_lines=json))


@labels_app.command("check")
def check(
    labels: Spec,
    *,
    model: options.Model = EngineChoice.model,
    text_encoder: TextEncoder = None,
    template: options.Template = None,
    json: options.Json = False,
) -> None:
    """Tell what is odd about labels: near-duplicates, text that is cut, empty entries, a lone label.

    Example: lseg labels check "sky,road,street,other"
    """
    from lseg_cli.inference.label_embedding import check_labels
    from lseg_cli.model.text.cache import EmbeddingCache

    encoder = _encoder(model, text_encoder, template)
    show_check(*check_labels(_as_labels(labels), encoder, EmbeddingCache()), json)


@labels_app.command("list")
def list_labels(labels: Spec, json: options.Json = False) -> None:
    """List labels with their ids, prompts and colours.

    Example: lseg labels list street.yaml
    """
    from lseg_cli.data.vocabulary import open_labels  # noqa: PLC0415  numpy
    from lseg_cli.drawing.palette import colors

    chosen, _ = open_labels(_as_labels(labels))
    rows = [
        {
            "id": label.id,
            "name": label.name,
            "color": "#" + bytes(color).hex(),
            "prompts": list(label.prompts) if json else " | ".join(label.prompts),
        }
        for label, color in zip(chosen.labels, colors(chosen), strict=True)
    ]
    show_table(rows, json)


@labels_app.command("suggest")
def suggest(  # noqa: PLR0913  an option is a parameter
    inputs: options.Inputs,
    *,
    labels: Candidates = "words:10000",
    count: Count = 20,
    model: options.Model = EngineChoice.model,
    imgsz: options.ImageSize = None,
    device: options.Device = EngineChoice.device,
    threads: options.Threads = EngineChoice.threads,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """List the words that win most pixels, for those who do not know what to ask.

    Example: lseg labels suggest photos/
    """
    from lseg_cli.data.finding import find_images  # noqa: PLC0415  numpy
    from lseg_cli.data.vocabulary import open_labels  # noqa: PLC0415  numpy
    from lseg_cli.inference.label_embedding import embed_label_set
    from lseg_cli.inference.segmenter import Segmenter
    from lseg_cli.model.text.cache import EmbeddingCache
    from lseg_cli.runs.suggestion import Suggesting
    from lseg_engines.opener import open_engine

    chosen, _ = open_labels(_as_labels(labels))
    sources = find_images(tuple(inputs))
    engine = open_engine(EngineChoice(model, device=device, threads=threads))
    text = embed_label_set(chosen, engine.spec.model.text, cache=EmbeddingCache()).vectors
    segmenter = Segmenter(engine, text, imgsz, threads=threads or 1)
    suggesting = Suggesting(segmenter, chosen, sources)
    if not show_suggestions(suggesting, len(sources), count, Console(quiet, json_lines=json)):
        raise typer.Exit(_SOME_FAILED)


def _as_labels(text: str) -> str:
    """A file may be named without an @, for here the labels are mostly in one."""
    from lseg_cli.data.label_files import is_file  # noqa: PLC0415  pydantic takes its time

    return "@" + text.replace(",", "\\,") if is_file(text) else text


def _encoder(model: str, text_encoder: EncoderName | None, template: list[str] | None) -> "TextConfig":
    from lseg_cli.model.text.labels import named_encoder
    from lseg_engines.description import text_encoder_of

    config = named_encoder(text_encoder) if text_encoder else text_encoder_of(model)
    return config.model_copy(update={"templates": tuple(template or config.templates)})
