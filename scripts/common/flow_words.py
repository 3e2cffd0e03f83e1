"""The steps of the patients' flow in English and Chinese, as the flow figure and the report's table name them."""

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
