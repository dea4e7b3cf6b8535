"""One of the workers of `conformance_workers_test.py`: trains each distiller and writes down what came out.

python -m tests.conformance_worker FOLDER
"""

import pickle
import sys

from kd_tf.distillers import balance
from kd_tf.training.strategy import get_strategy
from kd_tf.training.workers import this_worker
from tests.conformance_test import DISTILLERS, outcome


def main(folder):
    balance.BALANCE_STEPS = 1
    worker, strategy = this_worker("multi_worker"), get_strategy("multi_worker")
    found = {name: outcome(strategy, *DISTILLERS[name]) for name in DISTILLERS}
    with open(f"{folder}/{worker.index}.pickle", "wb") as file:
        pickle.dump(found, file)


if __name__ == "__main__":
    main(sys.argv[1])
