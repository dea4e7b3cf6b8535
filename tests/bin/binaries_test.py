"""Runs the binaries as a user does: as console scripts, as modules and as files."""

import importlib.metadata
import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from tests.bin.programs import ROOT, call, refused, script
from tests.data.recordio.writer import face_pack, write_pack
from tests.images import smooth_image, write_text

# What differs from one run to the next.
MEASURED = {"seconds", "images_per_second", "input_wait_share", "evaluation_seconds", "checkpoint_seconds", "peak_memory_mib"}
SMALL = ["--identities=6", "--pictures=10", "--picture_size=24", "--image_size=16", "--network=resnet14", "--width_divisor=8"]


@pytest.mark.parametrize("name", ["train", "distill", "cache", "evaluate", "export", "reproduce"])
def test_help_is_the_manual_and_the_flags(name):
    result = script(f"kd-{name}", "--help")
    assert result.returncode == 0
    assert f"kd-{name} --" in result.stdout
    listed = {line.strip() for line in result.stdout.splitlines() if line.startswith("  --")}
    wanted = {"cache": "--views", "evaluate": "--protocol", "export": "--overwrite", "reproduce": "--scale"}.get(name, "--learning_rate")
    assert wanted in listed
    assert ("--alpha" in listed) == (name == "distill")


def test_scripts_modules_and_files_are_the_same_program():
    as_script = call(os.path.join(os.path.dirname(sys.executable), "kd-distill"), "--help").stdout
    assert as_script == script("kd-distill", "--help").stdout
    assert call(sys.executable, "-m", "kd_tf.bin.distill", "--help", cwd="/").stdout == as_script
    assert call(sys.executable, os.path.join(ROOT, "bin", "distill.py"), "--help", cwd="/").stdout == as_script


def test_every_binary_is_a_script():
    installed = importlib.metadata.entry_points(group="console_scripts")
    names = {name.removesuffix(".py") for name in os.listdir(os.path.join(ROOT, "bin"))} - {"__init__", "__pycache__", "application"}
    found = {point.name: point.value for point in installed if point.value.startswith("kd_tf.")}
    assert found == {f"kd-{name.replace('_', '-')}": f"kd_tf.bin.{name}:run" for name in names}


@pytest.mark.parametrize(
    ("name", "flags", "message"),
    [
        ("kd-train", ["--steps=1"], "--model_dir"),
        ("kd-train", ["--steps=many"], "--steps=many"),
        ("kd-train", ["--stepz=1"], "Unknown command line flag 'stepz'"),
        ("kd-train", ["--steps=1", "stray"], "unexpected argument 'stray'"),
        ("kd-reproduce", ["--epochs=3"], "--epochs has no effect on this program"),
        ("kd-reproduce", ["--identities=12"], "--identities_per_batch=16 needs as many identities"),
        ("kd-train", ["--steps=1", "--data=celebrities"], "--data=celebrities is unknown"),
        ("kd-train", ["--steps=1", "--data=folder"], "lacks the path"),
        ("kd-train", ["--steps=1", "--data=folder:/nowhere"], "--data=folder:/nowhere: /nowhere does not exist"),
        ("kd-train", ["--steps=1", "--clean_list=list.txt"], "--clean_list={cwd}/list.txt has no effect on --data=synthetic"),
        ("kd-train", ["--steps=1", "--exclude_identities=/nowhere"], "and is no list of the package (casia_webface_lfw)"),
        ("kd-train", ["--steps=1", "--network=resnet14", "--width_divisor=3", *SMALL[:4]], "--width_divisor=3 does not divide"),
        ("kd-distill", ["--steps=1"], "--alpha=1.0 needs a teacher"),
        ("kd-distill", ["--steps=1", "--teacher=/nowhere"], "--teacher=/nowhere does not exist"),
        ("kd-evaluate", ["--model=/nowhere"], "--model=/nowhere does not exist"),
        ("kd-reproduce", ["--data=folder:/"], "--scale=quick has no setting for --data=folder:/"),
        ("kd-reproduce", ["--scale=small", "--only=table6"], "--only=table6 is no table of --scale=small; it has: table1,"),
        ("kd-reproduce", ["--seeds=0,one"], "--seeds=0,one must be whole numbers with commas between them"),
        ("kd-reproduce", ["--pairs_data=bin:pairs"], "--pairs_data=bin:pairs must be lfw:PATH"),
        ("kd-reproduce", ["--pairs_data=lfw:/nowhere"], "--pairs_data has no effect: only Table 2 is scored on pairs"),
        ("kd-reproduce", ["--scale=small", "--pairs_data=lfw:/nowhere"], "/nowhere"),
        ("kd-reproduce", ["--scale=paper", "--only=table3"], "--only=table3 needs data that there is not: give --landmark_data"),
        ("kd-reproduce", ["--large_data=folder:/"], "--scale=quick trains all tasks on --data; other data sets are for --scale=paper"),
        ("kd-reproduce", ["--scale=paper", "--data=casia_webface:/nowhere"], "--data=casia_webface:/nowhere: /nowhere does not exist"),
    ],
)
def test_bad_input_is_one_line_and_status_2(tmp_path, name, flags, message):
    needs_directory = name != "kd-evaluate" and "--model_dir" not in message
    assert message.format(cwd=os.getcwd()) in refused(script(name, *flags, *([f"--model_dir={tmp_path}/run"] if needs_directory else [])))
    assert os.listdir(tmp_path) == []


