# From a centre's folder of DICOM files and its tables to de-identified, screened films and pseudonymous
# tables. All rules but the last are per centre: a new centre, or new films in one, touches no other.


rule list_films:
    """List a centre's films and give each to a batch by a hash of its path.

    In goes the folder; out comes a private list. A new, changed or lost file is seen by the folder's
    fingerprint, in any depth of folders.
    """
    input:
        folder=CENTERS.film_folder,
    output:
        listing="private/{center}/listing.csv",
    log:
        "logs/list_films/{center}.log",
    benchmark:
        "benchmarks/list_films/{center}.tsv"
    wildcard_constraints:
        center=CENTERS.own(),
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(15),
    params:
        code=code("scripts/intake/list_films.py"),
        batches=CENTERS.n_batches,
        fingerprint=CENTERS.folder_fingerprint,
    script:
        "../scripts/intake/list_films.py"


rule deidentify:
    """Build a de-identified file from every usable film of one batch, and a row with a reason for every other
    file.

    In go the batch's films; out come new DICOM files under pseudonyms with shifted dates, their table, and
    the private crosswalk. It picks its files by the hash of their paths and does not read the list, which any
    new film changes: only a batch whose own files changed (its fingerprint) is done again. A PNG file's
    header is its row of the centre's image table; the rows are watched by batch as the files are.
    """
    input:
        folder=CENTERS.film_folder,
        images=CENTERS.image_table,
        key=ancient(CENTERS.key()),
    output:
        folder=directory("results/intake/{center}/dicom/batch_{batch}"),
        table="results/intake/{center}/dicom/batch_{batch}.csv",
        crosswalk="private/{center}/crosswalk/batch_{batch}.csv",
    log:
        "logs/deidentify/{center}_{batch}.log",
    benchmark:
        "benchmarks/deidentify/{center}_{batch}.tsv"
    wildcard_constraints:
        center=CENTERS.own(),
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(60),
    params:
        code=code("scripts/intake/deidentify.py"),
        allowed_tags=file_hash("scripts/intake/allowed_tags.csv"),
        fingerprint=CENTERS.batch_fingerprint,
        batches=CENTERS.n_batches,
        key=CENTERS.key_fingerprint(),
        seed=CENTERS.seed_of_key(),
        ids=CENTERS.section("ids"),
        frontal_view=plain(CFG.intake.frontal_view),
        images=CENTERS.image_settings,
        image_rows=CENTERS.image_rows,
    script:
        "../scripts/intake/deidentify.py"


rule convert_png:
    """Convert the de-identified films of one batch to 16-bit PNG and measure their exposure.

    In go de-identified DICOM files; out come PNGs that keep the full stored range and a table with geometry,
    the mapping to stored values, a checksum of the pixels and the measures of the exposure; where the gate
    for burned-in text is on, also the number of words in the film's borders.
    """
    input:
        folder="results/intake/{center}/dicom/batch_{batch}",
        table="results/intake/{center}/dicom/batch_{batch}.csv",
    output:
        folder=directory("results/intake/{center}/png/batch_{batch}"),
        table="results/intake/{center}/png/batch_{batch}.csv",
    log:
        "logs/convert_png/{center}_{batch}.log",
    benchmark:
        "benchmarks/convert_png/{center}_{batch}.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(60),
    params:
        code=code("scripts/intake/convert_png.py"),
        window={"rows": CFG.intake.exposure.rows, "columns": CFG.intake.exposure.columns},
        ocr=plain(CFG.intake.ocr) if CFG.intake.ocr.enabled else None,
    script:
        "../scripts/intake/convert_png.py"


rule read_review:
    """Read a reader's table of verdicts and see that every film in it is one of the centre's.

    In go the table as the reader saved it and the private crosswalks; out come the decided verdicts. A rule
    of its own, so that a slip in the table costs none of what the reader looks at: the contact sheets and
    `exposure.csv` stay.
    """
    input:
        review=CENTERS.review,
        crosswalks=CENTERS.of_batches("private/{center}/crosswalk/batch_{batch}.csv"),
    output:
        verdicts="results/intake/{center}/reader_verdicts.csv",
    log:
        "logs/read_review/{center}.log",
    benchmark:
        "benchmarks/read_review/{center}.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(15),
    params:
        code=code("scripts/intake/read_review.py"),
    script:
        "../scripts/intake/read_review.py"


