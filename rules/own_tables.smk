# Statistics of scores that were made elsewhere (make statistics): a page that lists what was made.


rule list_statistics:
    """A page with the tables and figures and links to all files, for statistics of own tables."""
    input:
        own_statistics(CFG),
    output:
        index="results/index.html",
    log:
        "logs/list_statistics.log",
    benchmark:
        "benchmarks/list_statistics.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        code=code("scripts/statistics/list_statistics.py"),
        words=words_of(CFG.study.language, "listing", "results"),
        synthetic=CFG.synthetic,
        title=CFG.study.title,
    script:
        "../scripts/statistics/list_statistics.py"
