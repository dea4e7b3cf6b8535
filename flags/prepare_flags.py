"""How a data set is packed, and where to."""

from absl import flags

from kd_tf.data.packed.pack import PackConfig
from kd_tf.errors import InputError
from kd_tf.flags import data_flags
from kd_tf.flags.paths import absolute_path

OUTPUT = flags.DEFINE_string("output", None, "The folder of the pack.")
RESIZE = flags.DEFINE_integer(
    "resize",
    None,
    "Make the shorter side of larger images so many pixels long; they become JPEGs of quality 95. Absent: every image keeps its bytes.",
    lower_bound=16,
)
SHARD_RECORDS = flags.DEFINE_integer("shard_records", 8192, "Images in a shard; a killed process costs at most one.", lower_bound=1)
WORKERS = flags.DEFINE_integer("workers", 2, "Threads that read and decode.", lower_bound=1)
VERIFY = flags.DEFINE_boolean("verify", False, "Check the pack in --output instead of making one.")


def pack_config_from_flags() -> PackConfig:
    """How to pack."""
    return PackConfig(
        output=absolute_path(OUTPUT.value),
        shard_records=SHARD_RECORDS.value,
        resize=RESIZE.value,
        workers=WORKERS.value,
        skip_broken=data_flags.SKIP_BROKEN.value,
    )


def refuse_with_verify(*others: flags.FlagHolder) -> None:
    """Only a pack that is made has a source and a form.

    Raises:
      InputError: a flag is given that has no effect with --verify.
    """
    for flag in (*others, RESIZE, SHARD_RECORDS):
        if flag.present:
            raise InputError(f"--{flag.name} has no effect with --verify, which takes --output and --workers")
