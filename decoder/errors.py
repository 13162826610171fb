"""Errors of the decoder; the assistant re-raises them as its own."""

from __future__ import annotations


class DecoderError(ValueError):
    """The decoder was asked for something that its parts or inputs cannot give."""


class EmptyMemoryBankError(DecoderError):
    """The memory bank holds no reference; call `add` first."""
