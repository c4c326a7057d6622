"""Scorers in a detector file, and the way back to a working one."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError
from pyimgano.kernels import KnnIndex
from pyimgano.persistence.container import Malformed, Tensors, take
from pyimgano.persistence.rules import OLDER_PARAMETERS, Fields, stored_parameters
from pyimgano.persistence.storable import LARGEST, arrays_of, parameters_of, take_arrays
from pyimgano.scorers.base import PatchScorer
from pyimgano.scorers.catalogue import SCORERS
from pyimgano.scorers.image_score import patch_rule
from pyimgano.scorers.layer_banks import LayerBanksScorer
from pyimgano.scorers.memory_bank import MemoryBankScorer
from pyimgano.scorers.mutual import MutualScorer
from pyimgano.utils.parameters import Choice

#: Of the tensors of scorers, but for the memory bank, which has a name of its own.
_PREFIX = "scorer."
_BANK = "memory_bank"
#: Where its rows come from; the names of the tensors begin with ``bank_``.
_PLACES = ("origins", "grids")
#: How near the training patches are, of a bank from local coresets.
_COVERAGE = "bank_coverage"
#: The search index has about 420 bytes per row beside its features. For rows narrower than this it
#: outweighs the file: such banks may have an index of about 250 MB beside their features.
_NARROW, _MOST_NARROW = 64, 600_000
#: Rows of a bank that tell what half precision changes.
_MOST_ROWS = 1000


def to_half(bank: NDArray[np.float32]) -> NDArray[np.float16]:
    """The bank in float16; an error where a value is beyond its range."""
    with np.errstate(over="ignore"):
        half = bank.astype(np.float16)
    if not np.isfinite(half).all():
        largest = float(np.abs(bank).max())
        raise InvalidInputError(
            f'bank_dtype="float16" ends at 65,504 and the bank has a value of {largest:g}:'
            ' use "float32"'
        )
    return half


def measure_change(bank: NDArray[np.float32], half: NDArray[np.float16]) -> dict[str, Any]:
    """How far the distances to the bank move, measured on some of its own rows."""
    n = len(bank)
    picked = np.sort(np.random.default_rng(0).permutation(n)[:_MOST_ROWS])
    own = np.arange(n, dtype=np.int64)
    queries, groups = bank[picked], own[picked]
    exact, near = (
        KnnIndex(rows, groups=own).query(queries, 1, groups=groups)[0][:, 0]
        for rows in (bank, half.astype(np.float32))
    )
    usable = np.isfinite(exact) & (exact > 0)
    change = np.abs(near[usable].astype(np.float64) / exact[usable] - 1.0)
    return {
        "measured": "distance of bank rows (float32, drawn with seed 0) to the nearest other row,"
        " in the float16 bank relative to the float32 bank; rows with equals are left out",
        "rows": len(change),
        "largest_relative": float(change.max(initial=0.0)),
        "median_relative": float(np.median(change)) if len(change) else 0.0,
    }


def describe_scorer(scorer: PatchScorer, bank_dtype: str) -> dict[str, Any]:
    """Header entry of a scorer, fitted or not.

    An InvalidInputError tells that its class is not registered, or that it has no memory bank that
    ``bank_dtype`` could be of.
    """
    cls: Any = type(scorer)
    kind = getattr(cls, "kind", "")
    entry = SCORERS.find(kind) if isinstance(kind, str) else None
    # Exact types: what a subclass does differently would be lost.
    if entry is None or entry.value is not cls:
        raise InvalidInputError(
            f"its scorer {cls.__name__} is not registered: give its class to"
            " pyimgano.extend.register_scorer"
        )
    if bank_dtype == "float16" and cls is not MemoryBankScorer:
        raise InvalidInputError('bank_dtype="float16" is for detectors with a memory bank')
    return {"kind": kind, "params": parameters_of(scorer)}


def scorer_rule(kind: str) -> Fields:
    """The rule of a scorer's header entry; :class:`UnknownNameError` for a kind of nobody."""
    scorer = SCORERS.get(kind[:64]).value
    params = Fields(stored_parameters(scorer.PARAMETERS), absent=OLDER_PARAMETERS)
    return Fields({"kind": Choice(scorer.kind), "params": params})


def scorer_tensors(scorer: Any, bank_dtype: str) -> tuple[Tensors, dict[str, Any] | None]:
    """What a scorer has learnt, and the header's entry for a memory bank."""
    if isinstance(scorer, MemoryBankScorer):
        state = scorer.to_state()
        exact = state[_BANK]
        places = {f"bank_{name}": array for name, array in state.items() if name != _BANK}
        if bank_dtype == "float32":
            return {_BANK: exact, **places}, {"dtype": bank_dtype, "change": None}
        half = to_half(exact)
        return {_BANK: half, **places}, {"dtype": bank_dtype, "change": measure_change(exact, half)}
    return arrays_of(scorer, "scorer", _PREFIX), None


def restore_scorer(entries: Mapping[str, Any], tensors: Tensors) -> PatchScorer:
    """A fitted scorer from checked header entries; takes its tensors out of ``tensors``."""
    if entries["detector"] == "patchcore":  # whose parameters are the scorer's
        cls: Any = MemoryBankScorer
        names = cls.PARAMETERS.keys() & entries["params"].keys()
        params = {name: entries["params"][name] for name in names}
        params["image_score"] = patch_rule(params["image_score"])
    else:
        cls, params = SCORERS.get(entries["scorer"]["kind"]).value, entries["scorer"]["params"]
    if cls is MemoryBankScorer:
        if entries["bank"] is None:
            raise Malformed("lacks the entry 'bank'")
        bank = _take_bank(tensors, getattr(np, entries["bank"]["dtype"]))
        state: dict[str, NDArray[Any]] = {_BANK: bank}
        if any(
            f"bank_{name}" in tensors for name in _PLACES
        ):  # absent from files of older versions
            for name in _PLACES:
                state[name] = take(tensors, f"bank_{name}", (None, 2), np.int32, 0, 2**31)
        if _COVERAGE in tensors:
            state["coverage"] = take(tensors, _COVERAGE, (2,), np.float64, 0, LARGEST)
    elif entries["bank"] is not None:
        raise Malformed(f"'bank' does not go with the scorer {cls.kind!r}")
    else:
        state = take_arrays(tensors, _PREFIX)
        if cls is LayerBanksScorer:
            _check_banks(*(rows for name, rows in state.items() if name.startswith("bank_")))
        elif cls is MutualScorer and "rows" in state:
            _check_banks(state["rows"])
    scorer: PatchScorer = cls.from_state(params, state)
    return scorer


def _take_bank(tensors: Tensors, dtype: type) -> NDArray[np.float32]:
    bank = take(tensors, _BANK, (None, None), dtype, -LARGEST, LARGEST)
    _check_banks(bank)
    return bank.astype(np.float32, copy=False)


def _check_banks(*banks: NDArray[np.floating]) -> None:
    """Refuse banks whose search indices would take far more memory than the file."""
    narrow = [bank for bank in banks if bank.ndim == 2 and bank.shape[1] < _NARROW]
    if (n_rows := sum(map(len, narrow))) > _MOST_NARROW:
        raise Malformed(
            f"{n_rows:,} rows of {narrow[0].shape[1]} features are too many, for their search index"
            f" would take far more memory than the file: at most {_MOST_NARROW:,} rows of fewer"
            f" than {_NARROW} features; a smaller coreset_ratio or a larger projection helps"
        )
