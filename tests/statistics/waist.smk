# The statistics stage alone, over files that lie at the waist already. For tests.


configfile: "config.yaml"


include: "../../rules/common.smk"
include: "../../rules/statistics.smk"


rule all:
    default_target: True
    input:
        [f for f in final_outputs(CFG) if f.startswith(("results/statistics", "results/figures", "results/tables/table"))],
        "results/statistics/engine.json",