def write_image(path: str, value: int) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    cv2.imwrite(path, np.full([20, 20, 3], value, np.uint8))


@pytest.mark.parametrize("cache", [[], ["--image_cache=cache"]])
def test_an_image_that_does_not_decode_is_named(tmp_path, cache):
    for number in range(6):
        write_image(f"{tmp_path}/faces/a/{number}.png", number)
    broken = tmp_path / "faces" / "a" / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 this is no picture")
    flags = [f"--data=folder:{tmp_path}/faces", "--steps=1", *SMALL, f"--model_dir={tmp_path}/run", *cache]
    result = script("kd-train", *flags, cwd=tmp_path)
    assert result.returncode == 2
    assert f"{broken} is not an image that can be decoded" in result.stderr.splitlines()[-1]
    assert not os.path.exists(tmp_path / "run")
    assert not os.path.exists(tmp_path / "cache") or os.listdir(tmp_path / "cache") == []


def test_a_folder_without_images(tmp_path):
    (tmp_path / "faces" / "a").mkdir(parents=True)
    line = refused(script("kd-train", f"--data=folder:{tmp_path}/faces", "--steps=1", f"--model_dir={tmp_path}/run"))
    assert f"{tmp_path}/faces has no images" in line


def test_train_rerun_evaluate_and_export(tmp_path):
    run, again = tmp_path / "run", tmp_path / "again"
    trained = script("kd-train", *SMALL, "--split_seed=3", "--steps=2", "--evaluations=1", "--batch_size=8", f"--model_dir={run}")
    assert trained.returncode == 0, trained.stderr
    metrics = json.loads((run / "metrics.json").read_text())
    rerun = script("kd-train", f"--flagfile={run}/flags.txt", f"--model_dir={again}")
    assert rerun.returncode == 0, rerun.stderr
    repeated = json.loads((again / "metrics.json").read_text())
    assert [repeated[key] for key in ("top1", "rank1", "steps")] == [metrics[key] for key in ("top1", "rank1", "steps")]
    scored = script("kd-evaluate", f"--model={run}", f"--output={tmp_path}/scores")
    assert scored.returncode == 0, scored.stderr
    scores = json.loads(scored.stdout)
    assert (scores["protocol"], scores["top1"]) == ("classification", metrics["top1"])
    assert json.loads((tmp_path / "scores" / "metrics.json").read_text()) == scores
    wrong = script("kd-evaluate", f"--model={run}", "--protocol=landmarks")
    assert "lacks the output 'landmarks'" in refused(wrong)
    exported = script("kd-export", f"--model={run}", f"--output={tmp_path}/model")
    assert exported.returncode == 0, exported.stderr
    assert os.path.exists(tmp_path / "model" / "saved_model.pb")


