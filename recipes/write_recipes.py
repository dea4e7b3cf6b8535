"""Writes the recipes: the flagfile of each stage of the study (kd_tf/study) in the paper's setting, and of its score on the pairs of LFW.

    python recipes/write_recipes.py

The files are checked in, and a test holds them against this script.
"""

import os
from collections.abc import Iterable, Iterator

from absl import flags

from kd_tf.data.sources import SourceConfig
from kd_tf.flags import data_flags, distillation_flags, network_flags, run_flags, training_flags  # noqa: F401
from kd_tf.study.jobs import JobGraph, Machine, PairsJob
from kd_tf.study.scales import PAIRS, make_scale
from kd_tf.study.stages import FACES, LANDMARKS, LARGE, Stage, make_stages, with_needs
from kd_tf.study.tables import PAIRS_METRIC, Table, make_tables, stages_on_pairs

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = {
    FACES: "casia_webface:data/casia_webface",
    LARGE: "ms_celeb_1m:data/ms_celeb_1m",
    LANDMARKS: "celeba:data/celeba",
    PAIRS: "lfw:data/lfw",
}
SEED = 0
# Other flags stand in a recipe where they differ from the binary's defaults.
ALWAYS = ("task", "model_dir", "epochs", "learning_rate", "data", "network", "width_divisor", "alpha", "beta")


def recipes() -> dict[str, str]:
    """Text by path below this folder."""
    stages, files = make_recipe_stages(), {}
    graph = make_graph(stages)
    for name, flagfile in flagfiles(graph, stages).items():
        stage, path = stages[name], f"{_folder(stages[name])}/{name}"
        program, pairs = graph.run_job(name, SEED).config.program, graph.pairs_job(name, SEED)
        files |= _file(path, _title(stage, on_pairs=False), program, telling_lines(flagfile))
        if pairs:
            files |= _file(f"{path}_lfw", _title(stage, on_pairs=True), "kd-evaluate", _pairs_lines(pairs, name))
    return files


def make_recipe_stages() -> dict[str, Stage]:
    """The stages that the tables show, and those that these need."""
    return with_needs(make_stages(), {cell.stage for table in make_tables().values() for cell in table.cells})


def make_graph(stages: dict[str, Stage]) -> JobGraph:
    """Their jobs in the paper's setting."""
    scale = make_scale("paper", {role: SourceConfig(data) for role, data in DATA.items()})
    return JobGraph(scale, stages, stages_on_pairs(make_tables().values()), "", [SEED], Machine())


def flagfiles(graph: JobGraph, stages: Iterable[str]) -> dict[str, str]:
    """By stage the whole flagfile of its run, with `runs/STAGE` for each run's path."""
    jobs = {name: graph.run_job(name, SEED) for name in stages}

    def with_paths(text: str) -> str:
        for name, job in jobs.items():
            text = text.replace(job.path, f"runs/{name}")
        return text

    return {name: with_paths(job.config.flagfile()) for name, job in jobs.items()}


def telling_lines(flagfile: str) -> Iterator[str]:
    """Those that the binary's defaults do not say, and those of `ALWAYS`."""
    for line in flagfile.splitlines()[1:]:
        name, _, value = line.removeprefix("--").partition("=")
        flag = flags.FLAGS[name]
        if name in ALWAYS or flag.parser.parse(value) != flag.default:
            yield line.removesuffix(".0")


def _pairs_lines(job: PairsJob, name: str) -> list[str]:
    """Without the view, which is that of the run."""
    config = job.config
    return [f"--model=runs/{name}", f"--protocol={config.protocol}", f"--data={config.source.data}", f"--output=scores/{name}_lfw"]


def _file(path: str, title: str, program: str, lines: Iterable[str]) -> dict[str, str]:
    return {f"{path}.flags": "\n".join([f"# {title}", f"# {program} --flagfile=recipes/{path}.flags", *lines]) + "\n"}


def _folder(stage: Stage) -> str:
    if stage.task == "verification":
        return "joint" if stage.identity_weight else "triplet"
    if stage.task == "alignment":
        return "alignment"
    return "large" if stage.data == LARGE else "classification"


def _title(stage: Stage, *, on_pairs: bool) -> str:
    """What it is and where it stands in the paper's tables."""
    words = stage.title[0].upper() + stage.title[1:] + (", on LFW's pairs" if on_pairs else "")
    tables_by_words: dict[str, list[str]] = {}
    for key, table in make_tables().items():
        in_table = _in_table(table, stage.name, on_pairs=on_pairs)
        if in_table:
            tables_by_words.setdefault(in_table, []).append(f"Table {key.removeprefix('table')}")
    return ". ".join([words, *(f"{' and '.join(tables)}: {in_tables}" for in_tables, tables in tables_by_words.items())])


def _in_table(table: Table, name: str, *, on_pairs: bool) -> str | None:
    """What the paper has where a stage's score stands; None: the table does not show it."""
    cells = [(row, cell) for row in table.rows for cell in row.cells if cell]
    places = [(row, cell.paper) for row, cell in cells if cell.stage == name and (cell.metric == PAIRS_METRIC) == on_pairs]
    numbers = [f"{paper:.2f}" for _, paper in places if paper is not None]
    if numbers:
        return f"the paper has {' and '.join(numbers)}"
    if places:
        return "a control row, which the paper does not have" if places[0][0].control else "the paper has no number"
    return None


def main() -> None:
    """Writes all files."""
    for path, text in recipes().items():
        os.makedirs(os.path.dirname(os.path.join(HERE, path)), exist_ok=True)
        with open(os.path.join(HERE, path), "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main()
