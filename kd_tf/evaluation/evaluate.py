"""One evaluation, from paths to `metrics.json` and pictures."""

import dataclasses
import itertools
import json
import os
from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from kd_tf.data.aligned import align, view_of_faces
from kd_tf.data.broken import sound_records
from kd_tf.data.dataset import open_data
from kd_tf.data.folds import in_test_folds
from kd_tf.data.sources import SourceConfig
from kd_tf.data.split import Split, SplitConfig
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError
from kd_tf.evaluation.answers import Answers
from kd_tf.evaluation.cross import open_cross
from kd_tf.evaluation.embeddings import StoredEmbeddings
from kd_tf.evaluation.mistakes import PROTOCOL_FIGURES
from kd_tf.evaluation.models import PIXELS, ScoredModel, open_model
from kd_tf.evaluation.pictures import write_figure
from kd_tf.evaluation.score import NEEDS, PROTOCOLS, check_model, require_output, rounded, score_answers
from kd_tf.evaluation.verification import PAIR_PROTOCOLS, ScoredPairs, open_pairs, pair_split, warn_of_shared_people
from kd_tf.files import check_folder_can_be_written, write_whole
from kd_tf.networks.identity_names import recorded_identities
from kd_tf.training.run_directory import FLAGS_FILE

ALL_PROTOCOLS = (*PROTOCOLS, *PAIR_PROTOCOLS)
_EMBEDDING = ("retrieval", *PAIR_PROTOCOLS)
_PROTOCOLS_OF_FLAGS = {
    "flip": _EMBEDDING,
    "cross": _EMBEDDING,
    "distance": PAIR_PROTOCOLS,
    "skip_broken": PROTOCOLS,
    "test_folds": ("lfw",),
}
_Found = tuple[dict, Callable[[], dict[str, Figure]]]


@dataclasses.dataclass(frozen=True)
class EvaluationConfig:
    """What is scored and how.

    Attributes:
      model: see `open_model`.
      protocol: one of `ALL_PROTOCOLS`.
      source: the data set; `lfw` and `bin` read only its `data`.
      view: how a network sees images.
      split: whose test half is scored (not by `lfw` and `bin`).
      image_cache: see `cache_images`.
      skip_broken: how many images of the test half that cannot be read or decoded may be left out (not by `lfw` and `bin`).
      flip: whether embeddings are the sum of those of image and flipped image.
      distance: one of `kd_tf.evaluation.pairs.DISTANCES`, for `lfw` and `bin`; None: their `squared_l2`.
      cross: whether the student's embeddings, projected, are compared with those of its teacher; see `open_cross`.
      teacher: for `cross`; None: the one that the run names.
      test_folds: the folds, from 1, whose pairs are scored with the threshold of all others (`lfw`); None: each fold is, by all others.
    """

    model: str
    protocol: str
    source: SourceConfig
    view: ViewConfig
    split: SplitConfig = SplitConfig()
    image_cache: str | None = None
    skip_broken: int = 0
    flip: bool = False
    distance: str | None = None
    cross: bool = False
    teacher: str | None = None
    test_folds: tuple[int, ...] | None = None

    def __post_init__(self):
        if self.protocol not in ALL_PROTOCOLS:
            raise InputError(f"--protocol={self.protocol} is unknown; known: {', '.join(ALL_PROTOCOLS)}")
        for flag, users in _PROTOCOLS_OF_FLAGS.items():
            if getattr(self, flag) and self.protocol not in users:
                raise InputError(f"--{flag} has no effect with --protocol={self.protocol}; it is for {', '.join(users)}")
        if self.teacher and not self.cross:
            raise InputError(f"--teacher={self.teacher} has no effect without --cross")
        if self.view.align and self.protocol == "landmarks":
            raise InputError("--align needs the landmarks that --protocol=landmarks is to score")
        if self.source.data.startswith("bin:") and self.protocol != "bin":
            raise InputError(f"--data={self.source.data} holds pairs, for --protocol=bin; --protocol={self.protocol} needs a data set")


def evaluate(config: EvaluationConfig, output: str | None = None) -> dict:
    """Scores a model and, where there is an `output`, writes `metrics.json` and pictures into that folder.

    Returns:
      What `metrics.json` holds: `protocol`, `model`, `data` and the scores; where broken images may be left out, how many were, `skipped`;
      where folds are named, which, `test_folds`.
      With `cross` the scores of the mixture, and as `student_...` and `teacher_...` those of each alone.

    Raises:
      InputError: see `open_model`, `open_cross`, `open_data`, `open_pairs` and `check_model`; or `output` cannot be written or holds a run.
    """
    if output:
        _check_output(output)
    # Images that are not scored may be broken too.
    opening = {"view": view_of_faces(config.view), "image_cache": config.image_cache, "cache_all": not config.skip_broken}
    model = open_cross(config.model, config.teacher, **opening) if config.cross else open_model(config.model, **opening)
    found = _score_pairs if config.protocol in PAIR_PROTOCOLS else _score_split
    scores, figures = found(config, model)
    metrics = {"protocol": config.protocol, "model": config.model} | ({"cross": True} if config.cross else {}) | rounded(scores)
    if output:
        _write(output, metrics, figures())
    return metrics


