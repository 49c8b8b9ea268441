"""What is where on the page, and its words in each language."""

from __future__ import annotations

from typing import Any, Dict

import gradio as gr

from work.configs.options import STEPS
from work.web.texts import LANGUAGES, TEXTS, text

Parts = Dict[str, Any]  # components; the key is that of their text
Limits = Dict[str, int]  # by the names that texts give them
CSS = """
:root {--border: 30%}
footer {display: none !important}
.gradio-container {width: 100% !important; max-width: 1280px !important; margin: auto !important}
#title h1 {margin: 0}
#language .wrap, #quality .wrap, #presets {flex-wrap: nowrap}
#quality label {white-space: nowrap}
#language .wrap {justify-content: flex-end}
#presets {gap: 6px}
#presets button {min-width: 0 !important; padding: 6px 2px}
#status {min-height: 3em}
.bar {height: 6px; margin-top: 4px; border-radius: 3px; background: var(--border-color-primary)}
.bar i {display: block; height: 100%; border-radius: 3px; background: var(--color-accent); transition: width .3s}
.compare {position: relative; max-width: calc(460px * var(--ratio)); margin: auto; line-height: 0; border-radius: 6px;
  overflow: hidden}
.compare img {width: 100%; margin: 0}
.compare .before {position: absolute; inset: 0; clip-path: inset(0 calc(100% - var(--border)) 0 0)}
.compare span {position: absolute; top: 0; bottom: 0; left: var(--border); width: 2px; margin-left: -1px;
  background: white; box-shadow: 0 0 4px black; pointer-events: none}
.compare span::after {content: "\\2194"; position: absolute; top: 50%; left: 50%; width: 28px; height: 28px;
  transform: translate(-50%, -50%); border-radius: 50%; background: white; color: black; font: 18px/28px sans-serif;
  text-align: center; box-shadow: 0 0 4px black}
.compare input {position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: ew-resize;
  touch-action: pan-y}
.compare input:focus-visible + span {width: 4px}
#strip .grid-wrap {overflow: hidden; min-height: 0}
#strip .grid-container {grid-template-columns: repeat(auto-fill, minmax(95px, 1fr)) !important}
#strip .caption-label {font-weight: bold}
@media (max-width: 640px) {
  .gradio-container {padding: 8px !important}
  .compare {max-width: calc(70vh * var(--ratio))}
  #strip .grid-container {grid-template-columns: repeat(3, 1fr) !important}
}
"""
CLIPS = [".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi"]  # what a browser offers as films
SOURCES: Any = ["upload", "webcam", "clipboard"]  # of photos
PRESETS = {"preset_child": 8, "preset_20": 20, "preset_40": 40, "preset_60": 60, "preset_80": 80}
# Where the page says something.
PLACES = ("status", "strip_said", "film_said", "recast_said", "mix_said")


def layout(limits: Limits) -> Parts:
    """Make all components, in the Blocks context that is open. Their words are English until the browser is known.

    Args:
        limits: what texts say about uploads: `limit` and `film_limit` in megabytes, `film_seconds`.
    """
    p: Parts = {}
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=280):
            p["title"] = gr.Markdown(elem_id="title")
        with gr.Column(scale=1, min_width=240):
            languages = [(name, code) for code, name in LANGUAGES.items()]
            p["language"] = gr.Radio(
                languages, value="en", show_label=False, container=False, elem_id="language"
            )
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=300):
            _photo(p)
        with gr.Column(scale=3, min_width=300):
            _results(p)
    with gr.Tabs():
        with gr.Tab(elem_id="strip_tab") as p["strip_tab"]:
            _strip(p)
        with gr.Tab(elem_id="film_tab") as p["film_tab"]:
            _film(p)
        with gr.Tab(elem_id="recast_tab") as p["recast_tab"]:
            _recast(p)
        with gr.Tab(elem_id="mix_tab") as p["mix_tab"]:
            _mix(p)
    for key, part in p.items():
        if key in TEXTS:
            for name, value in words(key, part, "en", limits).items():
                setattr(part, name, value)
    return p


