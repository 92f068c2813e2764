"""A gain taken apart: which features of the responses it came by, on which kinds of prompts.

After the length analysis of Singhal et al. 2023, arXiv:2310.03716, for any feature and within prompts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...maths import clusters
from ...maths.stats import Estimate
from ...protocols import Floats

PROXY, GAUGE = 0, 1
SMALLEST_KIND = 16
"""Kinds with fewer prompts are taken together."""
FULL_LOSS_SD = 0.5
"""A kind of prompts on which the gauge lost this much by a feature counts in full, less of a loss in proportion, so
that no kind drowns the others and none counts that lost nothing but noise. Cohen's medium effect."""
SPLITS = 4
RIDGE = 1e-9
LEVELS = 5
"""Bins of a feature that takes more values than this."""


class Attribution:
    """Responses to the same prompts at two probes or more, and what changed from one of them to the last.

    Within a kind k of prompts, y_it = a_i + b_t + sum_f slope_kf x_itf over prompts i and probes t: two-way fixed
    effects, so that what a prompt always gives and what all prompts gain alike are left out. By feature f came
    slope_kf x mean over i of (x_i,last - x_i,start). Slopes rest on all probes. y are the proxy and the gauge, each in
    units of its own standard deviation at the first probe.

    Args: features (probes, prompts, features); values (probes, prompts, 2), proxy and gauge, which vary at the first
    probe; questions and kinds (prompts,): prompts of one question are one cluster, and of one kind and question on one
    side of every split; starts (prompts,): the probe from which each prompt's change counts, by default the first.
    """

    def __init__(
        self,
        features: Floats,
        values: Floats,
        questions: Sequence[str],
        kinds: Sequence[str],
        starts: NDArray[np.intp] | None = None,
    ) -> None:
        self.features = features
        self.values: Floats = values / values[0].std(axis=0)
        self.n = features.shape[1]
        self.questions = np.unique(np.asarray(questions), return_inverse=True)[1]
        self.starts = np.zeros(self.n, dtype=np.intp) if starts is None else starts
        counts = Counter(kinds)
        named = [kind if counts[kind] >= SMALLEST_KIND else "other" for kind in kinds]
        self.kinds = sorted(set(named))
        self.of_kind: NDArray[np.bool_] = np.array([[name == kind for name in named] for kind in self.kinds])
        self.changes: Floats = np.subtract(*self.ends(features)[::-1])
        self.gains: Floats = np.subtract(*self.ends(self.values)[::-1])
        self._known: dict[tuple[int, bytes], Floats] = {}

    def ends(self, x: Floats) -> Floats:
        """Of (probes, prompts, ...) each prompt's start and end, (2, prompts, ...)."""
        found: Floats = np.stack([x[self.starts, np.arange(self.n)], x[-1]])
        return found

    @cached_property
    def _levels(self) -> Floats:
        """Features and values less each prompt's mean, (prompts, probes, columns)."""
        both = np.concatenate([self.features, self.values], axis=2).transpose(1, 0, 2)
        levels: Floats = both - both.mean(axis=1, keepdims=True)
        return levels

    @cached_property
    def _products(self) -> Floats:
        products: Floats = np.einsum("nta,ntb->nab", self._levels, self._levels).reshape(self.n, -1)
        return products

    @cached_property
    def _sides(self) -> Floats:
        """1 where a prompt lies on a side of a split and in a kind, (SPLITS x 2 x kinds, prompts)."""
        rng = np.random.default_rng(0)
        sides = np.zeros((SPLITS, self.n), dtype=np.intp)
        for members in self.of_kind:
            names, places = np.unique(self.questions[members], return_inverse=True)
            for side in sides:
                side[members] = (rng.permutation(len(names)) % 2)[places]
        found = self.of_kind & (sides[:, None, None] == np.array([0, 1])[:, None, None])
        flat: Floats = found.reshape(-1, self.n).astype(np.float64)
        return flat

    def explained(self, weights: Floats) -> Floats:
        """What came by each feature of the proxy's and of the gauge's gain, in sd, (groups, features, 2).

        Args: weights: how often each prompt counts in each group, (groups, prompts).
        """
        groups, (_, probes, columns), f = len(weights), self._levels.shape, self.features.shape[2]
        sizes = np.maximum(weights.sum(1), 1.0)[:, None, None]
        means = (weights @ self._levels.reshape(self.n, -1)).reshape(groups, probes, columns) / sizes
        scatter = (weights @ self._products).reshape(groups, columns, columns)
        scatter = scatter - sizes * np.einsum("gta,gtb->gab", means, means)
        own = scatter[:, :f, :f]
        ridge = RIDGE * (1.0 + np.trace(own, axis1=1, axis2=2))[:, None, None] * np.eye(f)
        slopes = np.linalg.solve(own + ridge, scatter[:, :f, f:])
        found: Floats = slopes * (weights @ self.changes / sizes[:, 0])[:, :, None]
        return found

    def by_kind(self) -> Floats:
        """`explained` for each of `kinds`, (kinds, features, 2)."""
        return self.explained(self.of_kind.astype(np.float64))

    def whole(self, counts: Floats, feature: int, of: int) -> float:
        """What came by a feature over all prompts, each kind weighing as many prompts as it has."""
        weights = self.of_kind * counts
        return float(weights.sum(1) @ self.explained(weights)[:, feature, of] / counts.sum())

    def share(self, counts: Floats, feature: int, of: int) -> float:
        """`whole` as a share of the whole gain. Raises ValueError where there is none."""
        return self.whole(counts, feature, of) / _gain(self.gains[:, of], counts)

    def where_lost(self, counts: Floats, feature: int) -> tuple[float, float]:
        """What came by a feature, of the proxy and of the gauge, on the kinds on which the gauge lost by it.

        Kinds weigh what the gauge lost by it there, up to FULL_LOSS_SD. That loss is measured on one half of the
        prompts and what is told on the other, and the other way round, over SPLITS splits, so that choosing doesn't
        flatter it (cross-fitting: Chernozhukov et al. 2018, arXiv:1608.00060).
        Raises ValueError where the gauge lost by it on no kind.
        """
        key = (feature, counts.tobytes())
        if key not in self._known:
            weights = self._sides * counts
            found = self.explained(weights)[:, feature].reshape(SPLITS, 2, len(self.kinds), 2)
            loss = np.clip(-found[:, ::-1, :, GAUGE] / FULL_LOSS_SD, 0.0, 1.0) * weights.sum(1).reshape(SPLITS, 2, -1)
            total = loss.sum()
            self._known[key] = np.einsum("shk,shkv->v", loss, found) / total if total else np.full(2, np.nan)
        proxy, gauge = self._known[key]
        if np.isnan(proxy):
            raise ValueError("the gauge lost by it on no kind of prompts")
        return float(proxy), float(gauge)

    def share_by_levels(self, counts: Floats, feature: int, of: int) -> float:
        """The share of the gain that is gone among responses to one kind of prompts at one level of the feature.

        No line is assumed: 1 - (gain within cells of kind and level, Mantel-Haenszel weights) / (whole gain). The
        quotient is what Singhal et al. call the non-length reward gain.
        Raises ValueError where no level occurs both before and after, or there is no gain.
        """
        cells, values = self._cells(feature), self.ends(self.values)[:, :, of]
        size = int(cells.max()) + 1
        before, after = (np.bincount(cell, counts, size) for cell in cells)
        weights = before * after / np.maximum(before + after, 1.0)
        if not weights.any():
            raise ValueError("no level occurs both before and after")
        totals = [np.bincount(cell, counts * y, size) for cell, y in zip(cells, values, strict=True)]
        rise = totals[1] / np.maximum(after, 1.0) - totals[0] / np.maximum(before, 1.0)
        within = float(weights @ rise / weights.sum())
        return 1.0 - within / _gain(self.gains[:, of], counts)

    def _cells(self, feature: int) -> NDArray[np.intp]:
        """The cell of each response at the start and at the end, (2, prompts)."""
        x = self.ends(self.features)[:, :, feature]
        values = np.unique(x)
        if len(values) > LEVELS:
            values = np.unique(np.quantile(x, np.linspace(0, 1, LEVELS + 1)[:-1]))
        level = np.searchsorted(values, x, side="right") - 1
        cells: NDArray[np.intp] = self.of_kind.argmax(axis=0) * len(values) + level
        return cells

    def bootstrapped(self, statistic: Callable[[Floats], float], resamples: int) -> Estimate:
        """A statistic of how often each prompt counts, (prompts,), with its interval from resampled questions.

        Raises ValueError where it is undefined, on all prompts or on more than half of the resamples.
        """

        def of_rows(rows: Floats) -> float:
            return statistic(np.bincount(rows[:, 0].astype(np.intp), minlength=self.n).astype(np.float64))

        rows = np.arange(self.n, dtype=np.float64)[:, None]
        return clusters.bootstrap(rows, self.questions, of_rows, resamples=resamples)


def _gain(gains: Floats, counts: Floats) -> float:
    gain = float(gains @ counts / counts.sum())
    if gain == 0:
        raise ValueError("there is no gain to share")
    return gain
