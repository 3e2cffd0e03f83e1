"""How simulated centres write their tables: one layout per cohort of the paper, each unlike the others.

The simulator writes tables by these layouts and the intake stage reads them by the same ones, as it reads a
hospital's by the column maps of ``config.yaml``. An entry has the keys of a centre there; ``predictors`` are
those of its patient table where ``simulate.predictors`` asks for them.
"""

from __future__ import annotations

from pathlib import Path

LAYOUTS: dict[str, dict] = {
    "internal": {
        "patients": {
            "path": "patients.csv",
            "encoding": "utf-8-sig",
            "columns": {
                "patient_id": "PatID",
                "sex": "Gender",
                "birth_date": "DOB",
                "height": "Height_cm",
                "weight": "Weight_kg",
            },
            "exclusions": {
                "secondary_osteoporosis": "SecondaryOP",
                "high_density_foreign_body": "ForeignBody",
                "abnormal_spine": "SpineAbnormal",
                "orthopaedic_surgery": "OrthoSurgery",
                "poor_image_quality": "PoorQuality",
            },
            "sex_coding": {"F": ["F"], "M": ["M"]},
            "height_unit": "cm",
            "flag_coding": {"yes": ["1"], "no": ["0"]},
        },
        "dxa": {
            "path": "dxa.csv",
            "encoding": "utf-8-sig",
            "columns": {
                "patient_id": "PatID",
                "exam_date": "ScanDate",
                "site": "Region",
                "bmd": "BMD",
                "t_score": "TScore",
            },
            "site_coding": {"lumbar": ["L1-L4"], "femoral_neck": ["Neck"], "total_hip": ["Total"]},
        },
        "predictors": {
            "calcium": {
                "column": "Ca",
                "unit": "mmol/L",
                "range": [1, 4],
                "label": {"en": "Calcium", "zh": "血钙"},
            },
            "smoker": {
                "column": "Smoker",
                "type": "yes_no",
                "coding": {"yes": ["1"], "no": ["0"]},
                "label": {"en": "Smoker", "zh": "吸烟"},
            },
            "alcohol": {
                "column": "AlcoholCode",
                "type": "category",
                "coding": {"never": ["0"], "sometimes": ["1"], "daily": ["2"]},
                "label": {"en": "Alcohol", "zh": "饮酒"},
            },
        },
        "ids": {},
    },
    "external_1": {
        "patients": {
            "path": "clinical_data.xlsx",
            "sheet": "Patients",
            "columns": {
                "patient_id": "Hospital number",
                "sex": "Sex (1=male, 2=female)",
                "birth_date": "Date of birth",
                "height": "Height (m)",
                "weight": "Body weight (kg)",
            },
            "exclusions": {
                "secondary_osteoporosis": "Secondary OP",
                "high_density_foreign_body": "Metal in field",
                "abnormal_spine": "Spine fracture or scoliosis",
                "orthopaedic_surgery": "Previous surgery",
                "poor_image_quality": "Bad film",
            },
            "height_unit": "m",
            "sex_coding": {"F": ["2"], "M": ["1"]},
            "flag_coding": {"yes": ["Yes"], "no": ["No"]},
        },
        "dxa": {
            "path": "clinical_data.xlsx",
            "sheet": "DXA",
            "columns": {
                "patient_id": "Hospital number",
                "exam_date": "Exam date",
                "site": "Site",
                "bmd": "BMD (g/cm2)",
                "t_score": "T-score",
            },
            "site_coding": {
                "lumbar": ["lumbar spine"],
                "femoral_neck": ["femoral neck"],
                "total_hip": ["total hip"],
            },
        },
        "predictors": {
            "calcium": {"column": "Serum calcium (mmol/L)", "unit": "mmol/L", "range": [1, 4]},
            "smoker": {"column": "Smoking", "type": "yes_no", "coding": {"yes": ["Yes"], "no": ["No"]}},
            "alcohol": {
                "column": "Drinks alcohol",
                "type": "category",
                "coding": {"never": ["never"], "sometimes": ["sometimes"], "daily": ["every day"]},
            },
        },
        "ids": {"leading_zeros": "drop"},
    },
    "external_2": {
        "patients": {
            "path": "病人资料.csv",
            "encoding": "gb18030",
            "date_format": "%Y年%m月%d日",
            "columns": {
                "patient_id": "病历号",
                "sex": "性别",
                "birth_date": "出生日期",
                "height": "身高",
                "weight": "体重",
            },
            "exclusions": {
                "secondary_osteoporosis": "继发性骨质疏松",
                "high_density_foreign_body": "高密度异物",
                "abnormal_spine": "脊柱异常",
                "orthopaedic_surgery": "骨科手术史",
                "poor_image_quality": "图像质量差",
            },
            "sex_coding": {"F": ["女"], "M": ["男"]},
            "height_unit": "cm",
            "flag_coding": {"yes": ["是"], "no": ["否"]},
        },
        "dxa": {
            "path": "骨密度.csv",
            "encoding": "gb18030",
            "date_format": "%Y年%m月%d日",
            "columns": {
                "patient_id": "病历号",
                "exam_date": "检查日期",
                "site": "部位",
                "bmd": "骨密度",
                "t_score": "T值",
            },
            "site_coding": {"lumbar": ["腰椎"], "femoral_neck": ["股骨颈"], "total_hip": ["全髋"]},
        },
        "predictors": {
            "calcium": {"column": "血钙", "unit": "mmol/L", "range": [1, 4]},
            "smoker": {"column": "吸烟", "type": "yes_no", "coding": {"yes": ["是"], "no": ["否"]}},
            "alcohol": {
                "column": "饮酒",
                "type": "category",
                "coding": {"never": ["从不"], "sometimes": ["偶尔"], "daily": ["每天"]},
            },
        },
        "ids": {},
    },
}


def simulated_folder(name: str) -> Path:
    """Where a simulated centre's raw files lie."""
    return Path("data/synthetic") / name
