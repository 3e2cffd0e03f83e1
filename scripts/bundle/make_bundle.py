"""Put a finished run's networks, settings, threshold, ONNX file and model card into one folder with
checksums.
"""

from scripts.bundle.bundle_making import make_bundle
from scripts.common.log import rule_log

job = snakemake
with rule_log(job.log[0], job.rule) as log:
    make_bundle(
        weights=list(job.input.weights),
        thresholds=job.input.thresholds,
        learning=job.input.learning,
        cohort=job.input.cohort,
        performance=job.input.performance,
        provenance=job.input.provenance,
        films=job.input.films,
        settings=job.params.settings,
        facts=job.params.facts,
        target=job.output.folder,
        log=log,
    )
