"""What a teacher from elsewhere sees of the records and views of a batch: other pixels than its student, of the same crop and flip."""

import tensorflow as tf

from kd_tf.data import views
from kd_tf.data.pipeline import LookUp
from kd_tf.data.source import Source, decode_image, read_records
from kd_tf.data.views import EVALUATION_VIEW, ViewConfig
from kd_tf.teachers.embedding.teacher_view import TeacherView

TEACHER_IMAGES = "teacher_images"


def teacher_images(source: Source, view: ViewConfig, teacher: TeacherView) -> LookUp:
    """Gives batches the target `teacher_images`, float32 RGB `[batch, image_size, image_size, 3]`, 0 to 255.

    Args:
      source: the data set, as it was opened.
      view: the student's.
      teacher: how the teacher sees a face.

    Raises:
      InputError: see `TeacherView.sees`.
    """
    source, view = teacher.sees(source, view)
    nowhere = tf.zeros([5, 2])

    def see(encoded: tf.Tensor, record: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        canvas = views.make_canvas(decode_image(encoded), view)
        return tf.cond(
            number == EVALUATION_VIEW,
            lambda: views.evaluation_view(canvas, nowhere, view)[0],
            lambda: views.training_view(canvas, nowhere, record, number, view)[0],
        )

    def look_up(records: tf.Tensor, numbers: tf.Tensor) -> dict[str, tf.Tensor]:
        encoded = read_records(source, records)
        return {TEACHER_IMAGES: tf.map_fn(lambda one: see(*one), (encoded, records, numbers), fn_output_signature=tf.float32)}

    return look_up
