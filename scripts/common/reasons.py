"""Words of the result tables that more than one stage reads."""

ONE_SCORE = "none: constant score"
"""``auc_ci_method`` where an AUC has no interval, since all patients have the same score."""
