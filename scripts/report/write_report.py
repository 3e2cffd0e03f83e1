"""Write ``results/report.html`` from the run's result files, one page that opens offline, and its reporting
checklists as tables.
"""

from scripts.common.contracts.report import CHECKLIST
from scripts.common.files import write_text
from scripts.common.log import rule_log
from scripts.common.tables import write_table
from scripts.report.render import checklist_tables, report_html
from scripts.report.run_files import read_run

job = snakemake
with rule_log(job.log[0], job.rule) as log:
    run = read_run(
        labels=job.params.labels,
        models=job.params.models,
        main_network=job.params.main_network,
        predictors=job.params.predictors,
        test_sets=job.params.test_sets,
        files=job.input.files,
        films=job.input.films,
        reject_sheets=job.input.reject_sheets,
        review_sheets=job.input.review_sheets,
        cohort=job.input.cohort,
        flow=job.input.flow,
        predictions=job.input.predictions,
        statistics=dict(zip(job.params.statistics, job.input.statistics)),
        fold_scores={name: job.input[f"scores_of_{name}"] for name in job.params.networks},
        figures=dict(zip(job.params.figures, job.input.figures)),
        provenance=job.input.provenance,
    )
    for name, table in checklist_tables(run).items():
        write_table(table, job.output[name], CHECKLIST)
    page = report_html(run)
    write_text(job.output.page, page)
    log.say(f"report of {len(run.cohort)} patients and {len(run.files)} files, {len(page) / 1e6:.1f} MB")
