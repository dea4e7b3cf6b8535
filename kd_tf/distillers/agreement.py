"""How near a student has come to its teacher, in what the loss compares: told at each evaluation, never in a training step."""

from collections.abc import Callable

import tensorflow as tf

from kd_tf.distillers.terms import TeacherTargets, Tensors
from kd_tf.losses.hidden import cosine_loss

AGREEMENT = "_agreement"
OF_TEACHER = "_of_teacher"
COSINE, TOP1 = f"cosine{AGREEMENT}", f"top1{AGREEMENT}"


def agreement_names(targets: TeacherTargets) -> tuple[str, ...]:
    """The keys of what `agreement` returns.

    Nothing is said of outputs that the loss does not compare, which may mean other things: so have the hidden layers of networks that
    share relations alone no axis in common.
    """
    return (COSINE,) * targets.compares_hidden + (TOP1,) * ("logits" in targets.outputs)


def agreement(
    targets: TeacherTargets, teacher_outputs: Tensors, outputs: Tensors, project: Callable[[tf.Tensor], tf.Tensor] | None
) -> Tensors:
    """What teacher and student have in common, `[batch]` each.

    Args:
      targets: say what is compared.
      teacher_outputs: `hidden` and `logits` of the teacher.
      outputs: those of the student.
      project: the layer from the student's hidden width to the teacher's; None: the widths are equal.

    Returns:
      `cosine_agreement`, between the two hidden layers, -1 to 1 (of hints the mean over the positions), and `top1_agreement`, percent:
      100 where both find the same identity most probable.
    """
    values = {}
    if targets.compares_hidden:
        hidden = project(outputs["hidden"]) if project else outputs["hidden"]
        values[COSINE] = 1 - cosine_loss(teacher_outputs["hidden"], hidden)
    if "logits" in targets.outputs:
        same = tf.equal(tf.argmax(teacher_outputs["logits"], axis=-1), tf.argmax(outputs["logits"], axis=-1))
        values[TOP1] = 100.0 * tf.cast(same, tf.float32)
    return values
