# Simulated centres: raw films and clinical tables as a hospital would hand them over, with known troubles
# planted. Real centres have no part in it. Everything below data/synthetic/ is invented.


rule simulate_center:
    """Make one simulated centre: DICOM films of a physical model whose bone follows each patient's T-score,
    clinical tables in the centre's own layout, and the truth: what each file and patient must become, and
    every planted identifier.
    """
    output:
        dicom=directory("data/synthetic/{center}/dicom"),
        tables=directory("data/synthetic/{center}/tables"),
        truth="data/synthetic/{center}/truth.csv",
        patients="data/synthetic/{center}/truth_patients.csv",
        planted="data/synthetic/{center}/planted.json",
    log:
        "logs/simulate_center/{center}.log",
    benchmark:
        "benchmarks/simulate_center/{center}.tsv"
    wildcard_constraints:
        center=CENTERS.simulated(),
    conda:
        "../envs/osteocxr.yaml"
    threads: simulation_threads(CFG)
    resources:
        mem_mb=grows(2000),
        runtime=grows(240),
    params:
        simulate=lambda wildcards: plain(CFG.center(wildcards.center).simulate),
        seed=CFG.study.seed,
        code=code("scripts/synthetic/simulate_center.py"),
    script:
        "../scripts/synthetic/simulate_center.py"
