"""Two tables of recommendations to how much they differ, and whether that is more than it may be."""

from pathlib import Path

from recsys_cli.evaluation.overlap import compare, open_list_table
from recsys_cli.stages.results import DiffResult


def diff(
    old: Path,
    new: Path,
    *,
    top_k: int | None = None,
    min_overlap: float | None = None,
    max_lost_share: float | None = None,
) -> DiffResult:
    """Compare two Parquet tables of recommendations, of either layout.

    `unmet` of the result says which of the two limits do not hold. Raises ArtifactError.
    """
    found = compare(open_list_table(old), open_list_table(new), top_k=top_k)
    lost = found.users[0] - found.users_in_both
    result = DiffResult(
        old=old,
        new=new,
        top_k=max(found.at, default=top_k or 0),
        overlap={f"overlap@{k}": share for k, share in found.at.items()},
        users_old=found.users[0],
        users_new=found.users[1],
        users_in_both=found.users_in_both,
        lost_users=lost,
        lost_share=lost / found.users[0] if found.users[0] else 0.0,
        added_users=found.users[1] - found.users_in_both,
        items_old=found.items[0],
        items_new=found.items[1],
        items_in_both=found.items_in_both,
        unmet=[],
    )
    return result.model_copy(update={"unmet": _unmet(result, min_overlap, max_lost_share)})


def _unmet(result: DiffResult, min_overlap: float | None, max_lost_share: float | None) -> list[str]:
    """One sentence for each limit that does not hold."""
    unmet: list[str] = []
    overlap = result.overlap.get(f"overlap@{result.top_k}")
    if min_overlap is not None and overlap is None:
        unmet.append("No user is in both tables, so that there is no overlap.")
    elif min_overlap is not None and overlap is not None and overlap < min_overlap:
        unmet.append(f"overlap@{result.top_k} is {overlap:.4f}, less than {min_overlap:g}.")
    if max_lost_share is not None and result.lost_share > max_lost_share:
        unmet.append(
            f"{result.lost_users:,} of {result.users_old:,} users lost their list "
            f"({result.lost_share:.4f}), more than {max_lost_share:g}."
        )
    return unmet
