"""The words and numbers of figures and Word tables, in English and Chinese."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from scripts.common.flow_words import FLOW_WORDS
from scripts.common.vocabulary import EVERYONE_POSITIVE, MODELS, NO_VALUE, TREAT_ALL, TREAT_NONE

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "synthetic": "SYNTHETIC DATA - simulated patients",
        "deep": "Deep learning",
        "clinical": "Clinical",
        "combined": "Combined",
        "everyone_positive": "Everyone positive",
        "all": "Treat all",
        "none": "Treat none",
        "train": "Training set",
        "internal_test": "Internal test set",
        "test_set": "External test set",
        "sensitivity_axis": "Sensitivity",
        "false_positive_axis": "1 − Specificity",
        "threshold_axis": "Threshold probability",
        "net_benefit_axis": "Net benefit",
        "predicted_axis": "Predicted probability",
        "observed_axis": "Observed proportion",
        "no_patients": "No patients",
        "one_class": "One class only:\nno ROC curve",
        "auc": "AUC",
        "auc_ci": "AUC ({level} CI)",
        "best_strip": (
            "Lines over each panel: the strategy with the highest net benefit at that threshold (point"
            " estimate)"
        ),
        "sizes": "{events} events, {non_events} non-events",
        "imprecise": "Imprecise: {events} events,\n{non_events} non-events",
        "overall": "All patients",
        "subgroup": "Subgroup",
        "size": "n (OP)",
        "only_op": "{n} OP",
        "only_non_op": "{n} non-OP",
        "separated": "separated",
        "constant": "constant",
        "forest_note": (
            "Lines down a panel: AUC in all patients of the set. Hollow marks: no confidence interval, for"
            " the reason in brackets (a count: too few patients of that class; separated: a cut of the score"
            " divides the classes without error, in either direction; constant: one score for all)."
        ),
        "numbers_aside": "Numbers: results/statistics/subgroups.csv",
        "sex_female": "Women",
        "sex_male": "Men",
        "age_<65": "Age < 65 years",
        "age_>=65": "Age ≥ 65 years",
        "bmi_<18.5": "BMI < 18.5 kg/m²",
        "bmi_18.5-24.9": "BMI 18.5–24.9 kg/m²",
        "bmi_>=25": "BMI ≥ 25 kg/m²",
        "dxa_interval_<=1 month": "DXA within 1 month",
        "dxa_interval_>1-3 months": "DXA at > 1 to 3 months",
        "dxa_interval_>3 months": "DXA at > 3 months",
        "no_curve": "No curve",
        "too_few": "{events} events, {non_events} non-events;\n{fewest} of each are needed",
        "found": "Patients found",
        "excluded": "Excluded",
        **{step: english for step, (english, _) in FLOW_WORDS.items()},
        "op": "OP",
        "non_op": "Non-OP",
        "film_not_shown": "Film not shown",
        "TP": "True positive",
        "FP": "False positive",
        "TN": "True negative",
        "FN": "False negative",
        "no_case": "No such case",
        "score": "score",
        "most_certain": "Most certain of each kind",
        "random_sample": "Random sample of the set",
        "group_manufacturer": "Manufacturer",
        "group_view": "View (PA, AP)",
        "group_film_size": "Film size",
        "group_brightness": "Mean brightness",
        "group_exposure": "Exposure measures",
        "group_all_of_these": "All of these",
        "group_age_sex": "Age and sex",
        "mask_unmasked": "Whole film",
        "mask_spine_masked": "Spine covered",
        "mask_flanks_masked": "Flanks covered",
        "mask_border_masked": "Border covered",
        "mask_spine_only": "Spine alone",
        "r2_axis": "R², cross-validated",
        "explained": "Deep score explained",
        "nuisance_auc": "AUC of the variables alone",
        "masked_auc": "AUC, film covered in part",
        "relevance": "Evidence for osteoporosis (each film scaled to its own maximum)",
        "epoch_axis": "Epoch",
        "loss_axis": "Loss",
        "loss_global": "Global",
        "loss_local": "Local (mean)",
        "held_out_auc_axis": "AUC on the held-out fold",
        "learning_rate_axis": "Learning rate",
        "fold_number": "Fold {n}",
        "last_weights": "The held-out AUC chooses nothing: the last epoch's weights are used in every fold.",
        "age": "Age (years)",
        "sex": "Sex (male/female)",
        "bmi": "BMI (kg/m²)",
        "bmd": "BMD (g/cm²)",
        "height_cm": "Height (cm)",
        "weight_kg": "Weight (kg)",
        "t_score": "T-score",
        "male": "Male, n (%)",
        "female": "Female, n (%)",
        "table1": "Table 1. Patients with and without osteoporosis (OP)",
        "table2": "Table 2. Performance of the models",
        "variable": "Variable",
        "statistic": "t / χ²",
        "p_value": "P",
        "smd": "SMD",
        "set": "Set",
        "model": "Model",
        "sensitivity": "Sensitivity (%)",
        "specificity": "Specificity (%)",
        "accuracy": "Accuracy (%)",
        "ppv": "PPV (%)",
        "npv": "NPV (%)",
        "f1": "F1",
        "p_against": "P against {model}",
        "note1": (
            "Values are mean ± SD or n (%). Age, BMI, BMD, height, weight and T-score: Welch's t test; sex:"
            " Pearson's χ² test without continuity correction. SMD: standardised mean difference, OP minus"
            " non-OP (for sex: share of men). BMI: body mass index; BMD: bone mineral density."
        ),
        "note1_missing": "Values missing: {list}.",
        "note1_t_score": "T-scores known by a bound alone, or that need not be the lowest, count as missing.",
        "note1_fisher": "P in brackets: Fisher's exact test, where an expected count is below 5.",
        "note1_capped": "Ages above 89 are counted as 90 (patients: {list}).",
        "note2": (
            "Values with {level} confidence intervals. AUC: DeLong (Wald; logit, marked †, where the smaller"
            " class has fewer than 50 patients); F1: percentile bootstrap; others: Wilson."
        ),
        "note2_frozen": " Thresholds frozen on the training patients' out-of-fold scores ({rule}): {list}.",
        "note2_given": " Thresholds given beforehand: {list}.",
        "note2_p": (
            "P: DeLong's paired test against the {model} model, adjusted by Holm within each set ({engine})."
        ),
        "note2_empty": (
            "A dash: not defined. A value alone: no interval can be given. CI: confidence interval; PPV and"
            " NPV: positive and negative predictive value."
        ),
        "youden": "largest Youden index",
        "sensitivity_rule": "sensitivity of at least {value}",
    },
    "zh": {
        "synthetic": "模拟数据（SYNTHETIC DATA），非真实患者",
        "deep": "DL 模型",
        "clinical": "临床模型",
        "combined": "联合模型",
        "everyone_positive": "全部判为阳性",
        "all": "全部干预",
        "none": "均不干预",
        "train": "训练集",
        "internal_test": "内部测试集",
        "test_set": "外部测试集",
        "sensitivity_axis": "敏感度",
        "false_positive_axis": "1 − 特异度",
        "threshold_axis": "阈概率",
        "net_benefit_axis": "净收益",
        "predicted_axis": "预测概率",
        "observed_axis": "实际比例",
        "no_patients": "无患者",
        "one_class": "仅有一类患者，\n无 ROC 曲线",
        "auc": "AUC",
        "auc_ci": "AUC（{level} CI）",
        "best_strip": "各图上方线条：该阈概率下净收益最高的策略（点估计）",
        "sizes": "事件 {events} 例，非事件 {non_events} 例",
        "imprecise": "精度有限：事件 {events} 例，\n非事件 {non_events} 例",
        "overall": "全部患者",
        "subgroup": "亚组",
        "size": "例数（OP）",
        "only_op": "OP {n} 例",
        "only_non_op": "非 OP {n} 例",
        "separated": "完全分离",
        "constant": "评分恒定",
        "forest_note": (
            "竖线：该集全部患者的 AUC。空心标记：无置信区间，"
            "原因见括号（例数：该类患者过少；完全分离：评分将两类完全分开；评分恒定：所有患者评分相同）。"
        ),
        "numbers_aside": "数值见 results/statistics/subgroups.csv",
        "sex_female": "女性",
        "sex_male": "男性",
        "age_<65": "年龄 < 65 岁",
        "age_>=65": "年龄 ≥ 65 岁",
        "bmi_<18.5": "BMI < 18.5 kg/m²",
        "bmi_18.5-24.9": "BMI 18.5–24.9 kg/m²",
        "bmi_>=25": "BMI ≥ 25 kg/m²",
        "dxa_interval_<=1 month": "DXA 间隔 1 个月内",
        "dxa_interval_>1-3 months": "DXA 间隔 > 1–3 个月",
        "dxa_interval_>3 months": "DXA 间隔 > 3 个月",
        "no_curve": "无曲线",
        "too_few": "事件 {events} 例，非事件 {non_events} 例；\n各需至少 {fewest} 例",
        "found": "发现患者",
        "excluded": "排除",
        **{step: chinese for step, (_, chinese) in FLOW_WORDS.items()},
        "op": "OP",
        "non_op": "非 OP",
        "film_not_shown": "不显示胸片",
        "TP": "真阳性",
        "FP": "假阳性",
        "TN": "真阴性",
        "FN": "假阴性",
        "no_case": "无此类病例",
        "score": "评分",
        "most_certain": "各类中最确定者",
        "random_sample": "测试集随机抽样",
        "group_manufacturer": "设备厂商",
        "group_view": "体位（PA、AP）",
        "group_film_size": "图像尺寸",
        "group_brightness": "平均亮度",
        "group_exposure": "曝光指标",
        "group_all_of_these": "以上全部",
        "group_age_sex": "年龄与性别",
        "mask_unmasked": "完整胸片",
        "mask_spine_masked": "遮盖脊柱",
        "mask_flanks_masked": "遮盖两侧",
        "mask_border_masked": "遮盖边缘",
        "mask_spine_only": "仅留脊柱",
        "r2_axis": "R²（交叉验证）",
        "explained": "DL 评分可解释部分",
        "nuisance_auc": "仅用各变量预测 OP 的 AUC",
        "masked_auc": "遮盖部分胸片后的 AUC",
        "relevance": "支持骨质疏松的依据（每片按自身最大值缩放）",
        "epoch_axis": "训练轮次",
        "loss_axis": "损失",
        "loss_global": "全局",
        "loss_local": "局部（均值）",
        "held_out_auc_axis": "留出折 AUC",
        "learning_rate_axis": "学习率",
        "fold_number": "第 {n} 折",
        "last_weights": "留出折 AUC 不用于任何选择：各折均使用最后一轮的权重。",
        "age": "年龄（岁）",
        "sex": "性别（男/女）",
        "bmi": "BMI（kg/m²）",
        "bmd": "BMD（g/cm²）",
        "height_cm": "身高（cm）",
        "weight_kg": "体质量（kg）",
        "t_score": "T 值",
        "male": "男，例（%）",
        "female": "女，例（%）",
        "table1": "表 1 OP 与非 OP 患者临床基线资料比较",
        "table2": "表 2 各模型预测 OP 效能",
        "variable": "变量",
        "statistic": "χ²/t 值",
        "p_value": "P 值",
        "smd": "SMD",
        "set": "集别",
        "model": "模型",
        "sensitivity": "敏感度（%）",
        "specificity": "特异度（%）",
        "accuracy": "准确率（%）",
        "ppv": "阳性预测值（%）",
        "npv": "阴性预测值（%）",
        "f1": "F1 分数",
        "p_against": "P 值（与{model}比较）",
        "note1": (
            "数值为均数 ± 标准差或例数（%）。连续变量采用 Welch t 检验；"
            "性别采用 Pearson χ² 检验（未作连续性校正）。"
            "SMD：标准化均数差，OP 减非 OP（性别为男性比例）。"
        ),
        "note1_missing": "缺失值：{list}。",
        "note1_t_score": "仅知界值或未必为最低的 T 值计为缺失。",
        "note1_fisher": "方括号内为 Fisher 精确检验 P 值（期望频数小于 5 时）。",
        "note1_capped": "89 岁以上按 90 岁计（例数：{list}）。",
        "note2": (
            "括号内为 {level} 置信区间。AUC：DeLong 法（Wald；较小一类不足 50 例时为 logit，标以"
            " †）；F1：自助法百分位；其余：Wilson 法。"
        ),
        "note2_frozen": "阈值由训练集折外评分确定并冻结（{rule}）：{list}。",
        "note2_given": "阈值为预先给定：{list}。",
        "note2_p": "P 值：与{model}比较的配对 DeLong 检验，各集内经 Holm 校正（{engine}）。",
        "note2_empty": "短横线：无定义；仅有数值：无法给出置信区间。",
        "youden": "约登指数最大",
        "sensitivity_rule": "敏感度至少 {value}",
    },
}

OWN_MODELS = (*MODELS, EVERYONE_POSITIVE, TREAT_ALL, TREAT_NONE)
"""Models whose names are words of both languages; another model may be called like a word, such as
``age``.
"""


def spaced(name: str) -> str:
    """``name`` with spaces for the underscores between its words; underscores around it stay, so that no two
    names come out alike for them.
    """
    inner = name.strip("_ ")
    return name.replace(inner, inner.replace("_", " "), 1) if inner else name


class Language:
    """Words of one language; what has no entry (a centre, another model) stands as it is, underscores as
    spaces.
    """

    def __init__(self, code: str, labels: Mapping[str, str] | None = None) -> None:
        self.code = code
        self._words = WORDS[code]
        self._labels = dict(labels or {})

    def __call__(self, key: str, **values: object) -> str:
        """The words for ``key``, with ``values`` filled in."""
        text = self._words.get(key)
        if text is None:
            text = spaced(key)
            return text[:1].upper() + text[1:] if self.code == "en" else text
        return text.format(**values) if values else text

    def model(self, name: str) -> str:
        """A model's name as readers should see it: the config's label, else the words for the study's own,
        else the name itself.
        """
        if name in self._labels:
            return self._labels[name]
        return self._words[name] if name in OWN_MODELS else spaced(name)

    def place(self, name: str) -> str:
        """A set's or a centre's name as readers should see it: the config's label, else its translation."""
        return self._labels.get(name) or self(name)

    def shown(self, models: Sequence[str], places: Sequence[str]) -> dict[str, str]:
        """The names of models, sets and centres as figures show them, by the place where each can be
        changed.
        """
        found = {name: self.model(name) for name in models} | {name: self.place(name) for name in places}
        return {
            f"the {'label' if name in self._labels else 'name'} of '{name}'": text
            for name, text in found.items()
        }

    @property
    def comma(self) -> str:
        """What stands between items of a list."""
        return "；" if self.code == "zh" else "; "


def p_text(p: float) -> str:
    """A P value as journals want it: three decimals, ``<0.001`` below; a dash where there is none."""
    if math.isnan(p):
        return NO_VALUE
    if p < 0.001:
        return "<0.001"
    return ">0.999" if p > 0.999 and p < 1 else f"{p:.3f}"


def signed(number: float, decimals: int) -> str:
    """A number with fixed decimals and a true minus sign; a dash where there is none."""
    if math.isnan(number):
        return NO_VALUE
    text = f"{number:.{decimals}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def with_interval(value: float, low: float, high: float, decimals: int, scale: float = 1.0) -> str:
    """``0.917 (0.890-0.939)`` with an en dash; the value alone without an interval; a dash without a
    value.
    """
    if math.isnan(value):
        return NO_VALUE
    text = f"{value * scale:.{decimals}f}"
    if math.isnan(low) or math.isnan(high):
        return text
    return f"{text} ({low * scale:.{decimals}f}–{high * scale:.{decimals}f})"
