"""The methods section and the limits, written from the run's own config and numbers: no number in them is
typed here.

What the software always does (the kind of test, the standard for de-identification) is text; every size,
count, setting and version comes from the run's files.
"""

from __future__ import annotations

from typing import Any

from scripts.common.numbers import count, decimal, percent, percentage, plural
from scripts.common.scores import SAME_SCORE
from scripts.common.strata import Strata
from scripts.common.vocabulary import SMALL_CLASS
from scripts.report.run_files import RunFiles

_SITES = {
    "lumbar": ("lumbar spine", "腰椎"),
    "femoral_neck": ("femoral neck", "股骨颈"),
    "total_hip": ("total hip", "全髋"),
}
_EXCLUSIONS = {
    "secondary_osteoporosis": ("secondary osteoporosis", "继发性骨质疏松"),
    "high_density_foreign_body": ("a high-density foreign body", "高密度异物"),
    "abnormal_spine": ("an abnormal spine", "脊柱结构异常"),
    "orthopaedic_surgery": ("earlier orthopaedic surgery", "既往骨科手术史"),
    "poor_image_quality": ("poor image quality", "图像质量不佳"),
}
_ORDER = {
    "film_date": ("film date", "胸片日期"),
    "dxa_date": ("DXA date", "DXA 日期"),
    "view": ("PA before AP", "后前位优先于前后位"),
    "acquisition_time": ("acquisition time", "采集时间"),
}


def number(value: Any) -> str:
    """A setting as it would be written by hand: 0.0001, 1, 0.9."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _listed(items: list[str], zh: bool) -> str:
    if zh:
        return "、".join(items)
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def _other_inputs(run: RunFiles, zh: bool) -> str:
    """A sentence on the centres with PNG films and one on those that were handed over; empty where there are
    none.
    """

    def centers_with(key: str) -> str:
        found = [run.center_of(entry["name"]) for entry in run.config["centers"] if entry.get(key)]
        return _listed(found, zh) if found else ""

    out, png, received = "", centers_with("png"), centers_with("deidentified")
    if png:
        out += (
            f"{png}的胸片为 PNG 文件，其影像信息取自表格。"
            if zh
            else f"The films of {png} came as PNG files; a table gave patient, date and view. "
        )
    if received:
        out += (
            f"{received}的数据由该中心以自有密钥去标识后移交，年龄与日历月间隔由其按真实日期计算。"
            if zh
            else (
                f"The data of {received} were de-identified at the site under its own key and handed over;"
                " ages and calendar months were counted there on true dates. "
            )
        )
    return out


def _exam_rule(cohort: dict[str, Any], zh: bool) -> str:
    """What is one DXA exam, and when it has no label."""
    window, sites = cohort["exam_window_days"], cohort["min_sites"]
    if zh:
        out = (
            f"首日起 {window} 天内的 DXA 记录视为同一次检查。"
            if window
            else "同一日期的 DXA 记录视为同一次检查。"
        )
        out += (
            "首对检查中有 T 值无法读取或仅知界值而不能判定者，除非另有 T 值足以判定骨质疏松，否则予以排除，"
            "不以后续检查代替。"
        )
        return out + (f"判定无骨质疏松至少须有 {sites} 个部位已知。" if sites > 1 else "")
    rows = f"within {plural(window, 'day')} of an exam's first one" if window else "of one date"
    out = f"DXA rows {rows} were one exam. "
    out += (
        "Where a T-score of the first pair's exam could not be read, or only a bound of it was known that"
        " left the label open, the patient was excluded, unless another T-score of that exam proved OP; no"
        " later exam took its place. "
    )
    return out + (f"No OP needed {plural(sites, 'known site')} or more. " if sites > 1 else "")


def _facts(run: RunFiles) -> dict[str, Any]:
    status = run.files["status"].value_counts()
    cohort = run.cohort
    by_set = {name: cohort[cohort["set"] == name] for name in run.sets}
    found = run.flow[run.flow["kind"] == "found"]
    return {
        "found_files": len(run.files),
        "accepted": int(status.get("accepted", 0)),
        "quarantined": int(status.get("quarantined", 0)),
        "rejected": int(status.get("rejected", 0)),
        "found_patients": int(found["n_patients"].sum()) if len(found) else None,
        "included": len(cohort),
        "op": int((cohort["label"] == 1).sum()),
        "sets": {name: (len(part), int((part["label"] == 1).sum())) for name, part in by_set.items()},
    }


def _thresholds(run: RunFiles, names: dict[str, str]) -> str:
    frame = run.statistics["thresholds"]
    return "; ".join(
        f"{names.get(row.model, row.model)} {decimal(row.threshold)}" for row in frame.itertuples()
    )


def split_text(strata: Strata, test_fraction: float, folds: int, zh: bool) -> str:
    """How the development centre was divided, and what of it holds for today's patients and labels."""
    train, test = percentage(1 - test_fraction), percentage(test_fraction)
    op_train, op_test = percent(strata.train.share), percent(strata.test.share)
    share = percent(strata.test_share)
    fold_shares = [fold.share for fold in strata.folds]
    lowest, highest = percent(min(fold_shares)), percent(max(fold_shares))
    if zh:
        drawn = f"建模中心按标签分层，以密钥散列排序，{train} % 为训练集，{test} % 为内部测试集"
        if strata.sets_hold:
            text = f"{drawn}（骨质疏松分别占 {op_train} % 和 {op_test} %）；"
        else:
            text = (
                f"首次抽取时，{drawn}；此后患者或标签有变而划分保持不变，现内部测试集占 {share} %，"
                f"骨质疏松在训练集占 {op_train} %、在内部测试集占 {op_test} %，"
                "两集已不按现有标签分层；"
            )
        if strata.folds_hold:
            return text + f"训练集分为 {folds} 个分层折。"
        return text + f"训练集分为 {folds} 折，首次抽取时分层，现各折骨质疏松占 {lowest} %–{highest} %。"
    drawn = (
        f"The development centre was split by keyed-hash rank within each label into {train} % training "
        f"and {test} % internal test"
    )
    if strata.sets_hold:
        text = f"{drawn} (OP: {op_train} % and {op_test} %); "
    else:
        text = (
            f"{drawn} when its patients were first drawn. The split was kept while patients or labels"
            f" changed: the internal test set now holds {share} % of the patients, and OP are {op_train} % of"
            f" training and {op_test} % of the internal test set, so that the sets are not stratified by"
            " today's labels; "
        )
    if strata.folds_hold:
        return text + f"training was divided into {folds} stratified folds."
    return (
        text
        + f"training was divided into {folds} folds, stratified when drawn, of which OP are now {lowest} to"
        f" {highest} %."
    )


