# From results/predictions.csv and results/cohort/cohort.csv to the manuscript's tables and figures. Four
# rules read more, since they look at the models beyond their scores: judge_learning, examine_models,
# compare_networks and draw_network.
# A rule that computes is given the models' names; labels and colours reach only those that draw.


rule first_answer:
    """The out-of-fold AUC of the models that need no network, before any network is trained."""
    input:
        cohort="results/cohort/train.csv",
        scores=[MODELS.scores(name, "train") for name in MODELS.without_network()],
    output:
        "results/statistics/first_answer.csv",
    log:
        "logs/first_answer.log",
    benchmark:
        "benchmarks/first_answer.tsv"
    # Before the trainings, as all that it needs (embed_films, fit_model).
    priority: 20
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        code=code("scripts/statistics/first_answer.py"),
        models=MODELS.without_network(),
        confidence=CFG.statistics.confidence,
    script:
        "../scripts/statistics/first_answer.py"


rule freeze_thresholds:
    """One classification threshold per model, chosen on the training patients' out-of-fold scores only."""
    input:
        predictions="results/predictions.csv",
    output:
        thresholds=marked("statistics/thresholds"),
    log:
        "logs/freeze_thresholds.log",
    benchmark:
        "benchmarks/freeze_thresholds.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        code=code("scripts/statistics/freeze_thresholds.py"),
        models=MODELS.named(),
        threshold=plain(CFG.statistics.threshold),
    script:
        "../scripts/statistics/freeze_thresholds.py"


rule describe_cohort:
    """Table 1: patients with and without osteoporosis in each centre; how many values are missing."""
    input:
        cohort="results/cohort/cohort.csv",
    output:
        table1=marked("statistics/table1"),
        missing=marked("statistics/missing"),
    log:
        "logs/describe_cohort.log",
    benchmark:
        "benchmarks/describe_cohort.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        code=code("scripts/statistics/describe_cohort.py"),
        centers=described_centers(CFG),
        predictors=counted_predictors(CFG),
    script:
        "../scripts/statistics/describe_cohort.py"


rule evaluate_models:
    """Table 2 at the frozen thresholds; calibration, decision curves, subgroups, populations, sensitivity
    analyses.
    """
    input:
        predictions="results/predictions.csv",
        cohort="results/cohort/cohort.csv",
        thresholds="results/statistics/thresholds.csv",
    output:
        table2=marked("statistics/table2"),
        calibration=marked("statistics/calibration"),
        calibration_curve="results/statistics/calibration_curve.csv",
        net_benefit="results/statistics/net_benefit.csv",
        best_model=marked("statistics/best_model"),
        differences=marked("statistics/differences"),
        net_benefit_differences=marked("statistics/net_benefit_differences"),
        youden_upper_bound=marked("statistics/youden_upper_bound"),
        subgroups=marked("statistics/subgroups"),
        prevalence=marked("statistics/prevalence"),
        sensitivity=marked("statistics/sensitivity"),
    log:
        "logs/evaluate_models.log",
    benchmark:
        "benchmarks/evaluate_models.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(20),
    params:
        code=code("scripts/statistics/evaluate_models.py"),
        models=MODELS.named(role="main"),
        sets=CFG.test_sets,
        confidence=CFG.statistics.confidence,
        bootstrap=CFG.statistics.bootstrap,
        seed=CFG.study.seed,
        net_benefit=plain(CFG.statistics.net_benefit),
        prevalences=[plain(p) for p in CFG.statistics.prevalences],
        op_t_score=CFG.cohort.op_t_score,
        predictors=MODELS.own_predictors(role="main"),
        primary_contrast=list(CFG.statistics.primary_contrast or ()),
    script:
        "../scripts/statistics/evaluate_models.py"