def _score_split(config: EvaluationConfig, model: ScoredModel) -> _Found:
    notes = {"flip": config.flip} if config.protocol in _EMBEDDING else {}
    if config.protocol == "retrieval" and isinstance(model, StoredEmbeddings) and model.knows_identities:
        name, answers = config.model, model.own_answers(flip=config.flip)
    else:
        notes |= _note_of_folds(config.split.test_folds)
        split = _labelled_as_trained(config, open_data(config.source, config.view, config.split).test)
        check_model(model, split, config.protocol)
        if config.protocol == "landmarks":
            split = split.with_landmarks()
        if config.skip_broken:
            split, notes["skipped"] = _without_broken(split, config.skip_broken)
        name, answers = split.source.name, model.answers(split, (NEEDS[config.protocol],), flip=config.flip)
        answers.require_finite(config.model, split)
    scores = _compared(answers, lambda answers: score_answers(answers, config.protocol))
    return {"data": name} | notes | scores, lambda: PROTOCOL_FIGURES[config.protocol](answers)


def _note_of_folds(test_folds: tuple[int, ...] | None) -> dict[str, str]:
    return {"test_folds": ",".join(map(str, test_folds))} if test_folds else {}


def _compared(answers: Answers, score: Callable[[Answers], dict]) -> dict:
    """The scores of the answers and, where two models meet in them, of each model alone; counts are common to all."""
    scores = score(answers)
    for name, alone in answers.alone.items():
        scores |= {f"{name}_{key}": value for key, value in score(alone).items() if isinstance(value, float)}
    return scores


def _labelled_as_trained(config: EvaluationConfig, split: Split) -> Split:
    """The split with the labels of the run that is scored, by the names of the identities; people it does not know are strangers."""
    known = recorded_identities(config.model)
    if config.protocol != "classification" or known is None:
        return split
    names = split.source.identity_names
    places = {name: label for label, name in enumerate(known)}
    strangers = itertools.count(len(known))
    labels = np.array([places[name] if name in places else next(strangers) for name in names], np.int32)
    return dataclasses.replace(split, labels=labels, classes=len(known), class_names=tuple(known))


def _without_broken(split: Split, skip_broken: int) -> tuple[Split, int]:
    """The split without its broken images, and how many those are."""
    sound, left_out = sound_records(split.source, split.records, skip_broken=skip_broken)
    if not len(sound):
        raise InputError(f"{split.source.name}: all {len(split)} images that are to be scored are broken")
    return dataclasses.replace(split, records=sound), len(left_out)


def _score_pairs(config: EvaluationConfig, model: ScoredModel) -> _Found:
    distance = config.distance or "squared_l2"
    needed = "hidden" if distance == "raw_squared_l2" else "embedding"
    require_output(model, needed, f"{config.protocol} and --distance={distance}" if config.distance else config.protocol)
    source, pairs = open_pairs(config.protocol, config.source.data)
    source, _ = align(source, config.view)
    tested = in_test_folds(pairs.folds, config.test_folds, source.name) if config.test_folds else None
    if config.protocol == "lfw" and config.model != PIXELS:
        warn_of_shared_people(config.model, pairs, config.test_folds)
    split = pair_split(source, pairs)
    answers = model.answers(split, (needed,), flip=config.flip)
    answers.require_finite(config.model, split)
    scored = ScoredPairs(answers, split, pairs, distance, tested)
    scored.log_missing_rates()
    scores = _compared(answers, lambda answers: ScoredPairs(answers, split, pairs, distance, tested).scores)
    notes = {"flip": config.flip, "distance": distance} | _note_of_folds(config.test_folds)
    return {"data": source.name} | notes | scores, scored.figures


def _check_output(output: str) -> None:
    """Raises `InputError` where `output` cannot become a folder of results, before hours are spent on them."""
    if os.path.exists(os.path.join(output, FLAGS_FILE)):
        raise InputError(f"--output={output} is a run directory, whose own metrics.json would be lost; give another folder")
    check_folder_can_be_written(output)


def _write(output: str, metrics: dict, figures: dict[str, Figure]) -> None:
    try:
        os.makedirs(output, exist_ok=True)
        for name, figure in figures.items():
            write_figure(os.path.join(output, f"{name}.png"), figure)
        write_whole(os.path.join(output, "metrics.json"), json.dumps(metrics, indent=2) + "\n")
    except OSError as error:
        raise InputError(f"--output={output} cannot be written: {error}") from error
