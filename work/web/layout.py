"""What is where on the page, and its words in each language."""

from __future__ import annotations

from typing import Any, Dict

import gradio as gr

from work.web.texts import LANGUAGES, TEXTS, text

Parts = Dict[str, Any]  # components; the key is that of their text
CSS = """
footer {display: none !important}
.gradio-container {width: 100% !important; max-width: 1280px !important; margin: auto !important}
#title h1 {margin: 0}
#language .wrap {flex-wrap: nowrap; justify-content: flex-end}
#status {min-height: 3em; overflow: hidden !important}
#status [data-testid="status-tracker"] {display: none}  /* the pictures show progress */
#strip .grid-wrap {overflow: hidden; min-height: 0}
#strip .grid-container {grid-template-columns: repeat(auto-fill, minmax(95px, 1fr)) !important}
#strip .caption-label {font-weight: bold}
@media (max-width: 640px) {.gradio-container {padding: 8px !important}}
"""
SOURCES: Any = ["upload", "webcam", "clipboard"]  # of photos


def layout() -> Parts:
    """Make all components, in the Blocks context that is open. Their words are English until the browser is known."""
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
        with gr.Tab(elem_id="mix_tab") as p["mix_tab"]:
            _mix(p)
    for key, part in p.items():
        if key in TEXTS:
            for name, value in words(key, part, "en").items():
                setattr(part, name, value)
    return p


def _photo(p: Parts) -> None:
    p["photo"] = gr.Image(
        type="filepath", sources=SOURCES, image_mode=None, height=340, elem_id="photo"
    )
    p["status"] = gr.Markdown(elem_id="status")
    p["who"] = gr.Radio([], visible=False, elem_id="who")
    p["age"] = gr.Slider(0, 100, value=70, step=1, elem_id="age")


def _results(p: Parts) -> None:
    with gr.Row():
        for key in ("face", "pasted"):
            with gr.Column(min_width=260):
                p[key] = picture(key)
                p[f"save_{key}"] = download(f"save_{key}")


def _strip(p: Parts) -> None:
    p["strip_run"] = gr.Button(elem_id="strip_run")
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
        p["seconds"] = gr.Slider(2, 12, value=4, step=1, elem_id="seconds")
        p["film_run"] = gr.Button(elem_id="film_run")
    p["film"] = gr.Video(
        interactive=False,
        height=420,
        autoplay=True,
        loop=True,
        show_download_button=False,
        show_share_button=False,
        elem_id="film",
    )
    p["save_film"] = download("save_film")


def _mix(p: Parts) -> None:
    with gr.Row(equal_height=False):
        with gr.Column(min_width=280):
            p["reference"] = gr.Image(
                type="filepath",
                sources=SOURCES,
                image_mode=None,
                height=340,
                elem_id="reference",
            )
            p["what"] = gr.Radio([("", "fine"), ("", "middle")], value="fine", elem_id="what")
            p["strength"] = gr.Slider(0, 1, value=0.7, step=0.05, elem_id="strength")
            p["mix_run"] = gr.Button(elem_id="mix_run")
        with gr.Column(min_width=280):
            p["mixed"] = picture("mixed")
            p["save_mixed"] = download("save_mixed")


def picture(key: str) -> gr.Image:
    return gr.Image(
        interactive=False,
        height=380,
        show_download_button=False,
        show_share_button=False,
        elem_id=key,
    )


def download(key: str) -> gr.DownloadButton:
    return gr.DownloadButton(interactive=False, size="sm", visible=False, elem_id=key)


def words(key: str, part: Any, language: str) -> dict[str, Any]:
    """The properties of a component that hold words."""
    said = text(key, language)
    if isinstance(part, (gr.Button, gr.Markdown)):
        return {"value": said}
    if key in ("photo", "reference"):
        return {"label": said, "placeholder": text("drop", language)}
    if key == "what":
        return {"label": said, "choices": [(text(c, language), c) for c in ("fine", "middle")]}
    return {"label": said}
