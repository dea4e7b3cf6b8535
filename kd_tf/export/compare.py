"""The proof table: what each exported file scores, weighs and takes, beside its teacher."""

import json
import logging
import os
import tempfile

import tensorflow as tf

from kd_tf.errors import InputError
from kd_tf.evaluation.evaluate import EvaluationConfig, evaluate
from kd_tf.evaluation.score import NEEDS, TITLES
from kd_tf.export.asked import AskedNetwork, ask_network
from kd_tf.export.check import check_file
from kd_tf.export.config import ExportConfig
from kd_tf.export.kinds import KINDS
from kd_tf.export.saved_model import export_saved_model
from kd_tf.export.timing import machine, milliseconds
from kd_tf.files import write_whole
from kd_tf.markdown import markdown_table
from kd_tf.networks.cost import trained_parameters
from kd_tf.networks.face_network import output_shapes
from kd_tf.networks.stored import load_network
from kd_tf.teachers.embedding.teacher import EmbeddingTeacher, is_embedding_teacher, open_embedding_teacher

THREADS = (1, 2)
# Of each protocol, the score that stands in the table.
SCORE = {"classification": "top1", "landmarks": "nrmse", "retrieval": "rank1"}
ABSENT = "-"
_LOGGER = logging.getLogger(__name__)


def load_teacher(config: ExportConfig, teacher: str, *, given: bool) -> tf.keras.Model | EmbeddingTeacher:
    """What stands beside the exported network.

    Args:
      config: the export.
      teacher: a run directory, a Keras model or a teacher from elsewhere.
      given: whether it was asked for; else it is what the run names.

    Raises:
      InputError: it cannot be loaded.
    """
    try:
        if is_embedding_teacher(teacher):
            return open_embedding_teacher(teacher)
        return load_network(teacher, "teacher", image_size=config.view.image_size)
    except InputError as error:
        if given:
            raise
        learned = f"that is what --model={config.model} learned from"
        raise InputError(f"{error}; {learned}: give --teacher=RUN, or --teacher= for a table without it") from error


def compare(config: ExportConfig, teacher: str | None = None) -> str:
    """Scores and times what lies in `config.output`, and writes `comparison.md` and `comparison.json` there.

    Args:
      config: the export; its `model` is what the files were made of, which is looked at again.
      teacher: a run directory, a Keras model or a teacher from elsewhere, which is scored alone; None: there is no row for it.

    Returns:
      The Markdown.

    Raises:
      InputError: there is no file, one is not of this model, or cannot be scored on this data.
    """
    kinds = [kind for kind in KINDS if kind.exists(config.output)]
    if not kinds:
        raise InputError(f"--output={config.output} has no exported file")
    asked = ask_network(config)
    with tempfile.TemporaryDirectory() as temporary:
        rows, timed = [], {}
        if teacher:
            path = os.path.join(temporary, "teacher")
            rows.append(_teacher_row(config, teacher, asked, path))
            if os.path.exists(path):
                timed[path] = rows[-1]
        for kind in kinds:
            check_file(kind, config.output, config.model, asked)
            path = kind.path(config.output)
            scores = _scores(config, path, asked.protocol)
            rows.append(_row(kind.title, asked.network, kind.size(config.output), scores[SCORE[asked.protocol]]))
            timed[path] = rows[-1]
        for threads in THREADS:
            _LOGGER.info("timing %d models at %d threads", len(timed), threads)
            for row, time in zip(timed.values(), milliseconds(list(timed), asked.images[0], threads), strict=True):
                row[f"milliseconds_{threads}_threads"] = round(time, 3)
    test = asked.data.test
    facts = {"protocol": asked.protocol, "score": SCORE[asked.protocol], "data": test.source.name, "machine": machine()}
    facts |= {"images": len(test) - scores.get("skipped", 0), "image": list(asked.images[0].shape[:2])}
    text = _markdown(facts, rows)
    try:
        write_whole(os.path.join(config.output, "comparison.json"), json.dumps(facts | {"rows": rows}, indent=2) + "\n")
        write_whole(os.path.join(config.output, "comparison.md"), text)
    except OSError as error:
        raise InputError(f"--output={config.output} cannot be written: {error.strerror}") from error
    return text


def _teacher_row(config: ExportConfig, teacher: str, asked: AskedNetwork, path: str) -> dict:
    """The row of the teacher, which is written to `path` as a SavedModel; one from elsewhere cannot be, and is scored alone."""
    found = load_teacher(config, teacher, given=True)
    from_elsewhere = isinstance(found, EmbeddingTeacher)
    scored = asked.protocol == "retrieval" if from_elsewhere else NEEDS[asked.protocol] in output_shapes(found)
    # Its score is its own, since nobody recorded its labels beside the copy.
    score = _scores(config, teacher, asked.protocol)[SCORE[asked.protocol]] if scored else None
    if from_elsewhere:
        return {"model": "teacher", "score": score}
    export_saved_model(found, asked.view, path)
    return _row("teacher, SavedModel float32", found, KINDS[0].size(path), score)


def _scores(config: ExportConfig, model: str, protocol: str) -> dict:
    _LOGGER.info("scoring %s", model)
    skip_broken = config.skip_broken
    return evaluate(EvaluationConfig(model, protocol, config.source, config.view, split=config.split, skip_broken=skip_broken))


def _row(title: str, network: tf.keras.Model, size: int, score: float | None) -> dict:
    return {"model": title, "parameters": trained_parameters(network), "megabytes": round(size / 1e6, 3), "score": score}


def _markdown(facts: dict, rows: list[dict]) -> str:
    score = TITLES[facts["score"]]
    table = [["", "parameters", "MB", score, *(f"ms, {threads} thread{'s'[: threads - 1]}" for threads in THREADS)]]
    forms = {"parameters": ",", "megabytes": ".3f", "score": ".2f"} | {f"milliseconds_{threads}_threads": ".2f" for threads in THREADS}
    for row in rows:
        table.append([row["model"], *(ABSENT if row.get(key) is None else format(row[key], form) for key, form in forms.items())])
    height, width = facts["image"]
    return (
        markdown_table(table)
        + f"\nScored on the {facts['images']:,} test images of {facts['data']} (--protocol={facts['protocol']}); the median time for one "
        + f"image of {width}x{height} pixels, from its pixels to the answers, on {facts['machine']}.\n"
    )
