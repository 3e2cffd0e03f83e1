# Who is in the study: selection per centre, the development centre's split, and the merged cohort (a leaf).


rule select_cohort:
    """Choose a centre's patients, each with one film and one DXA exam, and say why the others are left out.

    In go the centre's films with their exposure verdicts and its clinical tables under pseudonyms; out come
    the included patients, the other films that they could have been in the study with, the flow by step and
    the excluded patients with their reason.
    """
    input:
        unpack(CENTERS.dates),
        films="results/intake/{center}/films.csv",
        header_ages="private/{center}/header_ages.csv",
        patients="results/intake/{center}/patients.csv",
        dxa="results/intake/{center}/dxa.csv",
        set_aside="results/intake/{center}/set_aside.csv",
    output:
        selected="results/cohort/{center}/selected.csv",
        flow="results/cohort/{center}/flow.csv",
        excluded="results/cohort/{center}/excluded.csv",
        further="results/cohort/{center}/further_films.csv",
    log:
        "logs/select_cohort/{center}.log",
    benchmark:
        "benchmarks/select_cohort/{center}.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(15),
    params:
        code=code("scripts/cohort/select_cohort.py"),
        settings=CENTERS.selection,
        predictors=CENTERS.predictors,
    script:
        "../scripts/cohort/select_cohort.py"


rule split_cohort:
    """Divide the development centre's patients into training (with folds) and internal test set, for good.

    The draw is kept in state/split_lock.csv, outside the declared outputs: a patient stays where it was drawn
    when others come or go.
    """
    input:
        selected=f"results/cohort/{CFG.development.name}/selected.csv",
        key=CENTERS.key(),
    output:
        train="results/cohort/train.csv",
        internal_test="results/cohort/internal_test.csv",
    log:
        "logs/split_cohort.log",
    benchmark:
        "benchmarks/split_cohort.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(15),
    params:
        code=code("scripts/cohort/split_cohort.py"),
        key_file=CFG.study.key_file,
        seed=CENTERS.seed_of_key(),
        settings={
            "test_fraction": CFG.cohort.test_fraction,
            "folds": CFG.cohort.folds,
            "center": CFG.development.name,
            "lock": "state/split_lock.csv",
        },
        predictors=CFG.predictors_of(CFG.development.name),
    script:
        "../scripts/cohort/split_cohort.py"


rule merge_cohort:
    """Put all centres' included patients, flows and excluded patients together.

    Nothing that trains reads these.

    Found = included + excluded is checked for every centre.
    """
    input:
        sets=["results/cohort/train.csv", *cohorts_of_test_sets(CFG)],
        flows=per_center(CFG, "results/cohort/{center}/flow.csv"),
        excluded=per_center(CFG, "results/cohort/{center}/excluded.csv"),
        further=SETS.further_films(),
    output:
        cohort="results/cohort/cohort.csv",
        flow="results/cohort/flow.csv",
        excluded="results/cohort/excluded.csv",
    log:
        "logs/merge_cohort.log",
    benchmark:
        "benchmarks/merge_cohort.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(15),
    params:
        code=code("scripts/cohort/merge_cohort.py"),
        centers=[c.name for c in CFG.centers],
        development=CFG.development.name,
        predictors={name: one.type for name, one in CFG.predictors.items()},
    script:
        "../scripts/cohort/merge_cohort.py"
