"""The choice among proposals, and the reward of the paper's platform-aware search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from densevision.adapt.proposals import Proposal


def select(proposals: Sequence[Proposal], scores: Mapping[str, float], before: tuple[float, float]) -> Proposal:
    """Return the proposal with the best change of accuracy per change of latency.

    Args:
        proposals: each is faster than the network before; not empty.
        scores: by the proposals' names, greater is better.
        before: latency in ms and score of the network that they narrow.
    Raises:
        ValueError: there are no proposals, or one saves no time.
    Source: Howard et al. 2019, section 4.2: the largest (change of accuracy) / |change of latency|. A gain of accuracy
        counts the more, the less latency it comes with, as the formula says.
    Departs: of equal ratios, the proposal that saves more, then the first, so that the result is determined.
    """
    latency_ms, score = before
    slow = [proposal.name for proposal in proposals if proposal.latency_ms >= latency_ms]
    if not proposals or slow:
        raise ValueError(f"no proposals to choose from: {', '.join(slow) or 'there are none'}")

    def worth(proposal: Proposal) -> tuple[float, float]:
        saved = latency_ms - proposal.latency_ms
        return (scores[proposal.name] - score) / saved, saved

    return max(proposals, key=worth)


def select_by_reward(
    proposals: Sequence[Proposal], accuracies: Mapping[str, float], target_ms: float, w: float = -0.07
) -> Proposal:
    """Return the proposal with the largest ``reward``; of equal ones the faster, then the first."""
    return max(proposals, key=lambda p: (reward(accuracies[p.name], p.latency_ms, target_ms, w), -p.latency_ms))


def reward(accuracy: float, latency_ms: float, target_ms: float, w: float = -0.07) -> float:
    """Return accuracy * (latency / target) ** w.

    Args:
        accuracy: 0 or more.
        latency_ms, target_ms: over 0.
        w: 0 ignores the latency; -0.07 is the paper's for large models (twice the latency is worth 5 % of accuracy),
            -0.15 its for small ones.
    Raises:
        ValueError: a figure is out of range.
    Source: Howard et al. 2019, section 4.1; Tan et al. 2019 (MnasNet).
    """
    if accuracy < 0 or latency_ms <= 0 or target_ms <= 0 or w > 0:
        raise ValueError(f"accuracy {accuracy}, latency {latency_ms}, target {target_ms}, w {w}: one is out of range")
    return accuracy * (latency_ms / target_ms) ** w