def test_a_pack_of_faces_from_flags_to_scores_and_again(tmp_path):
    """Without one of its seven people, and without an image that is none; paths are relative to where it was started."""
    bodies = [cv2.imencode(".png", smooth_image(seed, 20, 20))[1].tobytes() for seed in range(70)]
    bodies[33] = b"no image"
    write_pack(tmp_path / "pack", face_pack(bodies, [100 + seed // 10 for seed in range(70)]))
    write_text(tmp_path / "lists" / "shared.txt", "# in the test set too\n101\n999\n")
    flags = ["--data=recordio:pack", "--index_dir=index", "--exclude_identities=lists/shared.txt", "--skip_broken=1", "--min_images=10"]
    flags += [*SMALL[3:], "--steps=2", "--evaluations=1", "--batch_size=8"]
    trained = script("kd-train", *flags, "--model_dir=run", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert f"recordio:{tmp_path}/pack: 1 of the 2 identities of {tmp_path}/lists/shared.txt are left out" in trained.stderr
    assert f"left out: {tmp_path}/pack/train.rec key 34 at offset " in trained.stderr
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert (metrics["steps"], metrics["skipped"]) == (2, 1)
    assert (tmp_path / "run" / "identities.txt").read_text().split() == ["100", "102", "103", "104", "105", "106"]
    assert len(os.listdir(tmp_path / "index")) == 1 and sorted(os.listdir(tmp_path / "pack")) == ["train.idx", "train.rec"]
    # 60 images, 12 of them for testing; the broken one is for training.
    assert "47 training and 12 test images of 6 identities" in (tmp_path / "run" / "log.txt").read_text()
    rerun = script("kd-train", f"--flagfile={tmp_path}/run/flags.txt", f"--model_dir={tmp_path}/again")
    assert rerun.returncode == 0, rerun.stderr
    repeated = json.loads((tmp_path / "again" / "metrics.json").read_text())
    assert {key: repeated[key] for key in metrics.keys() - MEASURED} == {key: metrics[key] for key in metrics.keys() - MEASURED}
    scored = script("kd-evaluate", f"--model={tmp_path}/run")
    assert scored.returncode == 0, scored.stderr
    assert json.loads(scored.stdout)["top1"] == metrics["top1"]
    unknown = script("kd-evaluate", f"--model={tmp_path}/run", "--min_images=1", "--exclude_identities=casia_webface_lfw")
    assert "names 3 identities, and recordio:" in refused(unknown)


def on_two_logical_devices(name: str, *flags: str) -> subprocess.CompletedProcess:
    program = (
        "import tensorflow as tf, sys;"
        "cpu = tf.config.list_physical_devices('CPU')[0];"
        "tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2);"
        f"from kd_tf.bin import {name};"
        f"{name}.run()"
    )
    return call(sys.executable, "-c", program, *flags, "--strategy=mirrored", cwd="/")


@pytest.mark.slow
def test_mirrored_on_two_logical_devices(tmp_path):
    short = [*SMALL, "--steps=2", "--evaluations=1"]
    trained = on_two_logical_devices("train", *short, "--batch_size=8", f"--model_dir={tmp_path}/teacher")
    assert trained.returncode == 0, trained.stderr
    verification = ["--task=verification", f"--teacher={tmp_path}/teacher", f"--init={tmp_path}/teacher", "--identities_per_batch=3"]
    distilled = on_two_logical_devices("distill", *short, *verification, f"--model_dir={tmp_path}/student")
    assert distilled.returncode == 0, distilled.stderr
    metrics = json.loads((tmp_path / "student" / "metrics.json").read_text())
    assert (metrics["task"], metrics["steps"]) == ("verification", 2)
