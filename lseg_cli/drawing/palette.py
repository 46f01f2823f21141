"""A colour for every label: the one it brings, the usual one of its name, or one made from the name.

A name has the same colour in every set, whatever stands beside it, but for the rare case that two labels would look the
same.
"""

import colorsys
import hashlib
from collections.abc import Iterator
from pathlib import Path

from lseg_cli.data.labels import IGNORE_8_BIT, Label, LabelSet, fold
from lseg_cli.errors import LsegError
from lseg_cli.reading import parse_yaml, read_text, reading

RGB = tuple[int, int, int]

_MAX_BYTES = 1_000_000  # of a palette's file
_MAX_NAME = 1_000  # characters that are looked at
IGNORE_COLOR: RGB = (255, 255, 255)  # white: black is 'background', and an ignored pixel is not background

# Facts, as `name rrggbb`. Cityscapes: cityscapesscripts/helpers/labels.py of github.com/mcordts/cityscapesScripts.
_CITYSCAPES = """
road 804080, sidewalk f423e8, building 464646, wall 66669c, fence be9999, pole 999999, traffic light faaa1e,
traffic sign dcdc00, vegetation 6b8e23, terrain 98fb98, sky 4682b4, person dc143c, rider ff0000, car 00008e,
truck 000046, bus 003c64, train 005064, motorcycle 0000e6, bicycle 770b20, parking faaaa0, rail track e6968c,
guard rail b4a5b4, bridge 966464, tunnel 96785a, caravan 00005a, trailer 00006e, ground 510051
"""
# ADE20K: color150 of github.com/CSAILVision/semantic-segmentation-pytorch (also METAINFO in mmseg/datasets/ade.py of
# open-mmlab/mmsegmentation), by first names, without rare ones and those that Cityscapes has.
_ADE20K = """
floor 503232, tree 04c803, ceiling 787850, bed cc05ff, windowpane e6e6e6, grass 04fa07, cabinet e005ff, earth 787846,
door 08ff33, table ff0652, mountain 8fff8c, plant ccff04, curtain ff3307, chair cc4603, water 3de6fa, painting ff0633,
sofa 0b66ff, shelf ff0747, house ff09e0, sea 0907e6, mirror dcdcdc, rug ff095c, field 7009ff, armchair 08ffd6,
seat 07ffe0, desk 0aff47, rock ff290a, wardrobe 07ffff, lamp e0ff08, bathtub 6608ff, railing ff3d06, cushion ffc207,
box 00ff14, column ff0829, signboard ff0599, chest of drawers 0633ff, counter eb0cff, sand a09614, sink 00a3ff,
fireplace fa0a0f, refrigerator 14ff00, path ff1f00, stairs ffe000, runway 99ff00, pool table ff4700, pillow 00ebff,
stairway 1f00ff, river 0bc8c8, bookcase 00fff5, blind 003dff, coffee table 00ff70, toilet 00ff85, flower ff0000,
book ffa300, hill ff6600, bench c2ff00, countertop 008fff, stove 33ff00, palm 0052ff, kitchen island 00ff29,
computer 00ffad, swivel chair 0a00ff, boat adff00, bar 00ff99, towel ff0066, light ffad00, tower ffb8b8,
chandelier 001fff, awning 00ff3d, streetlight 0047ff, television receiver 00ffc2, airplane 00ff52, escalator 00ffa3,
ottoman ff9900, bottle 00ff0a, poster 8fff00, stage 5200ff, van a3ff00, ship ffeb00, fountain 08b8aa, washer b800ff,
swimming pool 00b8ff, stool 00d6ff, barrel ff0070, basket 5cff00, waterfall 00e0ff, tent 70e0ff, bag 46b8a0,
oven 47ff00, ball ff00a3, food ffcc00, microwave ff00eb, animal ff007a, lake 0abed4, dishwasher d6ff00, screen 00ccff,
blanket 1400ff, sculpture ffff00, vase 00ffcc, tray 29ff00, ashcan ad00ff, fan 00f5ff, pier 4700ff, plate 00ffb8,
monitor 005cff, bulletin board b8ff00, shower 0085ff, radiator ffd600, glass 19c2c2, clock 66ff00, flag 5c00ff
"""
# Not of a data set: what is nothing in particular stays colourless.
_NEUTRAL = "other 808080, others 8a8a8a, background 000000"
_SYNONYMS = """
unlabeled=background, unlabelled=background, void=background, street=road, pavement=sidewalk, footpath=sidewalk,
people=person, human=person, pedestrian=person, man=person, woman=person, automobile=car, motorbike=motorcycle,
bike=bicycle, cyclist=rider, bicyclist=rider, lorry=truck, couch=sofa, window=windowpane, trees=tree, flowers=flower,
plants=plant, potted plant=plant, aeroplane=airplane, plane=airplane, fridge=refrigerator,
television=television receiver, tv=television receiver, ocean=sea, stone=rock, lawn=grass, soil=earth,
dining table=table, sign=signboard, street light=streetlight, bookshelf=bookcase, carpet=rug
"""


