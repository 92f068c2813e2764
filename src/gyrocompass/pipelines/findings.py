"""What the frontier shows, in plain words, and only as far as the intervals carry it."""

from __future__ import annotations

from collections.abc import Sequence

from ..maths.stats import Estimate
from ..run import Run
from . import verdict
from .changed_raters import Changed
from .cost import Cost, cost_of
from .curves import Comparison, Curve, pooled


def sentences(
    run: Run, curves: Sequence[Curve], compared: Sequence[Comparison], changed: Changed | None, gauge: str
) -> list[str]:
    """The verdict at equal KL first, then where each method over-optimises, what it costs, and who can follow."""
    standing = [curve for curve in curves if curve.default]
    said = [equal_kl(compared, gauge), *(optimised(curve, gauge) for curve in standing)]
    said.append(costs([(curve, cost_of(run, curve.rests_on)) for curve in standing]))
    return [*said, *(following(changed) if changed else [])]


def equal_kl(compared: Sequence[Comparison], gauge: str) -> str:
    """Whether DPO is comparable to PPO, over all pairs of settings."""
    intent = intent_of(gauge)
    if not compared:
        return "PPO and DPO reach no KL in common, so that they can't be compared at equal KL."
    found = pooled(compared)
    lowest = min(level.kl_nats for one in compared for level in one.levels)
    highest = max(level.kl_nats for one in compared for level in one.levels)
    over = f"from {lowest:g} to {highest:g} nats" if highest > lowest else f"{highest:g} nats"
    if found.low > 0 or found.high < 0:
        size = size_of(found)
        return f"At equal KL, {over}, DPO's {intent} is {'higher' if found.low > 0 else 'lower'} than PPO's by {size}."
    return f"At equal KL, {over}, DPO's {intent} can't be told from PPO's: the difference is {found}."


def optimised(curve: Curve, gauge: str) -> str:
    """The verdict on one curve."""
    said = verdict.sentences(curve.probed, curve.peak(gauge), gauge)[0]
    return f"{curve.title}: {said[0].lower()}{said[1:]}"


def costs(found: Sequence[tuple[Curve, Cost]]) -> str:
    """What the methods took beyond demonstrations and preferences."""
    return f"Beyond what all share, {' and '.join(_cost(curve, cost) for curve, cost in found)}."


def following(changed: Changed) -> list[str]:
    """Whether PPO followed the changed raters further than DPO on the old pairs, and what new pairs would do."""
    share = changed.disagreement
    ahead, gained, renewed = (found for _, _, found in changed.differences())
    said = (
        f"The raters changed their minds, and see {share.value:.0%} [{share.low:.0%}, {share.high:.0%}] of pairs the "
        f"other way round (n={share.n:,}). "
    )
    if ahead.low > 0:
        said += f"PPO went on with a new reward model and is worth more to them than DPO on the old pairs, by {ahead}"
    elif ahead.high < 0:
        said += (
            f"PPO went on with a new reward model, and DPO on the old pairs is still worth more, by {size_of(ahead)}"
        )
    else:
        said += f"PPO with a new reward model can't be told from DPO on the old pairs: the difference is {ahead}"
    rest = f"What PPO is worth to them changed by {gained} on the way."
    if renewed.low > 0:
        limit = f"DPO on new pairs gains {renewed} over the old ones: its limit is the data, not the loss."
    else:
        limit = f"DPO on new pairs differs from the old ones by {renewed}."
    return [f"{said}.", rest, limit]


def intent_of(gauge: str) -> str:
    """What a gauge is called in a sentence."""
    return "gold" if gauge == "gold" else "score by the held-out reward model"


def size_of(found: Estimate) -> Estimate:
    """How far from 0, whichever way."""
    return found if found.value >= 0 else Estimate(-found.value, -found.high, -found.low, found.n)


def _cost(curve: Curve, cost: Cost) -> str:
    memory = f" and {cost.added_mib:,.0f} MiB of memory" if cost.added_mib is not None else ""
    reward = " with its reward model" if "reward" in curve.rests_on else ""
    return f"{curve.model.upper()}{reward} took {cost.seconds:,.0f} s{memory}"
