"""What the wrapper of anomalib's models takes."""

from pyimgano.models.parameters import COMMON, NETWORK, Parameters
from pyimgano.utils.parameters import Count, Number, PathLike, Size, Text

#: Further ones go to the class of anomalib.
PARAMETERS: Parameters = {
    **COMMON,
    **NETWORK,
    "model": Text(option=False, help="anomalib's model"),
    "backbone": Text(none="its own", metavar="NAME", help="a network of timm"),
    "weights": PathLike(
        none=True, metavar="FILE", help="local file with the network's weights, by timm's names"
    ),
    "image_size": Size(none="its own", metavar="S", help="S or HxW"),
    "teacher_weights": PathLike(
        none=True, metavar="FILE", help="weights of EfficientAD's teacher, which it needs"
    ),
    "imagenet_dir": PathLike(
        none=True,
        metavar="DIR",
        help="natural images in sub-folders, which EfficientAD needs",
    ),
    "max_epochs": Count(
        none="anomalib's", metavar="N", help="passes over the images, for models that train"
    ),
    "max_steps": Count(
        none="anomalib's", metavar="N", help="steps of the training, for models that train"
    ),
    "folds": Count(
        0,
        metavar="N",
        help="refits, each without a part of the images, for the threshold of models that are"
        " fitted in one pass; 0: none",
    ),
    "holdout": Number(
        0,
        1,
        open_high=True,
        metavar="R",
        help="share of the images kept for the threshold, for models that train; 0: none",
    ),
}
