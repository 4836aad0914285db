"""The results as one picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.boundaries import BOUNDARIES, PYTHON
from bench.comparison import FLOOR
from bench.environment import POOL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FILE = "results.png"
COLOURS = {"memory": "#3b75af", "disk": "#c1692c"}


def draw(results: dict[str, Any], file: Path) -> None:
    """Draw ratios, stages, concurrency and growth, as far as they were measured."""
    from matplotlib.figure import Figure

    parts = [part for part in ("memory", "disk") if part in results]
    figure = Figure(figsize=(15, 11), layout="constrained")
    axes = figure.subplots(2, 2)
    _ratios(axes[0][0], {part: results[part]["ms"] for part in parts})
    _stages(axes[0][1], results[parts[0]]["stages"], parts[0])
    _concurrency(axes[1][0], {part: results[part]["concurrency"] for part in parts})
    if growth := results["disk"].get("growth"):
        _growth(axes[1][1], growth)
    else:
        axes[1][1].set_axis_off()
    machine = results["machine"]
    figure.suptitle(f"{machine['processor']}, {machine['cores']} cores, {machine['at'][:10]}: fsync on, p50")
    figure.savefig(file, dpi=80)


def _ratios(axes: "Axes", found: dict[str, Any]) -> None:
    names = list(next(iter(found.values())))[::-1]
    for place, (part, compared) in enumerate(found.items()):
        floor = compared[FLOOR]["p50"]
        ratios = [compared[name]["p50"] / floor for name in names]
        bars = axes.barh(
            [number + 0.2 - 0.4 * place for number in range(len(names))], ratios, 0.4, label=part, color=COLOURS[part]
        )
        axes.bar_label(bars, [f"{ratio:.2f}" for ratio in ratios], padding=2, fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_title(f"÷ {FLOOR} (log scale)")
    axes.legend()


def _stages(axes: "Axes", stages: dict[str, Any], part: str) -> None:
    names = list(stages)[::-1]
    left = [0.0] * len(names)
    for boundary in (*BOUNDARIES, PYTHON):
        spent = [stages[name][boundary]["p50"] for name in names]
        axes.barh(names, spent, left=left, label=boundary)
        left = [before + more for before, more in zip(left, spent, strict=True)]
    axes.tick_params(axis="y", labelsize=8)
    axes.set_title(f"a job from the pool by stage, ms, {part}")
    axes.legend()


def _concurrency(axes: "Axes", found: dict[str, Any]) -> None:
    for part, modes in found.items():
        for mode, numbers in modes.items():
            style = "-" if mode == POOL else "--"
            per_second = [one["per_second"] for one in numbers.values()]
            axes.plot(list(numbers), per_second, style, marker="o", label=f"{part}, {mode}", color=COLOURS[part])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("jobs at once")
    axes.set_title("jobs per second")
    axes.legend()


def _growth(axes: "Axes", growth: dict[str, Any]) -> None:
    names = list(growth["empty"]["ms"])[::-1]
    for place, (where, label) in enumerate((("empty", "no tenants"), ("filled", f"{growth['tenants']:,} tenants"))):
        bars = axes.barh(
            [number + 0.2 - 0.4 * place for number in range(len(names))],
            [growth[where]["ms"][name]["p50"] for name in names],
            0.4,
            label=label,
        )
        axes.bar_label(bars, fmt="%.0f", padding=2, fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_title("beside other tenants, ms, disk")
    axes.legend()