def methods(
    run: RunFiles, language: str, model_names: dict[str, str], set_names: dict[str, str]
) -> list[tuple[str, str]]:
    """Heading and paragraph of each part of the methods, in ``language`` (en or zh)."""
    zh = language == "zh"
    pick = 1 if zh else 0
    config, facts = run.config, _facts(run)
    cohort, deep, boosting, stats = config["cohort"], config["deep"], config["boosting"], config["statistics"]
    net, train, augment = deep["architecture"], deep["training"], deep["augmentation"]
    exposure = config["intake"]["exposure"]
    versions = run.provenance["versions"]
    packages = versions["packages"]
    blocks = net["grid"] ** 2
    externals = len(run.sets) - 2
    sites = _listed([_SITES[s][pick] for s in cohort["sites"]], zh)
    exclusions = [_EXCLUSIONS[e][pick] for e in cohort["exclusions"]]
    order = [_ORDER[o][pick] for o in cohort["first_pair_by"]]
    scored = train["precision"] if deep["scoring"]["precision"] == "trained" else deep["scoring"]["precision"]
    confidence = percentage(stats["confidence"])
    rule, value = stats["threshold"]["rule"], stats["threshold"]["value"]
    engine_r = run.provenance["delong_engine"] == "r"
    thresholds = _thresholds(run, model_names)
    contrast = [model_names.get(m, m) for m in stats["primary_contrast"]]
    sizes = [
        (
            f"{set_names[s]} {count(n)}（骨质疏松 {count(op)}）"
            if zh
            else f"{set_names[s]} {count(n)} ({count(op)} with OP)"
        )
        for s, (n, op) in facts["sets"].items()
    ]
    populations = [
        f"{p['label']}: {percentage(p['prevalence'])} %, "
        + (f"{p['from_age']} 岁及以上" if zh else f"age {p['from_age']} and above")
        for p in stats["prevalences"]
    ]
    init = {
        "imagenet": (
            "ImageNet weights, the first layer's three colour channels summed into one",
            "ImageNet 预训练权重，首层三个颜色通道求和为单通道",
        ),
        "random": ("random weights", "随机权重"),
    }.get(deep["init"], ("ResNet-18 weights of a file", "由文件给定的 ResNet-18 权重"))[pick]
    rule_text = {
        "youden": ("the largest Youden index", "最大 Youden 指数"),
        "sensitivity": (f"a sensitivity of at least {number(value)}", f"敏感度不低于 {number(value)}"),
        "value": (f"the fixed value {number(value)}", f"固定值 {number(value)}"),
    }[rule][pick]

    if zh:
        parts = [
            (
                "研究对象",
                f"共 {len(run.centers)} 个中心，其中 1 个用于建模，{externals} 个为外部测试。"
                + (
                    f"各中心输入表与胸片中共有患者 {count(facts['found_patients'])} 例；"
                    if facts["found_patients"] is not None
                    else ""
                )
                + f"纳入 {count(facts['included'])} 例，骨质疏松 {count(facts['op'])}"
                f" 例：{'，'.join(sizes)}。纳入标准：拍片时周岁大于 {cohort['older_than']} 岁；正位胸片与"
                f" DXA 检查相隔不超过 {cohort['interval_months']} 个日历月（不分先后）。"
                + (
                    f"排除标准依次为（各中心仅按其表中有记录者）：{_listed(exclusions, zh)}。"
                    if exclusions
                    else "未设排除标准。"
                )
                + f"有多次检查者取首对，依次按{_listed(order, zh)}确定。配对检查中{sites}的最低 T 值 ≤"
                f" {decimal(cohort['op_t_score'], 1)} 为骨质疏松。"
                + _exam_rule(cohort, zh)
                + split_text(run.strata, cohort["test_fraction"], cohort["folds"], zh),
            ),
            (
                "胸片",
                f"发现文件 {count(facts['found_files'])} 个：接受 {count(facts['accepted'])} 个，隔离"
                f" {count(facts['quarantined'])} 个，剔除 {count(facts['rejected'])} 个。按 DICOM PS3.15 附录"
                " E 基本保密规范（保留患者特征，保留经修改日期的纵向时间信息）去标识：按允许清单新建数据集，"
                "以带密钥的 HMAC-SHA256 生成假名和 UID，"
                f"每例患者的全部日期平移同一天数。{_other_inputs(run, zh)}胸片转换为 16 位 PNG，"
                "保留完整存储灰阶范围。曝光规则：胸廓窗内截断像素超过"
                f" {percentage(exposure['reject_clipped'])} %、灰阶范围（P99-P1）小于"
                f" {percentage(exposure['reject_range'])} %，或偏差指数绝对值大于"
                f" {number(exposure['deviation_index'])} 且像素证据一致者剔除；其余异常仅标记。"
                + (
                    "待复核胸片保留在主分析中。" if cohort["review"] == "keep" else "待复核胸片不纳入主分析。"
                ),
            ),
            (
                "深度学习模型",
                f"胸片分为 {net['grid']}×{net['grid']} 共 {blocks} 块，各块双线性缩放至"
                f" {net['block_size']}×{net['block_size']} 像素，灰阶按整片做 Z-score 归一化。共享的单通道"
                f" ResNet-18（首段宽度 {net['trunk_width']}，初始为{init}）将每块映射为"
                f" {8 * net['trunk_width']} 维特征；可学习的 [BMD] 令牌与位置编码一并输入 {net['layers']} 层"
                f" Post-Norm Transformer（{net['heads']} 头，MLP 比 {number(net['mlp_ratio'])}，dropout"
                f" {number(net['dropout'])}）。损失为全局二元交叉熵加 {number(train['local_weight'])}"
                f" 倍的局部平均交叉熵。SGD：学习率 {number(train['learning_rate'])}，动量"
                f" {number(train['momentum'])}，权重衰减 {number(train['weight_decay'])}，批量"
                f" {train['batch_size']}，{train['epochs']} 轮，前 {percentage(train['warmup_fraction'])} %"
                f" 步线性升温后余弦下降，梯度范数上限 {number(train['clip_norm'])}，精度"
                f" {train['precision']}；使用最后一轮权重，"
                + (
                    f"BatchNorm 统计量以该权重在至多 {train['norm_batches']} 批训练胸片上重新计算。"
                    if train["norm_batches"]
                    else "BatchNorm 用训练中的滑动平均。"
                )
                + f"增强：水平翻转概率 {number(augment['flip'])}，旋转 ±{number(augment['rotation'])}°，缩放"
                f" {number(augment['crop_scale'][0])}–{number(augment['crop_scale'][1])}，平移"
                f" ±{percentage(augment['shift'])} %，亮度 ±{number(augment['brightness'])} SD，对比度"
                f" ±{percentage(augment['contrast'])} %。训练集患者的评分来自未见过该患者的那一折模型，"
                f"测试集患者的评分为 {cohort['folds']} 个模型概率的均值，计算精度 {scored}。",
            ),
            (
                "临床与联合模型",
                (
                    f"XGBoost（{boosting['trees']} 棵树，深度 {boosting['depth']}，学习率"
                    f" {number(boosting['learning_rate'])}，患者抽样 {number(boosting['subsample'])}，"
                    f"变量抽样 {number(boosting['column_sample'])}，叶最小权重"
                    f" {number(boosting['min_child_weight'])}，L2 {number(boosting['l2'])}，"
                    "未调参）：临床模型用性别、年龄、身高、体质量和 BMI，联合模型另加折外 DL 评分。"
                    "训练集为同样各折的折外评分，测试集评分来自在全部训练集上重新拟合的模型。"
                ),
            ),
            (
                "统计学分析",
                "连续变量以均数±标准差表示，用 Welch t 检验；计数资料用 Pearson χ² 检验（无连续性校正），"
                "期望频数小于 5 时并列 Fisher 精确概率。"
                f"阈值按训练集折外评分的{rule_text}确定并固定（{thresholds}）。可信区间为 {confidence} %，"
                f"比例用 Wilson 法；bootstrap 重复 {count(stats['bootstrap'])} 次。AUC 以配对 DeLong"
                " 检验比较，"
                + (
                    f"采用 R {versions['R']} 与 pROC {versions['pROC']}，并与另一实现核对；"
                    if engine_r
                    else "采用内置实现（未使用 R）；"
                )
                + f"各集内以 Holm 法校正。预设的主要比较为{contrast[0]}与{contrast[1]}。"
                "决策曲线的阈值概率范围为"
                f" {number(stats['net_benefit']['lowest'])}–{number(stats['net_benefit']['highest'])}。"
                + (f"人群患病率：{'；'.join(populations)}。" if populations else "")
                + f"软件：Python {versions['python']}，PyTorch {packages.get('torch', '–')}，XGBoost"
                f" {packages.get('xgboost', '–')}，pydicom {packages.get('pydicom', '–')}，Snakemake"
                f" {packages.get('snakemake', '–')}。",
            ),
        ]
        return parts
    parts = [
        (
            "Patients",
            f"{plural(len(run.centers), 'centre')} took part, one for development and {externals} for"
            " external tests. "
            + (
                f"{count(facts['found_patients'])} patients stood in their tables and films; "
                if facts["found_patients"] is not None
                else ""
            )
            + f"{count(facts['included'])} were included, {count(facts['op'])} with osteoporosis (OP):"
            f" {'; '.join(sizes)}. Inclusion: older than {cohort['older_than']} completed years at the"
            f" film; a frontal chest film and a DXA exam at most {cohort['interval_months']} calendar"
            " months apart, in either order. "
            + (
                "Exclusion, in this order, each in the centres whose tables tell of it:"
                f" {_listed(exclusions, zh)}. "
                if exclusions
                else "There was no exclusion criterion. "
            )
            + f"Of several exams the first pair counted, by {', '.join(order)}. A lowest T-score of"
            f" {decimal(cohort['op_t_score'], 1)} or below over {sites} of the paired exam was OP. "
            + _exam_rule(cohort, zh)
            + split_text(run.strata, cohort["test_fraction"], cohort["folds"], zh),
        ),
        (
            "Films",
            f"{count(facts['found_files'])} files were found: {count(facts['accepted'])} accepted,"
            f" {count(facts['quarantined'])} quarantined, {count(facts['rejected'])} rejected. Films were"
            " de-identified by the DICOM PS3.15 Annex E Basic Profile with Retain Patient Characteristics"
            " and Retain Longitudinal Temporal Information with Modified Dates: a new dataset was built from"
            " an allow-list, pseudonyms and UIDs came from keyed HMAC-SHA256, and all dates of a patient"
            f" moved by one number of days. {_other_inputs(run, zh)}Films became 16-bit PNG with their full"
            f" stored range. Rejected were films with more than {percentage(exposure['reject_clipped'])} % of"
            " the thoracic window clipped, with a grey-level range (P99 - P1) below"
            f" {percentage(exposure['reject_range'])} %, or with a deviation index beyond"
            f" ±{number(exposure['deviation_index'])} that the pixels confirm; other deviations only flagged"
            " a film. "
            + (
                "Flagged films stayed in the main analysis."
                if cohort["review"] == "keep"
                else "Flagged films were left out of the main analysis."
            ),
        ),
        (
            "Deep learning model",
            f"A film was cut into {net['grid']}×{net['grid']} = {blocks} blocks, each resized bilinearly to"
            f" {net['block_size']}×{net['block_size']} pixels, with grey levels z-scored over the whole film."
            f" A shared one-channel ResNet-18 (first width {net['trunk_width']}, started from {init}) mapped"
            f" each block to {8 * net['trunk_width']} features; with a learnable [BMD] token and position"
            f" encoding these went through {plural(net['layers'], 'Post-Norm Transformer layer')}"
            f" ({net['heads']} heads, MLP ratio {number(net['mlp_ratio'])}, dropout"
            f" {number(net['dropout'])}). The loss was the global binary cross-entropy plus"
            f" {number(train['local_weight'])} times the mean local one. SGD ran with learning rate"
            f" {number(train['learning_rate'])}, momentum {number(train['momentum'])}, weight decay"
            f" {number(train['weight_decay'])}, batch size {train['batch_size']}, {train['epochs']} epochs, a"
            f" linear warm-up over {percentage(train['warmup_fraction'])} % of the steps, then a cosine to"
            f" zero, gradient norms clipped at {number(train['clip_norm'])}, in {train['precision']}; the"
            " last epoch's weights were used, "
            + (
                "with BatchNorm statistics measured under them on up to"
                f" {plural(train['norm_batches'], 'batch', 'batches')} of training films. "
                if train["norm_batches"]
                else "with the running averages of BatchNorm. "
            )
            + f"Augmentation: left-right flip with probability {number(augment['flip'])}, rotation within"
            f" ±{number(augment['rotation'])}°, zoom"
            f" {number(augment['crop_scale'][0])}–{number(augment['crop_scale'][1])}, shift within"
            f" ±{percentage(augment['shift'])} %, brightness ±{number(augment['brightness'])} SD, contrast"
            f" ±{percentage(augment['contrast'])} %. Training patients have the score of the fold that did"
            f" not see them, test patients the mean of the {cohort['folds']} models' probabilities,"
            f" computed in {scored}.",
        ),
        (
            "Clinical and combined model",
            (
                f"XGBoost ({boosting['trees']} trees, depth {boosting['depth']}, learning rate"
                f" {number(boosting['learning_rate'])}, {number(boosting['subsample'])} of patients and"
                f" {number(boosting['column_sample'])} of variables per tree, least leaf weight"
                f" {number(boosting['min_child_weight'])}, L2 penalty {number(boosting['l2'])}, untuned) on"
                " sex, age, height, weight and BMI (clinical), and on those with the out-of-fold deep score"
                " (combined). Training scores are out of the same folds; test scores come from a refit on"
                " all training patients."
            ),
        ),
        (
            "Statistics",
            "Continuous variables are mean ± SD and compared by Welch's t test, counts by Pearson's"
            " chi-squared test without continuity correction, with Fisher's exact P beside it where an"
            " expected count is below 5. Thresholds were chosen on the training patients' out-of-fold scores"
            f" by {rule_text} and frozen ({thresholds}). Confidence intervals are at {confidence} %, Wilson's"
            f" for proportions; the bootstrap has {count(stats['bootstrap'])} replicates. AUCs were compared"
            " by paired DeLong tests "
            + (
                f"in R {versions['R']} with pROC {versions['pROC']}, checked against a second"
                " implementation, "
                if engine_r
                else "by the built-in implementation (no R), "
            )
            + f"with Holm's adjustment within each set; the declared main comparison is {contrast[0]} against"
            f" {contrast[1]}. Decision curves span threshold probabilities from"
            f" {number(stats['net_benefit']['lowest'])} to {number(stats['net_benefit']['highest'])}. "
            + (f"Population prevalences: {'; '.join(populations)}. " if populations else "")
            + f"Software: Python {versions['python']}, PyTorch {packages.get('torch', '–')}, XGBoost"
            f" {packages.get('xgboost', '–')}, pydicom {packages.get('pydicom', '–')}, Snakemake"
            f" {packages.get('snakemake', '–')}.",
        ),
    ]
    return parts


