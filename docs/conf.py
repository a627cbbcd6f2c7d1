"""The documentation site: ``python -m sphinx -W docs BUILD``, with the extra ``docs``."""

import re
import shutil
import sys
from pathlib import Path

import latex2mathml.converter
from docutils import nodes
from pygments.lexers.special import TextLexer

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE / "live")]

import autograd_cnn as ag  # noqa: E402

project = "autograd_cnn"
author = "The autograd_cnn developers"
copyright = author
version = release = ag.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["live"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
myst_fence_as_directive = ["math"]
suppress_warnings = ["config.cache"]

html_theme = "furo"
html_math_renderer = "mathml"
html_title = f"autograd_cnn {version}"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f5fa8", "color-brand-content": "#1f5fa8"},
    "dark_css_variables": {"color-brand-primary": "#7fb2ee", "color-brand-content": "#7fb2ee"},
}
pygments_style, pygments_dark_style = "friendly", "monokai"

autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"exclude-members": "function, inputs, settings"}  # of all layers
python_use_unqualified_type_names = True


def as_rst(app, what, name, obj, options, lines):
    """Docstrings as reStructuredText: names in backquotes are code, stars and bars stay."""
    blocks = "\n".join(lines).split("\n\n")
    for k, block in enumerate(blocks):
        if block.lstrip().startswith(">>>"):
            continue
        block = re.sub(r"(?<![`\w])`([^`\n]+)`(?![`_\w])", r"``\1``", block)
        parts = re.split(r"(``.+?``)", block, flags=re.DOTALL)  # what is code stands at odd places
        parts[::2] = [re.sub(r"[|*]", r"\\\g<0>", part) for part in parts[::2]]
        blocks[k] = "".join(parts)
    lines[:] = "\n\n".join(blocks).split("\n")


def without_last_blank_line(app, page, source):
    """Blocks of code end with their last line; in the files a blank line ends the doctest."""
    source[0] = source[0].replace("\n\n```\n", "\n```\n")


def finish(app, error):
    """Add the page that draws and trains, if Pyodide can be had here.

    Also remove the links from sources back to the reference: they lead to the module that defines a
    name, and the reference has it where users import it.
    """
    if error or app.builder.name != "html":
        return
    import assemble

    site = Path(app.outdir)
    for page in (site / "_modules").rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        page.write_text(re.sub(r'<a class="viewcode-back".*?</a>', "", text), encoding="utf-8")
    try:
        assemble.assemble(site / "live")
    except assemble.UnavailableError as problem:
        shutil.rmtree(site / "live", ignore_errors=True)
        print(f"The site has no page to draw on: {problem}")


def mathml(display):
    """What writes a formula as MathML, which browsers draw without a script."""

    def visit(self, node):
        self.body.append(latex2mathml.converter.convert(node.astext(), display=display))
        raise nodes.SkipNode

    return visit, None


def setup(app):
    app.add_html_math_renderer("mathml", mathml("inline"), mathml("block"))
    app.add_lexer("mermaid", TextLexer)
    app.connect("autodoc-process-docstring", as_rst)
    app.connect("source-read", without_last_blank_line)
    app.connect("build-finished", finish)
