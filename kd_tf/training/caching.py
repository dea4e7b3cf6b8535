"""Filling a teacher cache, from its configuration to the last part."""

import dataclasses
import logging
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kd_tf.data.dataset import FaceData, open_data, prepare_data
from kd_tf.data.source import Source
from kd_tf.data.sources import SourceConfig, open_source
from kd_tf.data.split import SplitConfig
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError
from kd_tf.networks.digest import weights_digest
from kd_tf.networks.face_network import output_shapes, output_width, require_outputs
from kd_tf.networks.identity_names import recorded_identities
from kd_tf.networks.precision import in_precision
from kd_tf.networks.stored import load_network
from kd_tf.teachers.cache.fill import HiddenLayer, fill_cache, linear_head
from kd_tf.teachers.cache.imported import import_cache
from kd_tf.teachers.cache.manifest import CACHE_DTYPES, Manifest, records_digest, view_facts
from kd_tf.teachers.cache.rows import rows_of_a_part
from kd_tf.teachers.cache.store import TeacherCache, begin_cache, check_folder_for_cache, has_rows, is_begun
from kd_tf.teachers.embedding.teacher import EmbeddingTeacher, is_embedding_teacher, open_embedding_teacher
from kd_tf.teachers.embedding.teacher_view import view_file
from kd_tf.training.admitting import admit_on, require_admitted
from kd_tf.training.strategy import get_strategy
from kd_tf.training.workers import this_worker

_LOGGER = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class CacheConfig:
    """What is stored of a teacher, and how.

    Attributes:
      teacher: a run, a Keras model with the output `hidden`, or a teacher from elsewhere (`kd_tf.teachers.embedding`).
      output: the directory of the cache; new, or of the same cache, which is then filled up.
      source: the data set.
      view: how its images are seen; `views` says how many training views are stored, `seed` which.
      split: the training half is stored under the training views, the test half under the evaluation view.
      skip_broken: how many images that cannot be read or decoded may be left out.
      image_cache: a folder for decoded and resized images; None: the data set is read in place.
      dtype: of what is stored, `float16` or `float32`.
      batch_size: images at a time, on all replicas together.
      precision: what the teacher computes in: `float32`, `mixed_bfloat16` or `mixed_float16`.
      strategy: `one`, `mirrored` or `multi_worker`, whose workers share the work without waiting for each other.
      worker: which of how many processes that share the work this one is; of `multi_worker` TF_CONFIG says it.
      admit_pairs: on how many pairs a teacher from elsewhere is tried before a cache of it is begun (`kd_tf.teachers.admission`); None: it
        is not.
    """

    teacher: str
    output: str
    source: SourceConfig = SourceConfig()
    view: ViewConfig = ViewConfig(views=1)
    split: SplitConfig = SplitConfig()
    skip_broken: int = 0
    image_cache: str | None = None
    dtype: str = "float16"
    batch_size: int = 64
    precision: str = "float32"
    strategy: str = "one"
    worker: tuple[int, int] = (0, 1)
    admit_pairs: int | None = None

    def __post_init__(self):
        if self.view.views is None:
            raise InputError("how many views of each image are to be stored? give --views=V; 0 stores the evaluation view alone")
        if self.dtype not in CACHE_DTYPES:
            raise InputError(f"--cache_dtype={self.dtype} is unknown; known: {', '.join(CACHE_DTYPES)}")
        index, workers = self.worker
        if not 0 <= index < workers:
            raise InputError(f"--worker={index}/{workers}: the first of {workers} is 0/{workers}, the last {workers - 1}/{workers}")
        if self.strategy == "multi_worker" and workers > 1:
            raise InputError(f"--worker={index}/{workers} says what TF_CONFIG says for --strategy=multi_worker: leave one of them out")
        if is_embedding_teacher(self.teacher):
            self._check_embedding_teacher()

    def _check_embedding_teacher(self) -> None:
        default = {field.name: field.default for field in dataclasses.fields(self)}
        for name in ("precision", "image_cache"):
            if getattr(self, name) != default[name]:
                raise InputError(
                    f"--{name}={getattr(self, name)} has no effect on --teacher={self.teacher}, which has precision and images of its own"
                )
        if self.strategy == "mirrored":
            raise InputError(f"--strategy=mirrored has no effect on --teacher={self.teacher}; share its work with --worker=INDEX/COUNT")


