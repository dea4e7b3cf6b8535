"""A small data set in the layout of LFW, with its pairs."""

import pytest

from tests.images import write_people, write_text

PAIRS = """2\t2
Ann_Lee\t1\t2
Bob_Ray\t1\t3
Ann_Lee\t1\tBob_Ray\t2
Ann_Lee\t2\tBob_Ray\t1
Cat_Fox\t1\t2
Dan_Orr\t2\t3
Cat_Fox\t1\tDan_Orr\t3
Cat_Fox\t2\tEve_Kay\t1
"""


@pytest.fixture(scope="module", name="lfw")
def make_lfw(tmp_path_factory):
    root = tmp_path_factory.mktemp("lfw")
    write_people(root / "lfw-deepfunneled", {"Ann_Lee": 3, "Bob_Ray": 3, "Cat_Fox": 2, "Dan_Orr": 3, "Eve_Kay": 1})
    write_text(root / "pairs.txt", PAIRS)
    return root
