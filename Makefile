# Thin by design: each target is a line or two of what it runs. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-tools slurm-test fuzz lint format key doctor check-data first-answer \
  handover share statistics bundle score bench-intake bench-networks bench-real bench-collapse \
  bench-statistics bench-scale docs lock clean
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export RPY2_CFFI_MODE := ABI
CONFIG ?=
# CONFIG=my.yaml is short for CONFIG="--configfile my.yaml"
override CONFIG := $(if $(CONFIG),$(if $(filter -%,$(firstword $(CONFIG))),,--configfile )$(CONFIG))
GIVEN := $(foreach word,$(filter %.yaml %.yml %.json,$(CONFIG)),$(if $(findstring =,$(word)),,$(word)))
ABSENT := $(filter-out $(wildcard $(GIVEN)),$(GIVEN))
# the doctor tells of an absent file itself
$(if $(filter-out doctor,$(MAKECMDGOALS)),$(if $(ABSENT),$(error There is no config file '$(ABSENT)')))
TO ?= results/share/osteocxr_results.tar.gz
SMALLEST ?= 5
OUTCOMES ?= hide
RELEASE ?= refuse
DEVICE ?= auto
WORKERS ?= 4
PIN = uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
  --fork-strategy fewest --no-annotate --no-header --no-emit-index-url -q

