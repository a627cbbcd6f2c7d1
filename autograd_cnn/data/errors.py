"""The two errors of the data functions."""

from __future__ import annotations


class DataError(ValueError):
    """A data file is damaged or not the expected one; the message names it.

    >>> raise DataError("labels.gz: expected labels 0..9, found 12")
    Traceback (most recent call last):
    autograd_cnn.data.errors.DataError: labels.gz: expected labels 0..9, found 12
    """


class DataUnavailable(OSError):  # noqa: N818
    """The data is not on this machine, and could not be downloaded or stored.

    >>> raise DataUnavailable("MNIST is not on this machine")
    Traceback (most recent call last):
    autograd_cnn.data.errors.DataUnavailable: MNIST is not on this machine
    """
