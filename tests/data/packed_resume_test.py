"""A pack that was begun: by a process that was killed, by another one, with other flags, on a full disk."""

import contextlib
import fcntl
import os
import resource
import shutil
import subprocess
import sys

import pytest

from kd_tf.data.folder import open_folder
from kd_tf.data.packed.pack import PackConfig, pack
from kd_tf.data.packed.source import open_packed
from kd_tf.data.packed.workspace import open_workspace
from kd_tf.errors import InputError
from tests.data.packed_files import MemorySource, contents, encode, make_source, times_of_shards
from tests.data.packed_kills import SHARD_RECORDS
from tests.images import write_people, write_text

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def refusal(source, output, **config):
    with pytest.raises(InputError) as error:
        pack(source, PackConfig(str(output), **config))
    assert "\n" not in str(error.value)
    return str(error.value)


class InterruptedSource(MemorySource):
    """Somebody presses a key when the last record is read."""

    def read(self, indices):
        if len(self) - 1 in indices:
            raise KeyboardInterrupt
        return super().read(indices)


@pytest.fixture(name="begun")
def make_begun(tmp_path):
    """Two shards of four images are there, a third is not."""
    source = make_source()
    source.__class__ = InterruptedSource
    with pytest.raises(KeyboardInterrupt):
        pack(source, PackConfig(f"{tmp_path}/pack", shard_records=4))
    return tmp_path / "pack"


@pytest.fixture(name="killed", scope="module")
def kill_at_every_moment(tmp_path_factory):
    """A folder with `photos/`, `whole/` that nothing disturbed, and `killed/1`, `killed/2` and on."""
    root = tmp_path_factory.mktemp("kills")
    write_people(root / "photos", {"ann": 5, "bob": 6})
    pack(open_folder(f"{root}/photos"), PackConfig(f"{root}/whole", shard_records=SHARD_RECORDS))
    process = subprocess.run([sys.executable, "-m", "tests.data.packed_kills", root], cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    return root, int(process.stdout)


def test_killed_at_any_moment_and_continued(killed):
    """Nothing is lost or there twice, what is finished is not touched, and the end is that of an undisturbed pack."""
    root, moments = killed
    source, whole = open_folder(f"{root}/photos"), contents(root / "whole")
    shards_before = []
    for moment in range(1, moments + 1):
        folder = root / "killed" / str(moment)
        before = times_of_shards(folder)
        shards_before.append(len(before))
        for name in before:
            assert (folder / name).read_bytes() == whole[name]
        if (folder / "packed.json").exists():
            assert "is a finished pack" in refusal(source, folder, shard_records=SHARD_RECORDS)
        else:
            pack(source, PackConfig(str(folder), shard_records=SHARD_RECORDS))
        assert contents(folder) == whole
        after = times_of_shards(folder)
        assert {name: after[name] for name in before} == before
    # It was killed before, between and after the three shards.
    assert set(shards_before) == {0, 1, 2, 3} and moments > 40


def test_an_unfinished_pack_is_none(killed):
    root, _ = killed
    folder = root / "begun"
    with pytest.raises(KeyboardInterrupt), open_workspace(str(folder), {}):
        (folder / "images-00000-of-00003.array_record").write_bytes(b"")
        raise KeyboardInterrupt
    with pytest.raises(InputError, match="has no packed.json: it is no pack, or one that kd-prepare has not finished"):
        open_packed(str(folder))


def test_an_interrupted_process_tidies_up(begun):
    shards = [f"images-0000{shard}-of-00003.array_record" for shard in (0, 1)]
    unfinished = [f"unfinished/{name}" for name in (f"{shards[0]}.npz", f"{shards[1]}.npz", "kd-prepare.lock", "plan.json")]
    assert sorted(contents(begun)) == [*shards, *unfinished]
    before = times_of_shards(begun)
    source = make_source()
    pack(source, PackConfig(str(begun), shard_records=4))
    assert open_packed(str(begun)).read(range(11)) == source.images
    after = times_of_shards(begun)
    assert {name: after[name] for name in before} == before and len(after) == 3


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"shard_records": 5}, "was begun with --shard_records=4, now it is --shard_records=5: give the same, or another folder"),
        ({"shard_records": 4, "resize": 16}, "was begun with --resize=None, now it is --resize=16: give the same, or another folder"),
    ],
)
def test_begun_with_other_flags(begun, config, message):
    before = contents(begun)
    assert refusal(make_source(), begun, **config) == f"--output={begun} {message}"
    assert contents(begun) == before


