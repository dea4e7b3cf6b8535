"""Scores a model and shows its mistakes.

    kd-evaluate --model=runs/student --protocol=classification --output=scores
    kd-evaluate --model=runs/student --protocol=lfw --data=lfw:DIR --flip --output=scores_lfw
    kd-evaluate --model=embeddings.npz --protocol=bin --data=bin:cfp_fp.bin
    kd-evaluate --model=runs/student --protocol=retrieval --cross
    kd-evaluate --model=pixels --protocol=lfw --data=lfw:DIR --image_size=64 --central_fraction=0.6 --test_folds=7,8

--model is a run directory, a Keras model, what kd-export wrote (the folder of a SavedModel, a .tflite or an .onnx file, each given whole
photographs) or a .npz file of embeddings made elsewhere:

    embeddings  [n, width]
    names       [n], relative path of each row's image in the data set, such as Name/Name_0001.jpg. Without it the rows are all
                images of the data set in its order.
    identities  [n], numbers or names. With it, --protocol=retrieval scores all rows of the file and reads no data set.

Where the model is a run, data flags that are not given have that run's values, so that its own test split is scored. Of that,
--skip_broken=N leaves out and logs up to N images that cannot be read or decoded (`skipped` says how many).

--model=pixels is what a network must beat: the images as one of --image_size would see them, shrunk to 32x32, are their own embeddings,
0 to 255, neither centred nor normalised (--distance normalises as it says). --model=./pixels is a run of that name.

    protocol         of          scores                                pictures
    classification   test split  top1, top5                            mistakes
    landmarks        test split  nrmse, failure_rate (error above      ced, worst_landmarks
                                 10%), ced_area (up to 10%),
                                 nrmse_standard_error (over people)
    retrieval        test split  rank1 (is the nearest other test      wrong_queries
                                 image the same person?), queries
    lfw              pairs.txt   lfw_accuracy, lfw_std,                roc, hardest_pairs
                     of all LFW  lfw_standard_error, threshold,
    bin              bin:FILE    roc_area, tar_at_far_..., pairs,
                                 folds

lfw and bin take the threshold that is best on the other folds. --distance is what it is for: squared_l2 and angular (degrees) between unit
vectors, raw_squared_l2 between hidden layers that are not normalised. --flip adds the embedding of the flipped image (retrieval, lfw,
bin). Faces in a .bin file are cut out already: --central_fraction=1 shows a network the middle 7/8 of their width and height, --align
all of them.

--test_folds=7,8 (lfw; where it is not given, that of the run) scores the pairs of these folds alone, with the threshold that is best on
all others together, and adds lfw_pairs_standard_error: two folds say little of the spread, so it is that of the pairs themselves, which
may err together where they share a person. A run that was trained with --split=official and the same folds has not met these people.

--cross (retrieval, lfw, bin) tells what happens when a student replaces its teacher in service and the gallery stays: the student's
embeddings, projected by projection.npz of a run that learned the hidden layer, are compared with the teacher's (of a pair, the first
image is the student's). The scores are those of the mixture; student_rank1, teacher_rank1 and the like are those of each alone. The
teacher is the run's own, or --teacher=RUN.

Prints the scores and writes them to OUTPUT/metrics.json: percent, but for roc_area (0 to 1), threshold and counts. The pictures are
OUTPUT/NAME.png.
"""

import json
import sys

from kd_tf.bin import application

# isort: split
from absl import flags

from kd_tf.evaluation.evaluate import evaluate
from kd_tf.flags import data_flags, distillation_flags, evaluation_flags
from kd_tf.flags.paths import absolute_path

for module in (data_flags, evaluation_flags):
    flags.adopt_module_key_flags(module)
flags.declare_key_flag(distillation_flags.TEACHER.name)


def main() -> None:
    """Scores the model that the flags name."""
    scores = evaluate(evaluation_flags.evaluation_config_from_flags(), absolute_path(evaluation_flags.OUTPUT.value))
    print(json.dumps(scores, indent=2))


def run() -> None:
    """The console script."""
    application.run(main, sys.modules[__name__], required=("model",))


if __name__ == "__main__":
    run()