rule screen_exposure:
    """Settle which of a centre's films stand: duplicates, exposure, a reader's overrides.

    In go the batches' tables and the list, every file of which must be in one of them; out come the centre's
    films, a row for every file found, the exposure's measures and verdicts, a table of what was rejected or
    flagged, for a reader to fill in, and, in private/, the ages that the headers give. Fixed rules reject;
    refitted measures only flag.
    """
    input:
        listing="private/{center}/listing.csv",
        film_tables=CENTERS.of_batches("results/intake/{center}/dicom/batch_{batch}.csv"),
        png_tables=CENTERS.of_batches("results/intake/{center}/png/batch_{batch}.csv"),
        png_folders=CENTERS.of_batches("results/intake/{center}/png/batch_{batch}"),
        crosswalks=CENTERS.of_batches("private/{center}/crosswalk/batch_{batch}.csv"),
        review=CENTERS.reader_verdicts,
    output:
        films="results/intake/{center}/films.csv",
        header_ages="private/{center}/header_ages.csv",
        files="results/intake/{center}/files.csv",
        exposure="results/intake/{center}/exposure.csv",
        template="results/intake/{center}/review_template.csv",
    log:
        "logs/screen_exposure/{center}.log",
    benchmark:
        "benchmarks/screen_exposure/{center}.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        code=code("scripts/intake/screen_exposure.py"),
        exposure=CFG.intake.exposure.model_dump(mode="json", exclude={"rows", "columns"}),
        enrolment=CENTERS.section("enrolment"),
    script:
        "../scripts/intake/screen_exposure.py"


rule draw_contact_sheets:
    """Draw contact sheets of a centre's films that were rejected or flagged, each with its reason.

    In go the centre's films with their verdicts and the PNGs; out come sheets on which a film that may not be
    shown (report.show_films) is left blank. A rule of its own, so that a sign-off draws the sheets again and
    nothing else.
    """
    input:
        films="results/intake/{center}/films.csv",
        exposure="results/intake/{center}/exposure.csv",
        png_folders=CENTERS.of_batches("results/intake/{center}/png/batch_{batch}"),
    output:
        reject_sheet="results/intake/{center}/contact_sheet_reject.png",
        review_sheet="results/intake/{center}/contact_sheet_review.png",
        further_sheets=directory("results/intake/{center}/contact_sheets"),
    log:
        "logs/draw_contact_sheets/{center}.log",
    benchmark:
        "benchmarks/draw_contact_sheets/{center}.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(15),
    params:
        code=code("scripts/intake/draw_contact_sheets.py"),
        show_films=CFG.report.show_films,
        synthetic=CFG.synthetic,
    script:
        "../scripts/intake/draw_contact_sheets.py"


rule pseudonymize_tables:
    """Put a centre's patient and DXA tables under the films' pseudonyms, dates shifted as theirs.

    In go the hospital's tables; out come tables with the study's columns, units and codings, the counts of
    rows that could not be read with their reasons, the patients of whom only such rows are there, and, in
    private/, shifted birth dates and the numbers of those rows.
    """
    input:
        tables=CENTERS.clinical_tables,
        listing=CENTERS.listing_for_images,
        key=ancient(CENTERS.key()),
    output:
        patients="results/intake/{center}/patients.csv",
        dxa="results/intake/{center}/dxa.csv",
        issues="results/intake/{center}/table_issues.csv",
        set_aside="results/intake/{center}/set_aside.csv",
        birth_dates="private/{center}/birth_dates.csv",
        rows="private/{center}/table_rows.csv",
    log:
        "logs/pseudonymize_tables/{center}.log",
    benchmark:
        "benchmarks/pseudonymize_tables/{center}.tsv"
    wildcard_constraints:
        center=CENTERS.own(),
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        code=code("scripts/intake/pseudonymize_tables.py"),
        key=CENTERS.key_fingerprint(),
        seed=CENTERS.seed_of_key(),
        ids=CENTERS.section("ids"),
        patients=CENTERS.patients,
        dxa=CENTERS.section("dxa"),
        images=CENTERS.image_settings,
        frontal_view=CENTERS.frontal_view,
    script:
        "../scripts/intake/pseudonymize_tables.py"


