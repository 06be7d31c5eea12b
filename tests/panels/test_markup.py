"""Untrusted text: escaped, cleaned, capped."""

import base64

from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st

from omc_agent.panels.markup import aligned, clean_html, esc, highlight, picture, plain


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_escaped_text_holds_no_tag_and_comes_back_as_it_was(text):
    escaped = esc(text)
    assert not set(escaped) & set("<>\"'")
    assert BeautifulSoup(f"<pre>{escaped}</pre>", "html.parser").pre.text == plain(text)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="\x1b[]0;m\x07\x00\x9b\u202eab\n", max_size=40))
def test_plain_text_holds_nothing_that_steers_a_terminal(text):
    assert not set(plain(text)) & set("\x1b\x07\x00\x9b\u202e")


def test_terminal_escapes_go_with_their_arguments():
    assert plain("a\x1b[31mred\x1b[0m\x1b]52;c;cGF5\x07b\r\nc") == "aredb\nc"


def test_long_text_is_cut_and_says_so():
    assert plain("a" * 30, limit=10) == "aaaaaaaaaa\n… 20 more characters"


def test_html_keeps_tables_and_loses_the_rest():
    dirty = (
        '<style>td{color:red}</style><table class="dataframe" id="x" data-commandlinker-command="run" border="1">'
        '<tr><th colspan="2" title="t">a</th></tr><tr><td onclick="x()">1</td><td><a href="http://evil">b</a>'
        '<img src="http://evil/?q=1"></td></tr></table><script>alert(1)</script><svg><script>1</script></svg>'
    )
    clean = clean_html(dirty)
    soup = BeautifulSoup(clean, "html.parser")
    assert {tag.name for tag in soup.find_all(True)} == {"table", "tbody", "tr", "th", "td"}
    assert [tag.attrs for tag in soup.find_all(True) if tag.attrs] == [{"colspan": "2"}]
    assert soup.get_text() == "a1b"


def test_html_too_large_to_clean_is_refused():
    assert clean_html("<p>" * 40_000) is None
    assert clean_html("<b>" * 5_001) is None
    assert clean_html("a" * 100_001) is None


def test_highlighting_changes_nothing_but_adds_classes():
    code = 'x = "<b>"  # <i>\nif x:\n    y = 1\n'
    assert BeautifulSoup(f"<pre>{highlight(code)}</pre>", "html.parser").pre.text == code.rstrip()


def test_code_that_is_no_python_is_shown_all_the_same():
    assert "&lt;&lt;&lt;" in highlight("def (<<< 'open")


def test_a_picture_must_be_a_png(made):
    assert 'alt="&quot;x&quot;"' in picture(made.png(), '"x"')
    assert picture(base64.b64encode(b"GIF89a").decode(), "x") is None
    assert picture(made.png() + '"><script>', "x") is None
    assert picture(made.png() + "A" * 6_000_000, "x") is None


def test_tables_of_text_are_aligned():
    assert aligned([["a", "1"], ["bcd", "22"]], right=frozenset({1})) == "a     1\nbcd  22"
    assert aligned([]) == ""
