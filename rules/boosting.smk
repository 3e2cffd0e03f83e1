# The clinical and the combined model (XGBoost), the baselines beside them, and the table of all models'
# predictions (a leaf).


rule fit_xgboost:
    """Fit the clinical or the combined model to the training patients, with fixed settings.

    In go the training patients and, for the combined model, their out-of-fold deep scores; out come the trees
    fitted to all of them, their out-of-fold scores over the same folds, and each variable's importance.
    """
    input:
        train="results/cohort/train.csv",
        deep=lambda wildcards: ("results/deep/scores/train.csv" if wildcards.model == "combined" else []),
    output:
        model="results/boosting/{model}/model.ubj",
        out_of_fold="results/boosting/{model}/out_of_fold.csv",
        importance="results/boosting/{model}/importance.csv",
    log:
        "logs/fit_xgboost/{model}.log",
    benchmark:
        "benchmarks/fit_xgboost/{model}.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(1500),
        runtime=grows(30),
    params:
        code=code("scripts/boosting/fit_xgboost.py"),
        settings=plain(CFG.boosting),
        seed=CFG.study.seed,
    script:
        "../scripts/boosting/fit_xgboost.py"


rule score_xgboost:
    """Score the patients of one test set by the clinical and the combined model."""
    input:
        cohort=SETS.cohort,
        deep="results/deep/scores/{set}.csv",
        clinical="results/boosting/clinical/model.ubj",
        combined="results/boosting/combined/model.ubj",
    output:
        scores="results/boosting/scores/{set}.csv",
    log:
        "logs/score_xgboost/{set}.log",
    benchmark:
        "benchmarks/score_xgboost/{set}.tsv"
    wildcard_constraints:
        set="|".join(CFG.test_sets),
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(1500),
        runtime=grows(15),
    params:
        code=code("scripts/boosting/score_xgboost.py"),
    script:
        "../scripts/boosting/score_xgboost.py"


rule fit_baselines:
    """Fit the baselines (age alone, logistic regression, OSTA) to the training patients, over the study's
    folds and to all.
    """
    input:
        train="results/cohort/train.csv",
    output:
        coefficients="results/boosting/baselines/coefficients.csv",
        out_of_fold="results/boosting/baselines/out_of_fold.csv",
    log:
        "logs/fit_baselines.log",
    benchmark:
        "benchmarks/fit_baselines.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(15),
    params:
        code=code("scripts/boosting/fit_baselines.py"),
    script:
        "../scripts/boosting/fit_baselines.py"


rule score_baselines:
    """Score all test patients by the baselines; one table for all sets, which nothing that trains reads."""
    input:
        coefficients="results/boosting/baselines/coefficients.csv",
        out_of_fold="results/boosting/baselines/out_of_fold.csv",
        cohorts=cohorts_of_test_sets(CFG),
    output:
        baselines="results/boosting/baselines.csv",
    log:
        "logs/score_baselines.log",
    benchmark:
        "benchmarks/score_baselines.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(15),
    params:
        code=code("scripts/boosting/score_baselines.py"),
    script:
        "../scripts/boosting/score_baselines.py"


rule merge_predictions:
    """Put all patients' deep, clinical and combined scores into one table. Nothing that trains reads it.

    Training patients' scores are out of fold. Every included patient must have one row and three
    probabilities.
    """
    input:
        cohorts=["results/cohort/train.csv", *cohorts_of_test_sets(CFG)],
        deep=[f"results/deep/scores/{name}.csv" for name in ["train", *CFG.test_sets]],
        clinical=[
            "results/boosting/clinical/out_of_fold.csv",
            *(f"results/boosting/scores/{name}.csv" for name in CFG.test_sets),
        ],
        combined=[
            "results/boosting/combined/out_of_fold.csv",
            *(f"results/boosting/scores/{name}.csv" for name in CFG.test_sets),
        ],
    output:
        predictions="results/predictions.csv",
    log:
        "logs/merge_predictions.log",
    benchmark:
        "benchmarks/merge_predictions.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(15),
    params:
        code=code("scripts/boosting/merge_predictions.py"),
        sets=["train", *CFG.test_sets],
    script:
        "../scripts/boosting/merge_predictions.py"
