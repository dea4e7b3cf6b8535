"""The proof table: what each exported file scores, weighs and takes, beside its teacher."""

import json
import logging
import os
import tempfile

import tensorflow as tf

from kd_tf.data.aligned import view_of_faces
from kd_tf.data.dataset import open_data
from kd_tf.errors import InputError
from kd_tf.evaluation.evaluate import EvaluationConfig, evaluate
from kd_tf.evaluation.score import NEEDS, TASK_PROTOCOLS
from kd_tf.export.check import CHECKED_IMAGES, check_file, network_answers, photographs
from kd_tf.export.export import HEADS, ExportConfig
from kd_tf.export.kinds import KINDS
from kd_tf.export.saved_model import export_saved_model
from kd_tf.export.timing import machine, milliseconds
from kd_tf.files import write_whole
from kd_tf.markdown import markdown_table
from kd_tf.networks.face_network import output_shapes
from kd_tf.networks.stored import load_network

THREADS = (1, 2)
# Of each protocol, the score that stands in the table, and its head.
SCORE = {"classification": ("top1", "top-1 %"), "landmarks": ("nrmse", "NRMSE %"), "retrieval": ("rank1", "rank-1 %")}
ABSENT = "-"
_LOGGER = logging.getLogger(__name__)


def compare(config: ExportConfig, teacher: str | None = None) -> str:
    """Scores and times what lies in `config.output`, and writes `comparison.md` and `comparison.json` there.

    Args:
      config: the export; its `model` is what the files were made of, which is looked at again.
      teacher: a run directory or Keras model; None: there is no row for it.

    Returns:
      The Markdown.

    Raises:
      InputError: a file is not of this model, or cannot be scored on this data.
    """
    view = view_of_faces(config.view)
    network = load_network(config.model, "model", image_size=view.image_size)
    test = open_data(config.source, config.view, config.split).test
    images = photographs(test, CHECKED_IMAGES, skip_broken=config.skip_broken)
    wanted = network_answers(network, view, images)
    protocol = _protocol(config, network)
    with tempfile.TemporaryDirectory() as temporary:
        rows, paths = [], []
        if teacher:
            path = os.path.join(temporary, "teacher")
            found = load_network(teacher, "teacher", image_size=view.image_size)
            export_saved_model(found, view, path)
            # Its score is its own, since nobody recorded its labels beside the copy.
            scored = teacher if NEEDS[protocol] in output_shapes(found) else None
            rows.append(_row("teacher, SavedModel float32", found, KINDS[0].size(path), _score(config, scored, protocol)))
            paths.append(path)
        for kind in (kind for kind in KINDS if kind.exists(config.output)):
            check_file(kind, config.output, images, wanted)
            path = kind.path(config.output)
            rows.append(_row(kind.title, network, kind.size(config.output), _score(config, path, protocol)))
            paths.append(path)
        for threads in THREADS:
            _LOGGER.info("timing %d models at %d threads", len(paths), threads)
            for row, time in zip(rows, milliseconds(paths, images[0], threads), strict=True):
                row[f"milliseconds_{threads}_threads"] = round(time, 3)
    facts = {"protocol": protocol, "score": SCORE[protocol][0], "data": test.source.name, "images": len(test), "machine": machine()}
    facts["image"] = list(images[0].shape[:2])
    text = _markdown(facts, rows)
    try:
        write_whole(os.path.join(config.output, "comparison.json"), json.dumps(facts | {"rows": rows}, indent=2) + "\n")
        write_whole(os.path.join(config.output, "comparison.md"), text)
    except OSError as error:
        raise InputError(f"--output={config.output} cannot be written: {error.strerror}") from error
    return text


def _protocol(config: ExportConfig, network: tf.keras.Model) -> str:
    """That of the run's task; of a network that no run is known of, the first that it has a head for."""
    task = config.task or next(task for task, head in HEADS.items() if head in output_shapes(network))
    return TASK_PROTOCOLS[task][0]


def _score(config: ExportConfig, model: str | None, protocol: str) -> float | None:
    if model is None:
        return None
    _LOGGER.info("scoring %s", model)
    skip_broken = config.skip_broken
    scores = evaluate(EvaluationConfig(model, protocol, config.source, config.view, split=config.split, skip_broken=skip_broken))
    return scores[SCORE[protocol][0]]


def _row(title: str, network: tf.keras.Model, size: int, score: float | None) -> dict:
    parameters = sum(variable.shape.num_elements() for variable in network.trainable_variables)
    return {"model": title, "parameters": parameters, "megabytes": round(size / 1e6, 3), "score": score}


def _markdown(facts: dict, rows: list[dict]) -> str:
    table = [["", "parameters", "MB", SCORE[facts["protocol"]][1], *(f"ms, {threads} thread{'s'[: threads - 1]}" for threads in THREADS)]]
    for row in rows:
        score = ABSENT if row["score"] is None else f"{row['score']:.2f}"
        times = [f"{row[f'milliseconds_{threads}_threads']:.2f}" for threads in THREADS]
        table.append([row["model"], f"{row['parameters']:,}", f"{row['megabytes']:.3f}", score, *times])
    height, width = facts["image"]
    return (
        markdown_table(table)
        + f"\nScored on the {facts['images']:,} test images of {facts['data']} (--protocol={facts['protocol']}); the median time for one "
        + f"image of {width}x{height} pixels, from its pixels to the answers, on {facts['machine']}.\n"
    )
