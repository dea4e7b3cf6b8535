"""A training step of this package beside that of others, in one go: ResNet-50 teaches ResNet-50 /8 and /4 at 112x112, by soft targets.

    python benchmarks/compare_step.py --other_python=PYTHON --keras3_python=PYTHON --torch_python=PYTHON --output=DIR

PYTHON is the interpreter of an environment with this package on the other line of TensorFlow, with Keras 3.12 or later on TensorFlow, or
with PyTorch; what is not given is left out. Each
contestant is a process of its own (contestants/), with the same batch, networks and threads. They run in turns, one at a time, and the
order turns round after each round. Prints medians, and ratios that are taken within a round; `--output` gets them as `step.json` and
`step.md`.
"""

import collections
import json
import os
import statistics
import sys

from absl import app, flags
from contestant import Contestant
from machine import describe_machine

OTHER_PYTHON = flags.DEFINE_string("other_python", None, "Interpreter of an environment with this package on another TensorFlow.")
KERAS3_PYTHON = flags.DEFINE_string("keras3_python", None, "Interpreter of an environment with Keras 3 and TensorFlow.")
TORCH_PYTHON = flags.DEFINE_string("torch_python", None, "Interpreter of an environment with PyTorch.")
WIDTH_DIVISORS = flags.DEFINE_multi_integer("width_divisors", [8, 4], "Of the student; once for each.", lower_bound=1)
PRECISIONS = flags.DEFINE_list("precisions", ["float32", "mixed_bfloat16"], "Of teacher and student.")
BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Images a step.", lower_bound=1)
THREADS = flags.DEFINE_integer("threads", os.cpu_count(), "Of each contestant.", lower_bound=1)
ROUNDS = flags.DEFINE_integer("rounds", 5, "How often each has its turn.", lower_bound=1)
TURN_SECONDS = flags.DEFINE_float("turn_seconds", 6.0, "About how long a turn is.", lower_bound=0.0)
OUTPUT = flags.DEFINE_string("output", None, "Folder for step.json and step.md.")

OURS = ("student", "teacher", "live", "cached")
OTHER = "other line: "
LAYOUTS = ("contiguous", "channels_last")


def make_contestants(width_divisor: int, precision: str) -> dict[str, Contestant]:
    """All for which there is an interpreter, by name."""
    flag_values = {"width_divisor": width_divisor, "precision": precision, "batch_size": BATCH_SIZE.value, "threads": THREADS.value}
    arguments = [f"--{name}={value}" for name, value in flag_values.items()]
    found = {name: Contestant(sys.executable, "kd_tf_contestants.py", name, arguments) for name in OURS}
    if OTHER_PYTHON.value:
        found |= {f"{OTHER}{name}": Contestant(OTHER_PYTHON.value, "kd_tf_contestants.py", name, arguments) for name in OURS}
    if KERAS3_PYTHON.value:
        found["keras"] = Contestant(KERAS3_PYTHON.value, "keras3_contestant.py", "live", arguments)
    if TORCH_PYTHON.value:
        for name in [f"{teacher}:{layout}" for teacher in ("live", "cached") for layout in LAYOUTS]:
            found[f"torch {name}"] = Contestant(TORCH_PYTHON.value, "torch_contestant.py", name, arguments)
    return found


def agreed_parameters(contestants: dict[str, Contestant]) -> dict[str, int]:
    """The trained parameters of student and teacher; ends the program where the contestants' networks differ."""
    counts = collections.defaultdict(set)
    for contestant in contestants.values():
        for network, count in contestant.description["parameters"].items():
            counts[network].add(count)
    if any(len(found) > 1 for found in counts.values()):
        sys.exit(f"the networks differ: { ({name: contestant.description for name, contestant in contestants.items()}) }")
    return {network: found.pop() for network, found in counts.items()}


