"""This package: the student alone, the teacher's forward pass alone, and the student under a live and under a cached teacher."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
from cached_teacher import make_cached_teacher
from worker import IMAGE_SIZE, LEARNING_RATE, MOMENTUM, TEMPERATURE, make_batch, parse_arguments, serve

from kd_tf.data.untuned import untuned
from kd_tf.distillers import ClassificationDistiller
from kd_tf.networks.face_network import NetworkConfig, make_face_network
from kd_tf.teachers.live import LiveTeacher
from kd_tf.training.strategy import precision_policy

ARGUMENTS = parse_arguments()
IMAGES, IDENTITIES, TEACHER_HIDDEN = make_batch(ARGUMENTS.batch_size, ARGUMENTS.identities)
TARGETS = {"identity": IDENTITIES, "teacher_hidden": TEACHER_HIDDEN}


def make_network(width_divisor: int) -> tf.keras.Model:
    """A ResNet-50 in the precision that is asked for."""
    with precision_policy(ARGUMENTS.precision):
        return make_face_network(NetworkConfig("resnet50", width_divisor), image_size=IMAGE_SIZE, identities=ARGUMENTS.identities)


def make_optimizer() -> tf.keras.optimizers.Optimizer:
    """The same for all."""
    return tf.keras.optimizers.SGD(LEARNING_RATE, momentum=MOMENTUM, nesterov=True)


def fit(model: tf.keras.Model, targets):
    """A function that trains a compiled model for a number of steps."""
    batch = untuned(tf.data.Dataset.from_tensors((IMAGES, targets)))
    return lambda steps: model.fit(batch.repeat(steps), verbose=0)


def student_alone(student: tf.keras.Model):
    """Plain Keras: cross-entropy with the label."""
    model = tf.keras.Model(student.input, student.output["logits"])
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=make_optimizer(), loss=loss, metrics=["accuracy"])
    return fit(model, IDENTITIES)


def teacher_alone(teacher: tf.keras.Model):
    """The forward pass as a step makes it."""
    images, live_teacher = tf.constant(IMAGES), LiveTeacher(teacher)
    forward = tf.function(lambda: live_teacher(images, TARGETS)["logits"])
    return lambda steps: [forward() for _ in range(steps)][-1]


def distilled(student: tf.keras.Model, teacher):
    """Label and soft targets."""
    distiller = ClassificationDistiller(student, teacher, alpha=1.0, temperature=TEMPERATURE)
    distiller.compile(optimizer=make_optimizer())
    return fit(distiller, TARGETS)


def parameters(network: tf.keras.Model) -> int:
    """What is trained, with the identity head."""
    return sum(variable.shape.num_elements() for variable in network.trainable_variables)


def main() -> None:
    """Makes the networks that the contestant needs, and serves."""
    tf.config.threading.set_intra_op_parallelism_threads(ARGUMENTS.threads)
    tf.config.threading.set_inter_op_parallelism_threads(ARGUMENTS.threads)
    contestant = ARGUMENTS.contestant
    student = make_network(ARGUMENTS.width_divisor) if contestant != "teacher" else None
    teacher = make_network(1) if contestant in ("teacher", "live") else None
    run = {
        "student": lambda: student_alone(student),
        "teacher": lambda: teacher_alone(teacher),
        "live": lambda: distilled(student, teacher),
        "cached": lambda: distilled(student, make_cached_teacher(ARGUMENTS.identities)),
    }[contestant]()
    networks = {"student": student, "teacher": teacher}
    serve(
        run,
        {
            "framework": f"TensorFlow {tf.__version__}",
            "parameters": {name: parameters(network) for name, network in networks.items() if network},
        },
    )


if __name__ == "__main__":
    main()
