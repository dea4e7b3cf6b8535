"""The report of a study: one HTML file that needs nothing else."""

from collections.abc import Callable
from typing import NamedTuple

import jinja2
from markupsafe import Markup

from kd_tf.errors import InputError
from kd_tf.files import write_whole
from kd_tf.study import rendering
from kd_tf.study.report.about import about
from kd_tf.study.report.costs import cost_ledger
from kd_tf.study.report.curves import threshold_curves
from kd_tf.study.report.evidence import Evidence
from kd_tf.study.report.faces import sample_faces
from kd_tf.study.report.hardest import hardest_pairs
from kd_tf.study.report.learning import learning_curves
from kd_tf.study.report.parts import Content, NumberTable
from kd_tf.study.report.tradeoff import tradeoff
from kd_tf.study.results import StudyResults
from kd_tf.study.table import ABSENT

TEMPLATE = "report.html.jinja"


class Section(NamedTuple):
    """A section of the page; `anchor` is how links name it."""

    anchor: str
    title: str
    make: Callable[[Evidence], Content]


def write_report(results: StudyResults, path: str) -> None:
    """Writes what is known of a study into one HTML file, whole or not at all; where something is not there, it says so.

    Args:
      results: of the study, finished or not.
      path: the file.
    """
    evidence = Evidence(results)
    sections = [(section.anchor, section.title, _content(section, evidence)) for section in SECTIONS]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    write_whole(path, environment.get_template(TEMPLATE).render(scale=results.scale, sections=sections))


def _content(section: Section, evidence: Evidence) -> Content:
    """A section whose data or networks cannot be read says that in its place."""
    try:
        return section.make(evidence)
    except InputError as error:
        return Content(missing=(f"This cannot be shown: {error}.",))


def _tables(evidence: Evidence) -> Content:
    """The paper's tables, and what needs no network."""
    results = evidence.results
    tables = tuple(Markup(rendering.html(table, results.scores)) for table in results.tables)
    baselines = (_baselines(results),) if results.baselines else ()
    missing = () if tables else (f"The study of the scale {results.scale} has none of the paper's tables.",)
    missing += () if baselines else ("No baselines were measured.",)
    return Content(tables=tables, numbers=baselines, missing=missing)


def _baselines(results: StudyResults) -> NumberTable:
    metrics = list(dict.fromkeys(key for scores in results.baselines.values() for key in scores))
    rows = tuple(
        (name, *(f"{scores[key]:.2f}" if key in scores else ABSENT for key in metrics)) for name, scores in results.baselines.items()
    )
    return NumberTable("Baselines, percent: a network below these has not learned", ("baseline", *metrics), rows)


SECTIONS = (
    Section("about", "The study", about),
    Section("tables", "Tables", _tables),
    Section("cost", "Accuracy and cost", tradeoff),
    Section("learning", "Learning curves", learning_curves),
    Section("curves", "Landmark errors and ROC curves", threshold_curves),
    Section("faces", "Faces with landmarks", sample_faces),
    Section("pairs", "Hardest pairs", hardest_pairs),
    Section("ledger", "What it took", cost_ledger),
)
