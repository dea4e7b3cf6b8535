"""Writes the recipes: one flagfile a cell of the five tables of arXiv 1709.02929, and one for each network that cells start from.

    python recipes/write_recipes.py

The files are checked in, and a test holds them against this script.
"""

import os

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = {"casia": "casia_webface:data/casia_webface", "ms1m": "ms_celeb_1m:data/ms_celeb_1m", "celeba": "celeba:data/celeba"}
# Section 4 of the paper: images an update by task, no jitter. Open there: K, and the momentum of batch normalization.
BATCHES = {
    "classification": {"batch_size": 256},
    "hint": {"batch_size": 256},
    "alignment": {"batch_size": 64},
    "verification": {"identities_per_batch": 32, "images_per_identity": 4},
}
FROM_SCRATCH, INITIALIZED = 0.1, 0.01
TARGETS = {"none": None, "hidden": "hidden", "soft": "soft", "both": "soft,hidden", "logits": "logits"}


def recipes() -> dict[str, str]:
    """Text by path below this folder."""
    files = {}
    for make in (_table1, _table2, _table3, _table4_and_5):
        files |= make()
    return files


def _run(path, title, task, data, divisor, *, init=None, rule="scratch", teacher=None, targets=None, **extra) -> dict[str, str]:
    """One flagfile of kd-train, or of kd-distill where there are targets."""
    flags = {"task": task, "data": DATA[data], "network": "resnet50", "width_divisor": divisor, "jitter": "false"} | BATCHES[task]
    flags |= {
        "batch_norm_momentum": 0.99,
        "epochs": 30,
        "learning_rate": INITIALIZED if init else FROM_SCRATCH,
        "learning_rate_schedule": "constant",
    }
    flags |= {"init_rule": rule} if rule else {}
    flags |= {"init": f"runs/{init}"} if init else {}
    if targets:
        flags |= {"teacher": f"runs/{teacher}", "targets": targets}
        flags |= {"temperature": 3} if "soft" in targets else {}
    flags |= extra | {"model_dir": f"runs/{path}"}
    return _file(path, title, "kd-distill" if targets else "kd-train", flags)


def _file(path: str, title: str, program: str, flags: dict) -> dict[str, str]:
    lines = [f"# {title}", f"# {program} --flagfile=recipes/{path}.flags", *(f"--{name}={value}" for name, value in flags.items())]
    return {f"{path}.flags": "\n".join(lines) + "\n"}


def _paper(value: float | None) -> str:
    return f"the paper has {value:.2f}" if value is not None else "the paper has no number"


def _table1() -> dict[str, str]:
    """The targets from scratch, and the initializations with soft targets: top-1 of ResNet-50/8 on CASIA-WebFace."""
    options = {"task": "classification", "data": "casia", "divisor": 8, "teacher": "table2/casia_teacher"}
    files = {}
    for target, value in (("hidden", 60.08), ("logits", 59.77), ("soft", 61.27)):
        title = f"Table 1, Scratch, {target}: {_paper(value)}"
        files |= _run(f"table1/scratch_{target}", title, targets=target, **options)
    starts = (
        ("scratch", None, "scratch", 64.49),
        ("fitnet", "starts/casia_hint_8", "fitnet", 69.88),
        ("ours", "starts/casia_pretrained_8", "ours", 75.06),
    )
    for name, init, rule, value in starts:
        files |= _run(
            f"table1/soft_{name}", f"Table 1, soft, {name.title()}: {_paper(value)}", targets="soft", init=init, rule=rule, **options
        )
    hint = options | {"task": "hint"}
    title = "The start of Fitnet: the student's first half learns the output of the teacher's third stage"
    return files | _run("starts/casia_hint_8", title, targets="hidden", hint_stage="stage3", **hint)


def _table2() -> dict[str, str]:
    """Top-1 of teachers and students, and their accuracy on LFW."""
    values = {
        "casia": {"teacher": (88.61, 97.67), "scratch": ((82.25, 97.27), (79.36, 96.70), (66.12, 95.12)),
                  "ours": ((91.01, 98.20), (87.21, 97.57), (75.06, 96.18))},
        "ms1m": {"teacher": (90.53, 99.11), "scratch": ((84.59, 98.61), (81.94, 98.03), (57.84, 96.33)),
                 "ours": ((88.38, 98.88), (85.26, 98.18), (70.98, 96.98))},
    }  # fmt: skip
    files = {}
    for data, rows in values.items():
        teacher = f"table2/{data}_teacher"
        files |= _run(teacher, f"Table 2, {data}, teacher: {_paper(rows['teacher'][0])}", "classification", data, 1)
        files |= _lfw(teacher, data, "teacher", rows["teacher"][1])
        for place, divisor in enumerate((2, 4, 8)):
            start = f"starts/{data}_pretrained_{divisor}"
            files |= _run(start, f"W_S0 (Eq 3) on {data}, ResNet-50/{divisor}", "classification", data, divisor)
            for name, init in (("scratch", None), ("ours", start)):
                top1, lfw = rows[name][place]
                path = f"table2/{data}_{name}_{divisor}"
                title = f"Table 2, {data}, {name.title()}, /{divisor}: {_paper(top1)}"
                files |= _run(path, title, "classification", data, divisor, init=init, rule=name, teacher=teacher, targets="soft")
                files |= _lfw(path, data, f"{name.title()}, /{divisor}", lfw)
    return files


