# The record of the run and the page for readers.

from scripts.common.catalogue import shown_statistics
from scripts.common.templates import templates_hash
from scripts.report.checklists import CHECKLISTS
from scripts.report.prose import TEMPLATES
from scripts.report.redaction import redacted_config
from scripts.report.run_files import FIGURES
from scripts.report.sections import GROUPS
from scripts.workflow.targets import study_has

REPORTED = list(shown_statistics(study_has(CFG)))


rule record_provenance:
    """Record what the run was made from and what it made: config, code, versions, seeds, checksums.

    The config is recorded as resolved, without paths and hospitals' names. Inputs are recorded by checksums
    under the study key, results by plain ones. The commit is read when the record is made; a new commit alone
    makes no new record.
    """
    input:
        outputs=recorded_outputs(CFG),
        engine="results/statistics/engine.json",
        listings=per_center(CFG, "private/{center}/listing.csv"),
        trainings=[f"results/models/{m}/fold_{run}/trained_on.json" for m, run in MODELS.trainings()],
        tables=[source for _, _, source, _ in CENTERS.tables_given()],
        weights=list(MODELS.starts().values()),
        embeddings=list(MODELS.given_embeddings().values()),
        key=CENTERS.key(),
    output:
        marked("provenance"),
    log:
        "logs/record_provenance.log",
    benchmark:
        "benchmarks/record_provenance.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(15),
    params:
        code=code("scripts/report/record_provenance.py"),
        config=redacted_config(CFG),
        requirements=file_hash("envs/requirements.txt"),
        synthetic=CFG.synthetic,
        centers=[c.name for c in CFG.centers],
        tables=[[center, kind, inside] for center, kind, _, inside in CENTERS.tables_given()],
        trainings=[list(of) for of in MODELS.trainings()],
        weights=list(MODELS.starts()),
        embeddings=list(MODELS.given_embeddings()),
    script:
        "../scripts/report/record_provenance.py"


rule write_report:
    """Write the report: one HTML page that opens offline, with tables, figures, methods and checksums, and
    two reporting checklists.

    A contact sheet of films stands in it only where the policy on films (report.show_films) allows it.
    """
    input:
        **{f"scores_of_{m}": [MODELS.scores(m, name) for name in CFG.test_sets] for m in MODELS.networks},
        provenance="results/provenance.json",
        files="results/intake/files.csv",
        films=per_center(CFG, "results/intake/{center}/films.csv"),
        reject_sheets=per_center(CFG, "results/intake/{center}/contact_sheet_reject.png"),
        review_sheets=per_center(CFG, "results/intake/{center}/contact_sheet_review.png"),
        cohort="results/cohort/cohort.csv",
        flow="results/cohort/flow.csv",
        predictions="results/predictions.csv",
        statistics=[f"results/statistics/{name}.csv" for name in REPORTED],
        figures=[f"results/figures/{name}" for name in FIGURES.values()],
    output:
        page=marked("report"),
        tripod_ai=marked("tables/checklist_tripod_ai"),
        claim=marked("tables/checklist_claim"),
    log:
        "logs/write_report.log",
    benchmark:
        "benchmarks/write_report.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        code=code("scripts/report/write_report.py"),
        templates=templates_hash(TEMPLATES),
        checklists=templates_hash(CHECKLISTS),
        words=words_of(CFG.study.language, *GROUPS),
        labels={c.name: c.label for c in CFG.centers},
        models=CFG.shown_models(),
        main_network=MODELS.main_network,
        networks=MODELS.networks,
        predictors=shown_predictors(CFG),
        test_sets=CFG.test_sets,
        statistics=REPORTED,
        figures=list(FIGURES),
    script:
        "../scripts/report/write_report.py"
