#!/usr/bin/env bash
# Set up what a run needs: system packages (Python's venv, R, pROC) where they are missing and may be
# installed, and the Python environment .venv from the pinned, hashed requirements. Run again at any time:
# what is there is left alone.
#   envs/setup.sh          what a run needs
#   envs/setup.sh test     and what the tests and checks need (Python packages only)
set -euo pipefail
cd "$(dirname "$0")/.."
requirements=envs/requirements.txt
[ "${1:-}" = test ] && requirements=envs/requirements-test.txt

say() { printf '%s\n' "$*" >&2; }

# --- system packages
# -------------------------------------------------------------------------------------------
python=""
for candidate in python3 python3.13 python3.12 python3.11; do
  if command -v "$candidate" >/dev/null &&
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    python=$candidate
    break
  fi
done
missing=()
if [ -z "$python" ]; then
  missing+=(python3 python3-venv)
elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  case $python in python3) missing+=(python3-venv) ;; *) missing+=("$python-venv") ;; esac
fi
command -v R >/dev/null || missing+=(r-base-core)
if ! command -v Rscript >/dev/null ||
  ! Rscript -e 'quit(status = !requireNamespace("pROC", quietly = TRUE))' >/dev/null 2>&1; then
  missing+=(r-cran-proc)
fi
command -v git >/dev/null || missing+=(git)

if [ ${#missing[@]} -gt 0 ]; then
  line="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
  as_root=""
  if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as_root="sudo -n"; else as_root=no; fi
  fi
  if ! command -v apt-get >/dev/null; then
    say "Missing: ${missing[*]} (Debian's names). This system has no apt-get: install Python 3.11 or newer" \
      "with venv, R and the R package pROC"
    say "(in R: install.packages(\"pROC\")), then run the same command again."
    exit 1
  elif [ "$as_root" = no ]; then
    say "Missing: ${missing[*]}. You may not install system packages here; ask an administrator for this" \
      "line, then run the same command again:"
    say "  sudo sh -c '$line'"
    exit 1
  fi
  say "Installing system packages: ${missing[*]}"
  log=$(mktemp)
  # shellcheck disable=SC2086
  if ! {
    $as_root apt-get update -qq &&
      DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends "${missing[@]}"
  } >"$log" 2>&1; then
    tail -n 15 "$log" >&2
    say "The installation failed. Fix what the lines above say, or run by hand:  $line"
    exit 1
  fi
  rm -f "$log"
  [ -n "$python" ] || python=python3
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  say "Python 3.11 or newer is needed; this system's newest is $("$python" --version 2>&1)." \
    "Debian 12, Debian 13 and Ubuntu 24.04 have one."
  exit 1
fi

# --- the Python environment
# ------------------------------------------------------------------------------------
version_of() { "$1" -c 'import sys; print(sys.version_info[:2])'; }
wanted="$(sha256sum <"$requirements" | cut -d' ' -f1) $(version_of "$python")"
stamp=.venv/requirements-$(basename "$requirements" .txt).stamp

# Where Python is told to keep no compiled modules (PYTHONDONTWRITEBYTECODE, usual in containers), each of a
# run's processes would compile its libraries anew, some seconds each. So they are compiled here, once for
# each set of packages, by importing them.
compile_once() {
  [ -n "${PYTHONDONTWRITEBYTECODE:-}" ] || return 0
  local compiled
  compiled="$(sha256sum <envs/requirements.txt | cut -d' ' -f1) ${wanted#* }"
  [ "$(cat .venv/compiled.stamp 2>/dev/null)" = "$compiled" ] && return 0
  say "Compiling the Python packages once (PYTHONDONTWRITEBYTECODE is set) ..."
  for module in snakemake.cli snakemake.script snakemake_executor_plugin_slurm pandas scipy.stats \
    sklearn.linear_model statsmodels.api matplotlib.pyplot torch torchvision \
    torch._dynamo xgboost onnxruntime cv2 pydicom openpyxl docx jinja2 pydantic imagecodecs \
    rpy2.rinterface; do
    env -u PYTHONDONTWRITEBYTECODE -u PYTHONPYCACHEPREFIX \
      .venv/bin/python -c "import $module" >/dev/null 2>&1 || true
  done
  printf '%s\n' "$compiled" >.venv/compiled.stamp
}

# An environment with the test packages serves a run as well.
if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
  compile_once
  exit 0
fi

if [ -x .venv/bin/python ] && ! .venv/bin/python -c 'import pip' 2>/dev/null; then rm -rf .venv; fi
if [ -x .venv/bin/python ] && [ "$(version_of .venv/bin/python)" != "$(version_of "$python")" ]; then
  rm -rf .venv
fi
[ -x .venv/bin/python ] || "$python" -m venv .venv
free=$(df -Pk . | awk 'NR==2 {print int($4/1048576)}')
if [ "$free" -lt 9 ] && [ ! -d .venv/lib/*/site-packages/torch ]; then
  say "Only $free GiB are free here; the Python environment (PyTorch with CUDA) needs 9 GiB." \
    "Free some space and run again."
  exit 1
fi
say "Installing the Python packages of $requirements into .venv (some minutes, about 3 GB to fetch) ..."
# RPY2_CFFI_MODE=ABI: rpy2 then needs no compiler. --no-compile: Python compiles what it imports, when it
# does.
export RPY2_CFFI_MODE=ABI PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
if ! .venv/bin/python -m pip install --quiet --no-compile --no-cache-dir \
  --require-hashes -r "$requirements"; then
  say "The Python packages could not be installed. Check the network (a mirror or proxy is set in" \
    "pip's own configuration) and run again."
  exit 1
fi
printf '%s\n' "$wanted" >"$stamp"
if [ "$requirements" = envs/requirements-test.txt ]; then
  printf '%s %s\n' "$(sha256sum <envs/requirements.txt | cut -d' ' -f1)" "$(version_of "$python")" \
    >.venv/requirements-requirements.stamp
fi
compile_once
