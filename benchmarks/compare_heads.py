"""What the number of identities costs: a ResNet-50 /8 at 112x112, plain softmax training beside distillation from a cached ResNet-50.

    python benchmarks/compare_heads.py --output=DIR

Each case is a process of its own; the two of a number run in turns. Prints medians of the time of a step, the most memory that a process
held, and the ratio of the times within a round; `--output` gets the table as `heads.md`.
"""

import os
import statistics
import sys

from absl import app, flags
from contestant import Contestant
from machine import describe_machine

IDENTITIES = flags.DEFINE_multi_integer("identities", [1_000, 10_000, 100_000], "Width of the heads; once for each.", lower_bound=2)
PRECISIONS = flags.DEFINE_list("precisions", ["float32"], "Of the student.")
BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Images a step.", lower_bound=1)
ROUNDS = flags.DEFINE_integer("rounds", 5, "How often each has its turn.", lower_bound=1)
STEPS = flags.DEFINE_integer("steps", 10, "Of a turn.", lower_bound=1)
OUTPUT = flags.DEFINE_string("output", None, "Folder for heads.md.")


def compare(identities: int, precision: str) -> str:
    """A row of the table."""
    arguments = [f"--identities={identities}", f"--precision={precision}", f"--batch_size={BATCH_SIZE.value}"]
    both = [Contestant(sys.executable, "kd_tf_contestants.py", name, arguments) for name in ("student", "cached")]
    for contestant in both:
        contestant.step_seconds(2)
    rounds = [[contestant.step_seconds(STEPS.value) for contestant in both] for _ in range(ROUNDS.value)]
    alone, cached = (statistics.median(times) * 1000 for times in zip(*rounds, strict=True))
    ratio = statistics.median(with_teacher / without for without, with_teacher in rounds)
    peaks = [contestant.peak_mib() for contestant in both]
    for contestant in both:
        contestant.stop()
    return f"| {identities:,} | {precision} | {alone:.0f} | {cached:.0f} | {ratio:.2f} | {peaks[0]:,.0f} | {peaks[1]:,.0f} |"


def main(_) -> None:
    """Measures every case."""
    lines = [
        "| identities | precision | student alone, ms | cached teacher, ms | ratio | student alone, peak MiB | cached teacher, peak MiB |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    print("\n".join(lines))
    for identities in IDENTITIES.value:
        for precision in PRECISIONS.value:
            lines.append(compare(identities, precision))
            print(lines[-1], flush=True)
    if OUTPUT.value:
        os.makedirs(OUTPUT.value, exist_ok=True)
        with open(os.path.join(OUTPUT.value, "heads.md"), "w") as file:
            file.write("\n".join([describe_machine(), "", *lines]) + "\n")


if __name__ == "__main__":
    app.run(main)
