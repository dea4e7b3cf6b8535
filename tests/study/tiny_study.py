"""The smallest study: the chain of `quick` with a stored teacher, on faces of 16 pixels.

python -m tests.study.tiny_study DIRECTORY
"""

import dataclasses
import sys

from kd_tf.data.sources import SourceConfig
from kd_tf.data.views import ViewConfig
from kd_tf.study.scales import Phase, Schedule, make_scale
from kd_tf.study.stages import FACES
from kd_tf.study.study import Study, StudyConfig

SOURCE = SourceConfig(identities=16, pictures=5, picture_size=24)


def tiny_config(directory, source=SOURCE, **options) -> StudyConfig:
    scale = make_scale("quick", {FACES: source})
    schedules = {
        task: Schedule(Phase(1, 0.05), Phase(0.5, 0.01), batch_size=32, optimizer=schedule.optimizer)
        for task, schedule in scale.schedules.items()
    }
    scale = dataclasses.replace(
        scale, view=ViewConfig(image_size=16), network="resnet14", schedules=schedules, stores_teachers=True, **options.pop("scale", {})
    )
    return StudyConfig(scale, str(directory), command="kd-reproduce --scale=tiny", **options)


if __name__ == "__main__":
    Study(tiny_config(sys.argv[1])).run()