MOST_SET_ASIDE = 0.02
"""Above this share of a centre's patients with a pair, the limits name those set aside without a label."""

UNEVEN = 3.0
"""Folds are said to spread unevenly where the largest SD of a fold's logits is more than so many times the
smallest.
"""


def _learning(run: RunFiles, zh: bool, set_names: dict[str, str]) -> list[str]:
    """Folds that learned nothing, folds whose scores spread otherwise than others', and sets with one deep
    score for all.
    """
    out, spreads = [], run.fold_spreads
    constant = spreads["highest"] - spreads["lowest"] < SAME_SCORE
    flat = [str(fold) for fold in spreads.index[constant]]
    if flat:
        out.append(
            f"下列折对全部留出患者给出同一评分，即未学到任何信息：{'、'.join(flat)}。"
            if zh
            else (
                "Folds that give all their held-out patients the same score, and so learned nothing:"
                f" {', '.join(flat)}."
            )
        )
    sd = spreads.loc[~constant, "sd_logit"]
    if len(sd) and sd.max() > UNEVEN * sd.min():
        low, high = decimal(sd.min(), 2), decimal(sd.max(), 2)
        out.append(
            f"各折评分的离散程度差别大（logit 标准差 {low} 至"
            f" {high}）：合并的折外评分及由其确定的阈值混合了不同尺度；平均概率时，离散小的折影响也小。"
            if zh
            else (
                f"The folds' scores spread unevenly (SD of the logit {low} to {high}): pooled out-of-fold"
                " scores, and the thresholds chosen on them, mix scales, and a fold with a small spread"
                " moves the mean probability little."
            )
        )
    for name in run.sets[1:]:
        scores = run.predictions.loc[run.predictions["set"] == name, "deep"]
        if len(scores) > 1 and scores.max() - scores.min() < SAME_SCORE:
            out.append(
                f"{set_names[name]}：全部患者的 DL 评分相同，其阈值、热力图及其他各项数值均无意义。"
                if zh
                else (
                    f"{set_names[name]}: all patients have the same deep score, so its threshold, heat maps"
                    " and all else made from it mean nothing."
                )
            )
    return out