rule hand_over:
    """Put a centre's de-identified films and tables into one folder for a study at another site.

    In go the intake's files of the centre; out comes a folder with films, tables under pseudonyms, and a
    manifest with the checksum of every file. No date leaves: a patient's days stand in their order, and what
    needs dates (ages, pairs of film and exam, the nearest visit, the enrolment period) is counted here.
    """
    input:
        film_folders=CENTERS.of_batches("results/intake/{center}/dicom/batch_{batch}"),
        film_tables=CENTERS.of_batches("results/intake/{center}/dicom/batch_{batch}.csv"),
        crosswalks=CENTERS.of_batches("private/{center}/crosswalk/batch_{batch}.csv"),
        patients="results/intake/{center}/patients.csv",
        dxa="results/intake/{center}/dxa.csv",
        table_issues="results/intake/{center}/table_issues.csv",
        set_aside="results/intake/{center}/set_aside.csv",
        birth_dates="private/{center}/birth_dates.csv",
    output:
        folder=directory("results/handover/{center}"),
    log:
        "logs/hand_over/{center}.log",
    benchmark:
        "benchmarks/hand_over/{center}.tsv"
    wildcard_constraints:
        center=CENTERS.real(),
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(120),
    params:
        code=code("scripts/intake/hand_over.py"),
        enrolment=CENTERS.section("enrolment"),
        criteria=CENTERS.criteria(),
        predictors=CENTERS.declared_predictors,
    script:
        "../scripts/intake/hand_over.py"


rule receive_tables:
    """Check the folder that a site handed over and take its tables in.

    In goes the folder; out come the tables that the other rules make of a hospital's own, the ages and pairs
    that the site counted, and a private list of its films. A missing, changed or further file ends the run.
    """
    input:
        folder=CENTERS.film_folder,
    output:
        patients="results/intake/{center}/patients.csv",
        dxa="results/intake/{center}/dxa.csv",
        table_issues="results/intake/{center}/table_issues.csv",
        set_aside="results/intake/{center}/set_aside.csv",
        film_ages="results/intake/{center}/film_ages.csv",
        pairs="results/intake/{center}/pairs.csv",
        visit_order="results/intake/{center}/visit_order.csv",
        listing="private/{center}/listing.csv",
    log:
        "logs/receive_tables/{center}.log",
    benchmark:
        "benchmarks/receive_tables/{center}.tsv"
    wildcard_constraints:
        center=CENTERS.handed_over(),
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        code=code("scripts/intake/receive_tables.py"),
        fingerprint=CENTERS.folder_fingerprint,
        criteria=CENTERS.criteria(),
        predictors=CENTERS.declared_predictors(),
    script:
        "../scripts/intake/receive_tables.py"


rule receive_films:
    """Check the films of one batch of a hand-over by their checksums and take them in, as `deidentify` leaves
    them.

    A film that holds anything else than what de-identification writes ends the run.
    """
    input:
        folder=CENTERS.film_folder,
    output:
        folder=directory("results/intake/{center}/dicom/batch_{batch}"),
        table="results/intake/{center}/dicom/batch_{batch}.csv",
        crosswalk="private/{center}/crosswalk/batch_{batch}.csv",
    log:
        "logs/receive_films/{center}_{batch}.log",
    benchmark:
        "benchmarks/receive_films/{center}_{batch}.tsv"
    wildcard_constraints:
        center=CENTERS.handed_over(),
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(60),
    params:
        code=code("scripts/intake/receive_films.py"),
        allowed_tags=file_hash("scripts/intake/allowed_tags.csv"),
        fingerprint=CENTERS.batch_fingerprint,
    script:
        "../scripts/intake/receive_films.py"


rule merge_intake:
    """Put all centres' files and exposure measures into one table each; no rule that trains reads them."""
    input:
        files=per_center(CFG, "results/intake/{center}/files.csv"),
        exposure=per_center(CFG, "results/intake/{center}/exposure.csv"),
    output:
        files="results/intake/files.csv",
        exposure="results/intake/exposure.csv",
    log:
        "logs/merge_intake.log",
    benchmark:
        "benchmarks/merge_intake.tsv"
    conda:
        "../envs/osteocxr.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(15),
    params:
        code=code("scripts/intake/merge_intake.py"),
    script:
        "../scripts/intake/merge_intake.py"
