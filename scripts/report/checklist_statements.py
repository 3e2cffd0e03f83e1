"""What a run itself says on an item of a reporting checklist: one method a statement, its numbers from the
run's files.

A method gives the English and the Chinese sentence, and an answer where the run's facts decide it (no
external set, modified code); otherwise the item's own answer in ``report/checklists`` holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from scripts.common.numbers import count, decimal, percent, percentage, plural
from scripts.common.strata import SLACK
from scripts.common.vocabulary import CLINICAL, MODELS
from scripts.report.methods_text import number, split_text
from scripts.report.run_files import RunFiles


@dataclass(frozen=True)
class Statement:
    """A sentence in English and Chinese; ``answer`` replaces the item's own where it is given."""

    english: str
    chinese: str
    answer: str = ""


class Statements:
    """The statements of one run. ``sets`` and ``models`` are names as a reader sees them."""

    def __init__(self, run: RunFiles, sets: dict[str, str], models: dict[str, str]) -> None:
        self.run, self.sets, self.models = run, sets, models
        self.config = run.config
        self.cohort = run.cohort
        self.train = run.cohort[run.cohort["set"] == "train"]
        self.tests = [name for name in run.sets if name != "train"]
        self.external = [name for name in run.sets if name not in ("train", "internal_test")]
        self.simulated = [
            entry["name"] for entry in self.config["centers"] if run.synthetic and entry.get("simulate")
        ]

    def _sizes(self, names: Sequence[str]) -> str:
        parts = []
        for name in names:
            part = self.cohort[self.cohort["set"] == name]
            parts.append(f"{self.sets[name]} {count(len(part))} ({count((part['label'] == 1).sum())})")
        return "; ".join(parts)

    def _shares(self) -> str:
        return "; ".join(
            f"{self.sets[name]} {percent((part['label'] == 1).mean())} %"
            for name in self.run.sets
            if len(part := self.cohort[self.cohort["set"] == name])
        )

    def _left_out(self) -> tuple[int, int, int]:
        """Files found, quarantined and rejected."""
        status = self.run.files["status"].value_counts()
        return len(self.run.files), int(status.get("quarantined", 0)), int(status.get("rejected", 0))

    def _table2(self) -> pd.DataFrame:
        frame = self.run.statistics["table2"]
        return frame[frame["model"].isin(MODELS)]

    # ------------------------------------------------------------------------------------------------ front
    # matter

    def title(self) -> Statement:
        return Statement(
            "The report's title is study.title of the config; the paper's title is the authors'.",
            "报告标题取自配置 study.title；论文标题由作者拟定。",
        )

    def abstract(self) -> Statement:
        return Statement("The numbers for an abstract stand in the summary.", "摘要所需数据见概要。")

    def intended_use(self) -> Statement:
        return Statement(
            "The model card says what the scores are for and not for; the place in the care pathway is for"
            " the authors to say.",
            "模型卡说明评分的适用与不适用范围；在诊疗流程中的位置由作者说明。",
        )

    def objective(self) -> Statement:
        a, b = (self.models[name] for name in self.config["statistics"]["primary_contrast"])
        externals = len(self.external)
        return Statement(
            f"The run develops three models and evaluates them in {plural(len(self.tests), 'test set')},"
            f" {externals} of them external. Declared main comparison: {a} against {b}.",
            f"本研究建立三个模型，并在 {len(self.tests)} 个测试集中评价，其中外部 {externals} 个。"
            f"预设的主要比较：{a}与{b}。",
        )

    # ------------------------------------------------------------------------------------------------ data

    def sources(self) -> Statement:
        n, simulated = len(self.run.centers), len(self.simulated)
        of_them = (
            (f", of them simulated: {simulated}", f"，其中模拟中心 {simulated} 个") if simulated else ("", "")
        )
        return Statement(
            f"Centres: {n}{of_them[0]}. Why these centres were chosen and whom they stand for is for the"
            " authors to say.",
            f"共 {n} 个中心{of_them[1]}。选择这些中心的理由及代表性由作者说明。",
        )

    def dates(self) -> Statement:
        given = [
            self.run.center_of(entry["name"]) for entry in self.config["centers"] if entry.get("enrolment")
        ]
        if given:
            return Statement(
                f"The config sets an enrolment period for {', '.join(given)}. Its dates are kept out of the"
                " results, whose dates are shifted: they are for the authors to state.",
                f"配置为{'、'.join(given)}设定了纳入时段。结果中的日期均已平移，故不列出时段，由作者说明。",
                "partly",
            )
        return Statement(
            "The config sets no enrolment period, and dates in the results are shifted.",
            "配置未设纳入时段，结果中的日期均已平移。",
            "authors",
        )

    def setting(self) -> Statement:
        return Statement(
            f"Centres: {len(self.run.centers)}, one for development. Their places and levels of care are for"
            " the authors to say.",
            f"共 {len(self.run.centers)} 个中心，其中 1 个用于建模。地点与级别由作者说明。",
        )

    def eligibility(self) -> Statement:
        cohort = self.config["cohort"]
        return Statement(
            f"Older than {cohort['older_than']} years; film and DXA at most {cohort['interval_months']}"
            f" months apart; exclusion criteria: {len(cohort['exclusions'])}, in the declared order, each"
            " where a centre's table tells of it. Which centres' tables do is for the authors to say.",
            f"年龄大于 {cohort['older_than']} 岁；胸片与 DXA 间隔不超过 {cohort['interval_months']}"
            f" 个月；排除标准 {len(cohort['exclusions'])} 项，按预设顺序，"
            "各中心仅按其表中有记录者；哪些中心有记录由作者说明。",
        )

    def treatment(self) -> Statement:
        return Statement("The inputs of the workflow hold no treatment.", "流程输入不含治疗信息。")

    def preparation(self) -> Statement:
        n, quarantined, rejected = self._left_out()
        by_reader = int(
            ((self.run.files["status"] == "rejected") & (self.run.files["reason"] == "reader")).sum()
        )
        return Statement(
            f"Of {count(n)} files {count(quarantined)} were quarantined and {count(rejected)} rejected by"
            f" fixed rules or a reader (by a reader: {count(by_reader)}). The rules are the same in all"
            " centres and blind to label and score; age and sex play no part in rejection by rule.",
            f"{count(n)} 个文件中隔离 {count(quarantined)} 个，按固定规则或阅片者判定剔除 {count(rejected)}"
            f" 个（其中阅片者 {count(by_reader)} 个）；各中心规则相同，"
            "且不参考标签与评分；按规则剔除时不参考年龄与性别。",
        )

    def preprocessing(self) -> Statement:
        n, quarantined, rejected = self._left_out()
        net = self.config["deep"]["architecture"]
        grid, block, side = net["grid"], net["block_size"], net["grid"] * net["block_size"]
        return Statement(
            f"16-bit PNG of the full stored range; each film resized to {side}×{side} pixels, {grid}×{grid}"
            f" blocks of {block}; grey levels z-scored over each film. Of {count(n)} files"
            f" {count(quarantined)} were quarantined, {count(rejected)} rejected.",
            f"16 位 PNG，保留完整存储灰阶；每片缩放至 {side}×{side} 像素，分为 {grid}×{grid} 块，每块 {block}"
            " 像素；灰阶按整片 Z-score 归一化。"
            f"{count(n)} 个文件中隔离 {count(quarantined)} 个，剔除 {count(rejected)} 个。",
        )

    def subsets(self) -> Statement:
        return Statement(
            "One film and one exam per patient: the first pair by the declared order; no part of a film is"
            " selected.",
            "每例患者取一张胸片和一次 DXA 检查，按预设顺序取首对；不截取胸片局部。",
        )

    def deidentification(self) -> Statement:
        return Statement(
            "DICOM PS3.15 Annex E Basic Profile with two options, built from an allow-list; keyed pseudonyms,"
            " one date shift per patient. Which law applies is for the authors to say.",
            "DICOM PS3.15 附录 E 基本规范及两个选项，按允许清单新建；带密钥的假名，每例患者日期平移一致。"
            "适用法规由作者说明。",
        )

    def acquisition(self) -> Statement:
        makers = self.cohort["manufacturer"].replace("", pd.NA).nunique()
        return Statement(
            f"Manufacturers of devices among the included: {makers}. Acquisition protocols are for the"
            " authors to say.",
            f"纳入病例涉及设备厂商 {makers} 家。采集方案由作者说明。",
        )

    def outcome(self) -> Statement:
        cohort = self.config["cohort"]
        return Statement(
            f"Lowest T-score over {plural(len(cohort['sites']), 'site')} of the paired exam at or below"
            f" {decimal(cohort['op_t_score'], 1)}. Densitometers and reference populations are for the"
            " authors to name.",
            f"配对检查 {len(cohort['sites'])} 个部位的最低 T 值不高于 {decimal(cohort['op_t_score'], 1)}。"
            "骨密度仪及参考人群由作者说明。",
        )

    def outcome_measured(self) -> Statement:
        return Statement(
            "The label is computed from the T-scores of the DXA table, in all sets alike; nobody reads films"
            " for it.",
            "标签由 DXA 表的 T 值计算，各集方法相同，不由阅片者判定。",
        )

    def blinding(self) -> Statement:
        return Statement(
            "The DXA values come from the hospital's table; who measured them, and what they knew, the"
            " workflow can't tell.",
            "DXA 数值来自医院表格；测量者及其知情情况流程无从得知。",
        )

    def choice_of_predictors(self) -> Statement:
        return Statement(
            f"The clinical variables ({len(CLINICAL)}) and the film are fixed beforehand; none is chosen by"
            " the data. Why these is for the authors to say.",
            f"临床变量（{len(CLINICAL)} 个）与胸片均为预先设定，不依据数据选择；理由由作者说明。",
        )

    def predictors(self) -> Statement:
        return Statement(
            "Sex, age at the film, height, weight, BMI; the deep score of the film. How height and weight"
            " were measured is for the authors to say.",
            "性别、拍片时年龄、身高、体质量、BMI 及胸片 DL 评分。身高、体质量的测量方法由作者说明。",
        )

    def predictors_measured(self) -> Statement:
        return Statement("No predictor rests on a reader's judgement.", "预测因子均不依赖阅片者主观判断。")

    def sample_size(self) -> Statement:
        op = int((self.train["label"] == 1).sum())
        return Statement(
            "All who met the criteria were taken; the workflow computes no sample size. Patients (OP):"
            f" {self._sizes(self.run.sets)}. OP in training per clinical variable:"
            f" {number(round(op / len(CLINICAL), 1))}.",
            f"纳入全部符合标准者，流程不计算样本量。例数（骨质疏松）：{self._sizes(self.run.sets)}。"
            f"训练集每个临床变量对应骨质疏松 {number(round(op / len(CLINICAL), 1))} 例。",
        )

    def test_size(self) -> Statement:
        sizes, share = self._sizes(self.tests), percentage(self.config["cohort"]["test_fraction"])
        held_now = self.run.strata.test_share
        external = (", in external centres all of them", "，外部中心为全部") if self.external else ("", "")
        drifted = (
            f" when first drawn, {percent(held_now)} % today",
            f"（首次抽取时；现为 {percent(held_now)}%）",
        )
        today = ("", "") if abs(held_now - self.config["cohort"]["test_fraction"]) <= SLACK else drifted
        return Statement(
            f"Test sets (OP): {sizes}. In the development centre {share} % of those who met the "
            f"criteria{today[0]}{external[0]}; no size was computed.",
            f"测试集例数（骨质疏松）：{sizes}。建模中心为符合标准者的"
            f" {share}%{today[1]}{external[1]}；未预先计算样本量。",
        )

    def missing(self) -> Statement:
        frame = self.run.statistics["missing"]
        sums = frame[frame["variable"].isin(CLINICAL)].groupby("variable")["n_missing"].sum()
        some = {name: int(sums[name]) for name in CLINICAL if name in sums.index and sums[name] > 0}
        english = ", ".join(f"{name} {count(n)}" for name, n in some.items()) or "none"
        chinese = "，".join(f"{name} {count(n)}" for name, n in some.items()) or "无"
        policy = {"include": ("kept", "保留"), "exclude": ("excluded", "排除")}[
            self.config["cohort"]["missing_flag"]
        ]
        flow = self.run.flow.groupby("step")["n_patients"].sum()
        unlabelled, undecided, few = (
            int(flow.get(step, 0)) for step in ("no_t_score", "undecided_dxa", "too_few_sites")
        )
        return Statement(
            f"Missing clinical values among the included: {english}; XGBoost takes them as missing, the"
            f" baselines put the training median there. Excluded for want of a T-score: {count(unlabelled)},"
            f" since a DXA value that can't be read leaves the label open: {count(undecided)}, for too few"
            f" DXA sites: {count(few)}. Patients without an exclusion flag are {policy[0]}.",
            f"纳入者临床变量缺失：{chinese}；XGBoost 按缺失处理，基线方法以训练集中位数填补。因无 T 值排除"
            f" {count(unlabelled)} 例，因 DXA 数值无法读取而标签不能判定排除 {count(undecided)} 例，因 DXA"
            f" 部位过少排除 {count(few)} 例。排除标志缺失者{policy[1]}。",
        )

    # ------------------------------------------------------------------------------------------------ models

    def partition(self) -> Statement:
        cohort, external = self.config["cohort"], bool(self.external)
        english, chinese = (
            split_text(self.run.strata, cohort["test_fraction"], cohort["folds"], zh) for zh in (False, True)
        )
        whole = (" External centres are tested whole.", "外部中心全部用于测试。") if external else ("", "")
        return Statement(
            f"{english}{whole[0]} Patients (OP): {self._sizes(self.run.sets)}.",
            f"{chinese}{whole[1]}例数（骨质疏松）：{self._sizes(self.run.sets)}。",
        )

    def disjoint(self) -> Statement:
        shared = self.cohort.groupby("patient_id")["set"].nunique()
        n = int((shared > 1).sum())
        return Statement(
            f"By patient. Patients in more than one set: {n}. A patient of two hospitals has two pseudonyms,"
            " so a run can't see that; make check-data compares the hospitals' own tables.",
            f"按患者划分，出现在多个数据集中的患者：{n} 例。在两家医院就诊的同一患者假名不同，"
            "运行中无法识别；make check-data 可比对各院原始表。",
            "partly" if n or self.external else "",
        )

    def handling(self) -> Statement:
        return Statement(
            "XGBoost takes the clinical variables as they are, none cut into groups; grey levels are z-scored"
            " over each film.",
            "XGBoost 直接使用临床变量，不作分组；灰阶按整片 Z-score 归一化。",
        )

    def architecture(self) -> Statement:
        net = self.config["deep"]["architecture"]
        return Statement(
            f"{net['grid']}×{net['grid']} blocks of {net['block_size']} pixels, a shared ResNet-18 of first"
            f" width {net['trunk_width']}, {plural(net['layers'], 'Transformer layer')}.",
            f"{net['grid']}×{net['grid']} 块，每块 {net['block_size']} 像素；共享 ResNet-18（首段宽度"
            f" {net['trunk_width']}）；Transformer {net['layers']} 层。",
        )

    def building(self) -> Statement:
        training, boosting = self.config["deep"]["training"], self.config["boosting"]
        return Statement(
            f"SGD, {training['epochs']} epochs, batch {training['batch_size']}, learning rate"
            f" {number(training['learning_rate'])}; XGBoost with {boosting['trees']} trees. Nothing was tuned"
            f" within the run; internal validation by {self.config['cohort']['folds']}-fold"
            " cross-validation.",
            f"SGD，{training['epochs']} 轮，批量 {training['batch_size']}，学习率"
            f" {number(training['learning_rate'])}；XGBoost {boosting['trees']} 棵树。本次运行未调参；以"
            f" {self.config['cohort']['folds']} 折交叉验证作内部验证。",
        )

    def initialization(self) -> Statement:
        english, chinese = {
            "imagenet": (
                "ImageNet weights for the ResNet-18, the rest random",
                "ResNet-18 用 ImageNet 预训练权重，其余随机初始化",
            ),
            "random": ("All weights random", "全部权重随机初始化"),
        }.get(
            self.config["deep"]["init"],
            ("ResNet-18 weights of a file, the rest random", "ResNet-18 用文件给定的权重，其余随机初始化"),
        )
        seed = self.config["study"]["seed"]
        return Statement(f"{english}; seed {seed}.", f"{chinese}；随机种子 {seed}。")

    def final_model(self) -> Statement:
        return Statement(
            "The last epoch's weights of every fold; no epoch and no fold is chosen. All three models are"
            " reported; the main comparison was declared.",
            "各折均用最后一轮的权重，不挑选轮次或折。三个模型均报告，主要比较为预设。",
        )

    def ensemble(self) -> Statement:
        folds = self.config["cohort"]["folds"]
        return Statement(f"Mean of the probabilities of {folds} networks.", f"{folds} 个网络概率的均值。")

    def imbalance(self) -> Statement:
        share = percent((self.train["label"] == 1).mean()) if len(self.train) else "–"
        return Statement(
            f"OP in training: {share} %. No resampling and no class weights, so that probabilities keep their"
            " meaning.",
            f"训练集骨质疏松占 {share}%。未重采样，未加类别权重，以保持概率含义。",
        )

    def output(self) -> Statement:
        frame = self.run.statistics["thresholds"]
        said = "; ".join(
            f"{self.models.get(row.model, row.model)} {decimal(row.threshold)}" for row in frame.itertuples()
        )
        rule = self.config["statistics"]["threshold"]["rule"]
        return Statement(
            f"A probability of osteoporosis. Thresholds (rule {rule}, from out-of-fold scores, frozen):"
            f" {said}. Why this rule is for the authors to say.",
            f"骨质疏松概率。阈值（规则 {rule}，由折外评分确定并固定）：{said}。选用该规则的理由由作者说明。",
        )

    def calculation(self) -> Statement:
        return Statement(
            "Deep scores are means over the folds, the others come from a refit on all training patients.",
            "DL 评分为各折模型均值，其余模型在全部训练集上重新拟合后计算。",
        )

    def full_model(self) -> Statement:
        return Statement(
            "Weights, trees and settings lie in the results; make bundle packs the deep model. Whether they"
            " may be passed on is for the authors to say.",
            "权重、树模型和设置均在结果中，make bundle 可打包 DL 模型；能否对外提供由作者决定。",
        )

    def updating(self) -> Statement:
        return Statement(
            "No model was recalibrated or updated on a test set.", "未在测试集上重新校准或更新模型。"
        )

    # ------------------------------------------------------------------------------------------------
    # evaluation

    def measures(self) -> Statement:
        return Statement(
            "AUC, sensitivity, specificity, accuracy, PPV, NPV, F1, calibration (intercept, slope, O/E,"
            " Brier, curve), net benefit. Of published models only OSTA is compared; why these measures is"
            " for the authors to say.",
            "AUC、敏感度、特异度、准确率、阳性与阴性预测值、F1、校准度（截距、斜率、O/E、Brier、曲线）、"
            "净收益。已发表模型中仅与 OSTA 比较；选用这些指标的理由由作者说明。",
        )

    def uncertainty(self) -> Statement:
        level, n = percentage(self.config["statistics"]["confidence"]), self.config["statistics"]["bootstrap"]
        return Statement(
            f"{level} % intervals, the method of each named below its table; {count(n)} bootstrap replicates;"
            " paired DeLong tests with Holm's adjustment.",
            f"{level}% 可信区间，方法注于各表下；bootstrap {count(n)} 次；配对 DeLong 检验并以 Holm 法校正。",
        )

    def heterogeneity(self) -> Statement:
        deep = self._table2()
        deep = deep[(deep["model"] == "deep") & deep["set"].isin(self.external)]["auc"].dropna()
        if len(deep) < 2:
            return Statement(
                "Fewer than two external sets: differences between centres can't be judged.",
                "外部测试集不足两个，无法评价中心间差异。",
                "absent",
            )
        low, high = decimal(deep.min()), decimal(deep.max())
        return Statement(
            f"Each external centre stands alone; AUC of the deep model from {low} to {high} over {len(deep)}"
            " centres. No measure of heterogeneity is computed.",
            f"各外部中心单独列出；DL 模型 AUC 为 {low}–{high}（{len(deep)} 个中心）。未计算异质性指标。",
        )

    def fairness(self) -> Statement:
        frame = self.run.statistics["subgroups"]
        kinds, empty = (
            frame["subgroup"].nunique(),
            (int(frame["auc_low"].isna().sum()) if "auc_low" in frame else 0),
        )
        if not len(frame):
            return Statement("The run has no subgroup.", "本次运行无亚组结果。", "absent")
        return Statement(
            f"Performance by {plural(kinds, 'grouping')}, such as sex and age; {empty} of {len(frame)} rows"
            " have too few patients for an interval of the AUC. Nothing was done to even out differences;"
            " ethnicity and social position are not in the data.",
            f"按 {kinds} 种分组（如性别、年龄）给出效能；{len(frame)} 行中 {empty} 行例数过少，无法给出 AUC"
            " 区间。未采取措施消除差异；数据不含民族与社会经济信息。",
        )

    def differences(self) -> Statement:
        shares = self._shares()
        return Statement(
            f"Criteria and label are the same in all centres. Share of OP: {shares}.",
            f"各中心纳入标准与标签定义相同。骨质疏松占比：{shares}。",
        )

    def distributions(self) -> Statement:
        shares = self._shares()
        return Statement(
            "Table 1 goes by centre (training and internal test together); the deep scores stand by set."
            f" Share of OP: {shares}.",
            f"表 1 按中心列出（训练集与内部测试集合并），DL 评分按数据集列出。骨质疏松占比：{shares}。",
        )

    def flow(self) -> Statement:
        found = int(self.run.flow[self.run.flow["kind"] == "found"]["n_patients"].sum())
        n, op, without = (
            len(self.cohort),
            int((self.cohort["label"] == 1).sum()),
            int((self.cohort["label"] == 0).sum()),
        )
        return Statement(
            f"Patients found: {count(found)}; included: {count(n)} (with OP {count(op)}, without"
            f" {count(without)}). Every other one has a reason.",
            f"发现患者 {count(found)} 例，纳入 {count(n)} 例（骨质疏松 {count(op)}，非骨质疏松"
            f" {count(without)}），其余均列明原因。",
        )

    def characteristics(self) -> Statement:
        return Statement(
            "By centre and label: age, sex, BMI, BMD, height, weight, T-score, with missing values. Training"
            " and internal test stand together. Other characteristics are not in the data.",
            "按中心与标签列出年龄、性别、BMI、BMD、身高、体质量、T 值及缺失数；训练集与内部测试集合并列出。"
            "其他特征不在数据中。",
        )

    def events(self) -> Statement:
        sizes = self._sizes(self.run.sets)
        return Statement(
            f"Patients (OP): {sizes}; each table has its own n.", f"例数（骨质疏松）：{sizes}；各表均列例数。"
        )

    def performance(self) -> Statement:
        table2, frame = self._table2(), self.run.statistics["calibration"]
        bounded = int(table2["auc_low"].notna().sum())
        slopes = int(frame["slope"].notna().sum()) if "slope" in frame else 0
        return Statement(
            f"AUC with an interval: {bounded} of {len(table2)} pairs of set and model; calibration slope:"
            f" {slopes} of {len(frame)}.",
            f"给出 AUC 区间者 {bounded}/{len(table2)}（集与模型的组合）；给出校准斜率者"
            f" {slopes}/{len(frame)}。",
            "" if len(table2) and bounded == len(table2) and slopes == len(frame) else "partly",
        )

    def robustness(self) -> Statement:
        kinds = [
            name
            for name in self.run.statistics["sensitivity"]["analysis"].dropna().unique()
            if name != "main"
        ]
        return Statement(
            f"Sensitivity analyses: {len(kinds)}; and an audit of what else than bone the score may read.",
            f"敏感性分析 {len(kinds)} 项；并审核评分可能依据的非骨骼信息。",
            "" if kinds else "partly",
        )

    def explainability(self) -> Statement:
        return Statement(
            "Grad-CAM of cases chosen by rule, and AUCs with parts of the film covered. Neither proves that"
            " bone is read.",
            "按规则选取病例的 Grad-CAM，以及遮盖部分胸片后的 AUC；二者均不能证明模型依据骨骼。",
        )

    def internal_test(self) -> Statement:
        n = int((self.cohort["set"] == "internal_test").sum())
        return Statement(
            f"Out-of-fold scores in training, and {count(n)} patients of the same centre whom no model saw.",
            f"训练集折外评分，及同一中心未参与训练的 {count(n)} 例。",
            "" if n else "partly",
        )

    def external_test(self) -> Statement:
        n = int(self.cohort["set"].isin(self.external).sum())
        if not self.external:
            return Statement("The run has no external test set.", "本次运行无外部测试集。", "absent")
        return Statement(
            f"External centres: {len(self.external)}, patients: {count(n)}.",
            f"外部中心 {len(self.external)} 个，患者 {count(n)} 例。",
        )

    def failures(self) -> Statement:
        cut = self.run.statistics["thresholds"].set_index("model")["threshold"].get("deep")
        tests = self.run.predictions[self.run.predictions["set"].isin(self.tests)]
        if cut is None or pd.isna(cut):
            return Statement(
                "The run has no threshold of the deep model.", "本次运行无 DL 模型阈值。", "absent"
            )
        positive, op = tests["deep"] >= cut, tests["label"] == 1
        fp, fn, tp, tn = (
            count(kind.sum()) for kind in (positive & ~op, ~positive & op, positive & op, ~positive & ~op)
        )
        return Statement(
            f"Deep model, all test sets: {fp} false positives, {fn} false negatives, {tp} true positives,"
            f" {tn} true negatives; heat maps show the most certain of each. Why they failed is for the"
            " authors to look into.",
            f"DL 模型在全部测试集中假阳性 {fp} 例、假阴性 {fn} 例、真阳性 {tp} 例、真阴性 {tn} 例，"
            "热力图显示各类中最确定者；原因由作者分析。",
        )

    def limitations(self) -> Statement:
        return Statement(
            "The run names its own limits; those of the study's design are for the authors to add.",
            "报告列出本次运行的局限性；研究设计的局限性由作者补充。",
        )

    def poor_input(self) -> Statement:
        return Statement(
            "A film that breaks the exposure rules gets no score; a missing clinical value is taken as"
            " missing. What a user does then is for the authors to say.",
            "不符合曝光规则的胸片不评分，临床变量缺失按缺失处理；使用者应如何处置由作者说明。",
        )

    # ------------------------------------------------------------------------------------------------ open
    # science

    def ethics(self) -> Statement:
        if len(self.simulated) == len(self.run.centers):
            return Statement(
                "All centres of this run are simulated: no patient took part.",
                "本次运行的中心均为模拟，无真实患者参与。",
            )
        return Statement(
            "Approval and consent are no input of the workflow.", "伦理批准与知情同意不是流程输入。"
        )

    def protocol(self) -> Statement:
        return Statement(
            "The config is recorded whole with the results; whether it was laid down before the data were"
            " seen, only the authors know.",
            "完整配置随结果保存；其是否在查看数据之前确定，只有作者知道。",
        )

    def data_sharing(self) -> Statement:
        return Statement(
            "make share packs aggregate results with small cells hidden; what may be shared is for the"
            " authors to say.",
            "make share 可打包汇总结果并隐藏小单元格；可共享的内容由作者决定。",
        )

    def code(self) -> Statement:
        git = self.run.provenance["git"]
        commit = git["commit"]
        if commit == "unknown":
            return Statement("The commit of the code is not known.", "代码提交号未知。")
        changed = (", with uncommitted changes", "（有未提交的修改）") if git["code_modified"] else ("", "")
        return Statement(
            f"Commit {commit[:12]}{changed[0]}; MIT licence. Where it can be had is for the authors to say.",
            f"代码提交号 {commit[:12]}{changed[1]}；MIT 许可。获取方式由作者说明。",
        )

    def availability(self) -> Statement:
        code = self.code()
        return Statement(
            f"{code.english} make bundle packs the deep model, make share the aggregate results; access and"
            " terms are for the authors to say.",
            (
                f"{code.chinese}make bundle 可打包 DL 模型，make share 可打包汇总结果；"
                f"获取方式与条件由作者说明。"
            ),
        )

    def software(self) -> Statement:
        versions = self.run.provenance["versions"]
        r = f"R {versions['R']}, pROC {versions['pROC']}" if versions["R"] else "no R"
        r_zh = f"R {versions['R']}，pROC {versions['pROC']}" if versions["R"] else "未使用 R"
        n = len(versions["packages"])
        return Statement(
            f"Python {versions['python']}, {r}, {n} packages with versions.",
            f"Python {versions['python']}，{r_zh}，{n} 个软件包及版本。",
        )
