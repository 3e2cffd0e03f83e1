"""The report's words in English and Chinese. Longer running text stands in ``methods_text`` and ``limits_text``."""

from __future__ import annotations

from scripts.common.errors import StudyError

LANGUAGES = ("en", "zh")

_WORDS: dict[str, tuple[str, str]] = {
    # the page
    "contents": ("Contents", "目录"),
    "enlarge": ("Enlarge", "放大"),
    "close": ("Close", "关闭"),
    "rows": ("rows", "行"),
    "sort_hint": (
        "Click a column heading to sort. Click a figure to enlarge it.",
        "点击列标题可排序，点击图可放大。",
    ),
    "synthetic_title": ("SYNTHETIC DATA", "模拟数据 SYNTHETIC DATA"),
    "synthetic_text": (
        "At least one centre of this study is simulated. Its films and patients are made by a program; the numbers show that "
        "the workflow runs and say nothing about patients.",
        "本研究至少有一个中心为模拟中心，其胸片和患者均由程序生成；所列数字仅说明流程可以运行，不反映任何真实患者的情况。",
    ),
    # sections
    "summary": ("Summary", "概要"),
    "flow": ("Patient flow", "病例筛选流程"),
    "exposure": ("Films and exposure", "胸片与曝光质控"),
    "table1": ("Table 1: patients", "表 1：基线资料"),
    "table2": ("Table 2: performance", "表 2：模型效能"),
    "delong": ("DeLong tests", "DeLong 检验"),
    "roc": ("ROC curves", "ROC 曲线"),
    "decision_curves": ("Decision curves", "决策曲线"),
    "calibration": ("Calibration", "校准度"),
    "subgroups": ("Subgroups", "亚组分析"),
    "prevalence": ("Population prevalence", "人群患病率"),
    "sensitivity": ("Sensitivity analyses", "敏感性分析"),
    "missing": ("Missing values", "缺失值"),
    "gradcam": ("Grad-CAM", "Grad-CAM 热力图"),
    "training": ("Training", "训练过程"),
    "scores": ("Scores", "评分分布"),
    "methods": ("Methods", "方法"),
    "software": ("Software", "软件版本"),
    "checksums": ("Checksums", "校验和"),
    "limits": ("Limits", "局限性"),
    # nouns
    "set": ("Set", "集别"),
    "model": ("Model", "模型"),
    "center": ("Centre", "中心"),
    "variable": ("Variable", "变量"),
    "value": ("Value", "取值"),
    "step": ("Step", "步骤"),
    "reason": ("Reason", "原因"),
    "status": ("Status", "状态"),
    "patients": ("Patients", "患者数"),
    "any_reason": ("Any reason", "不互斥例数"),
    "op": ("OP", "OP"),
    "non_op": ("Non-OP", "非 OP"),
    "op_long": ("Osteoporosis", "骨质疏松"),
    "non_op_long": ("No osteoporosis", "无骨质疏松"),
    "statistic": ("Statistic", "统计量"),
    "test": ("Test", "检验"),
    "p_value": ("P", "P 值"),
    "p_holm": ("P (Holm)", "P 值 (Holm)"),
    "fisher_p": ("P (Fisher)", "P 值 (Fisher)"),
    "smd": ("SMD", "SMD"),
    "n": ("n", "n"),
    "n_pos": ("OP", "OP"),
    "n_missing": ("Missing", "缺失"),
    "n_capped": ("Age capped", "年龄封顶"),
    "n_clipped": ("Scores clipped", "截断评分数"),
    "subgroup": ("Subgroup", "亚组"),
    "level": ("Level", "分层"),
    "analysis": ("Analysis", "分析"),
    "auc_minus_main": ("AUC minus main", "与主分析 AUC 之差"),
    "population": ("Population", "人群"),
    "older_than": ("Age from", "年龄下限"),
    "prevalence_metric": ("Prevalence, %", "患病率 (%)"),
    "net_benefit": ("Net benefit", "净收益"),
    "intercept": ("Intercept", "截距"),
    "slope": ("Slope", "斜率"),
    "o_e": ("O/E", "O/E"),
    "brier": ("Brier", "Brier 评分"),
    "brier_no_model": ("Brier, no model", "Brier 评分（无模型）"),
    "ici": ("ICI", "ICI"),
    "note": ("Note", "说明"),
    "smoother": ("Smoothed curve", "平滑曲线"),
    "interval_methods": ("Intervals: {methods}.", "区间估计方法：{methods}。"),
    # steps of the flow
    "step_found": ("Found in tables or films", "表格或胸片中发现"),
    "step_no_film": ("No film", "无胸片"),
    "step_no_usable_film": ("No usable film", "无可用胸片"),
    "step_no_frontal_film": ("No frontal film", "无正位胸片"),
    "step_exposure_rejected": ("Exposure rejected", "曝光异常剔除"),
    "step_no_film_date": ("No film date", "胸片无日期"),
    "step_outside_enrolment": ("Outside the enrolment period", "不在纳入时段内"),
    "step_not_in_patients_table": ("Not in the patient table", "不在患者表中"),
    "step_no_dxa": ("No DXA exam", "无 DXA 检查"),
    "step_conflicting_rows": ("Contradicting rows", "记录互相矛盾"),
    "step_age_unknown": ("Age unknown", "年龄未知"),
    "step_too_young": ("Too young", "年龄不符"),
    "step_no_pair_in_interval": ("No film and DXA within the interval", "胸片与 DXA 间隔超限"),
    "step_no_t_score": ("No T-score", "无 T 值"),
    "step_secondary_osteoporosis": ("Secondary osteoporosis", "继发性骨质疏松"),
    "step_high_density_foreign_body": ("High-density foreign body", "高密度异物"),
    "step_abnormal_spine": ("Abnormal spine", "脊柱结构异常"),
    "step_orthopaedic_surgery": ("Orthopaedic surgery", "骨科手术史"),
    "step_poor_image_quality": ("Poor image quality", "图像质量不佳"),
    "step_exclusion_flag_missing": ("Exclusion flag missing", "排除标志缺失"),
    "step_under_review": ("Film under review", "胸片待复核"),
    "step_included": ("Included", "纳入"),
    # values of result tables
    "variable_age": ("Age, years", "年龄（岁）"),
    "variable_sex": ("Sex, male/female", "性别（男/女）"),
    "variable_bmi": ("BMI, kg/m²", "BMI（kg/m²）"),
    "variable_bmd": ("BMD, g/cm²", "BMD（g/cm²）"),
    "variable_height_cm": ("Height, cm", "身高（cm）"),
    "variable_weight_kg": ("Weight, kg", "体质量（kg）"),
    "variable_t_score": ("T-score", "T 值"),
    "variable_dxa_interval_days": ("DXA minus film, days", "DXA 与胸片间隔（天）"),
    "variable_manufacturer": ("Manufacturer", "设备厂商"),
    "subgroup_sex": ("Sex", "性别"),
    "subgroup_age": ("Age", "年龄"),
    "subgroup_bmi": ("BMI", "BMI"),
    "subgroup_manufacturer": ("Manufacturer", "设备厂商"),
    "subgroup_dxa_interval": ("Film to DXA", "胸片与 DXA 间隔"),
    "level_female": ("female", "女"),
    "level_male": ("male", "男"),
    "analysis_main": ("Main analysis", "主分析"),
    "analysis_without_review": ("Without films under review", "剔除待复核胸片"),
    "analysis_dxa_within_30_days": ("DXA within 30 days", "DXA 间隔 30 天内"),
    "analysis_dxa_within_90_days": ("DXA within 90 days", "DXA 间隔 90 天内"),
    "analysis_complete_cases": ("Complete cases", "完整病例"),
    "auc": ("AUC", "AUC"),
    "sensitivity_metric": ("Sensitivity, %", "敏感度 (%)"),
    "specificity_metric": ("Specificity, %", "特异度 (%)"),
    "accuracy_metric": ("Accuracy, %", "准确率 (%)"),
    "ppv_metric": ("PPV, %", "阳性预测值 (%)"),
    "npv_metric": ("NPV, %", "阴性预测值 (%)"),
    "f1_metric": ("F1", "F1 分数"),
    "threshold": ("Threshold", "阈值"),
    "rule": ("Rule", "规则"),
    "difference": ("Difference", "差值"),
    "z": ("Z", "Z"),
    "engine": ("Engine", "计算引擎"),
    "model_a": ("Model A", "模型 A"),
    "model_b": ("Model B", "模型 B"),
    "film_found": ("Found", "发现"),
    "film_accepted": ("Accepted", "接受"),
    "film_quarantined": ("Quarantined", "隔离"),
    "film_rejected": ("Rejected", "剔除"),
    "verdict_pass": ("Pass", "通过"),
    "verdict_review": ("Review", "待复核"),
    "verdict_reject": ("Reject", "剔除"),
    "file": ("File", "文件"),
    "sha256": ("SHA-256", "SHA-256"),
    "package": ("Package", "软件包"),
    "version": ("Version", "版本"),
    "input": ("Input", "输入"),
    "keyed": ("Keyed checksum", "带密钥校验和"),
    "epoch": ("Epoch", "训练轮次"),
    "loss": ("Training loss (solid: global, dashed: local)", "训练损失（实线：全局，虚线：局部）"),
    "auc_held_out": ("Held-out AUC", "留出折 AUC"),
    "fold": ("Fold", "折"),
    "score": ("Deep score", "DL 评分"),
    "share": ("Share of patients", "患者比例"),
    # sets and models
    "set_train": ("Training (out of fold)", "训练集（折外）"),
    "set_internal_test": ("Internal test", "内部测试集"),
    "model_deep": ("Deep learning", "DL 模型"),
    "model_clinical": ("Clinical", "临床模型"),
    "model_combined": ("Combined", "联合模型"),
    "model_everyone_positive": ("Everyone positive", "全部判为阳性"),
    "model_all": ("Everyone treated", "全部干预"),
    "model_none": ("Nobody treated", "均不干预"),
    # sentences
    "summary_counts": (
        "{centers} centre(s); {n} patients included, {op} of them with osteoporosis. AUC with its {level} % CI:",
        "共 {centers} 个中心，纳入 {n} 例患者，其中骨质疏松 {op} 例。AUC 及其 {level}% CI：",
    ),
    "contrast_caption": ("Declared main comparison: AUC of {a} minus {b}", "预设的主要比较：{a}与{b}的 AUC 之差"),
    "contrast_note": ("Paired DeLong test; Holm's adjustment within each set.", "配对 DeLong 检验；各集内以 Holm 法校正。"),
    "flow_note": (
        "Each patient counts once, at the first reason in the declared order. “Any reason” counts every patient to whom a reason applies.",
        "每例患者按预设顺序仅在首个符合的原因处计数；“不互斥例数”为符合该原因的全部患者数。",
    ),
    "files_caption": ("Files found and what became of them", "发现的文件及其去向"),
    "reasons_caption": ("Why files were quarantined or rejected", "文件被隔离或剔除的原因"),
    "verdicts_caption": ("Exposure verdicts of converted films", "已转换胸片的曝光判定"),
    "verdict_reasons_caption": ("Why films were flagged or rejected", "胸片待复核或剔除的原因"),
    "sheet_caption": ("{center}: films with the verdict “{verdict}” ({n})", "{center}：判定为“{verdict}”的胸片（{n} 张）"),
    "sheet_hidden": (
        "{center}: the contact sheet of the {n} film(s) with the verdict “{verdict}” is not shown, since {m} of them do not "
        "declare that no text is burned in (BurnedInAnnotation NO). Look at it in results/intake/{name}/ and sign off in "
        "the config (report.show_films) to show it.",
        "{center}：判定为“{verdict}”的 {n} 张胸片的缩略图未显示，因为其中 {m} 张未声明无烧录文字（BurnedInAnnotation 为 NO）。"
        "请在 results/intake/{name}/ 中查看，并在配置（report.show_films）中签署后显示。",
    ),
    "sheet_none": ("No film was rejected or flagged.", "没有胸片被剔除或标记为待复核。"),
    "table1_caption": ("Patients with and without osteoporosis", "骨质疏松与非骨质疏松患者的基线资料"),
    "table1_note": (
        "Mean ± SD and counts. Welch's t test and Pearson's chi-squared test without continuity correction; Fisher's exact "
        "P beside it where an expected count is below 5. SMD: standardised mean difference.",
        "均数±标准差或例数。Welch t 检验；Pearson χ² 检验（无连续性校正），期望频数小于 5 时并列 Fisher 精确概率。SMD：标准化均数差。",
    ),
    "table2_caption": ("Performance of the models in each test set, with {level} % CI", "各模型在各测试集的效能（{level}% CI）"),
    "thresholds_caption": ("Thresholds, frozen on the training patients' out-of-fold scores", "由训练集折外评分确定并固定的阈值"),
    "table2_note": (
        "Thresholds come from the training patients only. “Everyone positive” calls every patient positive, for comparison.",
        "阈值仅由训练集确定。“全部判为阳性”供对照。",
    ),
    "delong_caption": ("Differences between AUCs", "AUC 差值的比较"),
    "delong_note": (
        "Paired DeLong tests ({engine}); P adjusted by Holm's method within each set.",
        "配对 DeLong 检验（{engine}）；各集内以 Holm 法校正 P 值。",
    ),
    "engine_r": ("R {r}, pROC {proc}, checked against a second implementation", "R {r}，pROC {proc}，并与另一实现核对"),
    "engine_numpy": ("built-in implementation, without R", "内置实现，未使用 R"),
    "roc_caption": ("Receiver operating characteristic curves", "受试者工作特征曲线"),
    "decision_caption": ("Net benefit by threshold probability", "各阈值概率下的净收益"),
    "calibration_caption": ("Observed against predicted risk", "实际风险与预测风险"),
    "calibration_table_caption": ("Calibration measures", "校准度指标"),
    "subgroups_caption": ("Performance by subgroup", "各亚组的模型效能"),
    "prevalence_caption": (
        "Predictive values and net benefit at population prevalences, each estimated in its age group",
        "在人群患病率下的预测值与净收益（在相应年龄组内估计）",
    ),
    "sensitivity_caption": ("Sensitivity analyses beside the main analysis", "敏感性分析与主分析对照"),
    "missing_caption": ("Missing values by centre and variable", "各中心各变量的缺失数"),
    "missing_note": ("The models of the clinical variables take a missing value as missing.", "含临床变量的模型将缺失值按缺失处理。"),
    "flow_caption": ("Patient flow by centre", "各中心病例筛选流程"),
    "flow_table_caption": ("Patient flow in numbers", "病例筛选数据"),
    "gradcam_caption": (
        "Grad-CAM maps of true and false positives and negatives, chosen by the declared rule (the most certain of each kind)",
        "按预设规则（各类中最确定者）选取的真阳性、假阳性、真阴性、假阴性病例的 Grad-CAM 热力图",
    ),
    "gradcam_note": (
        "A heat map shows where the score is sensitive to the film. It is no proof that the model looks at bone.",
        "热力图显示评分对图像的敏感区域，并不证明模型关注骨骼。",
    ),
    "training_caption": ("Training loss and held-out AUC, a line per fold", "各折的训练损失与留出 AUC"),
    "training_note": (
        "The last epoch's weights are used in every fold; no epoch is chosen by its held-out AUC.",
        "各折均使用最后一轮的权重，不依据留出 AUC 挑选轮次。",
    ),
    "scores_caption": (
        "Distribution of the deep score: out of fold in the training set, mean of the folds' models in the test sets",
        "DL 评分的分布：训练集为折外评分，测试集为各折模型概率的均值",
    ),
    "scores_table_caption": ("Deep score: mean (SD) and quartiles", "DL 评分：均数（标准差）与四分位数"),
    "scores_note": (
        "A mean of several models spreads less than a single model's score. Thresholds are chosen on out-of-fold scores and "
        "used on means, so compare the first two panels before trusting sensitivity and specificity.",
        "多个模型的均值比单个模型的评分更集中。阈值由折外评分确定而用于均值，故在解读敏感度和特异度前应先比较前两个分图。",
    ),
    "quartiles": ("Median (quartiles)", "中位数（四分位数）"),
    "mean_sd": ("Mean (SD)", "均数（标准差）"),
    "group": ("Group", "组别"),
    "software_caption": ("Packages", "软件包"),
    "software_text": (
        "Python {python}; R {r}; pROC {proc}; {platform}. Code: commit {commit}{modified}.",
        "Python {python}；R {r}；pROC {proc}；{platform}。代码版本：{commit}{modified}。",
    ),
    "code_modified": (", with uncommitted changes", "（有未提交的修改）"),
    "not_used": ("not used", "未使用"),
    "unknown": ("unknown", "未知"),
    "seeds_text": (
        "Seed {seed}; every random number follows from it. Key fingerprint {key}.",
        "随机种子 {seed}，所有随机数均由其导出。密钥指纹 {key}。",
    ),
    "inputs_caption": ("Inputs: keyed checksums", "输入：带密钥校验和"),
    "outputs_caption": ("Outputs: SHA-256", "输出：SHA-256"),
    "checksums_text": (
        "Inputs are recorded by checksums under the study key, which show a change and reveal nothing. The same record, with "
        "the whole config, is results/provenance.json.",
        "输入以研究密钥加密的校验和记录，可显示变更而不泄露内容。同一记录及完整配置见 results/provenance.json。",
    ),
    "films_listing": ("films ({n} files)", "胸片（{n} 个文件）"),
    "table_kind_patients": ("patient table", "患者表"),
    "table_kind_dxa": ("DXA table", "DXA 表"),
    "table_kind_review": ("reader's overrides", "阅片者复核"),
}


class Words:
    """Looks words up in one language. ``words("summary")``; named values fill the braces."""

    def __init__(self, language: str) -> None:
        if language not in LANGUAGES:
            raise StudyError(f"study.language: '{language}' is not known; use en or zh.")
        self.language = language
        self._index = LANGUAGES.index(language)

    def __call__(self, key: str, /, **values: object) -> str:
        text = _WORDS[key][self._index]
        return text.format(**values) if values else text

    def variable(self, name: str) -> str:
        """A variable of the cohort as the reader sees it."""
        return self.get(f"variable_{name}", name)

    def get(self, key: str, otherwise: str) -> str:
        """The word, or ``otherwise`` where there is none for ``key``."""
        return _WORDS[key][self._index] if key in _WORDS else otherwise