# docs/configuration.md is written by `make docs`
PAGES = README.md CONTRIBUTING.md CHANGELOG.md $(filter-out docs/configuration.md,$(wildcard docs/*.md))
LINES = Makefile Snakefile $(wildcard rules/*.smk envs/*.sh *.yaml config/*.yaml profiles/*/*.yaml)

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup:  ## system packages where missing and permitted, and the Python environment .venv
	@envs/setup.sh

demo: setup  ## the synthetic study from end to end (about 10 minutes on two cores, 15 with the set-up)
	@snakemake --cores all --quiet rules $(CONFIG)
	@python -m scripts.report.summary

test:  ## all tests (WORKERS=4: how many files at a time)
	@envs/setup.sh test
	@pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

test-tools:  ## what only tests need: Chromium, LibreOffice, DCMTK, Tesseract, a Chinese font, SLURM
	@envs/setup-test-tools.sh

slurm-test:  ## the tiny study on a real SLURM, started on this machine and stopped again (needs root)
	@envs/setup.sh test && envs/setup-test-tools.sh slurm
	@pytest -m slurm

fuzz:  ## damaged films and tables through the intake for 10 minutes (FUZZ="--seconds 60 --seed 2")
	@python -m tests.intake.fuzz_intake --share 0.5 $(FUZZ); films=$$?; \
	python -m tests.intake.fuzz_tables --share 0.5 $(FUZZ) && exit $$films

lint:  ## the checks of the code; fails where `make format` would change something
	@envs/setup.sh test
	@ruff check . && ruff format --check --quiet .
	@mdformat --check $(PAGES)
	@shfmt --diff --indent 2 envs
	@awk 'length > 110 { print FILENAME ":" FNR ": longer than 110 columns"; bad = 1 } END { exit bad }' $(LINES)
	@snakefmt --check Snakefile rules
	@snakemake --lint

format:  ## put the code into its standard layout
	@envs/setup.sh test
	@ruff check --fix . && ruff format .
	@snakefmt Snakefile rules && mdformat $(PAGES) && shfmt --write --indent 2 envs

key: setup  ## make the key of a study of real patients (once)
	@python -m scripts.common.key private/study.key

doctor:  ## what of this machine and config a run would stumble over, with the line that fixes it
	@python3 -m scripts.check.doctor $(CONFIG)

first-answer: setup  ## the AUC of all models that need no network, in minutes, before any training
	@snakemake --cores all --quiet rules $(CONFIG) -- first_answer

check-data: setup  ## what your own data will give: joins, units, missing values, expected cohort sizes
	@python -m scripts.check.check_data $(CONFIG)

handover: setup  ## one centre as a de-identified folder for a study elsewhere: make handover CENTER=<name>
	@test -n "$(CENTER)" || { echo "ERROR: say which centre: make handover CENTER=<name>"; exit 1; }
	@snakemake --cores all $(CONFIG) --config handover=$(CENTER)

share:  ## pack a run's aggregates, small cells hidden (TO=, SMALLEST=5, OUTCOMES=hide, RELEASE=refuse)
	@python -m scripts.share.pack_results --to "$(TO)" --smallest "$(SMALLEST)" --outcomes "$(OUTCOMES)" \
	  --release "$(RELEASE)"

statistics: TO =
statistics: setup  ## tables and figures from other scores (PREDICTIONS=, COHORT=, TO=, FLOW=)
	@test -n "$(PREDICTIONS)" -a -n "$(COHORT)" -a -n "$(TO)" || { echo "ERROR: say which tables and where to:" \
	  "make statistics PREDICTIONS=<csv> COHORT=<csv> TO=<folder>"; exit 1; }
	@python -m scripts.statistics.own_tables --predictions "$(PREDICTIONS)" --cohort "$(COHORT)" --to "$(TO)" \
	  $(if $(FLOW),--flow "$(FLOW)") $(CONFIG)

bundle: setup  ## a network as a folder that scores new films: results/bundle/<MODEL> (default: the main one)
	@snakemake --cores all $(CONFIG) -- $(if $(MODEL),"results/bundle/$(MODEL)",bundle)

score: TO = scores.csv
score: setup  ## score DICOM films: make score BUNDLE=<folder> DICOM=<folder> (TO=scores.csv, DEVICE=auto)
	@test -n "$(BUNDLE)" -a -n "$(DICOM)" || { echo "ERROR: say which model and which films:" \
	  "make score BUNDLE=<folder> DICOM=<folder>"; exit 1; }
	@python -m scripts.bundle.score --bundle "$(BUNDLE)" --dicom "$(DICOM)" --to "$(TO)" --device "$(DEVICE)"

bench-intake:  ## speed of the intake against DCMTK and pydicom with Pillow; 20,000 small films
	@envs/setup.sh test
	@python -m tests.bench.intake --scale

bench-networks:  ## speed of training and scoring (BENCH="--device cuda" on a GPU, "--parts folds")
	@envs/setup.sh test
	@python -m tests.bench.networks $(BENCH)

bench-real:  ## what models learn from real films: FILMS=<folder> (BENCH="--recipes a,b --seeds 3 --half 1")
	@test -n "$(FILMS)" || { echo "ERROR: say which films: make bench-real FILMS=<folder>"; exit 1; }
	@envs/setup.sh test
	@python -m tests.bench.real --films "$(FILMS)" $(BENCH)

bench-collapse:  ## whether the shipped network learns in every fold, seed and kind of processor (hours)
	@envs/setup.sh test
	@python -m tests.bench.collapse $(BENCH)

bench-scale:  ## planning of 1,000 to 100,000 films; BENCH=--overhead: Snakemake's share of a run
	@envs/setup.sh test
	@python -m tests.bench.scale $(BENCH)

bench-statistics:  ## speed of the bootstrap against pROC, and of the statistics stage
	@envs/setup.sh test
	@python -m tests.bench.statistics $(BENCH)

docs:  ## write the generated pages again: configuration reference, JSON schema, table of results
	@python -m scripts.common.config.reference && python -m scripts.common.catalogue_page

lock:  ## pin the requirements again from pyproject.toml (needs uv)
	$(PIN) -o envs/requirements.txt
	$(PIN) --extra test -c envs/requirements.txt -o envs/requirements-test.txt
	@total="$$(sha256sum <envs/requirements.txt | cut -d' ' -f1)" && \
	  sed -i "s/^# requirements.txt: .*/# requirements.txt: $$total/" envs/osteocxr.post-deploy.sh

clean:  ## remove results and everything a run makes, but no key, no data and no training state
	@rm -rf logs benchmarks .snakemake && find results -mindepth 1 ! -name .gitignore -delete
