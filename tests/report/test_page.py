import pytest
from jinja2 import UndefinedError

from jrae_jax.report.page import Picture, render

PICTURE = Picture("<name>", 'a "quoted" alternative', "r < 1 & more.", b"\x89PNG")
TABLE = {"title": "t", "head": ("a", "b"), "rows": [("<b>", "1")]}


def page(**values):
    given = {"answers": [], "not_judged": None, "steps": 3, "first_picture": PICTURE, "table_of_r": TABLE}
    return render("latent_sizes.html", manifest={"a": "<script>"}, **(given | values))


def test_whatever_is_written_is_escaped():
    text = page(answers=[{"size": "<i>3</i>", "observed": "y0 & y1", "number": "1 < 2"}], not_judged="<u>few</u>")
    for escaped in (
        'alt="a &#34;quoted&#34; alternative"',
        "<figcaption>r &lt; 1 &amp; more.</figcaption>",
        "&lt;i&gt;3&lt;/i&gt;",
        "y0 &amp; y1",
        "1 &lt; 2",
        "&lt;u&gt;few&lt;/u&gt;",
        '<th scope="row">&lt;b&gt;</th>',
        "&lt;script&gt;",
    ):
        assert escaped in text
    assert 'src="data:image/png;base64,iVBORw=="' in text


def test_what_a_template_lacks_is_an_error_and_not_a_gap():
    with pytest.raises(UndefinedError, match="steps"):
        render("latent_sizes.html", manifest={}, answers=[], not_judged=None, first_picture=PICTURE, table_of_r=TABLE)
