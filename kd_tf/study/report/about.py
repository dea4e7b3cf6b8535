"""What study this is, how far it is, and what made it."""

import time

from kd_tf.study.report.evidence import Evidence
from kd_tf.study.report.parts import Content
from kd_tf.study.results import StudyResults
from kd_tf.training.run_directory import RunDirectory


def about(evidence: Evidence) -> Content:
    """The command, how much is finished, and the programs and machines of the runs."""
    results = evidence.results
    unfinished = [name for name in results.stages if set(results.runs.get(name, {})) - set(results.scores.get(name, {}))]
    planned, finished = (sum(map(len, runs.values())) for runs in (results.runs, results.scores))
    seeds = sorted({seed for runs in results.runs.values() for seed in runs})
    facts = [
        ("command", results.command),
        ("scale", results.scale),
        ("seeds", ", ".join(map(str, seeds)) or "none"),
        ("stages", f"{len(results.stages) - len(unfinished)} of {len(results.stages)} finished ({finished} of {planned} runs)"),
        ("written", time.strftime("%Y-%m-%d %H:%M %Z").strip()),
        *_made_by(results),
    ]
    waiting = (f"Not finished yet: {', '.join(unfinished)}.",) if unfinished else ()
    return Content(facts=tuple(facts), missing=waiting)


def _made_by(results: StudyResults) -> list[tuple[str, str]]:
    """Data, programs and machines, each that any finished run has noted."""
    found = {"data": {}, "versions": {}, "revision": {}, "machine": {}}
    for name, seeds in results.scores.items():
        for seed in seeds:
            for record in RunDirectory(results.runs[name][seed].model_dir).records()[-1:]:
                for what, words in _words(record).items():
                    found[what][words] = None
    return [(what, "; ".join(words) or "not recorded") for what, words in found.items()]


def _words(record: dict) -> dict[str, str]:
    machine = record["machine"]
    devices = ", ".join(sorted(set(record["devices"])))
    return {
        "data": record["data"]["name"],
        "versions": ", ".join(f"{package} {version}" for package, version in record["versions"].items()),
        "revision": record["git_revision"] or "no repository",
        "machine": f"{machine['platform']}, {machine['processors']} processors, {devices}",
    }
