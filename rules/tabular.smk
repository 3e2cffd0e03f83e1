# Models on columns of the cohort, on other models' scores and on embeddings of films; and the table of all
# models' predictions (a leaf).


rule fit_model:
    """Fit a tabular model to the training patients, with fixed settings.

    In go the training patients, the out-of-fold scores of the models that it reads, and embeddings where it
    has them; out come the model fitted to all of them, their out-of-fold scores over the same folds, and what
    there is to say of each variable.
    """
    input:
        cohort="results/cohort/train.csv",
        scores=MODELS.scores_read,
        embeddings=MODELS.embeddings,
    output:
        model="results/models/{model}/model.json",
        out_of_fold="results/models/{model}/out_of_fold.csv",
        variables="results/models/{model}/variables.csv",
    log:
        "logs/fit_model/{model}.log",
    benchmark:
        "benchmarks/fit_model/{model}.tsv"
    wildcard_constraints:
        model=MODELS.of_tabular(),
    # As embed_films.
    priority: 20
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(3000),
        runtime=grows(30),
    params:
        code=MODELS.code_of_tabular(code, "fit_model"),
        kind=MODELS.kind,
        predictors=MODELS.predictors,
        settings=MODELS.settings,
        seed=CFG.study.seed,
    script:
        "../scripts/tabular/fit_model.py"


rule score_model:
    """Score the patients of one test set by every tabular model, each behind those whose scores it reads."""
    input:
        cohort=SETS.cohort,
        scores=MODELS.networks_read,
        embeddings=MODELS.all_embeddings,
        models=[f"results/models/{name}/model.json" for name in MODELS.tabular],
    output:
        scores=[f"results/models/{name}/scores/{{set}}.csv" for name in MODELS.tabular],
    log:
        "logs/score_model/{set}.log",
    benchmark:
        "benchmarks/score_model/{set}.tsv"
    wildcard_constraints:
        set="|".join(CFG.test_sets),
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(3000),
        runtime=grows(15),
    params:
        code=code("scripts/tabular/score_model.py", *MODELS.kinds_in_use()),
        models=MODELS.described(),
    script:
        "../scripts/tabular/score_model.py"


rule merge_predictions:
    """Put all patients' scores by every model into one table. Nothing that trains reads it.

    Training patients' scores are out of fold. Every included patient must have one row and a probability of
    each model.
    """
    input:
        cohorts=["results/cohort/train.csv", *cohorts_of_test_sets(CFG)],
        scores=MODELS.all_scores(),
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
        code=code("scripts/tabular/merge_predictions.py"),
        sets=["train", *CFG.test_sets],
        models=list(CFG.models),
    script:
        "../scripts/tabular/merge_predictions.py"
