# Run by Snakemake in the conda environment that it has made of osteocxr.yaml: the pinned Python packages.
# OSTEOCXR_ENVS is this folder (scripts/workflow/commands.py); Snakemake runs a copy in another one.
# Other pins are another environment by their checksum, which `make lock` writes:
# requirements.txt: 093051a5d195e5e0e845dc3043956bcba08d00e49132b0191ffd74a5cc7e4926
set -eu
# rpy2 then needs no compiler
export RPY2_CFFI_MODE=ABI
"$CONDA_PREFIX/bin/python" -m pip install --quiet --require-hashes \
  --requirement "$OSTEOCXR_ENVS/requirements.txt"