rule compare_auc:
    """DeLong's paired tests between the models in each test set, by R's pROC and checked by a second
    implementation.
    """
    input:
        predictions="results/predictions.csv",
    output:
        delong=marked("statistics/delong"),
        engine="results/statistics/engine.json",
    log:
        "logs/compare_auc.log",
    benchmark:
        "benchmarks/compare_auc.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(20),
    params:
        code=code("scripts/statistics/compare_auc.py"),
        models=MODELS.named(role="main"),
        sets=CFG.test_sets,
        use_r=CFG.statistics.engine == "r",
        confidence=CFG.statistics.confidence,
        primary_contrast=list(CFG.statistics.primary_contrast or ()),
    script:
        "../scripts/statistics/compare_auc.py"


rule judge_learning:
    """Whether each network, and each model on embeddings, learned: AUC and spread of its out-of-fold scores,
    of all folds and of each training.
    """
    input:
        predictions="results/predictions.csv",
        held_out=[f for name in MODELS.networks for f in MODELS.trained_files("held_out.csv", name)],
        histories=[f for name in MODELS.networks for f in MODELS.trained_files("history.csv", name)],
        trained_on=[f for name in MODELS.networks for f in MODELS.trained_files("trained_on.json", name)],
    output:
        learning=marked("statistics/learning"),
    log:
        "logs/judge_learning.log",
    benchmark:
        "benchmarks/judge_learning.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        code=code("scripts/statistics/judge_learning.py"),
        starts=MODELS.learning(),
        trainings=[list(of) for of in MODELS.trainings()],
        confidence=CFG.statistics.confidence,
    script:
        "../scripts/statistics/judge_learning.py"


rule examine_models:
    """What else there is to know of the models: the AUC of each training of a network, baselines at frozen
    thresholds, the shortcut audit.

    The main network and the first model of the primary contrast are tested against the baselines. The audit
    tells how much device, film size, brightness and exposure explain of the main network's score, and its AUC
    with parts of the film covered.
    """
    input:
        predictions="results/predictions.csv",
        cohort="results/cohort/cohort.csv",
        thresholds="results/statistics/thresholds.csv",
        network_scores=MODELS.scores_of(MODELS.networks),
        osta_scores=MODELS.scores_of(MODELS.named(kind="osta")),
        exposure="results/intake/exposure.csv",
        masked=MODELS.masked_scores(),
    output:
        folds=marked("statistics/folds"),
        performance=marked("statistics/baseline_performance"),
        delong="results/statistics/baseline_delong.csv",
        shortcuts=marked("statistics/shortcuts"),
    log:
        "logs/examine_models.log",
    benchmark:
        "benchmarks/examine_models.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(20),
    params:
        code=code("scripts/statistics/examine_models.py"),
        sets=CFG.test_sets,
        masked_sets=MODELS.masked_sets(),
        main_network=MODELS.main_network,
        networks=MODELS.networks,
        baselines=MODELS.named(role="baseline"),
        osta=MODELS.named(kind="osta"),
        tested=MODELS.tested(),
        use_r=CFG.statistics.engine == "r",
        confidence=CFG.statistics.confidence,
        bootstrap=CFG.statistics.bootstrap,
        seed=CFG.study.seed,
    script:
        "../scripts/statistics/examine_models.py"


rule compare_networks:
    """The study's networks side by side: weights, time of training, AUC and its test against the main
    network, calibration. Asked for where there is more than one.
    """
    input:
        predictions="results/predictions.csv",
        trainings=[f for name in MODELS.networks for f in MODELS.trained_files("trained_on.json", name)],
    output:
        architectures=marked("statistics/architectures"),
    log:
        "logs/compare_networks.log",
    benchmark:
        "benchmarks/compare_networks.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(20),
    params:
        code=code("scripts/statistics/compare_networks.py"),
        sets=CFG.test_sets,
        roles=MODELS.networks_compared(),
        trained=[name for name in MODELS.networks for _ in MODELS.runs(name)],
        parameters=MODELS.parameter_counts,
        use_r=CFG.statistics.engine == "r",
        confidence=CFG.statistics.confidence,
    script:
        "../scripts/statistics/compare_networks.py"