def _photo(p: Parts) -> None:
    p["photo"] = gr.Image(
        type="filepath", sources=SOURCES, image_mode=None, height=340, elem_id="photo"
    )
    p["status"] = gr.HTML(elem_id="status")
    p["who"] = gr.Radio([], visible=False, elem_id="who")
    p["age"] = gr.Slider(0, 100, value=70, step=1, elem_id="age")
    with gr.Row(elem_id="presets"):
        for key, age in PRESETS.items():
            p[key] = gr.Button(str(age), size="sm", min_width=40, elem_id=key)
    p["quality"] = gr.Radio([(name, name) for name in STEPS], value="good", elem_id="quality")


def _results(p: Parts) -> None:
    with gr.Row():
        for key in ("face", "pasted"):
            with gr.Column(min_width=260):
                p[key] = gr.HTML(elem_id=key)
                p[f"save_{key}"] = download(f"save_{key}")


def _strip(p: Parts) -> None:
    p["strip_run"] = gr.Button(elem_id="strip_run")
    p["strip_said"] = gr.HTML(elem_id="strip_said")
    p["strip"] = gr.Gallery(
        height="auto",
        object_fit="contain",
        interactive=False,
        show_label=False,
        show_download_button=False,
        show_share_button=False,
        elem_id="strip",
    )
    p["save_strip"] = download("save_strip")


def _film(p: Parts) -> None:
    with gr.Row(equal_height=True):
        p["film_what"] = gr.Radio([("", "face"), ("", "whole")], value="face", elem_id="film_what")
        p["seconds"] = gr.Slider(2, 12, value=4, step=1, elem_id="seconds")
    p["film_run"] = gr.Button(elem_id="film_run")
    p["film_said"] = gr.HTML(elem_id="film_said")
    p["film"] = player("film", loop=True)
    p["save_film"] = download("save_film")


def _recast(p: Parts) -> None:
    with gr.Row(equal_height=False):
        with gr.Column(min_width=280):
            p["clip"] = gr.File(type="filepath", file_types=CLIPS, elem_id="clip")
            with gr.Row():
                p["recast_run"] = gr.Button(elem_id="recast_run")
                p["recast_stop"] = gr.Button(elem_id="recast_stop")
        with gr.Column(min_width=280):
            p["recast_said"] = gr.HTML(elem_id="recast_said")
            p["recast"] = player("recast", loop=False)
            p["save_recast"] = download("save_recast")


def _mix(p: Parts) -> None:
    with gr.Row(equal_height=False):
        with gr.Column(min_width=280):
            p["reference"] = gr.Image(
                type="filepath", sources=SOURCES, image_mode=None, height=340, elem_id="reference"
            )
            p["what"] = gr.Radio([("", "fine"), ("", "middle")], value="fine", elem_id="what")
            p["strength"] = gr.Slider(0, 1, value=0.7, step=0.05, elem_id="strength")
            p["mix_run"] = gr.Button(elem_id="mix_run")
        with gr.Column(min_width=280):
            p["mix_said"] = gr.HTML(elem_id="mix_said")
            p["mixed"] = gr.HTML(elem_id="mixed")
            p["save_mixed"] = download("save_mixed")


def player(key: str, loop: bool) -> gr.Video:
    return gr.Video(
        interactive=False,
        height=420,
        autoplay=True,
        loop=loop,
        show_download_button=False,
        show_share_button=False,
        elem_id=key,
    )


def download(key: str) -> gr.DownloadButton:
    return gr.DownloadButton(interactive=False, size="sm", visible=False, elem_id=key)


# Of radio buttons: the values, whose names are texts too.
CHOICES = {"what": ("fine", "middle"), "film_what": ("face", "whole"), "quality": tuple(STEPS)}


def words(key: str, part: Any, language: str, limits: Limits) -> dict[str, Any]:
    """The properties of a component that hold words; `limits` are as for `layout`."""
    said = text(key, language, **limits)
    if isinstance(part, (gr.Button, gr.Markdown)):
        return {"value": said}
    if key in ("photo", "reference"):
        return {"label": said, "placeholder": text("drop", language, **limits)}
    if key in CHOICES:
        return {"label": said, "choices": [(text(c, language), c) for c in CHOICES[key]]}
    return {"label": said}
