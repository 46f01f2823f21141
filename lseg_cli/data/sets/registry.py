"""The data sets that are known by name."""

from lseg_cli.data.sets.ade20k import ADE20K, ADE20K_OFFICIAL
from lseg_cli.data.sets.bdd100k import BDD100K
from lseg_cli.data.sets.cityscapes import CITYSCAPES
from lseg_cli.data.sets.coco20i import COCO_20I
from lseg_cli.data.sets.coco_panoptic import COCO_PANOPTIC
from lseg_cli.data.sets.fss1000 import FSS_1000
from lseg_cli.data.sets.idd import IDD
from lseg_cli.data.sets.mapillary import MAPILLARY, MAPILLARY_V2
from lseg_cli.data.sets.pascal import PASCAL, PASCAL_5I
from lseg_cli.data.sets.sunrgbd import SUNRGBD

KNOWN = {
    known.name: known
    for known in (
        ADE20K,
        ADE20K_OFFICIAL,
        PASCAL,
        PASCAL_5I,
        COCO_20I,
        FSS_1000,
        CITYSCAPES,
        BDD100K,
        COCO_PANOPTIC,
        IDD,
        MAPILLARY,
        MAPILLARY_V2,
        SUNRGBD,
    )
}
