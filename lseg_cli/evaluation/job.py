"""What `lseg eval` is asked to do. Imports nothing heavy: the command line reads its defaults first."""

from dataclasses import dataclass

ZERO_SHOT = ("pascal5i", "coco20i", "fss1000")  # protocols of single classes against all else, by HSNet
PROTOCOLS = ("whole", "slide", "lseg-paper", *ZERO_SHOT)


@dataclass(frozen=True)
class EvalJob:
    """Options as the user wrote them."""

    models: tuple[str, ...] = ("lseg-tiny",)  # one, or two to compare
    protocol: str = "whole"
    labels: str | None = None  # one for every class; None: the classes' names
    extra_labels: str | None = None  # that are no class
    without: tuple[str, ...] = ()  # classes that the model is not asked for
    unseen: tuple[str, ...] = ()  # classes whose mean IoU is reported apart
    label_map: str | None = None  # a YAML file
    templates: tuple[str, ...] = ()  # none: the model's own
    min_confidence: float = 0.0
    imgsz: str | None = None  # as of `lseg segment`
    window: int = 480  # px, of the protocol slide
    stride: int | None = None  # px; None: two thirds of the window
    device: str = "auto"
    precision: str = "fp32"
    threads: int | None = None
    batch: str = "auto"  # windows at a time; auto: 1 on the CPU, else 8
    out: str | None = None  # a folder for the report
