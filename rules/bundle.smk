# The model as a folder that scores new films by itself. Not part of `rule all`: what holds weights leaves a
# study on purpose only.


rule make_bundle:
    """Put all folds' weights, settings, threshold, an ONNX file and a model card into one folder with
    checksums.

    Only when asked for (`make bundle`). The ONNX file is checked against PyTorch; a difference above 1e-4
    ends the job.
    """
    input:
        weights=MODELS.trained("weights.pt"),
        thresholds="results/statistics/thresholds.csv",
        cohort="results/cohort/cohort.csv",
        table2="results/statistics/table2.csv",
        provenance="results/provenance.json",
        films=MODELS.cache("films.npy", "internal_test"),
    output:
        folder=directory("results/bundle/{model}"),
    log:
        "logs/make_bundle/{model}.log",
    benchmark:
        "benchmarks/make_bundle/{model}.tsv"
    wildcard_constraints:
        model=MODELS.of_networks(),
    conda:
        "../envs/osteocxr.yaml"
    threads: CFG.networks.cpu_threads
    resources:
        mem_mb=grows(8000),
        runtime=grows(60),
    params:
        code=MODELS.code_of_bundle(code),
        card=file_hash("scripts/bundle/templates/model_card.md.j2"),
        settings=bundle_settings(CFG),
        facts=lambda wildcards: bundle_facts(CFG, wildcards.model),
    script:
        "../scripts/bundle/make_bundle.py"
