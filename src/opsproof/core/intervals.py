"""Confidence intervals of a share measured on a sample."""

from math import sqrt
from statistics import fmean, variance

Z_95 = 1.96
"""95 % of the standard normal distribution lies between -1.96 and 1.96."""


def wilson(share: float, trials: float, z: float = Z_95) -> tuple[float, float]:
    """The confidence interval of a `share` measured on so many independent `trials`.

    Wilson's score interval: https://doi.org/10.1080/01621459.1927.10502953
    """
    middle = share + z * z / (2 * trials)
    half = z * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return (middle - half) / (1 + z * z / trials), min(1.0, (middle + half) / (1 + z * z / trials))


def clustered(shares: list[float], size: int) -> tuple[float, float]:
    """The confidence interval of the mean of `shares`, each measured on a cluster of `size` trials.

    Trials of one cluster are correlated. The spread between clusters gives the number of independent trials (Kish's
    design effect): at least one per cluster, and exactly one without any spread.
    """
    mean, spread = fmean(shares), variance(shares)
    independent = mean * (1 - mean) * len(shares) / spread if spread else 0.0
    return wilson(mean, min(max(independent, len(shares)), len(shares) * size))
