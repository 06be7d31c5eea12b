"""Sections of the report: the verdict, what describes it, one for each stage, and how to make it again."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from omc_agent.panels.verdict import beats_words, beside_table, verdict_terms
from omc_agent.store.records import Row
from omc_agent.tools.calibration import reliability_png
from omc_agent.tools.description import NO_PART

# A report is read: of a long print its beginning is enough, the notebook prints all of it.
MOST_PRINTED = 4_000
PACKAGES = ("omc-agent", "pandas", "scikit-learn", "xgboost")
Section = dict[str, Any]


def result_section(state: Mapping[str, Any]) -> Section:
    """The verdict in the host's words, then what it rests on."""
    said, verdict = state.get("texts", {}).get("verdict"), state.get("verdict")
    if not said or not verdict:
        return {"heading": "Result", "paragraphs": ["Nothing was predicted, so there is no verdict."]}
    paragraphs = [said["sentence"], beats_words(verdict)]
    return {
        "heading": said["headline"],
        "paragraphs": [text for text in paragraphs if text],
        "bullets": [term[:1].upper() + term[1:] for term in verdict_terms(verdict)],
    }


def details_of(state: Mapping[str, Any]) -> dict[str, Any]:
    """What describes the verdict; empty without one."""
    return dict((state.get("texts", {}).get("verdict") or {}).get("details") or {})


def described(details: Mapping[str, Any]) -> list[Section]:
    """Sections of what describes a verdict: rules and models beside it, what else was seen, parts, reliability."""
    if not details:
        return []
    sections: list[Section] = []
    if more := details.get("more"):
        sections.append({"heading": "What else the sealed rows show", "bullets": list(more)})
    beside = beside_table(dict(details))
    sections.append({"heading": "Rules and simple models on the sealed rows", "table": beside})
    parts = [key for key in ("months", "coins") if details.get(key)]
    for key in parts:
        only = [NO_PART] if key == parts[0] else []
        rows = [_part(key[:-1], part) for part in details[key]]
        sections.append({"heading": f"By {key[:-1]}", "paragraphs": only, "table": rows})
    table = (details.get("calibration") or {}).get("table") or []
    if len(table) > 1:  # of one group there is nothing to compare
        named = bool(details["calibration"].get("named"))
        were = "whose class was named rightly" if named else "that were 1"
        alt = f"Predicted probability against the share of rows {were}, on the sealed rows"
        picture = {"png_base64": [reliability_png(table, named)], "alt": [alt]}
        rows = [
            {"predicted": f"{row['predicted']:.3f}", "seen": f"{row['seen']:.3f}", "rows": f"{row['rows']:,}"}
            for row in table
        ]
        sections.append({"heading": "Reliability", "table": rows, **picture})
    return sections


def _part(name: str, part: Mapping[str, Any]) -> dict[str, str]:
    def shown(key: str, sign: str = "") -> str:
        value = part.get(key)
        return "" if value is None else f"{value:{sign}.3f}".replace("-", "\u2212")

    return {
        name: str(part["part"]),
        "rows": f"{part['rows']:,}",
        "score": shown("score"),
        "reference": shown("reference_score"),
        "difference": shown("difference", "+"),
    }


def stage_section(stage: str, title: str, cells: list[Row], plan: str) -> Section:
    """What a stage set out to do, its code, and what that showed; a cell that ran again is shown once, as it came
    out last.
    """
    mine = list({cell["code"]: cell for cell in cells if cell["stage"] == stage}.values())
    if not mine:
        return {}
    bundles = [bundle for cell in mine for bundle in cell["result"]["outputs"]]
    pictures = [bundle["image/png"] for bundle in bundles if "image/png" in bundle]
    names = [f"{title}, figure {number}" for number in range(1, len(pictures) + 1)]
    code = "\n".join(cell["code"] for cell in mine)
    shown = [text for cell in mine for text in _shown(cell)]
    text = {"paragraphs": [plan] if plan else [], "code": code, "output": "\n\n".join(shown)}
    return {"heading": title, **text, "png_base64": pictures, "alt": names}


def _shown(cell: Row) -> list[str]:
    printed = str(cell["result"].get("text") or "").strip("\n")
    if len(printed) > MOST_PRINTED:
        printed = f"{printed[:MOST_PRINTED]}\n… {len(printed) - MOST_PRINTED:,} more characters"
    outputs = cell["result"]["outputs"]
    texts = [bundle["text/plain"] for bundle in outputs if "image/png" not in bundle and bundle.get("text/plain")]
    return [text for text in (printed, *texts) if text]


def again_section(run_id: str, recipe: Mapping[str, Any]) -> Section:
    """How to make the run again, and to check it; `recipe` as `recipe.recipe_of` gives it, or empty."""
    lines = [
        f"`%agent export {run_id} run.ipynb` writes the cells as a notebook with no agent in it.",
        f"`%agent verify {run_id}` replays them and compares fingerprints and scores.",
    ]
    if "seed" in recipe:
        lines.append(f"Seed: {recipe['seed']}.")
    if data := recipe.get("data"):
        sealed = f"; sealed rows `{data['sealed'][:16]}`" if data.get("sealed") else ""
        lines.append(f"Data: {data['rows']:,} rows, fingerprint `{data['all'][:16]}`{sealed}.")
    lines.append(f"Versions: {', '.join(f'{name} {number}' for name, number in versions_of(recipe).items())}.")
    return {"heading": "How to reproduce", "bullets": lines}


def versions_of(recipe: Mapping[str, Any]) -> dict[str, str]:
    """Packages that figures come out of: of the recipe, else as they are now."""
    return dict(recipe.get("versions") or {name: version(name) for name in PACKAGES})
