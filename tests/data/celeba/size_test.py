import json
import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from kd_tf.data.celeba import open_celeba
from tests.data.celeba.files import write_many

RECORDS = 202_599
# Prints what it takes to open CelebA: seconds of the processor, whatever else it does, and MB at the highest, over those in use before.
MEASURE = """
import json, sys, time
from kd_tf.data.celeba import open_celeba

def kilobytes(of):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(of))

before = kilobytes("VmRSS")
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")
start = time.process_time()
source = open_celeba(sys.argv[1])
seconds = time.process_time() - start
print(json.dumps([len(source), seconds, (kilobytes("VmHWM") - before) / 1000]))
"""


def test_no_file_is_looked_at_for_each_image(tmp_path, monkeypatch):
    """5,000 records; the 200 MB for all of CelebA are 5 MB here."""
    write_many(tmp_path, 5000)
    calls = []
    for name in ("stat", "lstat", "open"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, real=real, **options: calls.append(args) or real(*args, **options))
    tracemalloc.start()
    source = open_celeba(str(tmp_path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    monkeypatch.undo()
    assert 0 < len(calls) < 50
    assert peak < 5e6
    assert source.identities[[0, 4999]].tolist() == [source.identity_names.index(name) for name in ("1", str(4999 * 7919 % 10_177 + 1))]
    assert source.official_test.sum() == 1000
    np.testing.assert_allclose(source.landmarks[:, 0, 0], (60.5 + np.arange(5000) % 10) / 178, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="only Linux tells the highest memory in use")
def test_all_of_celeba_opens_in_seconds(tmp_path):
    write_many(tmp_path, RECORDS)
    found = subprocess.run([sys.executable, "-c", MEASURE, str(tmp_path)], check=True, capture_output=True, text=True).stdout
    records, seconds, megabytes = json.loads(found.splitlines()[-1])
    print(f"{records} records: {seconds:.1f} s, {megabytes:.0f} MB")
    assert records == RECORDS
    assert seconds < 5
    assert megabytes < 200
