# A network as a folder that scores new films by itself. Not part of `rule all`: what holds weights leaves a
# study on purpose only.

from scripts.common.learning_words import WORDS


rule bundle:
    """Ask for the bundle of the main network: `make bundle` without MODEL."""
    input:
        f"results/bundle/{MODELS.main_network}",


rule make_bundle:
    """Put all weights of a network, its settings, threshold, an ONNX file and a model card into one folder
    with checksums.

    Only when asked for (`make bundle`). The ONNX file is checked against PyTorch; a difference above 1e-4
    ends the job.
    """
    input:
        weights=MODELS.weights_to_pack,
        thresholds="results/statistics/thresholds.csv",
        learning="results/statistics/learning.csv",
        cohort="results/cohort/cohort.csv",
        performance=performance_of(CFG),
        provenance="results/provenance.json",
        films=MODELS.cache("films.npy", "internal_test"),
    output:
        folder=directory("results/bundle/{model}"),
    log:
        "logs/make_bundle/{model}.log",
    benchmark:
        "benchmarks/make_bundle/{model}.tsv"
    wildcard_constraints:
        model="[^/]+",
    conda:
        "../envs/osteocxr.yaml"
    threads: CFG.networks.cpu_threads
    resources:
        mem_mb=grows(8000),
        runtime=grows(60),
    params:
        code=MODELS.code_of_bundle(code),
        card=file_hash("scripts/bundle/templates/model_card.md.j2"),
        words=words_of("en", WORDS),
        settings=lambda wildcards: bundle_settings(CFG, wildcards.model),
        facts=lambda wildcards: bundle_facts(CFG, wildcards.model),
    script:
        "../scripts/bundle/make_bundle.py"


localrules:
    bundle,
