"""Which images, and how a network sees them."""

from collections.abc import Callable
from typing import Any

from absl import flags

from kd_tf.data.sources import SourceConfig
from kd_tf.data.split import SPLITS, SplitConfig
from kd_tf.data.subset import PACKAGE_LISTS
from kd_tf.data.views import ViewConfig
from kd_tf.flags.numbers import whole_numbers
from kd_tf.flags.paths import absolute_path
from kd_tf.training.run_directory import flags_of_model

DATA = flags.DEFINE_string(
    "data",
    "synthetic",
    "The data set: synthetic, or casia_webface:PATH, celeba:PATH, folder:PATH (one folder an identity; or images alone, without "
    "labels), lfw:PATH, ms_celeb_1m:PATH, packed:PATH, recordio:PATH.",
)
MIN_IMAGES = flags.DEFINE_integer("min_images", 1, "Leave out identities with fewer images.", lower_bound=1)
EXCLUDE_IDENTITIES = flags.DEFINE_string(
    "exclude_identities",
    None,
    "Leave out the identities that this file names, one a line, or that this list of the package names: casia_webface_lfw.",
)
CLEAN_LIST = flags.DEFINE_string(
    "clean_list", None, "Keep only the images of this list, in its classes: lines of image and class (casia_webface, ms_celeb_1m)."
)
INDEX_DIR = flags.DEFINE_string(
    "index_dir", None, "Where to keep the index that is built once. Absent: beside the data (ms_celeb_1m, recordio)."
)
SKIP_BROKEN = flags.DEFINE_integer(
    "skip_broken", 0, "Leave out up to so many images that cannot be read or decoded; all that are used are looked at first.", lower_bound=0
)
IDENTITIES = flags.DEFINE_integer("identities", 100, "People drawn by --data=synthetic.", lower_bound=2)
PICTURES = flags.DEFINE_integer("pictures", 50, "Pictures of each person drawn by --data=synthetic.", lower_bound=1)
PICTURE_SIZE = flags.DEFINE_integer("picture_size", 64, "Height and width in pixels of pictures drawn by --data=synthetic.", lower_bound=16)
DATA_SEED = flags.DEFINE_integer("data_seed", 1, "Which world of people --data=synthetic draws.", lower_bound=0)
SPLIT = flags.DEFINE_enum(
    "split",
    "random",
    sorted(SPLITS),
    "What is for testing. random: a fifth of the images, of the same people. identity_disjoint: a fifth of the people. official: what "
    "the data set says.",
)
SPLIT_SEED = flags.DEFINE_integer("split_seed", 0, "Chooses what is for testing or validation.", lower_bound=0)
VALIDATION = flags.DEFINE_boolean(
    "validation", False, "Leave the test images alone: score a fifth of the training images instead, which are not trained on."
)
TEST_FOLDS = flags.DEFINE_list(
    "test_folds",
    None,
    "The folds of LFW, from 1, that are held out, such as 7,8: with --split=official their people are for testing and all others are "
    "trained on; --protocol=lfw scores their pairs with the threshold of all others. Absent: the last; --protocol=lfw scores each.",
)
IMAGE_CACHE = flags.DEFINE_string(
    "image_cache", None, "A folder to keep every image in, decoded and resized once. Absent: images are read (or drawn) each time."
)
IMAGE_SIZE = flags.DEFINE_integer("image_size", 224, "Height and width in pixels of what networks see.", lower_bound=16)
CENTRAL_FRACTION = flags.DEFINE_float(
    "central_fraction", 1.0, "The share of an image's width and height that is used, around its centre.", lower_bound=0.01, upper_bound=1.0
)
ALIGN = flags.DEFINE_boolean(
    "align", False, "Turn, scale and move faces so that their landmarks lie where the usual template has them (verification)."
)
VIEWS = flags.DEFINE_integer(
    "views",
    None,
    "Show each training image under so many crops, flips and jitters, in turns; 0: always its middle, as it is. Absent: another one in "
    "every epoch.",
    lower_bound=0,
)
JITTER = flags.DEFINE_boolean("jitter", True, "Change brightness, contrast and saturation of training images by up to 20%.")
# What `source_config_from_flags` reads.
SOURCE_FLAGS = (DATA, MIN_IMAGES, EXCLUDE_IDENTITIES, CLEAN_LIST, INDEX_DIR, IDENTITIES, PICTURES, PICTURE_SIZE, DATA_SEED)


def source_config_from_flags(run: str | None = None) -> SourceConfig:
    """The data set; flags that are not given have the values of the run in directory `run`, where there is one."""
    value = _values(run)
    data = value(DATA)
    name, _, path = data.partition(":")
    return SourceConfig(
        data=f"{name}:{absolute_path(path)}" if path else data,
        min_images=value(MIN_IMAGES),
        exclude_identities=_list_path(value(EXCLUDE_IDENTITIES)),
        clean_list=absolute_path(value(CLEAN_LIST)),
        index_dir=absolute_path(value(INDEX_DIR)),
        identities=value(IDENTITIES),
        pictures=value(PICTURES),
        picture_size=value(PICTURE_SIZE),
        data_seed=value(DATA_SEED),
    )


def view_config_from_flags(run: str | None = None) -> ViewConfig:
    """How images become network inputs, but for the seed, which is the run's; `run` as above."""
    value = _values(run)
    return ViewConfig(
        image_size=value(IMAGE_SIZE),
        central_fraction=value(CENTRAL_FRACTION),
        align=value(ALIGN),
        jitter=value(JITTER),
        views=value(VIEWS),
    )


def split_config_from_flags(run: str | None = None) -> SplitConfig:
    """What is trained on and what is scored; `run` as above."""
    value = _values(run)
    split = value(SPLIT)
    # A run's folds say nothing where it is divided in another way now.
    test_folds = test_folds_from_flags(run if split == "official" else None)
    return SplitConfig(split=split, split_seed=value(SPLIT_SEED), validation=value(VALIDATION), test_folds=test_folds)


def test_folds_from_flags(run: str | None = None) -> tuple[int, ...] | None:
    """The folds that are held out, in ascending order; `run` as above."""
    given = _values(run)(TEST_FOLDS)
    return tuple(sorted(set(whole_numbers(TEST_FOLDS, given)))) if given else None


def skip_broken_from_flags(run: str | None = None) -> int:
    """How many broken images may be left out; `run` as above."""
    return _values(run)(SKIP_BROKEN)


def _list_path(exclude: str | None) -> str | None:
    """A path as from every folder; the name of a list of the package as it is."""
    return exclude if exclude in PACKAGE_LISTS else absolute_path(exclude)


def _values(run: str | None) -> Callable[[flags.FlagHolder], Any]:
    recorded = flags_of_model(run) if run else {}

    def value(flag: flags.FlagHolder):
        if flag.present or flag.name not in recorded:
            return flag.value
        return flags.FLAGS[flag.name].parser.parse(recorded[flag.name])

    return value
