"""Lists as one flat array."""

import numpy as np

from recsys_cli.sequences.ragged import Ragged


def test_every_value_has_its_row():
    assert Ragged(np.array([5, 6, 7], np.int32), np.array([0, 2, 2, 3])).owners().tolist() == [0, 0, 2]


def test_rows_stand_beside_the_same_rows_of_another():
    ours = Ragged(np.array([5, 6, 7], np.int32), np.array([0, 2, 2, 3]))
    theirs = Ragged(np.array([1, 2, 3, 4], np.int32), np.array([0, 1, 3, 4]))
    both = ours.beside(theirs)
    assert [both.row(row).tolist() for row in range(3)] == [[5, 6, 1], [2, 3], [7, 4]]


def test_padded_rows_end_in_the_padding():
    lists = Ragged(np.array([5, 6, 7], np.int32), np.array([0, 2, 2, 3]))
    assert lists.padded(3, -1).tolist() == [[5, 6, -1], [-1, -1, -1], [7, -1, -1]]
