# The model as a folder that scores new films by itself. Not part of `rule all`: what holds weights leaves a
# study on purpose only.


rule make_bundle:
    """Put all folds' weights, settings, threshold, an ONNX file and a model card into one folder with
    checksums.

    Only when asked for (`make bundle`). The ONNX file is checked against PyTorch; a difference above 1e-4
    ends the job.
    """
    input:
        weights=fold_files(CFG, "weights.pt"),
        thresholds="results/statistics/thresholds.csv",
        cohort="results/cohort/cohort.csv",
        table2="results/statistics/table2.csv",
        provenance="results/provenance.json",
        films="state/cache/internal_test/films.npy",
    output:
        folder=directory("results/bundle"),
    log:
        "logs/make_bundle.log",
    benchmark:
        "benchmarks/make_bundle.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: CFG.deep.cpu_threads
    resources:
        mem_mb=grows(8000),
        runtime=grows(60),
    params:
        code=code("scripts/bundle/make_bundle.py", "scripts/deep/kinds/hybrid.py"),
        card=file_hash("scripts/bundle/templates/model_card.md.j2"),
        settings=bundle_settings(CFG),
        facts=bundle_facts(CFG),
    script:
        "../scripts/bundle/make_bundle.py"