def measure(contestants: dict[str, Contestant]) -> list[dict[str, float]]:
    """Seconds a step of every contestant, a row a round."""
    for contestant in contestants.values():
        contestant.step_seconds(2)
    steps = {name: max(2, round(TURN_SECONDS.value / contestant.step_seconds(3))) for name, contestant in contestants.items()}
    rounds = []
    for number in range(ROUNDS.value):
        names = list(contestants)[:: -1 if number % 2 else 1]
        rounds.append({name: contestants[name].step_seconds(steps[name]) for name in names})
    return rounds


def ratios(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Medians over the rounds of the ratios within a round; above 1 the first takes longer."""
    median = {name: statistics.median(row[name] for row in rounds) for name in rounds[0]}
    found = {
        "cached / student alone": lambda row: row["cached"] / row["student"],
        "live / (teacher's forward pass + student alone)": lambda row: row["live"] / (row["teacher"] + row["student"]),
        "live / cached": lambda row: row["live"] / row["cached"],
    }
    if OTHER_PYTHON.value:
        found |= {f"{OTHER}{name} / {name}": lambda row, name=name: row[f"{OTHER}{name}"] / row[name] for name in OURS}
    if "keras" in median:
        found["keras.distillation / cached"] = lambda row: row["keras"] / row["cached"]
        found["keras.distillation / live"] = lambda row: row["keras"] / row["live"]
    for teacher in ("live", "cached"):
        layouts = [f"torch {teacher}:{layout}" for layout in LAYOUTS]
        if layouts[0] in median:
            better = min(layouts, key=median.get)
            found[f"{teacher} / {better}"] = lambda row, teacher=teacher, better=better: row[teacher] / row[better]
    return {name: statistics.median(ratio(row) for row in rounds) for name, ratio in found.items()}


def compare(width_divisor: int, precision: str) -> dict:
    """One configuration, from its contestants' start to their end."""
    contestants = make_contestants(width_divisor, precision)
    parameters = agreed_parameters(contestants)
    rounds = measure(contestants)
    found = {
        "width_divisor": width_divisor,
        "precision": precision,
        "batch_size": BATCH_SIZE.value,
        "parameters": parameters,
        "frameworks": {name: contestant.description["framework"] for name, contestant in contestants.items()},
        "peak_mib": {name: round(contestant.peak_mib()) for name, contestant in contestants.items()},
        "ratios": ratios(rounds),
        "rounds": rounds,
    }
    for contestant in contestants.values():
        contestant.stop()
    return found


def table(found: dict) -> str:
    """Markdown of one configuration."""
    lines = [
        f"ResNet-50 to ResNet-50 /{found['width_divisor']}, {found['precision']}, batch {found['batch_size']}, parameters "
        + ", ".join(f"{name} {count:,}" for name, count in found["parameters"].items()),
        "",
        "| step | on | ms | least and most | images/s | peak MiB |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for name, framework in found["frameworks"].items():
        times = [1000 * row[name] for row in found["rounds"]]
        middle = statistics.median(times)
        extent, speed = f"{min(times):.0f} to {max(times):.0f}", 1000 * found["batch_size"] / middle
        lines.append(f"| {name} | {framework} | {middle:.0f} | {extent} | {speed:.0f} | {found['peak_mib'][name]:,} |")
    lines += ["", "| ratio of the times | median |", "| --- | ---: |"]
    return "\n".join(lines + [f"| {name} | {ratio:.2f} |" for name, ratio in found["ratios"].items()])


def main(_) -> None:
    """Measures every configuration."""
    machine, tables, results = describe_machine(), [], []
    for width_divisor in WIDTH_DIVISORS.value:
        for precision in PRECISIONS.value:
            results.append(compare(width_divisor, precision))
            tables.append(table(results[-1]))
            print(tables[-1], end="\n\n", flush=True)
    if OUTPUT.value:
        os.makedirs(OUTPUT.value, exist_ok=True)
        with open(os.path.join(OUTPUT.value, "step.json"), "w") as file:
            json.dump({"machine": machine, "threads": THREADS.value, "configurations": results}, file, indent=1)
        with open(os.path.join(OUTPUT.value, "step.md"), "w") as file:
            file.write("\n\n".join([machine, *tables]) + "\n")


if __name__ == "__main__":
    app.run(main)
