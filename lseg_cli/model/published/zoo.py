"""The checkpoints that the authors of LSeg published, and where they are kept here once they were fetched.

Facts from the model zoo in the README of github.com/isl-org/lang-seg: Google Drive's ids and the figures given there.
No hash is published; the code is under the MIT licence, and none is stated for the weights.
"""

from pathlib import Path
from typing import NamedTuple

from lseg_cli.model.text.cache import cache_root

LICENCE = "not stated (the code beside them: MIT)"


class Published(NamedTuple):
    """One checkpoint.

    Attributes:
        name: by which it is pulled and used here.
        variant: the original's name of its architecture, as `lseg convert` recognises it.
        preset: ours.
        data: what it was trained on.
        miou: mean IoU in percent as published; None if none is.
        drive_id: of the file on Google Drive.
    """

    name: str
    variant: str
    preset: str
    data: str
    miou: float | None
    drive_id: str

    @property
    def page(self) -> str:
        """The address from which a browser can fetch it."""
        return f"https://drive.google.com/file/d/{self.drive_id}"

    @property
    def path(self) -> Path:
        """The file of the converted model."""
        return model_folder() / f"{self.name}.safetensors"


def _resnet(name: str, data: str, miou: float, drive_id: str) -> Published:
    return Published(name, "clip_resnet101", "lseg-rn101", data, miou, drive_id)


PUBLISHED = {
    each.name: each
    for each in (
        Published("demo", "clip_vitl16_384", "lseg-vitl16", "mix of 7", None, "1FTuHY1xPUkM-5gaDtMfgCl3D0gR89WV7"),
        _resnet("pascal-fold0", "PASCAL-5i", 52.8, "1y4z4_yNGlZtn6osaeN4ZjMs6c0vr0F3m"),
        _resnet("pascal-fold1", "PASCAL-5i", 53.8, "1UZzN8kWkH-G8v6P8xcBXEHRZlQKPRxrX"),
        _resnet("pascal-fold2", "PASCAL-5i", 44.4, "1KCq1JphSMvj8X78bkWbdNIFm5zYzLTMX"),
        _resnet("pascal-fold3", "PASCAL-5i", 38.5, "1A_fllOJqyBg0ZTJcm85Cn0NAcwQbXnhl"),
        _resnet("coco-fold0", "COCO-20i", 22.1, "1nSYO3XtAv4mzWi4x-MFUfk04cpBKJT38"),
        _resnet("coco-fold1", "COCO-20i", 25.1, "1w0vz3yjEi_ZLgECRrgtoLxEHugyJkrs5"),
        _resnet("coco-fold2", "COCO-20i", 24.9, "1wmHtmJLdta18XuWQv6oX9llidCll_HrD"),
        _resnet("coco-fold3", "COCO-20i", 21.5, "1dliBUSOog7taJxMmb9cdefKH4XOKChVJ"),
        _resnet("fss-rn101", "FSS-1000", 84.7, "1UIj49Wp1mAopPub5M6O4WW-Z79VB1bhw"),
        Published(
            "fss-vitl16", "clip_vitl16_384", "lseg-vitl16", "FSS-1000", 87.8, "1Nplkc_JsHIS55d--K2vonOOC3HrppzYy"
        ),
    )
}


def model_folder() -> Path:
    """Return the folder of models that were pulled."""
    return cache_root() / "models"
