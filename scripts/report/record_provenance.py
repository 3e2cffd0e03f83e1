"""Write ``results/provenance.json``: what the run was made from (config, code, versions, seeds, inputs) and
what it made.
"""

import json
from pathlib import Path

from scripts.common.code_hash import ROOT
from scripts.common.files import write_text
from scripts.common.key import open_key
from scripts.common.log import rule_log
from scripts.report.provenance import provenance, provenance_text

job = snakemake
with rule_log(job.log[0], job.rule) as log:
    record = provenance(
        config=job.params.config,
        synthetic=job.params.synthetic,
        key=open_key(job.input.key or None, job.params.config["study"]["seed"]),
        listings=dict(zip(job.params.centers, job.input.listings)),
        tables=[
            (center, kind, str(Path(source) / inside) if inside else source)
            for (center, kind, inside), source in zip(job.params.tables, job.input.tables)
        ],
        weights=[job.input.weights] if isinstance(job.input.weights, str) else job.input.weights,
        engine=json.loads(Path(job.input.engine).read_text(encoding="utf-8")),
        outputs=job.input.outputs,
        trainings=job.input.trainings,
        requirements=ROOT / "envs" / "requirements.txt",
    )
    write_text(job.output[0], provenance_text(record))
    log.say(f"{len(record['outputs']['files'])} result files recorded")
