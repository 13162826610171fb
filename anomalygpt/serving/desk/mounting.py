"""The page as part of a web server: its looks, its words, and what it may hand out."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from fastapi import FastAPI

from anomalygpt.serving.desk.layout import build
from anomalygpt.serving.desk.page import Page
from anomalygpt.serving.drawing.routes import Drawings, drawing_routes
from anomalygpt.serving.settings import ServerSettings

STATIC = Path(__file__).parent / "static"

# Fonts that every machine has; Gradio's usual theme fetches its own.
FONT = ("system-ui", "Segoe UI", "Roboto", "Helvetica", "Arial", "sans-serif")

# What Gradio calls by a key, or by words that say little.
WORDS = {
    "common.webcam": "Take a photo",
    "upload_text.drop_gallery": "Drop photos here",
}
LANGUAGES = ("en",)


def mounted(app: FastAPI, page: Page, settings: ServerSettings) -> FastAPI:
    """The server with the page at its root."""
    drawings = Drawings()
    app.include_router(drawing_routes(drawings))  # before the pages, which take what is left
    blocks = build(page, drawings)
    mounted_app = gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        auth=[settings.auth] if settings.auth else None,
        auth_message="Your name and password for AnomalyGPT" if settings.auth else None,
        root_path=settings.root_path or None,
        max_file_size=int(settings.max_upload_mb * 1024**2),
        allowed_paths=[str(each.photo.parents[1]) for each in page.examples[:1]],
        show_error=True,
        enable_monitoring=False,
        ssr_mode=False,
        footer_links=[],
        favicon_path=str(STATIC / "favicon.svg"),
        i18n=gr.I18n(**dict.fromkeys(LANGUAGES, WORDS)),
        theme=_theme(),
        css=(STATIC / "desk.css").read_text(encoding="utf-8"),
        head="".join(
            f"<script>{(STATIC / name).read_text(encoding='utf-8')}</script>"
            for name in ("answers.js", "desk.js")
        ),
    )
    # Gradio refuses paths outside of its upload folder only once it takes itself for launched,
    # which mounting alone does not do: any file of this machine could be named as a photo.
    blocks.has_launched = True
    return mounted_app


def _theme() -> gr.themes.Base:
    return gr.themes.Default(
        primary_hue="blue",
        font=FONT,
        font_mono=("ui-monospace", "Consolas", "monospace"),
    ).set(
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
    )
