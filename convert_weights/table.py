"""The printed table of a conversion."""

from __future__ import annotations

from convert_weights.plan import Plan
from convert_weights.rules import DROPS


def table(plan: Plan) -> str:
    """What was mapped: a row per rule with the old and the new names, the number of tensors, and how."""
    about = f" ({plan.about})" if plan.about else ""
    lines = [
        f"{plan.source.path}: {plan.kind}{about}, {plan.source.container}, {plan.layout}, {plan.source.size / 2**20:.1f} MiB"
    ]
    rows = [("names in the file", "names in Paddle", "tensors", "MiB", "how")]
    for rule, count, size, dtype in plan.rows():
        how = (
            rule.op if dtype == "float32" or rule.op in DROPS else f"{rule.op}, {dtype} -> float32"
        )
        new = "-" if rule.op in DROPS else rule.new or rule.old
        rows.append((rule.old, new, str(count), f"{size / 2**20:.1f}", how))
    if plan.latent_avg is not None:
        rows.append(
            ("latent_avg", "latent_avg", "1", f"{plan.latent_avg.nbytes / 2**20:.1f}", "keep")
        )
    if plan.opts is not None:
        rows.append(("opts", "opts", "", "", f"{len(plan.opts)} options as plain data"))
    rows += [(name, "-", "", "", "drop") for name in plan.dropped]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for old, new, count, size_text, how in rows:
        cells = (
            old.ljust(widths[0]),
            new.ljust(widths[1]),
            count.rjust(widths[2]),
            size_text.rjust(widths[3]),
            how,
        )
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)
