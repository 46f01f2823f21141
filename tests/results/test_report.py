"""What a report keeps of a long stream."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lseg_cli.results.report import EvenSample


class TestEvenSample:
    @given(st.integers(1, 12), st.integers(0, 500))
    def test_it_keeps_as_many_as_it_may_evenly(self, most: int, count: int) -> None:
        sample = EvenSample[int](most)
        for number in range(count):
            sample.add(number)
        kept = list(sample)
        assert len(kept) == min(most, count)
        gaps = [second - first for first, second in pairwise(kept)]
        assert all(0 < gap <= 2 * min(gaps) for gap in gaps)
        if kept:
            assert kept[0] == 0
            assert count - kept[-1] <= 2 * (max(gaps, default=count) + 1)

    def test_it_keeps_nothing_if_nothing_is_wanted(self) -> None:
        sample = EvenSample[int](0)
        sample.add(1)
        assert not list(sample)
