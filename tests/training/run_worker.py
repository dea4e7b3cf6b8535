"""One of the workers of `workers_test.py`: trains a small run and writes down which records it read.

python -m tests.training.run_worker TASK FOLDER
"""

import json
import sys

from kd_tf.data.synthetic.source import SyntheticSource
from kd_tf.training.run import run
from kd_tf.training.workers import this_worker
from tests.training.workers_test import make_config


def main(task, folder):
    read, original = [], SyntheticSource.read

    def reading(self, indices):
        indices = list(indices)
        read.extend(int(index) for index in indices)
        return original(self, indices)

    SyntheticSource.read = reading
    metrics = run(make_config(task, folder, "multi_worker"))
    with open(f"{folder}/{this_worker('multi_worker').index}.json", "w", encoding="utf-8") as file:
        json.dump({"read": read, "metrics": metrics}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