def _lfw(run: str, data: str, name: str, value: float) -> dict[str, str]:
    flags = {"model": f"runs/{run}", "protocol": "lfw", "data": "lfw:data/lfw", "output": f"scores/{run}_lfw"}
    return _file(f"{run}_lfw", f"Table 2, {data}, LFW, {name}: {_paper(value)}", "kd-evaluate", flags)


def _table3() -> dict[str, str]:
    """NRMSE of ResNet-50/8 on CelebA; the soft targets are those of the classification head that the teacher kept."""
    values = {"pretrain": {"none": 3.36, "hidden": 3.24, "soft": 3.60}, "distill": {"none": 3.29, "hidden": 3.21, "soft": 3.54}}
    starts = {"pretrain": "starts/celeba_pretrained_8", "distill": "table2/casia_ours_8"}
    teacher = "table3/teacher"
    files = _run(teacher, f"Table 3, teacher: {_paper(3.02)}", "alignment", "celeba", 1, init="table2/casia_teacher", rule=None)
    files |= _run(starts["pretrain"], "The start of Pretrain (Eq 6 on the student)", "alignment", "celeba", 8)
    for rule, init in starts.items():
        for target in ("none", "hidden", "soft", "both"):
            title = f"Table 3, {rule.title()}, {target}: {_paper(values[rule].get(target))}"
            options = {"init": init, "rule": rule, "teacher": teacher, "targets": TARGETS[target]}
            files |= _run(f"table3/{rule}_{target}", title, "alignment", "celeba", 8, **options)
    return files


def _table4_and_5() -> dict[str, str]:
    """Rank-1 on CASIA-WebFace with the triplet loss (Table 4), and with the triplet and the softmax loss (Table 5)."""
    values = {
        4: {"pretrain": ((63.98, 60.66, 66.50), (61.74, 61.71, 62.64), (51.03, 49.19, 51.76)),
            "distill": ((71.29, 68.74, 71.23), (68.17, 66.74, 68.12), (56.69, 53.99, 56.52))},
        5: {"pretrain": ((72.38, 70.54, 73.62), (66.64, 65.08, 68.24), (51.86, 51.43, 53.45)),
            "distill": ((79.51, 77.63, 79.96), (72.01, 70.31, 72.82), (57.66, 56.87, 57.78))},
    }  # fmt: skip
    files = {}
    for table, teacher_value in ((4, 73.81), (5, 74.16)):
        loss = {"margin": 0.4, "triplet_mining": "semi_hard"} | ({"identity_weight": 1} if table == 5 else {})
        teacher = f"table{table}/teacher"
        title = f"Table {table}, teacher: {_paper(teacher_value)}"
        files |= _run(teacher, title, "verification", "casia", 1, init="table2/casia_teacher", rule=None, **loss)
        for place, divisor in enumerate((2, 4, 8)):
            pretrained = f"starts/casia_verification{table}_{divisor}"
            title = f"The start of Pretrain in Table {table} (its own loss), ResNet-50/{divisor}"
            files |= _run(pretrained, title, "verification", "casia", divisor, **loss)
            for rule, init in (("pretrain", pretrained), ("distill", f"table2/casia_ours_{divisor}")):
                numbers = dict(zip(("none", "hidden", "soft"), values[table][rule][place], strict=True))
                for target in ("none", "hidden", "soft", "both"):
                    title = f"Table {table}, {rule.title()}, /{divisor}, {target}: {_paper(numbers.get(target))}"
                    options = {"init": init, "rule": rule, "teacher": teacher, "targets": TARGETS[target]} | loss
                    files |= _run(f"table{table}/{rule}_{target}_{divisor}", title, "verification", "casia", divisor, **options)
    return files


def main() -> None:
    """Writes all files."""
    for path, text in recipes().items():
        os.makedirs(os.path.dirname(os.path.join(HERE, path)), exist_ok=True)
        with open(os.path.join(HERE, path), "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main()
