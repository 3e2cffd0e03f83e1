"""The deep model's card in the report, from the run's own numbers; its parts after Mitchell et al. (FAT*
2019, doi:10.1145/3287560.3287596).

``make bundle`` writes a card of its own beside the weights, with small counts hidden; this one stands in the
report, which is not for sharing.
"""

from __future__ import annotations

from scripts.common.numbers import auc, count, decimal, interval, is_missing, percent
from scripts.report.run_files import RunFiles


def model_card(run: RunFiles, language: str, set_names: dict[str, str]) -> list[tuple[str, str]]:
    """Title and text of each row of the card, in ``language`` (en or zh)."""
    config, net, folds = run.config, run.config["deep"]["architecture"], run.config["cohort"]["folds"]
    commit = run.provenance["git"]["commit"][:12]
    cut = run.statistics["thresholds"].set_index("model")["threshold"].get("deep")
    threshold = decimal(cut)
    table2 = run.statistics["table2"]
    rows = table2[table2["model"] == "deep"].set_index("set")
    performance = []
    for name in run.sets[1:]:
        if name in rows.index:
            row = rows.loc[name]
            bounds = interval(row["auc_low"], row["auc_high"], auc)
            performance.append(
                f"{set_names[name]}: AUC {auc(row['auc'])}{' ' + bounds if bounds else ''},"
                f" {percent(row['sensitivity'])} %, {percent(row['specificity'])} %"
            )
    calibration = run.statistics["calibration"]
    slopes = []
    if "slope" in calibration:
        for row in calibration[calibration["model"] == "deep"].to_dict("records"):
            if not is_missing(row["slope"]):
                slopes.append(f"{set_names.get(row['set'], row['set'])} {decimal(row['slope'], 2)}")
    train = run.cohort[run.cohort["set"] == "train"]
    n, op, women = count(len(train)), count((train["label"] == 1).sum()), count((train["sex"] == "F").sum())
    age = f"{decimal(train['age'].mean(), 1)} ± {decimal(train['age'].std(), 1)}"
    cohort = config["cohort"]
    if language == "zh":
        return [
            (
                "模型",
                (
                    f"{folds} 个网络的集成：胸片分为 {net['grid']}×{net['grid']} 块，共享 ResNet-18 与"
                    f" {net['layers']} 层 Transformer。代码提交号 {commit}。"
                ),
            ),
            (
                "输入与输出",
                (
                    f"输入一张正位胸片，输出骨质疏松概率（0–1）；不低于 {threshold} 判为阳性，"
                    f"该阈值由训练集折外评分确定。"
                ),
            ),
            (
                "预期用途",
                (
                    f"用于研究：{cohort['older_than']} 岁以上、{cohort['interval_months']} 个月内同时有胸片和"
                    " DXA 检查的患者。"
                ),
            ),
            (
                "不适用",
                (
                    "不得用于诊断、筛查或任何临床决策，非医疗器械；不适用于儿童、侧位片及翻拍片。"
                    "评分不是骨密度，也不是骨折风险。"
                ),
            ),
            ("训练数据", f"建模中心 {n} 例，骨质疏松 {op} 例，女 {women} 例，年龄 {age} 岁。"),
            ("测试集效能（AUC、敏感度、特异度）", "；".join(performance) or "无"),
            ("校准斜率", "；".join(slopes) or "无法估计"),
            (
                "注意",
                (
                    "模型可学到医院与设备的习惯；人群、设备不同时须先以本地已知 DXA"
                    " 结果的胸片检验校准度与阈值。权重可能含训练患者的痕迹，不得随意外传。"
                ),
            ),
        ]
    return [
        (
            "Model",
            (
                f"An ensemble of {folds} networks: {net['grid']}×{net['grid']} blocks of the film, a shared"
                f" ResNet-18, a Transformer of {net['layers']} layers. Commit {commit}."
            ),
        ),
        (
            "Input and output",
            (
                f"One frontal chest film; a probability of osteoporosis, 0 to 1. Positive from {threshold},"
                " frozen on the training patients' out-of-fold scores."
            ),
        ),
        (
            "Intended use",
            (
                f"Research on patients older than {cohort['older_than']} years with a chest film and a DXA"
                f" exam within {cohort['interval_months']} months."
            ),
        ),
        (
            "Not for",
            (
                "Diagnosis, screening or any decision about a patient; it is no medical device. Not for"
                " children, lateral films or photographs of films. A score is no bone density and no fracture"
                " risk."
            ),
        ),
        (
            "Training data",
            (
                f"Patients of the development centre: {n}, with osteoporosis {op}, women {women}, age {age}"
                " years."
            ),
        ),
        ("AUC, sensitivity, specificity", "; ".join(performance) or "none"),
        ("Calibration slope", "; ".join(slopes) or "not estimated"),
        (
            "Beware",
            (
                "A model can learn the habits of a hospital and its devices: elsewhere, check calibration and"
                " threshold first on films with known DXA results. Weights can hold traces of training"
                " patients; don't pass them on freely."
            ),
        ),
    ]
