"""Learning from a weaker supervisor's labels, as pure functions. Source: Burns et al. 2023, arXiv:2312.09390."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from .losses import Metrics


def confidence_weight(progress: float, most: float, warmup: float) -> float:
    """The weight alpha of the student's own opinion: rises linearly to `most` over the first `warmup` of training.

    Source: arXiv:2312.09390, app. A.4. Args: progress: share of the training that is done, in [0, 1].
    """
    return most if progress >= warmup else most * progress / warmup


def adaptive_threshold(logits: Float[Tensor, "B"], weak: Float[Tensor, "B"]) -> float:
    """The logit above which lie as many of a step's cases as the weak labels call yes, mean(weak) B, rounded.

    Without it a student sure of itself could call all cases alike. It lies halfway between two cases.
    Source: arXiv:2312.09390, app. A.4. Differs from source: there it is always half of the cases, for the classes are
    balanced; here classes may have any share.
    """
    ordered = logits.sort(descending=True).values
    above = round(float(weak.mean()) * len(ordered))
    if above in (0, len(ordered)):
        return float("inf") if above == 0 else -float("inf")
    return float(ordered[above - 1 : above + 1].mean())


def weak_supervision(
    logits: Float[Tensor, "B"],
    weak: Float[Tensor, "B"],
    weight: float = 0.0,
    threshold: float = 0.0,
    count: int | None = None,
) -> tuple[Float[Tensor, ""], Metrics]:
    """(1 - weight) CE(f, weak) + weight CE(f, 1[f > threshold]): the auxiliary confidence loss; naive at weight 0.

    Source: Burns et al. 2023, arXiv:2312.09390, sec. 4.3.2. No gradient flows through 1[f > threshold].
    Args: logits: the student's, (B,); weak: the supervisor's probability of a yes, (B,); threshold: a logit.
    Returns: loss in nats per case, the sum divided by `count`; metrics `loss`, and `agreement`, the share of cases on
    which the student says what the supervisor says.
    Raises ValueError if the weight is outside [0, 1].
    """
    if not 0.0 <= weight <= 1.0:
        raise ValueError(f"a weight of {weight} is outside [0, 1]")
    n = count or len(logits)
    own = (logits.detach() > threshold).to(weak.dtype)
    target = (1.0 - weight) * weak + weight * own
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="sum") / n
    agrees = (logits.detach() > 0.0) == (weak > 0.5)
    return loss, {"loss": loss.detach(), "agreement": agrees.sum() / n}
