"""keras.distillation of Keras 3 on TensorFlow, compiled as its documentation says, with a divergence that is one (docs/PERFORMANCE.md)."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import tensorflow as tf
from keras3_resnet import make_resnet50
from worker import IMAGE_SIZE, LEARNING_RATE, MOMENTUM, TEMPERATURE, make_batch, parse_arguments, serve


def make_distiller(student: keras.Model, teacher: keras.Model) -> keras.Model:
    """Label and soft targets, each with half the weight."""
    soft_targets = keras.distillation.LogitsDistillation(temperature=TEMPERATURE, loss=keras.losses.KLDivergence())
    distiller = keras.distillation.Distiller(teacher=teacher, student=student, distillation_losses=soft_targets)
    distiller.compile(
        optimizer=keras.optimizers.SGD(LEARNING_RATE, momentum=MOMENTUM, nesterov=True),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return distiller


def parameters(network: keras.Model) -> int:
    """What is trained, with the identity head."""
    return sum(variable.shape.num_elements() for variable in network.trainable_variables)


def main() -> None:
    """Makes the networks and serves."""
    arguments = parse_arguments()
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(arguments.threads)
    keras.config.set_dtype_policy(arguments.precision)
    student, teacher = (make_resnet50(divisor, IMAGE_SIZE, arguments.identities) for divisor in (arguments.width_divisor, 1))
    images, identities, _ = make_batch(arguments.batch_size, arguments.identities)
    options = tf.data.Options()
    # As the others: whoever ends an iterator may have to wait for its tuner.
    options.autotune.enabled = False
    batch = tf.data.Dataset.from_tensors((images, identities)).with_options(options)
    # The distiller freezes its teacher.
    counts = {"student": parameters(student), "teacher": parameters(teacher)}
    distiller = make_distiller(student, teacher)
    framework = f"Keras {keras.__version__}, TensorFlow {tf.__version__}"
    serve(lambda steps: distiller.fit(batch.repeat(steps), verbose=0), {"framework": framework, "parameters": counts})


if __name__ == "__main__":
    main()
