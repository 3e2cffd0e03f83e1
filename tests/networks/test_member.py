"""A training among those of a network: its name, its keys, its random numbers."""

import pytest

from scripts.common.errors import StudyError
from scripts.common.seeds import sub_seed
from scripts.networks.member import Member


def test_a_run_names_fold_and_seed():
    first, further = Member.of_run("net", "3"), Member.of_run("net", "3_seed_12")
    assert (first, further) == (Member("net", 3), Member("net", 3, 12))
    assert (first.run, further.run) == ("3", "3_seed_12")
    assert (str(first), str(further)) == ("net, fold 3", "net, fold 3, seed 12")
    assert first.key("training.epochs") == further.key("training.epochs") == "models.net.training.epochs"
    for wrong in ("", "fold_3", "3_seed_0", "3_seed_", "-1"):
        with pytest.raises(StudyError, match=f"--run '{wrong}' is no training"):
            Member.of_run("net", wrong)


def test_random_numbers_are_those_of_version_0_1_0_whatever_the_name():
    for name in ("net", "other"):
        assert Member(name, 3).sub_seed(7, "init") == sub_seed(7, "deep", "init", 3)
        assert Member(name, 3).sub_seed(7, "augment", 41) == sub_seed(7, "deep", "augment", 3, 41)
        assert Member(name, 3, 2).sub_seed(7, "order", 5) == sub_seed(7, "deep", "order", 3, 5, "seed_2")
