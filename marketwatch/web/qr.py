"""QR codes as SVG that stands in the page itself."""

from __future__ import annotations

import io


def qr_svg(text: str) -> str:
    """The code as one `<svg>` with a class of its own and no style of its own; black on white whatever the theme."""
    import segno

    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        out, kind="svg", xmldecl=False, svgns=False, omitsize=True, border=2, svgclass="qr", lineclass=None, nl=False
    )
    return out.getvalue().decode()
