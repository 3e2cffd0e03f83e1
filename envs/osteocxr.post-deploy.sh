# Run by Snakemake in the conda environment that it has made of osteocxr.yaml: the pinned Python packages.
# OSTEOCXR_ENVS is this folder (scripts/workflow/commands.py); Snakemake runs a copy in another one.
# Other pins are another environment by their checksum, which `make lock` writes:
# requirements.txt: e0c0677675913a139ae74754cace19d4a2829a5a20804a596c90c0666919e96a
set -eu
# rpy2 then needs no compiler
export RPY2_CFFI_MODE=ABI
"$CONDA_PREFIX/bin/python" -m pip install --quiet --require-hashes \
  --requirement "$OSTEOCXR_ENVS/requirements.txt"