def _set_aside(run: RunFiles, zh: bool) -> list[str]:
    """A sentence on patients who have a pair but no sure label; none where they are few in every centre.

    Whoever has osteoporosis by a readable value stays, so that leaving out the others chooses patients by
    their outcome.
    """
    named, total = [], 0
    for center in run.centers:
        rows = run.flow[run.flow["center"] == center].reset_index(drop=True)
        steps = {step: place for place, step in enumerate(rows["step"])}
        if "undecided_dxa" not in steps:
            continue
        paired = rows.loc[steps["undecided_dxa"] :]
        paired = int(paired.loc[paired["kind"].isin(["excluded", "included"]), "n_patients"].sum())
        aside = int(rows.loc[rows["step"].isin(["undecided_dxa", "too_few_sites"]), "n_patients"].sum())
        if aside > MOST_SET_ASIDE * paired:
            stay = int(rows.loc[rows["step"] == "op_with_unreadable_row", "n_patients"].sum())
            share = percentage(round(aside / paired, 3))
            name = run.center_of(center)
            named.append(
                (
                    f"{name} {count(aside)}/{count(paired)} 例（{share} %，另有 {count(stay)} "
                    f"例仍判定为骨质疏松而保留）"
                )
                if zh
                else (
                    f"{name} {count(aside)} of {count(paired)} ({share} %; {count(stay)} more stayed,"
                    " with OP)"
                )
            )
            total += aside
    if not named:
        return []
    return [
        (
            f"因 DXA 数值无法读取或已知部位过少而排除的患者共 {count(total)} 例：{'；'.join(named)}。"
            "另有可读数值证实骨质疏松者予以保留，"
            "故排除与结局有关：骨质疏松的比例偏高，无骨质疏松者偏少。"
            if zh
            else (
                "Patients with a pair who were set aside since a DXA value can't be read or too few sites"
                f" are known: {count(total)} ({'; '.join(named)}). Those whom a readable value proves to have"
                " osteoporosis stayed, so this selects on the outcome: the share with osteoporosis tends to"
                " be too high."
            )
        )
    ]


