"""The report's words in English and Chinese.

Longer running text stands in ``methods_text`` and ``limits_text``.
"""

from __future__ import annotations

import re

from scripts.common.errors import StudyError
from scripts.common.flow_words import FLOW_WORDS, NOTE_WORDS

LANGUAGES = ("en", "zh")

_WORDS: dict[str, tuple[str, str]] = {
    # the page
    "contents": ("Contents", "目录"),
    "enlarge": ("Enlarge", "放大"),
    "close": ("Close", "关闭"),
    "twice": ("Twice as large", "放大一倍"),
    "skip": ("Skip to the content", "跳至正文"),
    "rows": ("rows", "行"),
    "sort_hint": (
        (
            "A column heading sorts its table, by click or by the Enter key; a figure enlarges likewise, and"
            " Escape closes it."
        ),
        "点击列标题（或按回车键）可排序；图亦可如此放大，按 Esc 键关闭。",
    ),
    "synthetic_title": ("SYNTHETIC DATA", "模拟数据 SYNTHETIC DATA"),
    "synthetic_text": (
        (
            "At least one centre of this study is simulated. Its films and patients are made by a program;"
            " the numbers show that the workflow runs and say nothing about patients."
        ),
        (
            "本研究至少有一个中心为模拟中心，其胸片和患者均由程序生成；所列数字仅说明流程可以运行，"
            "不反映任何真实患者的情况。"
        ),
    ),
    # sections
    "summary": ("Summary", "概要"),
    "flow": ("Patient flow", "病例筛选流程"),
    "exposure": ("Films and exposure", "胸片与曝光质控"),
    "table1": ("Table 1: patients", "表 1：基线资料"),
    "table2": ("Table 2: performance", "表 2：模型效能"),
    "delong": ("DeLong tests", "DeLong 检验"),
    "baselines": ("Baselines", "基线方法"),
    "roc": ("ROC curves", "ROC 曲线"),
    "decision_curves": ("Decision curves", "决策曲线"),
    "calibration": ("Calibration", "校准度"),
    "subgroups": ("Subgroups", "亚组分析"),
    "prevalence": ("Population prevalence", "人群患病率"),
    "sensitivity": ("Sensitivity analyses", "敏感性分析"),
    "missing": ("Missing values", "缺失值"),
    "shortcuts": ("Is it bone that it reads?", "模型依据的是骨骼吗？"),
    "gradcam": ("Grad-CAM", "Grad-CAM 热力图"),
    "training": ("Training", "训练过程"),
    "scores": ("Scores", "评分分布"),
    "methods": ("Methods", "方法"),
    "software": ("Software", "软件版本"),
    "checksums": ("Checksums", "校验和"),
    "limits": ("Limits", "局限性"),
    "model_card": ("Model card", "模型卡"),
    "tripod_ai": ("TRIPOD+AI", "TRIPOD+AI 清单"),
    "claim": ("CLAIM 2024", "CLAIM 2024 清单"),
    # the model card and the reporting checklists
    "item": ("Item", "条目"),
    "content": ("Content", "内容"),
    "topic": ("Topic", "主题"),
    "answer": ("Answer", "作答"),
    "statement": ("What the run says", "本次运行的说明"),
    "where": ("Where", "位置"),
    "model_card_caption": ("The deep learning model", "DL 模型"),
    "model_card_note": (
        (
            "make bundle puts the model into one folder for new films, with a card in which small counts are"
            " hidden."
        ),
        "make bundle 可将模型打包用于新胸片，所附模型卡隐藏小例数。",
    ),
    "tripod_ai_caption": ("TRIPOD+AI: reporting of prediction models", "TRIPOD+AI：预测模型研究报告清单"),
    "claim_caption": ("CLAIM 2024: AI in medical imaging", "CLAIM 2024：医学影像人工智能清单"),
    "checklist_text": (
        "{n} items. {counts}. What a workflow can't know is left to the authors.",
        "共 {n} 条。{counts}。流程无从得知的内容由作者填写。",
    ),
    "checklist_source": (
        "Topics in our own short words; the items themselves: {source}. The same table: {file}.",
        "主题为概括，条目原文见 {source}。同表见 {file}。",
    ),
    "answer_answered": ("Given by the run", "本次运行已给出"),
    "answer_partly": ("In part; authors complete", "部分给出，作者补充"),
    "answer_authors": ("Authors", "由作者填写"),
    "answer_not_applicable": ("Not applicable", "不适用"),
    "answer_absent": ("Not in this run", "本次运行未给出"),
    "part_title": ("Title and abstract", "标题与摘要"),
    "part_introduction": ("Introduction", "引言"),
    "part_methods": ("Methods", "方法"),
    "part_open_science": ("Open science", "开放科学"),
    "part_involvement": ("Patient and public involvement", "患者与公众参与"),
    "part_results": ("Results", "结果"),
    "part_discussion": ("Discussion", "讨论"),
    "part_other": ("Other information", "其他信息"),
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
    "out_of_fold": ("{set}, out of fold", "{set}（折外）"),
    "rule_youden": ("Youden index", "Youden 指数"),
    "n_capped": ("Age capped", "年龄封顶"),
    "n_clipped": ("Scores clipped", "截断评分数"),
    "subgroup": ("Subgroup", "亚组"),
    "level": ("Level", "分层"),
    "analysis": ("Analysis", "分析"),
    "auc_minus_main": ("AUC minus main", "与主分析 AUC 之差"),
    "sensitivity_minus_main": ("Sensitivity minus main, percentage points", "与主分析敏感度之差（百分点）"),
    "specificity_minus_main": ("Specificity minus main, percentage points", "与主分析特异度之差（百分点）"),
    "population": ("Population", "人群"),
    "from_age": ("Age from", "年龄下限"),
    "prevalence_metric": ("Prevalence, %", "患病率 (%)"),
    "net_benefit": ("Net benefit", "净收益"),
    "intercept": ("Intercept", "截距"),
    "slope": ("Slope", "斜率"),
    "o_e": ("O/E", "O/E"),
    "brier": ("Brier", "Brier 评分"),
    "brier_no_model": ("Brier, no model", "Brier 评分（无模型）"),
    "ici": ("ICI", "ICI"),
    "note": ("Note", "说明"),
    "rule_published": ("Published", "文献值"),
    "variables": ("Variables", "变量"),
    "part": ("Part of the film", "胸片部分"),
    "against": ("Against", "对照"),
    "r2_cross_validated": ("R², cross-validated", "R²（交叉验证）"),
    "r2_adjusted": ("R², adjusted", "R²（校正）"),
    "r2_partial": ("Partial R²", "偏 R²"),
    "p_partial": ("P", "P 值"),
    "auc_of_variables": ("AUC of the variables", "变量的 AUC"),
    "group_manufacturer": ("Manufacturer", "设备厂商"),
    "group_view": ("View (PA, AP)", "体位（PA、AP）"),
    "group_film_size": ("Film size", "图像尺寸"),
    "group_brightness": ("Mean brightness", "平均亮度"),
    "group_exposure": ("Exposure measures", "曝光指标"),
    "group_all_of_these": ("All of these", "以上全部"),
    "group_age_sex": ("Age and sex", "年龄与性别"),
    "mask_unmasked": ("Whole film", "完整胸片"),
    "mask_spine_masked": ("Spine covered", "遮盖脊柱"),
    "mask_flanks_masked": ("Flanks covered", "遮盖两侧"),
    "mask_border_masked": ("Border covered", "遮盖边缘"),
    "mask_spine_only": ("Spine alone", "仅留脊柱"),
    "smoother": ("Smoothed curve", "平滑曲线"),
    "interval_methods": ("Intervals: {methods}.", "区间估计方法：{methods}。"),
    # steps of the flow
    "step_found": ("Found in tables or films", "表格或胸片中发现"),
    **{f"step_{step}": words for step, words in FLOW_WORDS.items()},
    **{f"note_{note}": words for note, words in NOTE_WORDS.items()},
    "flow_notes_caption": ("Of the included patients", "纳入患者中"),
    # why files are quarantined, films flagged or rejected
    "reason_unreadable_file": ("File can't be read", "文件无法打开"),
    "reason_not_dicom": ("Not a DICOM file", "不是 DICOM 文件"),
    "reason_not_png": ("Not a PNG file", "不是 PNG 文件"),
    "reason_not_in_image_table": ("Not in the image table", "影像表中无此文件"),
    "reason_conflicting_image_rows": ("Contradicting rows in the image table", "影像表中记录互相矛盾"),
    "reason_unreadable_image_row": ("Row of the image table can't be read", "影像表记录无法读取"),
    "reason_unreadable_burned_in": ("Entry on burned-in text is neither yes nor no", "烧录文字标记无法识别"),
    "reason_values_beyond_bits": ("Values beyond the declared bits", "像素值超出声明位数"),
    "reason_cut_short": ("Cut short", "文件不完整"),
    "reason_unreadable_header": ("Header can't be read", "文件头无法读取"),
    "reason_too_large": ("Larger than any radiograph", "大小超出胸片范围"),
    "reason_reader_failed": ("Made the reader fail", "读取程序失败"),
    "reason_not_cr_or_dx": ("Neither CR nor DX", "非 CR 或 DX"),
    "reason_for_processing": ("Raw detector data", "探测器原始数据"),
    "reason_not_chest": ("Not a chest film", "非胸部"),
    "reason_lateral": ("Lateral or oblique view", "侧位或斜位"),
    "reason_no_patient_id": ("No patient id", "无患者编号"),
    "reason_no_pixels": ("No image in the file", "无图像"),
    "reason_unsupported": ("Coding of pixels not read", "像素编码不支持"),
    "reason_burned_in_text": ("Burned-in text declared", "声明有烧录文字"),
    "reason_no_film_date": ("No date of the film", "胸片无日期"),
    "reason_film_dates_differ": ("Dates of the header contradict each other", "文件头日期互相矛盾"),
    "reason_identifier_left": ("Identifier found in the new file", "新文件中仍有标识信息"),
    "reason_unreadable_pixels": ("Pixels can't be decoded", "像素无法解码"),
    "reason_duplicate": ("Duplicate", "重复"),
    "reason_conflicting_duplicate": ("Contradicting duplicate", "互相矛盾的重复"),
    "reason_clipped": ("Clipped", "灰阶截断"),
    "reason_underexposed": ("Underexposed", "曝光不足"),
    "reason_overexposed": ("Overexposed", "曝光过度"),
    "reason_no_measure": ("Not measurable", "无法测量"),
    "reason_deviation_index": ("Deviation index", "偏差指数异常"),
    "reason_noise": ("Noise", "噪声大"),
    "reason_range": ("Unusual grey-level range", "灰阶范围异常"),
    "reason_mean": ("Unusual mean", "均值异常"),
    "reason_polarity": ("Polarity", "黑白反转"),
    "reason_view_unknown": ("View unknown", "体位不明"),
    "reason_text_in_border": ("Text in the border", "边缘有文字"),
    "reason_text_unread": ("Text not read", "文字未能识别"),
    "reason_low_range": ("Low grey-level range", "灰阶范围过窄"),
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
    "analysis_without_review": ("Without patients under review", "剔除待复核患者"),
    "analysis_dxa_within_1_month": ("DXA within 1 month", "DXA 间隔 1 个月内"),
    "analysis_dxa_within_3_months": ("DXA within 3 months", "DXA 间隔 3 个月内"),
    "analysis_most_sites": ("As many DXA sites known as anybody has", "已知 DXA 部位数为最多者"),
    "analysis_lumbar_only": ("Label by lumbar T-score", "仅按腰椎 T 值判定"),
    "analysis_femoral_neck_only": ("Label by femoral neck T-score", "仅按股骨颈 T 值判定"),
    "level_<=1 month": ("≤ 1 month", "≤ 1 个月"),
    "level_>1-3 months": ("> 1 to 3 months", "> 1～3 个月"),
    "level_>3 months": ("> 3 months", "> 3 个月"),
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
    "metric": ("Metric", "指标"),
    "value_a": ("A", "A"),
    "value_b": ("B", "B"),
    "threshold_from": ("Threshold from", "阈值起"),
    "threshold_to": ("to", "阈值止"),
    "n_thresholds": ("Thresholds", "阈值个数"),
    "largest_lead": ("Largest lead", "最大领先"),
    "tied_with": ("Equally good", "并列者"),
    "best_threshold_on_test": ("Best threshold on the test patients", "测试集最佳阈值"),
    "best_sensitivity_on_test": ("Sensitivity there", "该阈值敏感度"),
    "best_specificity_on_test": ("Specificity there", "该阈值特异度"),
    "best_youden_on_test": ("Youden index there", "该阈值 Youden 指数"),
    "youden_at_frozen_threshold": ("Youden index at the frozen threshold", "固定阈值 Youden 指数"),
    "best_minus_frozen": ("Best minus frozen", "最佳与固定之差"),
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
    "set_train": ("Training set", "训练集"),
    "set_internal_test": ("Internal test set", "内部测试集"),
    "model_deep": ("Deep learning", "DL 模型"),
    "model_clinical": ("Clinical", "临床模型"),
    "model_combined": ("Combined", "联合模型"),
    "model_everyone_positive": ("Everyone positive", "全部判为阳性"),
    "model_all": ("Everyone treated", "全部干预"),
    "model_age": ("Age alone", "仅年龄"),
    "model_logistic": ("Logistic regression", "logistic 回归"),
    "model_osta": ("OSTA", "OSTA"),
    "model_osta_published": ("OSTA, published cut-off", "OSTA（文献截断值）"),
    "model_none": ("Nobody treated", "均不干预"),
    # sentences
    "summary_counts": (
        (
            "Centres: {centers}. Patients included: {n}, of them with osteoporosis: {op}. AUC with its"
            " {level} % CI:"
        ),
        "共 {centers} 个中心，纳入 {n} 例患者，其中骨质疏松 {op} 例。AUC 及其 {level}% CI：",
    ),
    "contrast_caption": (
        "Declared main comparison: AUC of {a} minus {b}",
        "预设的主要比较：{a}与{b}的 AUC 之差",
    ),
    "contrast_note": (
        "Paired DeLong test; Holm's adjustment within each set.",
        "配对 DeLong 检验；各集内以 Holm 法校正。",
    ),
    "flow_note": (
        (
            "Each patient counts once, at the first reason in the declared order. “Any reason” counts every"
            " patient to whom a reason applies. A criterion that a centre's table doesn't tell of stands with"
            " 0 there."
        ),
        (
            "每例患者按预设顺序仅在首个符合的原因处计数；“不互斥例数”为符合该原因的全部患者数。"
            "某中心表中无记录的标准在该中心计为 0。"
        ),
    ),
    "files_caption": ("Files found and what became of them", "发现的文件及其去向"),
    "reasons_caption": ("Why files were quarantined or rejected", "文件被隔离或剔除的原因"),
    "verdicts_caption": ("Exposure verdicts of converted films", "已转换胸片的曝光判定"),
    "verdict_reasons_caption": ("Why films were flagged or rejected", "胸片待复核或剔除的原因"),
    "sheet_caption": (
        "{center}: films with the verdict “{verdict}” ({n})",
        "{center}：判定为“{verdict}”的胸片（{n} 张）",
    ),
    "sheet_hidden": (
        (
            "{center}: the contact sheet of films with the verdict “{verdict}” ({n}) is not shown. Films on"
            " it without a declaration that no text is burned in (BurnedInAnnotation NO): {m}. Look at it in"
            " results/intake/{name}/ and sign off in the config (report.show_films) to show it."
        ),
        (
            "{center}：判定为“{verdict}”的 {n} 张胸片的缩略图未显示，其中 {m}"
            " 张未声明无烧录文字（BurnedInAnnotation 为 NO）。"
            "请在 results/intake/{name}/ 中查看，并在配置（report.show_films）中签署后显示。"
        ),
    ),
    "sheet_none": ("No film was rejected or flagged.", "没有胸片被剔除或标记为待复核。"),
    "table1_caption": ("Patients with and without osteoporosis", "骨质疏松与非骨质疏松患者的基线资料"),
    "table1_note": (
        (
            "Mean ± SD and counts. Welch's t test and Pearson's chi-squared test without continuity"
            " correction; Fisher's exact P beside it where an expected count is below 5. SMD: standardised"
            " mean difference."
        ),
        (
            "均数±标准差或例数。Welch t 检验；Pearson χ² 检验（无连续性校正），期望频数小于 5 时并列 Fisher"
            " 精确概率。SMD：标准化均数差。"
        ),
    ),
    "table1_t_score_note": (
        (
            "A T-score of which only a bound is known, or that need not be the lowest since another can't be "
            "read, counts as missing."
        ),
        "仅知界值的 T 值，以及因另有数值无法读取而未必最低的 T 值，计为缺失。",
    ),
    "table2_caption": (
        "Performance of the models in each test set, with {level} % CI",
        "各模型在各测试集的效能（{level}% CI）",
    ),
    "thresholds_caption": (
        "Thresholds, frozen on the training patients' out-of-fold scores",
        "由训练集折外评分确定并固定的阈值",
    ),
    "table2_note": (
        (
            "Thresholds come from the training patients only. “Everyone positive” calls every patient"
            " positive, for comparison."
        ),
        "阈值仅由训练集确定。“全部判为阳性”供对照。",
    ),
    "delong_caption": ("Differences between AUCs", "AUC 差值的比较"),
    "delong_note": (
        "Paired DeLong tests ({engine}); P adjusted by Holm's method within each set.",
        "配对 DeLong 检验（{engine}）；各集内以 Holm 法校正 P 值。",
    ),
    "differences_caption": (
        "Differences between models at their frozen thresholds, with {level} % CI",
        "各模型在固定阈值下的差异（{level}% CI）",
    ),
    "differences_note": (
        "A minus B on the same patients. Estimates, without P values.",
        "同一批患者中 A 减 B。仅为估计，不作检验。",
    ),
    "upper_bound_caption": (
        "Upper bound only: the Youden index at the test patients' own best threshold",
        "仅为上界：测试集自身最佳阈值的 Youden 指数",
    ),
    "upper_bound_note": (
        (
            "This threshold is chosen on the patients that it is told for. It is no estimate of performance,"
            " has no interval, and is used nowhere else."
        ),
        "该阈值由同一批测试患者选出，不是效能估计，无置信区间，也不用于他处。",
    ),
    "best_model_caption": ("Where each strategy has the highest net benefit", "各策略净收益最高的阈值范围"),
    "best_model_note": (
        (
            "Point estimates: a lead may be chance. No test is made on net benefit; the differences with"
            " their intervals are in net_benefit_differences.csv."
        ),
        "点估计，领先可能出于偶然。净收益不作检验；差值及区间见 net_benefit_differences.csv。",
    ),
    "engine_r": (
        "R {r}, pROC {proc}, checked against a second implementation",
        "R {r}，pROC {proc}，并与另一实现核对",
    ),
    "engine_numpy": ("built-in implementation, without R", "内置实现，未使用 R"),
    "baselines_caption": (
        "Baselines in each test set, with {level} % CI",
        "各测试集中基线方法的效能（{level}% CI）",
    ),
    "baselines_note": (
        (
            "Fitted to the training patients: age alone and the clinical variables (sex, age, height, weight,"
            " BMI) by logistic regression. OSTA is 0.2 × (weight in kg − age in years), here with its sign"
            " turned so that higher means a higher risk; it is no probability and has no Brier score."
            " Thresholds are frozen on out-of-fold scores; the published cut-off of OSTA is −1 or below (here"
            " 1 or above)."
        ),
        (
            "单独年龄及临床变量（性别、年龄、身高、体质量、BMI）以训练集拟合 logistic 回归。OSTA 为"
            " 0.2×（体质量 kg − 年龄），此处取相反数，数值越高风险越大；"
            "OSTA 不是概率，故无 Brier 评分。阈值由训练集折外评分确定；OSTA 的文献截断值为 −1 及以下（此处为"
            " 1 及以上）。"
        ),
    ),
    "baseline_delong_caption": ("The models against the baselines", "各模型与基线方法的比较"),
    "baseline_delong_note": (
        (
            "Paired DeLong tests ({engine}); P adjusted by Holm's method over the tests of this table within"
            " each set."
        ),
        "配对 DeLong 检验（{engine}）；各集内对本表各检验以 Holm 法校正 P 值。",
    ),
    "shortcuts_text": (
        (
            "A score can be right for a wrong reason: a device that one kind of patient meets more often, an"
            " exposure, a marker at the border. This audit asks how much of the deep score such variables"
            " explain, whether they tell the label by themselves, and what is left of the AUC with parts of"
            " the film covered. It can show that a shortcut is open; it can't show that none is."
        ),
        (
            "评分可能因错误的理由而正确，如某类患者更常使用的设备、曝光条件或边缘标记。"
            "本审核考察这些变量能解释多少 DL 评分、能否单独预测标签，以及遮盖部分胸片后 AUC 还剩多少。"
            "它可以揭示捷径的存在，但不能证明捷径不存在。"
        ),
    ),
    "shortcuts_caption": (
        (
            "A: share of the deep score's logit that groups of variables explain; values below -0.2 stand at"
            " -0.2. B: AUC of these variables alone for osteoporosis. C: AUC with parts of the film covered"
            " (grey)"
        ),
        (
            "A：各组变量对 DL 评分（logit）的解释比例，低于 -0.2 的值画在 -0.2"
            " 处；B：仅用这些变量预测骨质疏松的 AUC；C：遮盖部分胸片（灰色）后的 AUC"
        ),
    ),
    "explained_caption": (
        "What device, film and exposure explain of the deep score",
        "设备、图像与曝光对 DL 评分的解释",
    ),
    "explained_note": (
        (
            "Linear regression of the score's logit, in the training set with mean 0 and SD 1 within each"
            " fold. Partial R² and its P (F test, not adjusted): what the group adds to the label. The AUC is"
            " of a logistic regression on the group alone: over the folds in the training set, fitted on it"
            " for the test sets. Age and sex stand here for comparison: a film shows both."
        ),
        (
            "以 DL 评分的 logit 作线性回归，训练集在各折内标准化。偏 R² 及其 P 值（F 检验，"
            "未校正）：在标签之外该组变量的额外解释。AUC 为仅用该组变量的 logistic 回归：训练集按折外计算，"
            "测试集由训练集拟合。年龄与性别列此供对照，胸片本身可反映二者。"
        ),
    ),
    "within_manufacturer_caption": (
        "AUC of the deep score within each manufacturer",
        "各设备厂商内 DL 评分的 AUC",
    ),
    "covered_caption": (
        "AUC of the deep score with parts of the film covered",
        "遮盖部分胸片后 DL 评分的 AUC",
    ),
    "covered_note": (
        (
            "Covered pixels have the film's mean grey value. Spine: the band from {left} to {right} % of the"
            " width; flanks: two bands beside it, together as wide, as a control for the covering itself;"
            " border: {border} % of each side. The networks never saw covered films, so a fall of the AUC has"
            " two causes: what is lost, and that such films are strange to them. Paired DeLong tests"
            " ({engine}), not adjusted."
        ),
        (
            "遮盖处取该片平均灰度。脊柱：宽度的 {left}% 至 {right}%；两侧：其旁两条带，总宽相同，"
            "用以对照遮盖本身的影响；边缘：各边 {border}%。网络训练时未见过遮盖的胸片，"
            "故 AUC 下降有两个原因：信息缺失，以及此类图像对网络而言不寻常。"
            "配对 DeLong 检验（{engine}），未校正。"
        ),
    ),
    "roc_caption": ("Receiver operating characteristic curves", "受试者工作特征曲线"),
    "decision_caption": (
        (
            "Net benefit by threshold probability with bootstrap bands. Lines over a panel: the strategy with"
            " the highest net benefit there"
        ),
        "各阈值概率下的净收益及自助法区间带。各图上方线条：该处净收益最高的策略",
    ),
    "calibration_caption": ("Observed against predicted risk", "实际风险与预测风险"),
    "calibration_table_caption": ("Calibration measures", "校准度指标"),
    "forest_caption": (
        "AUC with its confidence interval by subgroup, beside the AUC in all patients of the set",
        "各亚组的 AUC 及其置信区间，与该集全部患者的 AUC 对照",
    ),
    "subgroups_caption": ("Performance by subgroup", "各亚组的模型效能"),
    "prevalence_caption": (
        "Predictive values and net benefit at population prevalences, each estimated in its age group",
        "在人群患病率下的预测值与净收益（在相应年龄组内估计）",
    ),
    "sensitivity_caption": ("Sensitivity analyses beside the main analysis", "敏感性分析与主分析对照"),
    "sensitivity_note": (
        (
            "Under review are patients whose film was flagged by its exposure or has an unknown view, or"
            " whose sex or age differs between table and film."
        ),
        "待复核患者：胸片曝光被标记、投照体位不明，或表格与胸片文件头中的性别或年龄不一致。",
    ),
    "missing_caption": ("Missing values by centre and variable", "各中心各变量的缺失数"),
    "missing_note": (
        "The models of the clinical variables take a missing value as missing.",
        "含临床变量的模型将缺失值按缺失处理。",
    ),
    "flow_caption": ("Patient flow by centre", "各中心病例筛选流程"),
    "flow_table_caption": ("Patient flow in numbers", "病例筛选数据"),
    "gradcam_caption": (
        (
            "Grad-CAM maps of true and false positives and negatives, chosen by the declared rule (the most"
            " certain of each kind), and of a random sample"
        ),
        (
            "按预设规则（各类中最确定者）选取的真阳性、假阳性、真阴性、假阴性病例及随机抽样病例的 Grad-CAM "
            "热力图"
        ),
    ),
    "gradcam_note": (
        (
            "A heat map shows the evidence for osteoporosis alone, also on films that are scored as negative;"
            " what speaks against it, often half of all evidence, is not drawn. It is the mean over the"
            " folds' networks, in which a network with larger values counts more. It is no proof that the"
            " model looks at bone."
        ),
        (
            "热力图仅显示支持骨质疏松的依据，判为阴性的胸片亦然；反对的依据（常占一半）未绘出。"
            "图为各折网络的均值，数值较大的网络占比较大。热力图并不证明模型关注骨骼。"
        ),
    ),
    "training_caption": (
        "Training loss (global and mean local), held-out AUC and learning rate, a line per fold",
        "各折的训练损失（全局与局部均值）、留出 AUC 与学习率",
    ),
    "training_note": (
        "The last epoch's weights are used in every fold; no epoch is chosen by its held-out AUC.",
        "各折均使用最后一轮的权重，不依据留出 AUC 挑选轮次。",
    ),
    "spread_caption": ("Out-of-fold probability of each fold", "各折的折外概率"),
    "spread_note": (
        (
            "Folds can rank patients equally well and still differ in scale: a network whose probabilities"
            " stay close together has learned the order, and little of how sure it may be."
        ),
        "各折的排序能力可以相同而尺度不同：概率彼此接近的网络学到了次序，但对把握程度所知甚少。",
    ),
    "lowest": ("Lowest", "最小值"),
    "q1": ("1st quartile", "第一四分位数"),
    "median": ("Median", "中位数"),
    "q3": ("3rd quartile", "第三四分位数"),
    "highest": ("Highest", "最大值"),
    "sd_logit": ("SD of the logit", "logit 标准差"),
    "scores_caption": (
        (
            "Distribution of the deep score: out of fold in the training set, mean of the folds' models in"
            " the test sets (filled), where dashed lines are the single folds' probabilities, pooled"
        ),
        "DL 评分的分布：训练集为折外评分，测试集为各折模型概率的均值（填充），虚线为各单折概率合并后的分布",
    ),
    "scores_table_caption": ("Deep score: mean (SD) and quartiles", "DL 评分：均数（标准差）与四分位数"),
    "scores_note": (
        (
            "A mean of several models spreads less than a single model's score. Thresholds are chosen on"
            " out-of-fold scores and used on means, so compare the first two panels before trusting"
            " sensitivity and specificity."
        ),
        (
            "多个模型的均值比单个模型的评分更集中。阈值由折外评分确定而用于均值，"
            "故在解读敏感度和特异度前应先比较前两个分图。"
        ),
    ),
    "single_folds": ("single folds", "单折"),
    "folds_caption": (
        (
            "AUC of each fold's network alone, and of their mean probability, in each test set, with {level}"
            " % CI"
        ),
        "各折网络单独及其概率均值在各测试集的 AUC（{level}% CI）",
    ),
    "folds_note": (
        (
            "The folds share most of their training patients and are tested on the same patients, so the rows"
            " of a set are not independent. No fold is chosen; the ensemble is what all other tables report."
        ),
        (
            "各折的训练患者大部分相同且在相同患者上测试，故同一集内各行并不独立。不挑选任何一折，"
            "其他各表均报告集成结果。"
        ),
    ),
    "ensemble": ("Ensemble", "集成"),
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
    "trained_on_text": ("The folds were trained on: {folds}.", "各折训练所用设备：{folds}。"),
    "inputs_caption": ("Inputs: keyed checksums", "输入：带密钥校验和"),
    "outputs_caption": ("Outputs: SHA-256", "输出：SHA-256"),
    "checksums_text": (
        (
            "Inputs are recorded by checksums under the study key, which show a change and reveal nothing."
            " The same record, with the whole config, is results/provenance.json."
        ),
        (
            "输入以研究密钥加密的校验和记录，可显示变更而不泄露内容。同一记录及完整配置见"
            " results/provenance.json。"
        ),
    ),
    "films_listing": ("films ({n} files)", "胸片（{n} 个文件）"),
    "table_kind_patients": ("patient table", "患者表"),
    "table_kind_dxa": ("DXA table", "DXA 表"),
    "table_kind_images": ("image table", "影像表"),
    "table_kind_manifest": ("manifest of the hand-over", "移交清单"),
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

    def without_unit(self, key: str, otherwise: str) -> str:
        """``get`` without the unit at its end, for running text."""
        return re.sub(r"(, %| \(%\)|, percentage points|（百分点）)$", "", self.get(key, otherwise))

    def variable(self, name: str) -> str:
        """A variable of the cohort as the reader sees it."""
        return self.get(f"variable_{name}", name)

    def get(self, key: str, otherwise: str) -> str:
        """The word, or ``otherwise`` where there is none for ``key``."""
        return _WORDS[key][self._index] if key in _WORDS else otherwise
