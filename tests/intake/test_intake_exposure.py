"""Exposure measures and rules, duplicates, overrides: which films of a centre stand."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
import pytest

from scripts.common.config import Exposure
from scripts.common.contracts.intake import MEASURES, REVIEW_TEMPLATE
from scripts.common.errors import StudyError
from scripts.common.tables import write_table
from scripts.intake.contact_sheet import FILMS_A_SHEET, draw_contact_sheets, films_of_sheet
from scripts.intake.duplicates import resolve_duplicates
from scripts.intake.exposure import judge, measure
from scripts.intake.review_table import read_review, verdicts_of
from scripts.intake.screening import screen
from scripts.synthetic.detector import DETECTORS
from scripts.synthetic.radiograph import simulate_film

SETTINGS = Exposure().model_dump(mode="json")
ROWS, COLUMNS = (0.2, 0.9), (0.1, 0.9)


def chest(noise=0.0, low=0.1, high=0.9, size=200):
    """A plain chest: bright mediastinum and abdomen, dark lungs; values in shares of 12 bits."""
    y, x = np.mgrid[0:size, 0:size] / size
    lungs = np.exp(-(((x - 0.28) / 0.13) ** 2 + ((y - 0.45) / 0.28) ** 2) * 2)
    lungs += np.exp(-(((x - 0.74) / 0.13) ** 2 + ((y - 0.45) / 0.28) ** 2) * 2)
    values = high - (high - low) * np.clip(lungs, 0, 1)
    values = values + np.random.default_rng(3).normal(0, noise, values.shape)
    return (np.clip(values, 0, 1) * 4095).astype(np.uint16) << 4


def measured(image, **changes):
    found = measure(image, None, 12, ROWS, COLUMNS)
    row = {
        "manufacturer": "ACME",
        "view": "PA",
        "border_text": "",
        **dict.fromkeys(MEASURES, np.nan),
        **found,
        **changes,
    }
    return pd.DataFrame([row])


def verdict_of(image, **changes):
    judged = judge(measured(image, **changes), SETTINGS)
    return judged.loc[0, "verdict"], judged.loc[0, "reason"]


def test_a_good_film_passes():
    assert verdict_of(chest(noise=0.003)) == ("pass", "")


def test_a_clipped_film_is_rejected():
    image = np.clip(chest().astype(int) + 9000, 0, 4095 << 4).astype(np.uint16)
    verdict, reason = verdict_of(image)
    assert verdict == "reject" and reason == "clipped"


def test_saturation_below_full_scale_counts_as_clipping():
    image = np.minimum(chest(), np.uint16(2600 << 4))
    assert measure(image, None, 12, ROWS, COLUMNS)["clipped_high"] > 0.3


def test_a_flat_film_is_rejected():
    assert verdict_of(chest(low=0.50, high=0.53, noise=0.001)) == ("reject", "low_range")
    assert verdict_of(np.full((50, 50), 800, np.uint16))[0] == "reject"


def test_a_noisy_film_is_flagged():
    assert verdict_of(chest(noise=0.05, low=0.3, high=0.7)) == ("review", "noise")


def test_noise_estimate_is_that_of_the_noise():
    rng = np.random.default_rng(0)
    image = ((2000 + rng.normal(0, 40, (400, 400))).astype(np.uint16)) << 4
    found = measure(image, None, 12, ROWS, COLUMNS)
    sigma = found["noise_ratio"] * found["value_range"] * 4095
    assert sigma == pytest.approx(40, rel=0.02)


def test_wrong_polarity_is_flagged_and_not_flipped():
    verdict, reason = verdict_of((4095 << 4) - chest(noise=0.003))
    assert verdict == "review" and "polarity" in reason.split(";")


@pytest.mark.parametrize("detector", [d for ds in DETECTORS.values() for d in ds], ids=lambda d: d.vendor)
@pytest.mark.parametrize("age", [44, 79])
def test_wrong_declared_polarity_is_caught_on_films_of_every_vendor(
    detector, age, make_film, save, take_in, tmp_path
):
    stored = simulate_film((11, "c", f"p{age}"), 1, "FM"[age % 2], age, 168.0, 25.0, -2.0, detector, 160)
    right, wrong = ("MONOCHROME1", "MONOCHROME2") if detector.inverted else ("MONOCHROME2", "MONOCHROME1")
    images = {}
    for photometric, flagged in ((right, False), (wrong, True)):
        film = make_film(
            stored, BitsStored=detector.bits, HighBit=detector.bits - 1, PhotometricInterpretation=photometric
        )
        image, mapping = take_in(save(film, tmp_path / photometric))
        images[flagged], full = image, (1 << 16) - (1 << mapping.shift)
        found = measure(image, None, detector.bits, ROWS, COLUMNS)
        row = pd.DataFrame(
            [
                {
                    "manufacturer": "",
                    "view": "PA",
                    "border_text": "",
                    **dict.fromkeys(MEASURES, np.nan),
                    **found,
                }
            ]
        )
        judged = judge(row, SETTINGS).loc[0]
        assert ("polarity" in judged["reason"].split(";")) == flagged and (
            judged["verdict"] == "review"
        ) == flagged
        assert mapping.inverted == (photometric == "MONOCHROME1")
    assert np.array_equal(images[True], full - images[False]), "the film stays as it was declared"


def test_the_threshold_of_polarity_is_the_configs():
    film = measured(chest(noise=0.003))
    assert 0.1 < film.loc[0, "polarity"] < 1.4
    assert judge(film, {**SETTINGS, "review_polarity": 1.4}).loc[0, "reason"] == "polarity"


@pytest.mark.parametrize("grey", [0, 4095 << 4, 1500 << 4])
def test_borders_and_padding_do_not_move_the_polarity(grey):
    plain = measure(chest(noise=0.003), None, 12, ROWS, COLUMNS)["polarity"]
    border = cv2.copyMakeBorder(chest(noise=0.003), 10, 30, 70, 0, cv2.BORDER_CONSTANT, value=grey)
    assert measure(border, None, 12, ROWS, COLUMNS)["polarity"] == pytest.approx(plain, abs=0.03)
    y, x = np.mgrid[0:240, 0:270]
    padding = (x < 70 + y // 12) | (y < 10) | (y >= 210)  # a border that is not straight
    border[padding] = 0
    assert measure(border, padding, 12, ROWS, COLUMNS)["polarity"] == pytest.approx(plain, abs=0.05)
    inside = chest(noise=0.003)
    padding = np.zeros(inside.shape, bool)
    padding[60:95] = True  # most of the rows that are looked at
    inside[padding] = 0
    assert measure(inside, padding, 12, ROWS, COLUMNS)["polarity"] == pytest.approx(plain, abs=0.05)
    assert measure(inside, None, 12, ROWS, COLUMNS)["polarity"] < plain - 0.2, "read as film it would count"
    assert np.isnan(measure(inside, np.ones_like(padding), 12, ROWS, COLUMNS)["polarity"])


@pytest.mark.parametrize(
    ("deviation", "noise", "expected"),
    [
        (-4.4, 0.003, ("review", "deviation_index")),
        (-4.4, 0.05, ("reject", "underexposed")),
        (2.0, 0.003, ("pass", "")),
    ],
)
def test_deviation_index_rejects_only_with_the_pixels(deviation, noise, expected):
    assert verdict_of(chest(noise=noise, low=0.3, high=0.7), deviation_index=deviation) == expected


def test_deviation_index_with_clipping_rejects():
    good = measured(chest(noise=0.003), deviation_index=3.5).assign(clipped_high=0.03)
    assert judge(good, SETTINGS).loc[0].tolist() == ["reject", "overexposed"]


def test_unknown_view_goes_to_review():
    assert verdict_of(chest(noise=0.003), view="unknown") == ("review", "view_unknown")


def test_padding_is_left_out_of_the_measures():
    image = chest(noise=0.003)
    padding = np.zeros(image.shape, bool)
    padding[:, :60] = True
    black = image.copy()
    black[padding] = 0
    assert measure(black, None, 12, ROWS, COLUMNS)["clipped_low"] > 0.05
    assert measure(black, padding, 12, ROWS, COLUMNS)["clipped_low"] < 0.01


def films_of(maker, n, seed, mean=0.5):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({name: np.nan for name in MEASURES}, index=range(n))
    frame["clipped_low"] = frame["clipped_high"] = 0.0
    frame["value_range"], frame["mean"] = rng.normal(0.6, 0.02, n), rng.normal(mean, 0.02, n)
    frame["noise_ratio"], frame["polarity"] = 0.005, 0.2
    return frame.assign(manufacturer=maker, view="PA", border_text="")


def test_the_refit_may_only_flag():
    films = pd.concat(
        [films_of("dark vendor", 60, 1, mean=0.15), films_of("other", 20, 2)], ignore_index=True
    )
    films.loc[0, "mean"], films.loc[1, "value_range"] = 0.45, 0.06
    fixed = judge(films, {**SETTINGS, "refit": False})
    refitted = judge(films, SETTINGS)
    assert (fixed["verdict"] == "reject").sum() == (refitted["verdict"] == "reject").sum() == 0
    assert (fixed["verdict"] == "review").sum() >= 59, "the fixed rule flags a whole vendor"
    flagged = refitted.index[refitted["verdict"] == "review"]
    assert {0, 1} <= set(flagged) and len(flagged) <= 6, "4 MAD are 2.7 SD"


def test_few_films_are_not_refitted():
    films = films_of("small vendor", 20, 1, mean=0.15)
    assert (judge(films, SETTINGS)["verdict"] == "review").all()


# ------------------------------------------------------------------------------------------ duplicates


def row(image_id, uid, path, pixels, **changes):
    return {
        "image_id": image_id, "uid_image_id": uid, "path_image_id": path, "patient_id": "P1",
        "status": "accepted", "reason": "",
        "film_date": "2020-01-01", "true_date": "2021-01-01", "acquisition_time": "10",
        "pixel_sha256": pixels, "batch": 0,
        "view": "PA", "sex": "F", "age": 60, "manufacturer": "ACME", "burned_in": "NO",
        "png": f"png/{image_id}.png", **changes,
    }  # fmt: skip


def outcome(*rows):
    resolved = resolve_duplicates(pd.DataFrame(rows))
    assert resolved["image_id"].is_unique and len(resolved) == len(rows)
    return resolved


def test_a_copy_in_another_batch_is_a_duplicate():
    found = outcome(row("U1", "U1", "p2", "x"), row("U1", "U1", "p1", "x", batch=1))
    assert found["status"].tolist() == ["quarantined", "accepted"]
    assert found["image_id"].tolist() == ["p2", "U1"] and found["reason"][0] == "duplicate"


def test_a_copy_in_the_same_batch_is_a_duplicate():
    found = outcome(row("p0", "U1", "p0", "x"), row("U1", "U1", "p1", "x"))
    assert found["status"].tolist() == ["quarantined", "accepted"], "the one whose file bears the id stands"


@pytest.mark.parametrize("change", [{"pixel_sha256": "y"}, {"patient_id": "P2"}, {"true_date": "2021-02-02"}])
def test_copies_that_differ_are_all_put_aside(change):
    found = outcome(row("U1", "U1", "p1", "x"), row("U1", "U1", "p2", "x", batch=1) | change)
    assert found["reason"].tolist() == ["conflicting_duplicate"] * 2


def test_same_pixels_under_another_uid():
    found = outcome(row("U1", "U1", "p1", "x", acquisition_time="11"), row("U2", "U2", "p2", "x"))
    assert found["status"].tolist() == ["quarantined", "accepted"] and found["reason"][0] == "duplicate"
    found = outcome(row("U1", "U1", "p1", "x"), row("U2", "U2", "p2", "x", patient_id="P2"))
    assert found["reason"].tolist() == ["conflicting_duplicate"] * 2


def test_a_quarantined_copy_gives_the_id_to_the_good_one():
    found = outcome(
        row("U1", "U1", "p1", "", status="quarantined", reason="cut_short"),
        row("U1", "U1", "p2", "x", batch=1),
    )
    assert found["image_id"].tolist() == ["p1", "U1"] and found["status"].tolist() == [
        "quarantined",
        "accepted",
    ]


# ------------------------------------------------------------------------------------------- screening


def table(*rows):
    measures = films_of("ACME", len(rows), 5)[list(MEASURES)]
    frame = pd.concat([pd.DataFrame(rows), measures], axis=1)
    return frame.assign(
        rows=40,
        columns=30,
        bits=12,
        inverted=0,
        padding_pixels=0,
        border_text="",
        border_words=pd.array([pd.NA] * len(rows), dtype="Int64"),
    )


def test_counts_close_and_the_reader_wins():
    rows = table(
        row("I1", "I1", "a", "1", acquisition_time="12"),
        row("I2", "I2", "b", "2"),
        row("I3", "I3", "c", "3"),
        row("I4", "I4", "d", "", status="quarantined", reason="lateral", png=""),
        row(
            "I5",
            "",
            "I5",
            "",
            status="quarantined",
            reason="not_dicom",
            patient_id="",
            film_date="",
            true_date="",
            png="",
        ),
    )
    rows.loc[1, "clipped_high"], rows.loc[2, "value_range"] = 0.3, 0.3
    plain = screen("c", rows, SETTINGS, None, {})
    assert plain.files.set_index("image_id")["status"].to_dict() == {
        "I1": "accepted", "I2": "rejected", "I3": "accepted", "I4": "quarantined", "I5": "quarantined"
    }  # fmt: skip
    assert plain.exposure.set_index("image_id")["verdict"].to_dict() == {
        "I1": "pass",
        "I2": "reject",
        "I3": "review",
    }
    assert plain.films["image_id"].tolist() == ["I1", "I2", "I3", "I4"]
    assert plain.films["same_day_order"].tolist() == [4, 1, 2, 3]
    read = screen("c", rows, SETTINGS, None, {"I1": "reject", "I2": "pass", "gone": "pass"})
    assert read.films.set_index("image_id")["status"].to_dict()["I1"] == "rejected"
    assert read.exposure.set_index("image_id").loc["I2", ["verdict", "automatic_verdict"]].tolist() == [
        "pass",
        "reject",
    ]
    assert read.unused_overrides == 1


def test_enrolment_is_checked_on_true_dates():
    rows = table(
        row("I1", "I1", "a", "1", true_date="2021-03-31"),
        row("I2", "I2", "b", "2", true_date="2021-04-01"),
        row("I3", "I3", "c", "3", true_date=""),
    )
    films = screen("c", rows, SETTINGS, {"from": "2020-01-01", "to": "2021-03-31"}, {}).films
    assert films["enrolled"].tolist()[:2] == [1, 0] and pd.isna(films["enrolled"][2])


def test_the_template_is_a_readers_table(tmp_path):
    """Empty verdicts decide nothing; a filled one does, and stands in the next template."""
    one, two, three = (f"I000000000000000{n}" for n in "123")
    rows = table(row(one, one, "a", "1"), row(two, two, "b", "2"), row(three, three, "c", "3"))
    rows.loc[1, "clipped_high"], rows.loc[2, "value_range"] = 0.3, 0.3
    first = screen("c", rows, SETTINGS, None, {}).template
    assert first.to_dict("list") == {
        "image_id": [two, three], "verdict": ["", ""], "automatic_verdict": ["reject", "review"],
        "automatic_reason": ["clipped", "range"],
    }  # fmt: skip
    write_table(first, tmp_path / "review.csv", REVIEW_TEMPLATE)
    known = {one, two, three}
    assert verdicts_of(read_review(tmp_path / "review.csv", "w"), "c", known) == {}
    write_table(first.assign(verdict=["pass", ""]), tmp_path / "review.csv", REVIEW_TEMPLATE)
    read = verdicts_of(read_review(tmp_path / "review.csv", "w"), "c", known)
    assert read == {two: "pass"}
    second = screen("c", rows, SETTINGS, None, read)
    assert second.template["verdict"].tolist() == ["pass", ""]
    assert second.exposure["verdict"].tolist() == ["pass", "pass", "review"]


@pytest.mark.parametrize("refit", [True, False])
def test_both_automatic_verdicts_stand_beside_the_one_that_counts(refit):
    rows = table(*(row(f"I{k:02d}", f"I{k:02d}", f"p{k:02d}", str(k)) for k in range(60)))
    rows["mean"] = films_of("ACME", 60, 1, mean=0.15)["mean"]
    exposure = screen("c", rows, {**SETTINGS, "refit": refit}, None, {"I00": "reject"}).exposure
    assert (exposure["fixed_verdict"] == "review").sum() >= 59 and set(exposure["fixed_reason"]) <= {
        "mean",
        "",
    }
    assert (exposure["refit_verdict"] == "pass").sum() >= 54
    counting = "refit_verdict" if refit else "fixed_verdict"
    assert exposure["automatic_verdict"].equals(exposure[counting].rename("automatic_verdict"))
    assert exposure.loc[0, ["verdict", "reader_verdict", "reason"]].tolist() == ["reject", "reject", "reader"]


def test_words_in_the_border_flag_a_film_and_undo_its_declaration():
    rows = table(*(row(f"I{k}", f"I{k}", f"p{k}", str(k)) for k in range(4)))
    rows["border_text"] = ["none", "words", "", "unread"]
    rows["border_words"] = pd.array([0, 2, None, 0], dtype="Int64")
    found = screen("c", rows, SETTINGS, None, {})
    assert found.exposure["verdict"].tolist() == ["pass", "review", "pass", "review"]
    assert found.exposure["reason"].tolist() == ["", "text_in_border", "", "text_unread"]
    assert found.films["burned_in"].tolist() == ["NO", "unknown", "NO", "unknown"]
    passed = screen("c", rows, SETTINGS, None, {"I1": "pass"})
    assert passed.films["burned_in"].tolist() == [
        "NO",
        "unknown",
        "NO",
        "unknown",
    ], "a good film still bears its text"


def test_a_film_that_took_over_a_quarantined_copys_id_keeps_its_picture():
    rows = table(
        row("U1", "U1", "p2", "x", png="png/U1.png"),
        row("U1", "U1", "p1", "", status="quarantined", reason="cut_short", batch=1, png=""),
    )
    films = screen("c", rows, SETTINGS, None, {}).films
    assert dict(zip(films["image_id"], films["png"])) == {"U1": "png/U1.png", "p1": ""}


# ------------------------------------------------------------------------------------------ contact sheets


def test_contact_sheet_shows_films_or_none(tmp_path):
    cv2.imwrite(str(tmp_path / "film.png"), chest(noise=0.01))
    film = ("I1", "clipped;noise;mean;range;polarity", str(tmp_path / "film.png"))
    assert (
        draw_contact_sheets([film] * 7, "c: films", True, tmp_path / "some.png", tmp_path / "more", "review")
        == 1
    )
    assert draw_contact_sheets([], "c: films", False, tmp_path / "none.png", tmp_path / "more", "review") == 1
    some, none = (cv2.imread(str(tmp_path / f"{n}.png"), cv2.IMREAD_GRAYSCALE) for n in ("some", "none"))
    assert some.shape[0] > none.shape[0] and (some < 60).sum() > 5000 > (none < 128).sum() > 0
    assert not (tmp_path / "more").exists()


def test_many_films_go_on_several_sheets_each_of_readable_size(tmp_path):
    cv2.imwrite(str(tmp_path / "film.png"), chest(noise=0.01, size=40))
    films = [(f"I{k}", "noise", str(tmp_path / "film.png")) for k in range(2 * FILMS_A_SHEET + 1)]
    assert draw_contact_sheets(films, "c", True, tmp_path / "first.png", tmp_path / "more", "review") == 3
    assert sorted(p.name for p in (tmp_path / "more").iterdir()) == ["review_02.png", "review_03.png"]
    heights = [
        cv2.imread(str(p)).shape[0] for p in (tmp_path / "first.png", *sorted((tmp_path / "more").iterdir()))
    ]
    assert heights[0] == heights[1] < 4000 and heights[2] < 500


def test_a_contact_sheet_shows_no_film_that_may_not_be_shown(tmp_path):
    """A header that says nothing of burned-in text: nothing of the film is on the sheet until somebody signed
    for it."""
    film = tmp_path / "film.png"
    cv2.imwrite(str(film), np.random.default_rng(1).integers(0, 65535, (60, 50), dtype=np.uint16))
    table = pd.DataFrame(
        {
            "image_id": ["A", "B", "C", "D"],
            "burned_in": ["NO", "unknown", "unknown", "NO"],
            "png": [str(film)] * 4,
        }
    )
    exposure = pd.DataFrame(
        {"image_id": ["A", "B", "C", "D"], "verdict": ["review"] * 3 + ["reject"], "reason": ["noise"] * 4}
    )
    shown = films_of_sheet(table, exposure, "review", "not_burned_in")
    assert shown == [("A", "noise", str(film)), ("B", "noise", ""), ("C", "noise", "")]
    assert [path for *_, path in films_of_sheet(table, exposure, "review", "signed_off")] == [str(film)] * 3
    with pytest.raises(StudyError, match=r"report\.show_films"):
        films_of_sheet(table, exposure, "review", "all")

    def tiles(films) -> list[np.ndarray]:
        draw_contact_sheets(films, "c", False, tmp_path / "sheet.png", tmp_path, "review")
        sheet = cv2.imread(str(tmp_path / "sheet.png"), cv2.IMREAD_GRAYSCALE)
        return [sheet[60:260, 12 + n * 212 : 212 + n * 212] for n in range(3)]

    first, second, third = tiles(shown)
    assert first.std() > 40 and np.array_equal(second, third) and (second >= 225).mean() > 0.9
    film.unlink()  # the pixels of a film that is not shown are not even read
    assert len(tiles([("A", "noise", "")] * 3)) == 3
