"""Which days may be seen when: train, purge, validation, embargo, and a test that is opened once.

    | train | purge h+d | valid | embargo | test (sealed) |

Labels of a day reach h + d days ahead, so the last h + d days before a border are left out (purge); the
embargo additionally lets the slow parts of factors and markets die away. The search sees train and valid;
the sealed test is opened once per run, by `discovery unseal` (discovery/families/alphas/unsealing.py), which first writes the
count of trials into the run's journal: without that count a test score cannot be corrected for luck.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from evaluators.alphas.markets.labels import Horizon
from evaluators.contract import ContractError


@dataclass(frozen=True, slots=True)
class Split:
    """Row ranges of one panel; labels of the days in each range end before the next range begins."""

    train: slice
    valid: slice
    test: slice

    @property
    def search(self) -> slice:
        """Returns the rows that features may be shown of while searching: up to the end of the embargo."""
        return slice(0, self.test.start)


def make_split(
    days: int,
    horizon: Horizon | None = None,
    *,
    train: float = 0.5,
    valid: float = 0.25,
    embargo_days: int | None = None,
    warm_up_days: int = 0,
) -> Split:
    """Returns the split of `days` rows; `train` and `valid` are shares of them, the rest is the test.

    The purge is `horizon.reach`; the embargo is max(h, 20) days on top of it unless it is given. Train leaves
    out the first `warm_up_days`, on which factors with a long memory have no value yet.

    Raises:
        ContractError: the shares are not in (0, 1), or a part would have fewer than 20 days.
    """
    horizon = horizon or Horizon()
    if not (0 < train < 1 and 0 < valid < 1 and train + valid < 1):
        raise ContractError(f"train and valid must be > 0 and sum to < 1, got {train} and {valid}")
    embargo = max(horizon.days, 20) if embargo_days is None else embargo_days
    if embargo < 0 or warm_up_days < 0:
        raise ContractError(f"embargo_days and warm_up_days must be >= 0, got {embargo}, {warm_up_days}")
    first_border, second_border = round(days * train), round(days * (train + valid))
    split = Split(
        slice(warm_up_days, first_border - horizon.reach),
        slice(first_border, second_border - horizon.reach - embargo),
        slice(second_border, days - horizon.reach),
    )
    for name in ("train", "valid", "test"):
        part = getattr(split, name)
        if part.stop - part.start < 20:
            raise ContractError(
                f"{name} would have {part.stop - part.start} days of {days} after purge {horizon.reach} and "
                f"embargo {embargo}, at least 20 are needed; use a longer panel or a shorter horizon"
            )
    return split


def walk_forward(
    days: int,
    horizon: Horizon | None = None,
    *,
    folds: int = 5,
    first_train: float = 0.4,
    rolling: bool = False,
) -> Iterator[tuple[slice, slice]]:
    """Yields (train, valid) row ranges that march through the days, each valid after its train and a purge.

    Train grows from the first day, or keeps its length with `rolling`. Together the valid ranges cover the
    days after the first train without overlap.
    """
    horizon = horizon or Horizon()
    start = round(days * first_train)
    length = (days - start) // folds
    if folds < 1 or not 0 < first_train < 1 or length <= 2 * horizon.reach:
        raise ContractError(
            f"walk-forward of {days} days in {folds} folds leaves {length} days a fold, more than "
            f"{2 * horizon.reach} are needed; use fewer folds"
        )
    for fold in range(folds):
        border = start + fold * length
        begin = max(0, border - start) if rolling else 0
        yield slice(begin, border - horizon.reach), slice(border, border + length - horizon.reach)
