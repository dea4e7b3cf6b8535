"""Packs a data set into shards of random-access records, which other machines and slow disks read fast; or checks a pack.

    kd-prepare --data=lfw:DIR --output=packed/lfw
    kd-prepare --data=lfw:DIR --output=packed/lfw_128 --resize=128
    kd-prepare --verify --output=packed/lfw

All programs take the pack as --data=packed:packed/lfw. It has the same images, people, landmarks and official split, in the same order;
without --resize the images are the same bytes, and training is the same.

OUTPUT gets images-NNNNN-of-NNNNN.array_record, records.npz (labels and checksums), contact_sheet.jpg (up to 64 of the images, to look at)
and packed.json, which comes last: a pack that has it is whole. Every image is decoded on its way. A process that was killed is continued
by the same command, and costs the shard it was at; until the end OUTPUT/unfinished/ says how far it is.

A broken image stops the program, which names it; --skip_broken=N leaves out and logs up to N of them. Prints counts.

--verify reads, checks and decodes everything, prints a line for each broken image or shard, and the counts. The exit status is 0 if nothing
is broken, 1 if something is, 2 if OUTPUT is no pack or its lists cannot be read.
"""

import sys

from kd_tf.bin import application

# isort: split
from absl import flags

from kd_tf.data.packed.pack import pack
from kd_tf.data.packed.verify import verify_pack
from kd_tf.data.sources import open_source
from kd_tf.flags import data_flags, prepare_flags

PACKING_FLAGS = (*data_flags.SOURCE_FLAGS, data_flags.SKIP_BROKEN)
for flag in PACKING_FLAGS:
    flags.declare_key_flag(flag.name)
flags.adopt_module_key_flags(prepare_flags)
BROKEN = 1


def main() -> None:
    """Makes or checks the pack that the flags name."""
    if prepare_flags.VERIFY.value:
        _verify()
        return
    counts = pack(open_source(data_flags.source_config_from_flags()), prepare_flags.pack_config_from_flags())
    print("{records} images of {identities} people in {shards} shards of {bytes} bytes; {skipped} broken images left out".format(**counts))
    print(f"use it: --data=packed:{prepare_flags.OUTPUT.value}")


def _verify() -> None:
    prepare_flags.refuse_with_verify(*PACKING_FLAGS)
    config = prepare_flags.pack_config_from_flags()
    counts = verify_pack(config.output, workers=config.workers)
    print("{records} images in {shards} shards; {broken} broken".format(**counts))
    if counts["broken"]:
        sys.exit(BROKEN)


def run() -> None:
    """The console script."""
    application.run(main, sys.modules[__name__], required=("output",))


if __name__ == "__main__":
    run()
