# The network: films of a set cached once, five folds trained, every set scored, cases explained.
# Training reads the development centre's training set only (state/cache/train).


rule cache_films:
    """Decode and resize the films of one set into one array; the index holds patient, label, fold and
    checksum.
    """
    input:
        cohort=SETS.cohort,
        films=SETS.films,
        pngs=SETS.pngs,
    output:
        films="state/cache/{set}/films.npy",
        index="state/cache/{set}/index.csv",
    log:
        "logs/cache_films/{set}.log",
    benchmark:
        "benchmarks/cache_films/{set}.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(120),
    params:
        code=code("scripts/deep/cache_films.py"),
        side=CFG.deep.architecture.grid * CFG.deep.architecture.block_size,
    script:
        "../scripts/deep/cache_films.py"


rule fetch_weights:
    """Download torchvision's ImageNet weights of ResNet-18, once, on a machine with a network."""

    # No parameters: a file that is there, fetched or placed by hand, is never deleted to be fetched again.
    output:
        "weights/resnet18-f37072fd.pth",
    log:
        "logs/fetch_weights.log",
    benchmark:
        "benchmarks/fetch_weights.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(30),
    script:
        "../scripts/deep/fetch_weights.py"


rule train_fold:
    """Train on the training patients of all folds but one; score the patients of that one."""

    # A plain command, so that it runs on a node without Snakemake. Device and time between saved states are
    # resources and not params: they start no new training. An unchanged fold comes from state/store.
    input:
        films="state/cache/train/films.npy",
        index="state/cache/train/index.csv",
        weights=initial_weights(CFG),
    output:
        weights="results/deep/fold_{fold}/weights.pt",
        history="results/deep/fold_{fold}/history.csv",
        held_out="results/deep/fold_{fold}/held_out.csv",
        trained_on="results/deep/fold_{fold}/trained_on.json",
    log:
        "logs/train_fold/{fold}.log",
    benchmark:
        "benchmarks/train_fold/{fold}.tsv"
    # Before all else that could run: the folds take the longest.
    priority: 10
    conda:
        "../envs/osteocxr.yaml"
    threads: CFG.deep.cpu_threads
    resources:
        mem_mb=grows(training_memory_mb(CFG)),
        runtime=grows(2880),
        gpu=CFG.deep.gpus_per_fold,
        device=device_asked(CFG),
        checkpoint_minutes=str(CFG.deep.checkpoint_minutes),
    params:
        code=code("scripts/deep/train_fold.py", "scripts/deep/kinds/hybrid.py"),
        settings=training_settings(CFG),
    shell:
        "exec python -m scripts.deep.train_fold"
        ' --cache "$(dirname {input.index:q})" --fold {wildcards.fold} --settings {params.settings:q}'
        ' --output "$(dirname {output.weights:q})" --device {resources.device}'
        " --checkpoint-minutes {resources.checkpoint_minutes} --log {log:q}"


rule score_out_of_fold:
    """Give every training patient the probability of the fold that did not see the patient."""
    input:
        index="state/cache/train/index.csv",
        held_out=fold_files(CFG, "held_out.csv"),
    output:
        "results/deep/scores/train.csv",
    log:
        "logs/score_out_of_fold.log",
    benchmark:
        "benchmarks/score_out_of_fold.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        code=code("scripts/deep/score_out_of_fold.py"),
    script:
        "../scripts/deep/score_out_of_fold.py"


