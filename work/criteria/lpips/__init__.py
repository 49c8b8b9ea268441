"""LPIPS and its backbones."""

from work.criteria.lpips.lpips import LPIPS

__all__ = ["LPIPS"]