def test_without_a_finished_shard_nothing_was_begun(tmp_path):
    """A process was killed at its first shard; now the data set and the flags are others."""
    for name in ("kd-prepare.lock", "plan.json", "shard.partial"):
        write_text(tmp_path / "unfinished" / name, "{}")
    pack(make_source(), PackConfig(str(tmp_path), shard_records=4))
    assert open_packed(str(tmp_path)).read(range(11)) == make_source().images
    assert not (tmp_path / "unfinished").exists()


def test_begun_with_other_data(begun):
    before, source = contents(begun), make_source()
    source.images[10] = encode(99)
    expected = f"--output={begun} was begun with another data set, or its files have changed since: delete it to begin again"
    assert refusal(source, begun, shard_records=4) == expected
    assert contents(begun) == before


@pytest.mark.parametrize("garbage", ["", "{}", "[]", "7"])
def test_a_plan_that_cannot_be_read(begun, garbage):
    (begun / "unfinished" / "plan.json").write_text(garbage)
    expected = f"{begun}/unfinished/plan.json cannot be read: delete {begun} and begin again"
    assert refusal(make_source(), begun, shard_records=4) == expected


def test_a_finished_pack_is_left_alone(tmp_path):
    source = make_source()
    pack(source, PackConfig(str(tmp_path)))
    before = contents(tmp_path)
    expected = f"--output={tmp_path} is a finished pack: use it with --data=packed:{tmp_path}, or delete it to make another"
    assert refusal(source, tmp_path) == expected
    assert refusal(make_source(5), tmp_path, resize=16) == expected
    assert contents(tmp_path) == before


@pytest.mark.parametrize("path", ["notes.txt", "unfinished/notes.txt", "images-00000-of-00001.array_record"])
def test_a_folder_of_somebody_else(tmp_path, path):
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_text("mine")
    assert refusal(make_source(), tmp_path) == f"--output={tmp_path} is not empty and no pack that was begun: give another folder"
    assert contents(tmp_path) == {path: b"mine"}


def test_two_at_once(tmp_path):
    """The second refuses, and does not disturb the first."""
    expected = f"--output={tmp_path}/pack is being written by another process: wait for it, or give another folder"

    class MeetsAnother(MemorySource):
        def read(self, indices):
            if 5 in indices:
                assert refusal(MemorySource(self.images), f"{tmp_path}/pack", shard_records=2) == expected
            return super().read(indices)

    source = MeetsAnother(make_source().images)
    pack(source, PackConfig(f"{tmp_path}/pack", shard_records=2))
    assert open_packed(f"{tmp_path}/pack").read(range(11)) == source.images


def test_a_lock_that_was_deleted_is_none(tmp_path, monkeypatch):
    """Who held it finished between our opening of the file and our locking it."""
    flock = fcntl.flock

    def late(file, operation):
        shutil.rmtree(tmp_path / "unfinished")
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    assert refusal(make_source(), tmp_path) == f"--output={tmp_path} was being written by another process: try again"


@pytest.mark.parametrize("output", ["/sys/kd_prepare", "{folder}/file", "{folder}/file/below"])
def test_a_folder_that_cannot_be_made(tmp_path, output):
    (tmp_path / "file").write_text("")
    output = output.format(folder=tmp_path)
    assert refusal(make_source(), output).startswith(f"--output={output} cannot be written: [Errno ")
    assert contents(tmp_path) == {"file": b""}


@contextlib.contextmanager
def no_file_above(size):
    """What writing to a full disk is like, but for the text of the error."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk(tmp_path):
    """The first shard fits, the second, with five images of 30,000 bytes, does not."""
    source = MemorySource([encode(1)] * 5 + [encode(2, ".bmp", 100, 100)] * 5)
    with no_file_above(140_000):
        message = refusal(source, tmp_path, shard_records=5)
    assert message.startswith(f"--output={tmp_path} cannot be written: write() failed: File too large; writing {tmp_path}/unfinished/")
    assert not list(tmp_path.rglob("*.partial")) and len(times_of_shards(tmp_path)) == 1
    pack(source, PackConfig(str(tmp_path), shard_records=5))
    assert open_packed(str(tmp_path)).read(range(10)) == source.images


def test_a_disk_that_is_full_at_the_very_end(tmp_path):
    """The contact sheet does not fit."""
    source = MemorySource([encode(seed, height=8, width=8) for seed in range(70)])
    with no_file_above(150_000):
        message = refusal(source, tmp_path, shard_records=35)
    assert message == f"--output={tmp_path} cannot be written: [Errno 27] File too large"
    assert not list(tmp_path.rglob("*.partial")) and len(times_of_shards(tmp_path)) == 2
    pack(source, PackConfig(str(tmp_path), shard_records=35))
    assert open_packed(str(tmp_path)).read(range(70)) == source.images