rule draw_figures:
    """ROC, decision and calibration curves and the forest plot with a panel per test set, and the flow
    diagram.
    """
    input:
        predictions="results/predictions.csv",
        cohort="results/cohort/cohort.csv",
        flow=flow_table(CFG),
        table2="results/statistics/table2.csv",
        net_benefit="results/statistics/net_benefit.csv",
        calibration_curve="results/statistics/calibration_curve.csv",
        subgroups="results/statistics/subgroups.csv",
    output:
        **figure_files(CFG, "draw_figures", marked),
    log:
        "logs/draw_figures.log",
    benchmark:
        "benchmarks/draw_figures.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(20),
    params:
        code=code("scripts/statistics/draw_figures.py"),
        sets=CFG.test_sets,
        centers=described_centers(CFG),
        labels=center_labels(CFG),
        models=MODELS.shown("main"),
        words=words_of(CFG.study.language, "figures", "flow"),
        synthetic=CFG.synthetic,
        colors=CFG.statistics.figures.colors,
        confidence=CFG.statistics.confidence,
        font_size=CFG.statistics.figures.font_size,
        dpi=CFG.statistics.figures.dpi,
    script:
        "../scripts/statistics/draw_figures.py"


rule draw_network:
    """The networks' figures: training curves of all, and of the main one the shortcut audit, and films of
    chosen cases beside their heat maps.

    A film is shown only where that is allowed.
    """
    input:
        histories=[file for name in MODELS.networks for file in MODELS.trained_files("history.csv", name)],
        shortcuts="results/statistics/shortcuts.csv",
        learning="results/statistics/learning.csv",
        cases=f"results/models/{MODELS.main_network}/gradcam/cases.csv",
        maps=f"results/models/{MODELS.main_network}/gradcam/maps.npz",
        films=per_center(CFG, "results/intake/{center}/films.csv"),
    output:
        **figure_files(CFG, "draw_network", marked),
    log:
        "logs/draw_network.log",
    benchmark:
        "benchmarks/draw_network.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(20),
    params:
        code=code("scripts/statistics/draw_network.py"),
        sets=CFG.test_sets,
        models=[model for model in CFG.shown_models() if model["network"]],
        main_network=MODELS.main_network,
        trainings=[[name, run] for name in MODELS.networks for run in MODELS.runs(name)],
        spine=list(CFG.networks.masks.spine),
        border=CFG.networks.masks.border,
        show_films=CFG.report.show_films,
        labels=center_labels(CFG),
        words=words_of(CFG.study.language, "figures"),
        synthetic=CFG.synthetic,
        font_size=CFG.statistics.figures.font_size,
        dpi=CFG.statistics.figures.dpi,
    script:
        "../scripts/statistics/draw_network.py"


rule write_tables:
    """Table 1 and Table 2 as three-line tables for Word and as HTML."""
    input:
        table1="results/statistics/table1.csv",
        missing="results/statistics/missing.csv",
        table2="results/statistics/table2.csv",
        delong="results/statistics/delong.csv",
        engine="results/statistics/engine.json",
        thresholds="results/statistics/thresholds.csv",
    output:
        table1_docx=marked("tables/table1", "docx"),
        table2_docx=marked("tables/table2", "docx"),
        table1_html=marked("tables/table1", "html"),
        table2_html=marked("tables/table2", "html"),
    log:
        "logs/write_tables.log",
    benchmark:
        "benchmarks/write_tables.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        code=code("scripts/statistics/write_tables.py"),
        sets=CFG.test_sets,
        centers=described_centers(CFG),
        labels=center_labels(CFG),
        models=MODELS.shown("main"),
        predictors=shown_predictors(CFG),
        words=words_of(CFG.study.language, "tables"),
        synthetic=CFG.synthetic,
        confidence=CFG.statistics.confidence,
    script:
        "../scripts/statistics/write_tables.py"


localrules:
    first_answer,
