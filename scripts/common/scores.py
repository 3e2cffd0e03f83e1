"""What more than one stage needs to know of scores."""

ONE_SCORE = "none: constant score"
"""``auc_ci_method`` where an AUC has no interval, since all patients have the same score."""

SAME_SCORE = 1e-6
"""Probabilities no further apart than this count as one score for all."""

CLIP = 1e-6
"""Probabilities are kept so far from 0 and 1 before their logit is taken."""
