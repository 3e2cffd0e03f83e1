"""What more than one stage needs to know of scores."""

ONE_SCORE = "none: constant score"
"""``auc_ci_method`` where an AUC has no interval, since all patients have the same score."""

SAME_SCORE = 1e-6
"""Probabilities no further apart than this count as one score for all."""

CLIP = 1e-6
"""Probabilities are kept so far from 0 and 1 before their logit is taken."""

NEXT_TO_NOTHING = 0.1
"""SD of the logits below which out-of-fold scores span next to nothing: nothing was learned.

A calibrated score whose logits have a small SD of s ranks a patient with osteoporosis above one without in
Phi(s / sqrt(2)) of all pairs (Phi: the standard normal distribution): in 53 % here. On real films the
trainings that collapsed had an SD of .00 to .20, those that learned .5 and more (docs/benchmarks.md).
"""
