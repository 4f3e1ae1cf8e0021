"""The pages that the API serves: the dashboard (`GET /`) and the OpenAPI document (`/docs`).

    dashboard/*.js ──► bundle ──► minify ──► serving: /page/<digest>/page.js, later.js
    dashboard/css/*.css ────────► minify ──► serving: /page/<digest>/page.css, later.css

All of it is done once, when the application is made. `openapi_page` renders the document.
"""
