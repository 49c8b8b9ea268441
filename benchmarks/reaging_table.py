"""The table of `reaging_quality.py`: what the matte, the skin's L* and a judge say of aged photos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

AGES = (20, 30, 40, 50, 60, 70, 80)  # targets
NEAR = 5.0  # years, of the bell in which real people count as of about an age
ADULT = 15  # years, by the judge


def own_rows(measured: dict[str, Any]) -> list[tuple[str, str]]:
    """What needs no judge."""
    found = list(measured.values())
    lighter = np.array([m["lighter"] for m in found])
    order = np.argsort([m["skin"] for m in found])
    fifth = max(1, len(found) // 5)
    rows = [
        ("photos", f"{len(found)}"),
        ("seconds a photo, with all ages", f"{np.median([m['seconds'] for m in found]):.2f}"),
        (
            "change of the background, of 255: mean, largest",
            f"{np.mean([m['background'] for m in found]):.2f}, {np.max([m['background'] for m in found]):.2f}",
        ),
    ]
    for name, part in (("darkest", order[:fifth]), ("lightest", order[-fifth:])):
        means = lighter[part].mean(axis=0).round(1).tolist()
        rows.append((f"change of L*, {name} fifth, by target", str(means)))
    return rows


def read_ages(judged: dict[str, Any], names: list[str]) -> np.ndarray:
    """How old the judge sees each person at each of AGES, [N, 7]; NaN where it finds no face."""
    seen = [[judged.get(f"{name}_{age}") or {} for age in AGES] for name in names]
    return np.array([[one.get("age", np.nan) for one in row] for row in seen], float)


def age_rows(ages: np.ndarray, wanted: np.ndarray) -> list[tuple[str, str]]:
    """How far the judge's ages [N, 7] are from those wanted of each column."""
    error = ages - wanted
    return [
        ("age error, years", f"{np.nanmean(np.abs(error)):.1f}"),
        ("bias by target", str(np.nanmean(error, axis=0).round(1).tolist())),
    ]


def judged_rows(judged: dict[str, Any], names: list[str]) -> list[tuple[str, str]]:
    """What a judge finds, whose JSON maps NAME_AGE to age, gender and embedding `e`."""
    ages = read_ages(judged, names)
    rising = np.diff(ages, axis=1)
    away = np.full(ages.shape, np.nan)
    kept = np.full(ages.shape, np.nan)
    for i, name in enumerate(names):
        original = judged[f"{name}_original"]
        for k, age in enumerate(AGES):
            if one := judged.get(f"{name}_{age}"):
                away[i, k] = np.linalg.norm(np.subtract(original["e"], one["e"]))
                kept[i, k] = original["gender"] == one["gender"]
    return [
        ("a face is found", f"{np.isfinite(ages).mean():.1%}"),
        *age_rows(ages, np.array(AGES)),
        ("decade steps that rise", f"{(rising[np.isfinite(rising)] > 0).mean():.1%}"),
        ("identity distance", f"{np.nanmean(away):.3f}"),
        ("identity distance by target", str(np.nanmean(away, axis=0).round(2).tolist())),
        ("gender kept, by target", str(np.nanmean(kept, axis=0).round(3).tolist())),
    ]


def true_age(name: str) -> float:
    """The age in years that a name in UTKFace begins with."""
    return float(name.split("_")[0])


def true_gender(name: str) -> str:
    """The gender that a name in UTKFace has behind the age, in the judge's words."""
    return ("male", "female")[int(name.split("_")[1])]


def real_rows(judged: dict[str, Any]) -> list[tuple[str, str]]:
    """What the judge says of real people about as old as each target."""
    found = {name: one for name, one in judged.items() if one}
    rows = []
    for age in AGES:
        about = [(n, one) for n, one in found.items() if abs(true_age(n) - age) <= NEAR]
        error = np.mean([abs(one["age"] - true_age(name)) for name, one in about])
        right = np.mean([one["gender"] == true_gender(name) for name, one in about])
        rows.append((len(about), round(float(error), 1), round(float(right), 3)))
    names = ("people", "age error, years", "gender right")
    return [(name, str(list(column))) for name, column in zip(names, zip(*rows))]


def read_of_real(judged: dict[str, Any]) -> np.ndarray:
    """What the judge sees in real people of AGES: straight lines through those of about these ages."""
    from work.training.reaging.fit_nominal import mean_reading

    pairs = [(true_age(name), one["age"]) for name, one in judged.items() if one]
    true, read = np.array(pairs).T
    return np.array([mean_reading(true, read, age, NEAR) for age in AGES])


def table(out: Path, measured: dict[str, Any], real: Path | None) -> list[tuple[str, str]]:
    """All rows: what needs no judge, then what it says of everybody, of adults, and of real people."""
    rows, judge = own_rows(measured), out / "judged.json"
    if not judge.exists():
        return rows
    judged = json.loads(judge.read_text())
    known = json.loads(real.read_text()) if real else {}
    seen = [name for name in measured if judged.get(f"{name}_original")]
    adults = [name for name in seen if judged[f"{name}_original"]["age"] >= ADULT]
    for label, names in (("all", seen), (f"{ADULT} and older", adults)):
        rows += [("", ""), (label, f"{len(names)} people"), *judged_rows(judged, names)]
        if known:
            against = age_rows(read_ages(judged, names), read_of_real(known))
            rows += [(f"{name}, against real people", value) for name, value in against]
    if known:
        rows += [("", ""), (f"real people within {NEAR:.0f} years", ""), *real_rows(known)]
    return rows
