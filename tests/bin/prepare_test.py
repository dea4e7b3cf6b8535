"""Runs kd-prepare as a user does."""

import os
import signal
import subprocess
import sys
import time

import pytest

from kd_tf.data.packed.source import open_packed
from kd_tf.data.synthetic.source import SyntheticSource
from tests.bin.programs import refused, script
from tests.data.packed_files import contents, times_of_shards
from tests.images import write_people, write_text

SMALL = ("--identities=10", "--pictures=20", "--picture_size=64", "--shard_records=10")


def prepare(*flags, cwd=None):
    return script("kd-prepare", *flags, cwd=cwd)


def start_and_wait_for_shards(folder, count):
    """A process that is in the middle of it."""
    command = [sys.executable, "-m", "kd_tf.bin.prepare", *SMALL, f"--output={folder}"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while len(times_of_shards(folder)) < count:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.001)
    return process


def test_packs_and_verifies(tmp_path):
    write_people(tmp_path / "photos", {"ann": 3, "bob": 2, "cat": 1})
    result = prepare("--data=folder:photos", "--min_images=2", "--resize=32", "--output=packs/small", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    size = os.path.getsize(tmp_path / "packs" / "small" / "images-00000-of-00001.array_record")
    first = f"5 images of 2 people in 1 shards of {size} bytes; 0 broken images left out"
    assert result.stdout.splitlines() == [first, "use it: --data=packed:packs/small"]
    verified = prepare("--verify", "--output=packs/small", cwd=tmp_path)
    assert (verified.returncode, verified.stdout) == (0, "5 images in 1 shards; 0 broken\n")
    assert "is a finished pack" in refused(prepare("--data=folder:photos", "--output=packs/small", cwd=tmp_path))


def test_broken_images(tmp_path):
    photos = write_people(tmp_path / "photos", {"ann": 3})
    broken = write_text(photos / "ann" / "ann_0002.jpg", "no image")
    command = (f"--data=folder:{photos}", f"--output={tmp_path}/pack")
    assert f"{broken} is not an image that can be decoded: " in refused(prepare(*command))
    assert not os.path.exists(tmp_path / "pack")
    result = prepare(*command, "--skip_broken=1")
    assert result.returncode == 0, result.stderr
    assert "2 images of 1 people" in result.stdout and "1 broken images left out" in result.stdout
    assert f"left out: {broken} is not" in result.stderr


def test_verify_lists_what_is_broken(tmp_path):
    assert prepare("--identities=2", "--pictures=3", "--shard_records=3", f"--output={tmp_path}/pack").returncode == 0
    shards = [f"{tmp_path}/pack/images-0000{shard}-of-00002.array_record" for shard in (0, 1)]
    os.truncate(shards[1], 70_000)
    with open(shards[0], "r+b") as file:
        file.seek(2**15)
        file.write(b"damage")
    result = prepare("--verify", f"--output={tmp_path}/pack")
    lines = result.stdout.splitlines()
    assert (result.returncode, result.stderr) == (1, "")
    assert lines[0].startswith(f"{shards[1]} has 0 records that can be read, packed.json says 3; ")
    assert lines[1].startswith(f"{shards[0]} record 2 cannot be read: ")
    assert lines[2:] == ["6 images in 2 shards; 2 broken"]
    (tmp_path / "pack" / "records.npz").write_bytes(b"garbage")
    assert "records.npz cannot be read" in refused(prepare("--verify", f"--output={tmp_path}/pack"))


def test_killed_and_continued(tmp_path):
    """Twice; in between a second process meets the first."""
    folder = tmp_path / "pack"
    first = start_and_wait_for_shards(folder, 1)
    first.kill()
    first.wait()
    finished = times_of_shards(folder)
    second = start_and_wait_for_shards(folder, len(finished) + 5)
    second.send_signal(signal.SIGSTOP)
    line = refused(prepare(*SMALL, f"--output={folder}"))
    assert f"--output={folder} is being written by another process: wait for it" in line
    second.kill()
    second.wait()
    more = times_of_shards(folder)
    assert {name: more[name] for name in finished} == finished and 6 <= len(more) < 20
    assert prepare(*SMALL, f"--output={folder}").returncode == 0
    assert {name: times_of_shards(folder)[name] for name in more} == more
    source, packed = SyntheticSource(identities=10, pictures=20, picture_size=64), open_packed(str(folder))
    assert packed.read(range(200)) == source.read(range(200))
    assert packed.landmarks.tobytes() == source.landmarks.tobytes()
    assert prepare(*SMALL, f"--output={tmp_path}/whole").returncode == 0
    assert contents(folder) == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--output"),
        (["--output={folder}/pack", "--resize=8"], "--resize=8"),
        (["--output={folder}/pack", "--shard_records=0"], "--shard_records=0"),
        (["--output={folder}/pack", "--data=folder:{folder}"], "{folder} has no images"),
        (["--output={folder}/pack", "--split_seed=3"], "--split_seed has no effect on this program"),
        (["--output={folder}", "--verify"], "{folder} has no packed.json: it is no pack"),
        (["--output={folder}", "--verify", "--data=synthetic"], "--data has no effect with --verify, which takes --output and --workers"),
        (["--output={folder}", "--verify", "--resize=32"], "--resize has no effect with --verify"),
    ],
)
def test_bad_input_is_one_line_and_status_2(tmp_path, flags, message):
    line = refused(prepare(*(flag.format(folder=tmp_path) for flag in flags)))
    assert message.format(folder=tmp_path) in line
    assert os.listdir(tmp_path) == []


def test_help_is_the_manual_and_the_flags():
    result = prepare("--help")
    assert result.returncode == 0 and "kd-prepare --data=lfw:DIR --output=packed/lfw" in result.stdout
    listed = [line.strip() for line in result.stdout.splitlines() if line.startswith("  --")]
    assert {"--data", "--min_images", "--skip_broken", "--output", "--resize", "--shard_records", "--verify", "--workers"} <= set(listed)
    assert "--split_seed" not in listed
