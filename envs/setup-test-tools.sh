#!/usr/bin/env bash
# Install the programs that only tests use (Debian and Ubuntu): Chromium (the report), LibreOffice and poppler
# (Word tables), DCMTK and dicom3tools (DICOM conformance), Tesseract (burned-in text), a Chinese font, SLURM
# with munge (the study on a cluster of one node). Tests skip, with the reason, where one is absent. With the
# argument 'slurm' only SLURM is installed.
set -euo pipefail
packages=()
have() { command -v "$1" >/dev/null; }
if [ "${1:-all}" = all ]; then
  have chromium || packages+=(chromium)
  have soffice || packages+=(libreoffice-writer-nogui)
  have pdftotext || packages+=(poppler-utils)
  have dcmj2pnm || packages+=(dcmtk)
  have dciodvfy || packages+=(dicom3tools)
  have tesseract || packages+=(tesseract-ocr)
  fc-list :lang=zh 2>/dev/null | grep -q . || packages+=(fontconfig fonts-wqy-zenhei)
fi
have slurmctld || [ -x /usr/sbin/slurmctld ] || packages+=(slurm-wlm munge)
[ ${#packages[@]} -eq 0 ] && exit 0
echo "Installing tools for tests: ${packages[*]}" >&2
log=$(mktemp)
if ! {
  apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
} >"$log" 2>&1; then
  tail -n 10 "$log" >&2
  echo "Some tools could not be installed; their tests will be skipped." >&2
fi
rm -f "$log"