rule score_images:
    """Score the patients of a test set by every fold's network; the deep score is the mean of the
    probabilities.
    """
    input:
        films="state/cache/{set}/films.npy",
        index="state/cache/{set}/index.csv",
        weights=fold_files(CFG, "weights.pt"),
    output:
        "results/deep/scores/{set}.csv",
    log:
        "logs/score_images/{set}.log",
    benchmark:
        "benchmarks/score_images/{set}.tsv"
    wildcard_constraints:
        set="|".join(CFG.test_sets),
    conda:
        "../envs/osteocxr.yaml"
    threads: CFG.deep.cpu_threads
    resources:
        mem_mb=grows(4000),
        runtime=grows(720),
        gpu=CFG.deep.gpus_per_fold,
        device=device_asked(CFG),
    params:
        code=code("scripts/deep/score_images.py", "scripts/deep/kinds/hybrid.py"),
        threads=CFG.deep.cpu_threads,
        precision=CFG.deep.scoring.precision,
        films_per_forward=CFG.deep.scoring.films_per_forward,
    shell:
        "exec python -m scripts.deep.score_images"
        ' --cache "$(dirname {input.index:q})" --weights {input.weights:q} --output {output:q}'
        " --device {resources.device} --threads {params.threads} --precision {params.precision}"
        " --films-per-forward {params.films_per_forward} --log {log:q}"


rule score_masked:
    """Score a test set with parts of its films covered: the spine, bands beside it, the border, all but the
    spine.
    """
    input:
        films="state/cache/{set}/films.npy",
        index="state/cache/{set}/index.csv",
        weights=fold_files(CFG, "weights.pt"),
    output:
        "results/deep/masked/{set}.csv",
    log:
        "logs/score_masked/{set}.log",
    benchmark:
        "benchmarks/score_masked/{set}.tsv"
    wildcard_constraints:
        set="|".join(CFG.test_sets),
    conda:
        "../envs/osteocxr.yaml"
    threads: CFG.deep.cpu_threads
    resources:
        mem_mb=grows(4000),
        runtime=grows(1440),
        gpu=CFG.deep.gpus_per_fold,
        device=device_asked(CFG),
    params:
        code=code("scripts/deep/score_masked.py", "scripts/deep/kinds/hybrid.py"),
        spine=list(CFG.deep.masks.spine),
        border=CFG.deep.masks.border,
        threads=CFG.deep.cpu_threads,
        precision=CFG.deep.scoring.precision,
        films_per_forward=CFG.deep.scoring.films_per_forward,
    shell:
        "exec python -m scripts.deep.score_masked"
        ' --cache "$(dirname {input.index:q})" --weights {input.weights:q} --output {output:q}'
        " --spine {params.spine} --border {params.border}"
        " --device {resources.device} --threads {params.threads} --precision {params.precision}"
        " --films-per-forward {params.films_per_forward} --log {log:q}"


rule explain_gradcam:
    """Heat maps of films of the internal test set: the most certain of each kind, and a random sample."""
    input:
        predictions="results/predictions.csv",
        thresholds="results/statistics/thresholds.csv",
        films="state/cache/internal_test/films.npy",
        index="state/cache/internal_test/index.csv",
        weights=fold_files(CFG, "weights.pt"),
    output:
        cases="results/deep/gradcam/cases.csv",
        maps="results/deep/gradcam/maps.npz",
    log:
        "logs/explain_gradcam.log",
    benchmark:
        "benchmarks/explain_gradcam.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: CFG.deep.cpu_threads
    resources:
        mem_mb=grows(4000),
        runtime=grows(60),
        gpu=CFG.deep.gpus_per_fold,
        device=device_asked(CFG),
    params:
        code=code("scripts/deep/explain_gradcam.py", "scripts/deep/kinds/hybrid.py"),
        cases=CFG.deep.gradcam.cases,
        random=CFG.deep.gradcam.random,
        seed=CFG.study.seed,
        threads=CFG.deep.cpu_threads,
    shell:
        "exec python -m scripts.deep.explain_gradcam"
        " --predictions {input.predictions:q} --thresholds {input.thresholds:q} --set internal_test"
        ' --cache "$(dirname {input.index:q})" --weights {input.weights:q}'
        " --cases {params.cases} --random {params.random} --seed {params.seed}"
        " --cases-csv {output.cases:q} --maps-npz {output.maps:q}"
        " --device {resources.device} --threads {params.threads} --log {log:q}"


localrules:
    fetch_weights,
    score_out_of_fold,
