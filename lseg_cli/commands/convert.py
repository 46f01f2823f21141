"""`lseg convert`: a checkpoint of the original project -> a model of this tool; and back."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from lseg_cli.commands import options
from lseg_cli.commands.parsing import parse_text_encoder
from lseg_cli.console.converting import show_conversion, show_reversion
from lseg_cli.console.terminal import Console
from lseg_cli.errors import LsegError
from lseg_cli.model.text.encoder_name import EncoderName  # noqa: TID253  imports nothing

Source = Annotated[
    Path, typer.Argument(metavar="CKPT", help="A checkpoint of lang-seg; with --to-original a model of this tool.")
]
Target = Annotated[
    Path | None,
    options.option("-o", "--out", metavar="FILE", help="The file to write. Default: <ckpt>.safetensors here."),
]
Block = Annotated[
    Literal["bottleneck", "depthwise", "none"] | None,
    options.option(
        metavar="KIND",
        help="The regulariser: bottleneck (their arch_option 1), depthwise (2), none.",
    ),
]
BlockDepth = Annotated[int | None, options.option(metavar="N", help="How often the regulariser is applied.")]
Activation = Annotated[
    Literal["lrelu", "tanh", "relu"] | None,
    options.option(metavar="KIND", help="Between its applications: lrelu (default), tanh or relu."),
]
TextEncoder = Annotated[
    EncoderName | None,
    options.option(
        parser=parse_text_encoder,
        metavar="NAME[/WEIGHTS]",
        help="A text encoder of open_clip, instead of the one in the checkpoint.",
    ),
]
Half = Annotated[bool, options.option("--half", help="Store float16. The text encoder stays as it is.")]
KeepDead = Annotated[bool, options.option("--keep-dead", help="Keep tensors that nothing uses, for the way back.")]
ToOriginal = Annotated[bool, options.option("--to-original", help="The other way: write the original's layout.")]


def convert(  # noqa: PLR0913  an option is a parameter
    source: Source,
    *,
    out: Target = None,
    block: Block = None,
    block_depth: BlockDepth = None,
    activation: Activation = None,
    text_encoder: TextEncoder = None,
    half: Half = False,
    keep_dead: KeepDead = False,
    to_original: ToOriginal = False,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Convert a published checkpoint of lang-seg to a model of this tool, exactly; nothing in it is run.

    Example: lseg convert demo_e200.ckpt -o demo.safetensors
    """
    from lseg_cli.model.published import conversion, lightning, reversion

    console = Console(quiet, verbose, json)
    target = out or Path(source.with_suffix(".ckpt" if to_original else ".safetensors").name)
    if target.exists() and not overwrite:
        raise LsegError(f"{target} is there already; use --overwrite, or another -o.")
    if to_original:
        show_reversion(target, reversion.write_original(source, target), console)
        return
    if target.suffix != ".safetensors":
        raise LsegError(f"The file to write is {target}; its name must end with .safetensors.")
    wanted = conversion.ConvertOptions(
        block, block_depth, activation or conversion.ConvertOptions.activation, text_encoder, half, keep_dead
    )
    result = conversion.convert(lightning.read_checkpoint(source), wanted)
    conversion.write_model(result, target)
    show_conversion(target, result, console)
