"""How weft tests itself: one `OpCase` per operation feeds every test, benchmark and table."""

from weft.testing.opcase import OpCase, Sample, sample

__all__ = ["OpCase", "Sample", "sample"]
