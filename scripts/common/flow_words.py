"""The steps of the patients' flow in English and Chinese, as the flow figure and the report name them."""

from __future__ import annotations

FLOW_WORDS: dict[str, tuple[str, str]] = {
    "included": ("Included", "纳入"),
    "no_film": ("No film", "无胸片"),
    "no_usable_film": ("No usable film", "无可用胸片"),
    "no_frontal_film": ("No frontal film", "无正位胸片"),
    "exposure_rejected": ("Exposure rejected", "曝光异常剔除"),
    "no_film_date": ("No date of the film", "胸片无日期"),
    "outside_enrolment": ("Outside enrolment period", "不在入组时段内"),
    "unreadable_row": ("Table row unreadable", "表中记录无法读取"),
    "not_in_patients_table": ("Not in the patient table", "患者表中无记录"),
    "no_dxa": ("No DXA exam", "无 DXA 检查"),
    "conflicting_rows": ("Contradicting table rows", "表中记录互相矛盾"),
    "age_unknown": ("Age unknown", "年龄不详"),
    "too_young": ("Too young", "年龄过小"),
    "no_pair_in_interval": ("Film and DXA too far apart", "胸片与 DXA 间隔过长"),
    "undecided_dxa": ("DXA value unreadable, label undecided", "DXA 数值无法读取，标签不能判定"),
    "too_few_sites": ("Too few DXA sites", "DXA 部位过少"),
    "no_t_score": ("No T-score", "无 T 值"),
    "secondary_osteoporosis": ("Secondary osteoporosis", "继发性骨质疏松"),
    "high_density_foreign_body": ("High-density foreign body", "高密度异物"),
    "abnormal_spine": ("Abnormal spine", "脊柱结构异常"),
    "orthopaedic_surgery": ("Orthopaedic surgery", "骨科手术史"),
    "poor_image_quality": ("Poor image quality", "图像质量不佳"),
    "exclusion_flag_missing": ("Exclusion flag missing", "排除标志缺失"),
    "under_review": ("Under review", "待复核"),
}
"""Steps of ``results/cohort/flow.csv`` but the first, ``found``."""

NOTE_WORDS: dict[str, tuple[str, str]] = {
    "op_with_unreadable_row": (
        "Osteoporosis, though another DXA value can't be read",
        "虽另有 DXA 数值无法读取，仍可判定骨质疏松",
    ),
    "sex_from_header": ("Sex from the film's header", "性别取自胸片文件头"),
    "sex_differs": ("Sex differs between table and film, under review", "表格与胸片文件头性别不一致，待复核"),
    "age_from_header": ("Age from the film's header", "年龄取自胸片文件头"),
    "age_differs": ("Age differs between table and film, under review", "表格与胸片文件头年龄不一致，待复核"),
}
"""What ``results/cohort/flow.csv`` notes of the included patients, in its rows of the kind ``note``."""
