"""A page that shows the figures and lists the files of statistics made from own tables."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from scripts.statistics.words import Language

_STYLE = """
body{font-family:system-ui,"Noto Sans CJK SC",sans-serif;color:#1a1a1a;margin:2em auto;max-width:60em;
padding:0 1em;line-height:1.4}
.warning{color:#a4001d;font-weight:bold}
img{max-width:100%;height:auto}
figure{margin:1.5em 0}
td{padding:.15em 1.5em .15em 0;vertical-align:top}
"""

_WORDS = {
    "en": {
        "title": "Statistics",
        "tables": "Tables",
        "figures": "Figures",
        "numbers": "All numbers",
        "table1": "Table 1: patients with and without osteoporosis",
        "missing": "Values missing, ages capped",
        "table2": "Table 2: performance of the models",
        "delong": "DeLong tests between the models",
        "thresholds": "Classification thresholds",
        "calibration": "Calibration",
        "calibration_curve": "Smoothed calibration curves",
        "net_benefit": "Net benefit",
        "best_model": "Thresholds at which each strategy is best",
        "differences": "Differences between models",
        "net_benefit_differences": "Differences in net benefit",
        "youden_upper_bound": "Upper bound of the Youden index, no estimate",
        "subgroups": "Performance in subgroups",
        "prevalence": "Performance at populations' prevalences",
        "sensitivity": "Sensitivity analyses",
        "engine": "Software of the DeLong tests",
        "roc": "ROC curves",
        "decision_curves": "Decision curves",
        "forest": "Forest plot of the subgroups",
        "flow": "Flow of patients",
    },
    "zh": {
        "title": "统计结果",
        "tables": "表",
        "figures": "图",
        "numbers": "全部数值",
        "table1": "表 1:OP 与非 OP 患者基线资料",
        "missing": "缺失值与封顶年龄",
        "table2": "表 2:各模型效能",
        "delong": "模型间 DeLong 检验",
        "thresholds": "分类阈值",
        "calibration": "校准",
        "calibration_curve": "平滑校准曲线",
        "net_benefit": "净获益",
        "best_model": "各策略净获益最高的阈值",
        "differences": "模型间差异",
        "net_benefit_differences": "净获益差异",
        "youden_upper_bound": "Youden 指数上界（非估计值）",
        "subgroups": "亚组效能",
        "prevalence": "按人群患病率计算的效能",
        "sensitivity": "敏感性分析",
        "engine": "DeLong 检验所用软件",
        "roc": "ROC 曲线",
        "decision_curves": "决策曲线",
        "forest": "亚组森林图",
        "flow": "患者流程",
    },
}


def listing_page(files: Sequence[Path], title: str, language: Language, synthetic: bool) -> str:
    """A whole HTML page without scripts.

    ``files`` are relative to the page; a name has one line with all its formats.
    """
    words, say = _WORDS[language.code], html.escape
    by_folder: dict[str, dict[str, list[Path]]] = {}
    for path in files:
        by_folder.setdefault(path.parent.as_posix(), {}).setdefault(path.stem, []).append(path)

    def links(paths: Sequence[Path]) -> str:
        return " ".join(f'<a href="{say(path.as_posix())}">{path.suffix[1:].upper()}</a>' for path in paths)

    def table(folder: str) -> str:
        rows = (
            f"<tr><td>{say(words[name])}</td><td>{links(paths)}</td></tr>"
            for name, paths in by_folder[folder].items()
        )
        return "<table>\n" + "\n".join(rows) + "\n</table>\n"

    shown = "".join(
        f'<figure><img src="figures/{name}.svg" alt="{say(words[name])}"><figcaption>{say(words[name])}:'
        f" {links(paths)}</figcaption></figure>\n"
        for name, paths in by_folder["figures"].items()
    )
    warning = f'<p class="warning">{say(language("synthetic"))}</p>\n' if synthetic else ""
    code = "zh-CN" if language.code == "zh" else "en"
    return (
        f'<!DOCTYPE html>\n<html lang="{code}">\n<head>\n<meta charset="utf-8">\n<meta name="viewport"'
        ' content="width=device-width, initial-scale=1">\n'
        f"<title>{say(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{warning}<h1>{say(words['title'])}:"
        f" {say(title)}</h1>\n"
        f"<h2>{words['tables']}</h2>\n{table('tables')}<h2>{words['figures']}</h2>\n{shown}<h2>{words['numbers']}</h2>\n{table('statistics')}</body>\n</html>\n"
    )
