"""Small runs that several tests start from."""

import dataclasses

from kd_tf.data.sources import SourceConfig
from kd_tf.data.views import ViewConfig
from kd_tf.networks.face_network import NetworkConfig
from kd_tf.training.config import RunConfig, TrainingConfig

SOURCE = SourceConfig(identities=6, pictures=10, picture_size=24)
VIEW = ViewConfig(image_size=16)


def small_run(model_dir, **changes) -> RunConfig:
    """Four steps of the smallest network on 60 drawn faces."""
    training = {"steps": 4, "batch_size": 8, "identities_per_batch": 4, "images_per_identity": 2, "learning_rate": 0.01, "evaluations": 2}
    training |= changes.pop("training", {})
    config = RunConfig(
        task="classification",
        model_dir=str(model_dir),
        training=TrainingConfig(**training),
        source=SOURCE,
        view=VIEW,
        network=NetworkConfig("resnet14", 8),
    )
    return dataclasses.replace(config, **changes)
