"""The words of a model on their way: in the strip of a cell and at the foot of a terminal."""

import re

import pytest

from omc_agent.events import Reason, StageStarted, Writing
from omc_agent.panels.live import Strip
from omc_agent.panels.writing import CODE_LINES, LETTERS, TERMINAL_LINES, Passing, writing_html, writing_lines
from omc_agent.terminal import Terminal

HOSTILE = "<img src=x onerror=alert(1)>\x1b[2Jaway \u202e"


@pytest.fixture
def strip(shown):
    strip = Strip(shown, run_id="7f3a", stop=lambda: None)
    yield strip
    strip.close()


def test_the_strip_shows_the_words_and_nothing_when_there_are_none(strip):
    assert strip._words.layout.display == "none"
    strip.handle(Writing(text="I look at the ba"))
    assert "I look at the ba" in strip._words.value
    assert strip._words.layout.display is None
    strip.handle(Writing())
    assert strip._words.value == ""
    assert strip._words.layout.display == "none"


def test_the_strip_takes_them_away_when_the_run_ends(strip):
    strip.handle(Writing(text="I look"))
    strip.close()
    strip.handle(Writing(text="late"))


@pytest.mark.parametrize("field", ["text", "tool", "code"])
def test_what_a_model_writes_is_escaped(field):
    told = Writing(**{field: HOSTILE})
    html = writing_html(told)
    assert "<img" not in html
    assert "&lt;img" in html
    for text in (html, "\n".join(writing_lines(told))):
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_of_a_long_text_and_long_code_the_end_is_shown():
    told = Writing(text="word " * 5000 + "end", tool="run_python", code="\n".join(f"x = {n}" for n in range(500)))
    html = writing_html(told)
    assert len(html) < 3 * LETTERS
    assert "end</div>" in html
    assert "x = 499" in html
    assert f"x = {499 - CODE_LINES}" not in html
    lines = writing_lines(told, 60)
    assert len(lines) == TERMINAL_LINES
    assert max(map(len, lines)) <= 60


@pytest.mark.parametrize(
    ("event", "words"),
    [(Writing(tool="create_features"), "writing create_features …"), (Writing(tool="run_python"), "writing code …"),
     (Writing(doing="thinks"), "thinking …")],
)  # fmt: skip
def test_what_it_does_is_said_in_words(event, words):
    assert words in writing_html(event)
    assert writing_lines(event) == [f"  {words}"]


class Screen:
    """A terminal that knows carriage return, cursor up, and erase to the end."""

    def __init__(self):
        self.lines, self.row, self.column = [""], 0, 0

    def write(self, text):
        for part in re.findall(r"\x1b\[\d*[AJ]|\r|\n|[^\x1b\r\n]+", text):
            if part == "\n":
                self.row, self.column = self.row + 1, 0
                self.lines += [""] * (self.row + 1 - len(self.lines))
            elif part == "\r":
                self.column = 0
            elif part.endswith("A") and part.startswith("\x1b"):
                self.row -= int(part[2:-1])
            elif part.endswith("J") and part.startswith("\x1b"):
                self.lines = [*self.lines[: self.row], self.lines[self.row][: self.column]]
            else:
                line = self.lines[self.row]
                self.lines[self.row] = line[: self.column] + part + line[self.column + len(part) :]
                self.column += len(part)


def test_in_a_terminal_the_words_are_written_over_and_leave_no_trace():
    screen = Screen()
    screen.write("before\n")
    passing = Passing(screen.write, lambda: 30)
    for many in (3, 12, 40, 7):
        passing.show(Writing(text="word " * many))
    assert screen.lines[:2] == ["before", "  word word word word word"]
    assert "".join(screen.lines).count("word") == 7
    passing.erase()
    passing.erase()
    assert screen.lines == ["before", ""]
    screen.write("after")
    assert screen.lines == ["before", "after"]


def test_a_terminal_shows_the_words_and_then_the_line_that_stays():
    screen = Screen()
    terminal = Terminal(screen.write, iter(()), live=True)
    terminal.handle(StageStarted(stage="planning", title="Plan"))
    terminal.handle(Writing(stage="planning", text="I split the go"))
    assert "  I split the go" in screen.lines
    terminal.handle(Writing(stage="planning"))
    terminal.handle(Reason(stage="planning", text="I split the goal into steps."))
    assert [line for line in screen.lines if line] == ["Plan", "  I split the goal into steps."]


def test_where_nothing_can_be_written_over_only_whole_lines_come():
    told = []
    terminal = Terminal(told.append, iter(()))
    terminal.handle(Writing(stage="planning", text="I split the go"))
    terminal.close()
    assert told == []
