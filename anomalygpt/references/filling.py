"""Encoded references on their way into a memory bank."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from anomalygpt.errors import ConfigError
from anomalygpt.evidence import decoder_errors
from anomalygpt.images.detail import Detail
from anomalygpt.references.encoded import EncodedReference
from anomalygpt.references.pictures import MOST_CLOSER, turns_of_each
from decoder import MemoryBank
from decoder.config import Formulation

# What a reference is called, the mark of its pixels, and the reference.
Named = tuple[str | None, str, EncodedReference]


def fill(
    bank: MemoryBank,
    read: Callable[[int], list[Named]],
    total: int,
    formulation: Formulation,
    rotations: int | None = None,
) -> int:
    """Put references into a bank, turned as `turns_of_each` says.

    Where that hangs on how they lie, they are put in as they are first, and read once more where
    they turn out to lie freely.

    Args:
        bank: perhaps with other references, so that it will hold `total`.
        read: names, marks and references in so many turns each.
        formulation, rotations: see `turns_of_each`.

    Returns:
        In how many turns each was put in.
    """
    rule = partial(
        turns_of_each, total, formulation, rotations=rotations, fixed_pose=bank.fixed_pose
    )
    turns, if_free = rule(), rule(lie_alike=False)
    before = bank.closer, bank.factor
    names = _put(bank, read(turns))
    if turns == if_free or bank.lie_alike:
        return turns
    try:
        turned = read(if_free)
    finally:  # also where one cannot be read again: the bank is then as it was
        for name in names:
            bank.remove(name)
        bank.closer, bank.factor = before
    _put(bank, turned)
    return if_free


def detail_of(detail: Detail, number: int) -> Detail:
    """How closely reference `number` of a bank, from 0 on, is looked at."""
    return detail if number < MOST_CLOSER else "whole"


def _put(bank: MemoryBank, references: list[Named]) -> list[str]:
    """Add them all; their names in the bank."""
    names = []
    references.reverse()
    while references:  # the bank makes its own of each, so none is kept twice
        name, mark, reference = references.pop()
        names.append(add_to(bank, reference, name, mark))
    return names


def add_to(bank: MemoryBank, reference: EncodedReference, name: str | None, mark: str) -> str:
    """Put an encoded reference into a bank; its name there.

    Raises:
        ConfigError: it does not fit the bank.
    """
    with decoder_errors():
        name = bank.add(
            reference.stages,
            # The same photo may be given twice; its second name is then a number.
            name=None if name in bank.names else name,
            varied=reference.varied,
            marks=[mark],
            embedding=reference.embedding,
            grid=reference.grid,
        )
        if closer := reference.closer:
            bank.look_closer(name, closer.stages, closer.varied, closer.grid)
        elif len(bank) <= MOST_CLOSER:  # one that was too small: then all are seen whole
            bank.closer = None
        return name


def depth_with(bank: MemoryBank, bit_depth: int | None) -> int | None:
    """The bit depth of photos that are compared with a bank; None where nothing says it.

    Raises:
        ConfigError: another one is asked for.
    """
    if bit_depth is not None and len(bank) and bank.bit_depth not in (None, bit_depth):
        raise ConfigError(
            f"the memory bank was made from photos of {bank.bit_depth} bits, bit_depth is "
            f"{bit_depth}; leave it out, or read the references again"
        )
    return bit_depth or bank.bit_depth
