"""A process that packs ROOT/photos again and again, each time into ROOT/killed/NUMBER, and is killed at the NUMBERth time that it touches a
file below ROOT; prints how often. It may fork: TensorFlow has not run anything yet.

    python -m tests.data.packed_kills ROOT
"""

import itertools
import os
import signal
import sys
import traceback

from kd_tf.data.folder import open_folder
from kd_tf.data.packed.pack import PackConfig, pack

SHARD_RECORDS = 4
SECONDS = 60


def main(root):
    source = open_folder(f"{root}/photos")
    for moment in itertools.count(1):
        child = os.fork()
        if not child:
            # What a thread of the parent held stays locked in a child; whoever waits for that is killed too.
            signal.alarm(SECONDS)
            die_at(moment, root)
            pack_and_leave(source, f"{root}/killed/{moment}")
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            break
    assert status == 0, status
    print(moment - 1)


def die_at(moment, root):
    """Python tells before it opens, makes, renames or removes something."""
    touched = itertools.count(1)

    def hook(event, arguments):
        if any(isinstance(argument, str) and argument.startswith(root) for argument in arguments) and next(touched) == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def pack_and_leave(source, output):
    try:
        pack(source, PackConfig(output, shard_records=SHARD_RECORDS))
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
