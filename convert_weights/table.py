"""The printed table of a conversion."""

from __future__ import annotations

from convert_weights.plan import Plan
from convert_weights.rules import DROPS


def table(plan: Plan) -> str:
    """What was mapped: per rule the old and the new names, the number of tensors, and how."""
    about = f" ({plan.about})" if plan.about else ""
    source = plan.source
    size = f"{source.size / 2**20:.1f} MiB"
    lines = [f"{source.path}: {plan.kind}{about}, {source.container}, {plan.layout}, {size}"]
    rows = [("names in the file", "names in Paddle", "tensors", "MiB", "how")]
    for rule, count, nbytes, dtype in plan.rows():
        how = (
            rule.op if dtype == "float32" or rule.op in DROPS else f"{rule.op}, {dtype} -> float32"
        )
        new = "-" if rule.op in DROPS else rule.new or rule.old
        rows.append((rule.old, new, str(count), f"{nbytes / 2**20:.1f}", how))
    if plan.latent_avg is not None:
        rows.append(
            ("latent_avg", "latent_avg", "1", f"{plan.latent_avg.nbytes / 2**20:.1f}", "keep")
        )
    if plan.opts is not None:
        rows.append(("opts", "opts", "", "", f"{len(plan.opts)} options as plain data"))
    rows += [(name, "-", "", "", "drop") for name in plan.dropped]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for *cells, how in rows:
        padded = [cell.ljust(width) for cell, width in zip(cells[:2], widths)]
        padded += [cell.rjust(width) for cell, width in zip(cells[2:], widths[2:])]
        lines.append("  " + "  ".join([*padded, how]).rstrip())
    return "\n".join(lines)