def _strata(strata: Strata, zh: bool) -> list[str]:
    """That the lock's sets or folds are not stratified by today's labels, where they aren't."""
    out = []
    if not strata.sets_hold:
        train, test = percent(strata.train.share), percent(strata.test.share)
        share = percent(strata.test_share)
        out.append(
            f"划分保持首次抽取的结果，而此后患者或标签有变：骨质疏松在训练集占 {train} %、在内部测试集占"
            f" {test} %，"
            f"内部测试集占 {share} % 的患者；两集不按现有标签分层，患病率不同会影响预测值与校准。"
            if zh
            else (
                "The split is kept from its first draw, and patients or labels have changed since: OP are"
                f" {train} % of training and {test} % of the internal test set, which holds {share} % of the"
                " patients. The sets are not stratified by today's labels, and a difference in prevalence"
                " moves predictive values and calibration."
            )
        )
    if not strata.folds_hold:
        shares = [fold.share for fold in strata.folds]
        low, high = percent(min(shares)), percent(max(shares))
        out.append(
            (
                f"各折保持首次抽取的结果，而此后患者或标签有变：各折骨质疏松占 {low} %–{high} %，"
                f"不按现有标签分层。"
            )
            if zh
            else (
                "The folds are kept from their first draw, and patients or labels have changed since: "
                f"OP are {low} to {high} % of a fold, so that the folds are not stratified by today's labels."
            )
        )
    return out


