from snakemake.utils import min_version

min_version("9.27")


configfile: "config.yaml"


include: "rules/common.smk"


# Scores that were made elsewhere need the statistics alone.
if CFG.tables is not None:

    include: "rules/statistics.smk"
    include: "rules/own_tables.smk"

else:

    include: "rules/synthetic.smk"
    include: "rules/intake.smk"


# A site that only hands a centre over runs the intake alone and needs no development centre.
if CFG.handover is None and CFG.tables is None:

    include: "rules/cohort.smk"
    include: "rules/deep.smk"
    include: "rules/boosting.smk"
    include: "rules/statistics.smk"
    include: "rules/report.smk"
    include: "rules/bundle.smk"


localrules:
    all,


rule all:
    """Everything that the study ends with: tables, figures, report and provenance."""
    default_target: True
    input:
        final_outputs(CFG),
        products(CFG, CENTERS),


onstart:
    remember_key(CFG)
    remove_leftover_scripts()
    print(banners.start(CFG), file=sys.stderr)


onsuccess:
    remove_leftover_scripts()
    done = banners.success(CFG, workflow.dag_settings, bool(workflow.overwrite_configfiles))
    print(banners.limits(STARTED) + done, file=sys.stderr)


onerror:
    remove_leftover_scripts()
    print(banners.limits(STARTED) + banners.error(), file=sys.stderr)
