"""What the report asks of the runs themselves: their networks, and what those answer to the test images."""

import functools

import tensorflow as tf

from kd_tf.data.dataset import FaceData, prepare_data
from kd_tf.evaluation.answers import Answers
from kd_tf.evaluation.models import NetworkModel
from kd_tf.networks.cost import multiply_adds
from kd_tf.networks.stored import load_network
from kd_tf.study.report.comparison import Comparison, make_comparisons
from kd_tf.study.results import StudyResults
from kd_tf.study.stages import Stage
from kd_tf.training.config import RunConfig
from kd_tf.training.prepared import open_run_data


class Evidence:
    """A study with the networks of its runs; nothing is asked twice.

    Args:
      results: of the study.

    Attributes:
      results: the same.
      comparisons: see `make_comparisons`.
    """

    def __init__(self, results: StudyResults):
        self.results = results
        self.comparisons = make_comparisons(results)
        self.answers = functools.cache(self._answers)
        self._multiply_adds, self._data = {}, {}

    def of_task(self, task: str) -> list[Comparison]:
        """The comparisons of a task of which something is finished."""
        return [comparison for comparison in self.comparisons if comparison.task == task and comparison.lines]

    def missing(self, task: str) -> tuple[str, ...]:
        """A line that says why nothing of a task is shown; nothing where something is."""
        if self.of_task(task):
            return ()
        planned = any(comparison.task == task for comparison in self.comparisons)
        why = "none of the networks shown here is finished yet" if planned else "this study has no such stage"
        return (f"{task.capitalize()}: {why}.",)

    def run_of(self, stage: Stage) -> RunConfig:
        """The run of the first seed that is finished."""
        return self.results.runs[stage.name][min(self.results.scores[stage.name])]

    def data_of(self, stage: Stage) -> FaceData:
        """What its run was tested on, ready to be read; what several runs were tested on is opened once."""
        run = self.run_of(stage)
        key = run.source, run.view, run.split, run.skip_broken, run.task == "alignment"
        if key not in self._data:
            self._data[key] = prepare_data(open_run_data(run), run.image_cache, skip_broken=run.skip_broken)
        return self._data[key]

    def multiply_adds(self, stage: Stage) -> int:
        """Of its network, for one image; networks of one kind are looked at once."""
        run = self.run_of(stage)
        kind = run.network, run.view.image_size, self.results.scores[stage.name][run.training.seed]["parameters"]
        if kind not in self._multiply_adds:
            self._multiply_adds[kind] = multiply_adds(self._network(stage))
        return self._multiply_adds[kind]

    def _network(self, stage: Stage) -> tf.keras.Model:
        run = self.run_of(stage)
        return load_network(run.model_dir, "model", image_size=run.view.image_size)

    def _answers(self, stage: Stage) -> Answers:
        """To the test images: landmarks of an alignment network, embeddings of another one."""
        data = self.data_of(stage)
        output = "landmarks" if stage.task == "alignment" else "embedding"
        return NetworkModel(self._network(stage), data.view).answers(data.test, (output,))