def limits(run: RunFiles, language: str, set_names: dict[str, str]) -> list[str]:
    """What the run can't answer; a sentence stands only where it applies to this run."""
    zh = language == "zh"
    config, facts = run.config, _facts(run)
    out = []
    if run.synthetic:
        out.append(
            "研究含模拟数据：数值不反映真实患者，热力图不能作为定位的证据。"
            if zh
            else (
                "The study holds simulated data: its numbers say nothing about patients, and its heat maps"
                " are no evidence of localisation."
            )
        )
    small = [
        f"{set_names[name]} ({min(op, n - op)})"
        for name, (n, op) in facts["sets"].items()
        if name != "train" and min(op, n - op) < SMALL_CLASS
    ]
    if small:
        out.append(
            f"较小一类不足 {SMALL_CLASS} 例的测试集（括号内为例数）：{'、'.join(small)}；其估计不精确。"
            if zh
            else (
                f"Test sets with fewer than {SMALL_CLASS} patients in the smaller class (their number in"
                f" brackets): {', '.join(small)}. Estimates there are imprecise."
            )
        )
    if len(run.sets) == 2:
        out.append("没有外部测试集。" if zh else "There is no external test set.")
    if any(len(run.cohort[run.cohort["set"] == s]) == 0 for s in run.sets):
        out.append("至少有一个集为空。" if zh else "At least one set is empty.")
    old = int((run.cohort["age"] >= 90).sum())
    if old:
        out.append(
            f"{count(old)} 例患者年龄在 90 岁及以上，去标识时封顶。"
            if zh
            else f"Patients of 90 years or older: {count(old)}; de-identification caps their age."
        )
    review = int((run.cohort["review"] == 1).sum())
    if review:
        out.append(
            f"{count(review)} 例纳入患者待复核（胸片被标记，"
            "或表格与胸片文件头中的性别或年龄不一致）；敏感性分析将其剔除。"
            if zh
            else (
                "Included patients under review (a flagged film, or a sex or an age that differs between"
                f" table and film): {count(review)}; a sensitivity analysis leaves them out."
            )
        )
    out += _set_aside(run, zh)
    if config["deep"]["init"] == "random":
        out.append(
            "网络由随机权重开始训练，而非论文所用的 ImageNet 权重。"
            if zh
            else "The network started from random weights, not from ImageNet weights as in the paper."
        )
    elif config["deep"]["init"] != "imagenet":
        out.append(
            "网络由文件给定的权重开始训练。若该权重曾以本研究患者训练，其评分将偏乐观。"
            if zh
            else (
                "The network started from weights of a file. Had these been trained on patients of this"
                " study, the scores of those patients would be optimistic."
            )
        )
    out += _strata(run.strata, zh)
    out += _learning(run, zh, set_names)
    if config["statistics"]["engine"] == "numpy":
        out.append(
            "DeLong 检验未经 R 的 pROC 核对。" if zh else "The DeLong tests were not checked by R's pROC."
        )
    out += (
        [
            (
                "联合模型以折外 DL 评分训练：为某患者作折外预测时，其拟合所用的评分来自见过该患者标签的网络，"
                "故联合模型的训练集评分略偏乐观；测试集评分不受此影响。"
            ),
            "训练集评分来自单个模型，测试集评分为多个模型的均值，两者分布不同；阈值由前者确定而用于后者。",
            (
                "去标识以 Tesseract 识别胸片边缘的文字，可能漏读，且不清除文字；依据识别结果、"
                "BurnedInAnnotation 标签和签署决定是否显示胸片。"
                if config["intake"]["ocr"]["enabled"]
                else "去标识不检查像素中的文字；仅依据 BurnedInAnnotation 标签和签署决定是否显示胸片。"
            ),
            "标签取自所测部位的最低 T 值；测量部位少的患者可能漏诊。",
            "患者因故同时接受了胸片和 DXA 检查，未必代表筛查人群；预测值随患病率变化。",
        ]
        if zh
        else [
            (
                "The combined model's out-of-fold scores are slightly optimistic: the deep scores that it was"
                " fitted on came from networks that had seen the label of the patient being scored. Scores of"
                " test patients are free of this."
            ),
            (
                "A training score comes from one model and a test score from the mean of several; their"
                " distributions differ, and thresholds are chosen on the first and used on the second."
            ),
            (
                "De-identification reads the borders of the films with Tesseract, which misses words, and"
                " removes none: films are shown by what it read, by the tag BurnedInAnnotation or a sign-off."
                if config["intake"]["ocr"]["enabled"]
                else (
                    "De-identification does not read text in the pixels: films are shown by the tag"
                    " BurnedInAnnotation or a sign-off."
                )
            ),
            (
                "The label is the lowest T-score over the sites that were measured; a patient with fewer"
                " sites can be missed."
            ),
            (
                "Patients had a film and a DXA exam for a reason and need not stand for a screened"
                " population; predictive values change with prevalence."
            ),
        ]
    )
    return out
