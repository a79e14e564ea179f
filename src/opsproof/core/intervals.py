"""Confidence intervals: what a sample says of the whole."""

from math import sqrt
from statistics import fmean, variance

Z_95 = 1.96
"""The standard normal distribution has 95 % between this and its negative."""


def wilson(share: float, trials: float, z: float = Z_95) -> tuple[float, float]:
    """The interval that holds the true share behind `share` of that many independent trials.

    Wilson's score interval: https://doi.org/10.1080/01621459.1927.10502953
    """
    middle = share + z * z / (2 * trials)
    half = z * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return (middle - half) / (1 + z * z / trials), min(1.0, (middle + half) / (1 + z * z / trials))


def clustered(shares: list[float], size: int) -> tuple[float, float]:
    """The interval that holds the true mean behind `shares`, each that of a cluster of `size` trials.

    Trials of one cluster resemble each other. They count for as many independent ones as the spread between the
    clusters says (Kish's design effect), but for one each at least, and where there is no spread for no more.
    """
    mean, spread = fmean(shares), variance(shares)
    independent = mean * (1 - mean) * len(shares) / spread if spread else 0.0
    return wilson(mean, min(max(independent, len(shares)), len(shares) * size))
