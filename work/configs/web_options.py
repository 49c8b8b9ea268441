"""Options of web.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from work.configs.flags import option, require
from work.configs.options import BLENDS, ModelChoice, check_smallest
from work.configs.photo_options import PhotoOptions
from work.configs.video_options import VideoOptions


@dataclass
class WebOptions(ModelChoice):
    """The model's options, the page's address, and what it accepts."""

    host: str = option("127.0.0.1", "address to listen on; 0.0.0.0 lets other machines in")
    port: int = option(7860, "port to listen on")
    blend: Optional[str] = option(
        "composite", "keep detail of the photo, or show the generator's face", choices=BLENDS
    )
    smallest: float = option(32, "skip faces narrower than this many pixels")
    max_upload_mb: int = option(25, "the largest upload in megabytes", expert=True)
    max_film_mb: int = option(200, "the largest film in megabytes", expert=True)
    max_film_seconds: int = option(30, "the longest film in seconds", expert=True)
    max_megapixels: float = option(50, "the largest photo in megapixels", expert=True)
    max_waiting: int = option(64, "requests that may wait; more are turned away", expert=True)
    max_sessions: int = option(
        16,
        "visitors whose photos stay in memory; those of others are read again",
        expert=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.model != "direct", "--model direct: the page shows children too; it cannot")
        check_smallest(self.smallest)
        require(0 < self.port < 65536, f"--port {self.port}: 1 to 65535")
        require(self.max_upload_mb >= 1, "--max_upload_mb is at least 1")
        require(self.max_film_mb >= 1, "--max_film_mb is at least 1")
        require(self.max_film_seconds >= 1, "--max_film_seconds is at least 1")
        require(0.1 <= self.max_megapixels <= 120, "--max_megapixels lies between 0.1 and 120")
        require(self.max_waiting >= 1, "--max_waiting is at least 1")
        require(self.max_sessions >= 1, "--max_sessions is at least 1")

    def photo_options(self) -> PhotoOptions:
        """The options of ageing a photo that visitors upload."""
        return PhotoOptions(typed=self.typed, **self._shared())

    def video_options(self, target_age: str) -> VideoOptions:
        """The options of ageing the people in a film that visitors upload."""
        return VideoOptions(typed=self.typed, target_age=target_age, **self._shared())

    def _shared(self) -> dict[str, Any]:
        model = self.plain(ModelChoice)
        return {"smallest": self.smallest, **model}