def _table(text: str) -> dict[str, RGB]:
    pairs = (fact.strip().rsplit(" ", 1) for fact in text.strip().split(","))
    return {name: (int(color[:2], 16), int(color[2:4], 16), int(color[4:], 16)) for name, color in pairs}


_SYNONYM_OF = dict(fact.strip().split("=") for fact in _SYNONYMS.split(","))
_KNOWN = {**_table(_ADE20K), **_table(_CITYSCAPES), **_table(_NEUTRAL)}


def colors(labels: LabelSet) -> list[RGB]:
    """The colours of a label set, in its order.

    A colour given with a label is taken as it is, even twice. All others are distinct from these and from one another:
    of two labels with the same usual colour (`road` and `street`) the one whose own it is keeps it and the other gets
    one from its name. Who gives way does not depend on the order of the labels.
    """
    chosen = {label.id: label.color for label in labels.labels if label.color is not None}
    taken = {IGNORE_COLOR, *chosen.values()}
    free = [label for label in labels.labels if label.color is None]
    for label in sorted(free, key=lambda one: (_rank(one.name), fold(one.name), one.prompts, one.id)):
        chosen[label.id] = next(color for color in _candidates(label) if color not in taken)
        taken.add(chosen[label.id])
    return [chosen[label.id] for label in labels.labels]


def recolored(labels: LabelSet, path: str) -> LabelSet:
    """Labels in the colours of a file.

    Args:
        labels: some of which it names, or which it lists in order.
        path: of a `.json` or `.yaml` file: names and colours, or colours alone, as '#rrggbb' or [r, g, b].

    Raises:
        LsegError: the file cannot be read, or holds something else.
    """
    with reading(f"The palette {path}", "is not of names and colours, such as sky: '#4682b4'", LsegError):
        data = parse_yaml(read_text(Path(path), _MAX_BYTES))  # JSON is YAML too
        given = data if isinstance(data, dict) else dict(zip(labels.names, data, strict=False))
        table = {fold(str(name)[:_MAX_NAME]): _rgb(color) for name, color in given.items()}
    strange = [str(name) for name in given if fold(str(name)) not in set(map(fold, labels.names))]
    if len(strange) == len(given):
        raise LsegError(
            f"The palette {path} names none of the labels, but {', '.join(map(repr, strange[:3]))[:100] or 'nothing'}."
        )
    recolor = (label.model_copy(update={"color": table.get(fold(label.name), label.color)}) for label in labels.labels)
    return labels.model_copy(update={"labels": tuple(recolor)})


def _rgb(color: object) -> RGB:
    parts = list(bytes.fromhex(color.removeprefix("#"))) if isinstance(color, str) else color
    if (
        not isinstance(parts, list)
        or len(parts) != 3
        or not all(type(part) is int and 0 <= part < 256 for part in parts)
    ):
        raise ValueError(f"{color!r} is no colour")
    return parts[0], parts[1], parts[2]


def png_palette(labels: LabelSet) -> bytes:
    """The palette of an 8-bit mask: 256 x RGB = 768 bytes, by id; 255 ('ignore') is white, unused ids are black.

    Raises:
        LsegError: some id is above 254; such a mask is 16-bit grey and has no palette.
    """
    if labels.ignore_id != IGNORE_8_BIT:
        raise LsegError(
            f"A palette ends at id 254 and these labels go up to {max(labels.ids)}; write 16-bit masks, without one."
        )
    palette = bytearray(768)
    for label, color in zip(labels.labels, colors(labels), strict=True):
        palette[3 * label.id : 3 * label.id + 3] = bytes(color)
    palette[3 * IGNORE_8_BIT :] = bytes(IGNORE_COLOR)
    return bytes(palette)


def _rank(name: str) -> int:
    """Who chooses first: names with a usual colour of their own, then their synonyms, then the rest."""
    key = fold(name)
    return 0 if key in _KNOWN else 1 if key in _SYNONYM_OF else 2


def _candidates(label: Label) -> Iterator[RGB]:
    key = fold(label.name)
    usual = _KNOWN.get(_SYNONYM_OF.get(key, key))
    if usual is not None:
        yield usual
    attempt = 0
    while True:
        yield _from_name(key, attempt)
        attempt += 1


def _from_name(key: str, attempt: int) -> RGB:
    """A colour from a hash: any hue, saturation 0.5 to 1, value 0.55 to 0.95, so neither too pale nor too dark."""
    digest = hashlib.sha256(f"{key}\0{attempt}".encode()).digest()
    hue, saturation, value = (int.from_bytes(digest[start : start + 4], "big") / 2**32 for start in (0, 4, 8))
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.5 + 0.5 * saturation, 0.55 + 0.4 * value)
    return round(255 * red), round(255 * green), round(255 * blue)
