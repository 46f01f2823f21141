"""`lseg models`: what models there are; `lseg models pull`: a published one, from nothing to usable."""

from typing import Annotated

import typer

from lseg_cli.commands import options
from lseg_cli.console.converting import show_conversion
from lseg_cli.console.facts import show_table
from lseg_cli.console.pulling import show_transfer
from lseg_cli.console.terminal import Console

app = typer.Typer(no_args_is_help=False)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Such as demo, pascal-fold0 or fss-vitl16: see lseg models.")]
Url = Annotated[
    str,
    options.option(metavar="URL|FILE", help="A mirror, or a file that a browser fetched."),
]
Half = Annotated[bool, options.option("--half", help="Keep it in float16: half the size.")]


@app.callback(invoke_without_command=True)
def models(context: typer.Context, json: options.Json = False) -> None:
    """List models: bundled, published (with where they are) and presets to train."""
    if context.invoked_subcommand:
        return
    from lseg_engines.catalogue import SHOWN, list_models

    rows = list_models()
    show_table(rows if json else [{key: row[key] for key in SHOWN} for row in rows], json)


@app.command("pull")
def pull(
    name: Name,
    url: Url = "",
    half: Half = False,
    overwrite: options.Overwrite = False,
    offline: options.Offline = False,  # acted on where it is defined
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Fetch a published checkpoint, convert it and keep it: then `-m NAME` works everywhere.

    Example: lseg models pull demo
    """
    from lseg_cli.model.published import download
    from lseg_cli.model.published.conversion import ConvertOptions

    published = download.find_published(name)
    console = Console(quiet, verbose, json)
    if published.path.is_file() and not overwrite:
        console.note(f"{name} is here already: {published.path}; --overwrite fetches it again.")
        return
    with show_transfer(console) as progress:
        result = download.pull(published, url, ConvertOptions(half=half), progress)
    show_conversion(published.path, result, console)
    console.note(f"Use it: lseg segment photos/ -l 'sky,road,other' -m {name}")
