"""Scores a run, or a Keras model, on the test split of a data set.

    kd-evaluate --model=runs/student --protocol=classification --output=scores

Protocols: classification (top-1), landmarks (NRMSE and failure rate above 10%), retrieval (rank-1: the nearest other test image).
Where the model is a run, data flags that are not given have that run's values, so that its own test split is scored. Prints the scores
in percent and writes them to OUTPUT/metrics.json.
"""

import json
import sys

from kd_tf.bin import application

# isort: split
from absl import flags

from kd_tf.evaluation.score import PROTOCOLS, score_stored_network
from kd_tf.flags import data_flags
from kd_tf.flags.paths import absolute_path

MODEL = flags.DEFINE_string("model", None, "A run directory or a Keras model.")
PROTOCOL = flags.DEFINE_enum("protocol", "classification", PROTOCOLS, "What is scored.")
OUTPUT = flags.DEFINE_string("output", None, "A folder for metrics.json. Absent: only printed.")
flags.adopt_module_key_flags(data_flags)


def main() -> None:
    """Scores the model that the flags name."""
    model = absolute_path(MODEL.value)
    scores = score_stored_network(
        model,
        data_flags.source_config_from_flags(model),
        data_flags.view_config_from_flags(model),
        PROTOCOL.value,
        split_seed=data_flags.split_seed_from_flags(model),
        image_cache=absolute_path(data_flags.IMAGE_CACHE.value),
        output=absolute_path(OUTPUT.value),
    )
    print(json.dumps(scores, indent=2))


def run() -> None:
    """The console script."""
    application.run(main, sys.modules[__name__], required=("model",))


if __name__ == "__main__":
    run()