def cache_teacher(config: CacheConfig) -> dict:
    """Fills a cache, or what is missing of it.

    Returns:
      `outputs` computed by this process, `images_per_second`, `filled` of `wanted` outputs in the whole cache, and its `bytes`.

    Raises:
      InputError: bad input, before anything is written.
    """
    worker = this_worker(config.strategy) if config.strategy == "multi_worker" else config.worker
    strategy = get_strategy("mirrored" if config.strategy == "multi_worker" else config.strategy)
    if config.batch_size % strategy.num_replicas_in_sync:
        raise InputError(f"--batch_size={config.batch_size} does not divide among the {strategy.num_replicas_in_sync} replicas")
    data = open_data(config.source, config.view, config.split)
    with strategy.scope():
        teacher = _open_elsewhere(config, data) if is_embedding_teacher(config.teacher) else _open_network(config)
    data = prepare_data(data, config.image_cache, skip_broken=config.skip_broken)
    if teacher.sees and config.admit_pairs:
        _admit_to_a_new_cache(config, teacher.asked, data)
    source, view = teacher.sees or (data.train.source, data.view)
    cache = _begin(config, teacher, data)
    outputs, seconds = fill_cache(cache, teacher.asked, source, view, batch_size=config.batch_size, worker=worker)
    return {"outputs": outputs, "images_per_second": round(outputs / seconds, 1)} | _contents(cache)


class _Teacher(NamedTuple):
    """Whose outputs are stored.

    Attributes:
      asked: answers batches with K_T.
      digest: of what computes K_T.
      width: of K_T.
      head: see `linear_head`.
      identity_names: of the labels of the head, where they are known.
      sees: the source and the view under which it sees records; None: those of its students.
    """

    asked: HiddenLayer | EmbeddingTeacher
    digest: str
    width: int
    head: tuple[np.ndarray, np.ndarray] | None = None
    identity_names: list[str] | None = None
    sees: tuple[Source, ViewConfig] | None = None


def _open_network(config: CacheConfig) -> _Teacher:
    network = load_network(config.teacher, "teacher", image_size=config.view.image_size)
    _require_hidden(network, config.teacher)
    hidden_layer = HiddenLayer(in_precision(network, config.precision))
    hidden_layer.compile()
    head = linear_head(network, config.view.image_size)
    if head is None and "logits" in output_shapes(network):
        _LOGGER.warning("no Dense layer of %s makes its logits of its hidden layer: it serves no soft targets or logits", config.teacher)
    names = recorded_identities(config.teacher) if head is not None else None
    return _Teacher(hidden_layer, weights_digest(network), output_width(network, "hidden"), head, names)


def _require_hidden(network: tf.keras.Model, path: str) -> None:
    try:
        require_outputs(network, ("hidden",), f"the teacher {network.name!r}")
    except InputError as error:
        raise InputError(f"{error}; if it is from elsewhere, declare its view in {view_file(path)} (docs/TEACHERS.md)") from error


def _open_elsewhere(config: CacheConfig, data: FaceData) -> _Teacher:
    teacher = open_embedding_teacher(config.teacher)
    return _Teacher(teacher, teacher.digest, teacher.width, sees=teacher.view.sees(data.train.source, config.view))


@dataclasses.dataclass(frozen=True)
class ImportConfig:
    """Embeddings of clean images that were made elsewhere.

    Attributes:
      file: a `.npz` file; see `import_cache`.
      output: the directory of the cache.
      source: the data set.
      dtype: of what is stored, `float16` or `float32`.
    """

    file: str
    output: str
    source: SourceConfig
    dtype: str = "float16"


def import_teacher(config: ImportConfig) -> dict:
    """Makes a cache of embeddings; returns what there is in it, as `cache_teacher` does.

    Raises:
      InputError: bad input.
    """
    return _contents(import_cache(config.file, open_source(config.source), config.output, dtype=config.dtype))


def _admit_to_a_new_cache(config: CacheConfig, teacher: EmbeddingTeacher, data: FaceData) -> None:
    """Logs the report of the test, and raises `InputError` where the teacher is refused; what has rows goes on without it."""
    if has_rows(config.output):
        _LOGGER.info("%s has outputs already: %s is not tried again", config.output, teacher.who)
        return
    if not is_begun(config.output):
        check_folder_for_cache(config.output)
    admission = admit_on(teacher, data.train, config.view, pairs=config.admit_pairs, seed=config.view.seed, batch_size=config.batch_size)
    for line in admission.report().splitlines():
        _LOGGER.info("%s", line)
    require_admitted(admission)


def _contents(cache: TeacherCache) -> dict:
    filled, wanted = cache.coverage()
    return {"filled": filled, "wanted": wanted, "bytes": cache.bytes_on_disk}


def _begin(config: CacheConfig, teacher: _Teacher, data: FaceData) -> TeacherCache:
    records, test_records = data.train.records, data.test.records
    if not config.view.views:
        records, test_records = np.empty([0], np.int64), np.union1d(records, test_records)
    facts = view_facts(config.view, own_view=teacher.sees is not None)
    manifest = Manifest(
        teacher=teacher.digest,
        data=records_digest(data.train.source, facts),
        data_name=data.train.source.name,
        view=facts,
        views=config.view.views,
        width=teacher.width,
        dtype=config.dtype,
        part_rows=rows_of_a_part(max(len(records), len(test_records))),
        precision=config.precision,
    )
    return begin_cache(config.output, manifest, records, test_records, teacher.head, teacher.identity_names)
