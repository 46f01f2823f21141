"""`lseg data import`: labelled data of other tools -> a folder with a `dataset.yaml`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lseg_cli.commands import options
from lseg_cli.commands.data import data_app
from lseg_cli.console.data import show_import
from lseg_cli.console.terminal import Console
from lseg_cli.errors import LsegError
from lseg_cli.importing.options import IGNORED, ImportOptions, Kind  # noqa: TID253  imports nothing

if TYPE_CHECKING:
    from lseg_cli.importing.folder import Imported

Source = Annotated[
    Path, typer.Argument(metavar="SOURCE", help="A file or folder that another tool wrote.", show_default=False)
]
Target = Annotated[Path, options.option("-o", "--out", metavar="FOLDER", help="The folder to write; new or empty.")]
From = Annotated[
    Kind | None,
    options.option("--from", metavar="KIND", help="Whose format it is. Default: found by its content."),
]
Images = Annotated[
    Path | None,
    options.option(metavar="FOLDER", help="Where the pictures lie, if not beside their labels."),
]
Classes = Annotated[
    Path | None,
    options.option(metavar="FILE", help="The table of colour masks: lines 'name,r,g,b'."),
]
Unlabelled = Annotated[
    str | None,
    options.option(
        metavar="NAME",
        help=f"Label of pixels that no area covers, or '{IGNORED}'. Default: other, where areas are drawn.",
    ),
]
SplitShares = Annotated[str, options.option("--split", metavar="NAME=SHARE", help="Parts of a source without splits.")]
SplitList = Annotated[
    list[str] | None,
    options.option(metavar="NAME=FILE", help="A list of the pictures of a split. May be repeated."),
]
Group = Annotated[
    str | None,
    options.option(metavar="REGEX", help="Pictures whose names match alike stay in one split, such as '^(.*)_'."),
]
Seed = Annotated[int, options.option(metavar="N", help="Random seed of the shares.")]


@data_app.command("import")
def import_data(  # noqa: PLR0913, PLR0917  an option is a parameter
    source: Source,
    out: Target,
    from_: From = None,
    images: Images = None,
    classes: Classes = None,
    unlabelled: Unlabelled = None,
    split: SplitShares = "train=0.8,val=0.2",
    split_list: SplitList = None,
    group: Group = None,
    seed: Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Read labelled data of another tool and write it as a folder with a dataset.yaml, ready to train on.

    COCO JSON, LabelMe, CVAT (images 1.1), VOC colour masks with labelmap.txt, Roboflow's semantic masks, Label Studio,
    Supervisely, YOLO segmentation, Cityscapes polygons, colour masks with a table, black and white masks by class.

    Example: lseg data import export.json -o my/
    """
    from lseg_cli.importing.folder import import_labelled

    asked = ImportOptions(
        source, out, from_, images, classes, unlabelled, _shares(split), _lists(split_list or []), group, seed
    )
    console = Console(quiet)
    imported: Imported = import_labelled(asked, console.track)
    show_import(imported, console, json)


def _shares(text: str) -> tuple[tuple[str, float], ...]:
    try:
        return tuple((name.strip(), float(share)) for name, share in (each.split("=") for each in text.split(",")))
    except ValueError as error:
        raise LsegError(f"--split {text!r} is invalid; write shares that sum to 1, as in train=0.8,val=0.2.") from error


def _lists(texts: list[str]) -> tuple[tuple[str, Path], ...]:
    pairs = [text.partition("=") for text in texts]
    if not all(name and path for name, _, path in pairs):
        raise LsegError("--split-list is written NAME=FILE, as in val=val.txt.")
    return tuple((name, Path(path)) for name, _, path in pairs)
