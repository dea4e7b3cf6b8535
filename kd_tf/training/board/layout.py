"""The page of a run in TensorBoard, from top to bottom: which tags share a chart, in the tab "Custom Scalars".

What several runs have in common is shown once, so the charts are the same for all runs but for the scores of their tasks.
"""

from tensorboard.plugins.custom_scalar import layout_pb2

from kd_tf.distillers.agreement import AGREEMENT, COSINE, OF_TEACHER, TOP1
from kd_tf.distillers.terms import WEIGHTS

TERMS = ("identity", "landmarks", "triplet", *WEIGHTS)
_ANY_TERM = f"({'|'.join(TERMS)})"
# By section and title, the regular expressions of their tags.
_SECTIONS = {
    "Agreement with the teacher": {
        "cosine of the hidden layers": f"agreement/{COSINE.removesuffix(AGREEMENT)}",
        "same top-1, %": f"agreement/{TOP1.removesuffix(AGREEMENT)}",
    },
    "Loss": {
        "whole, in training and on the test images": "(train|test)/loss",
        "terms in training": f"train/{_ANY_TERM}",
        "terms on the test images": f"test/{_ANY_TERM}",
    },
    "Gradient at the hidden layer": {"norm of each weighted term": f"gradient/{_ANY_TERM}"},
    "Speed": {
        "learning rate": "train/learning_rate",
        "images per second": "cost/images_per_second",
        "waiting for input, % of the training time": "cost/input_wait_share",
    },
}


def make_layout(measures: tuple[str, ...]) -> layout_pb2.Layout:
    """Scores of student and teacher in one chart, then their agreement, the terms of the loss, their gradients, and the speed.

    Args:
      measures: the scores that are taken on the way.
    """
    scores = {name.replace("_", " "): f"test/{name}({OF_TEACHER})?" for name in measures}
    sections = {"Scores on the test images": scores} | _SECTIONS
    return layout_pb2.Layout(category=[_section(title, charts) for title, charts in sections.items() if charts])


def _section(title: str, charts: dict[str, str]) -> layout_pb2.Category:
    return layout_pb2.Category(title=title, chart=[_chart(name, tags) for name, tags in charts.items()])


def _chart(title: str, tags: str) -> layout_pb2.Chart:
    return layout_pb2.Chart(title=title, multiline=layout_pb2.MultilineChartContent(tag=[f"{tags}$"]))
