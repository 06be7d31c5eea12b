"""Branches: what a fork keeps, the story that leads to one, and that nobody writes who no longer drives."""

from __future__ import annotations

import pytest

from omc_agent.errors import LeaseLost, RunError
from omc_agent.events import Branched, Reason
from omc_agent.store.leases import Leases, new_owner


@pytest.fixture(autouse=True)
def run(new):
    return new(session_id="run")


@pytest.fixture
def owner(store):
    mine = new_owner()
    assert Leases(store.engine).take("run", mine)
    return mine


def cell(n, stage="data_analysis", code=None):
    return {"key": f"key{n}", "n": n, "stage": stage, "where": "sandbox", "kind": "transform", "status": "ok",
            "code": code or f"x = {n}", "frames": {"x": {"sha": f"sha{n}"}}}  # fmt: skip


def tell(store, branch, *texts):
    store.append("run", branch, [(text, Reason(stage="planning", text=text)) for text in texts])


def fork(store, owner, parent, kept=(), stage="model_training", **overrides):
    branch = store.next_branch("run")
    told = Branched(stage=stage, new_branch=branch, parent=parent, overrides=overrides, decided_by="ann")
    store.fork("run", branch, told, kept, owner=owner)
    return branch


def texts(story):
    return [each.event.text if isinstance(each.event, Reason) else each.event.new_branch for each in story]


def test_a_fork_copies_the_cells_it_keeps_and_leaves_the_old_branch_as_it_was(store, owner):
    for n in (1, 2, 3):
        store.record_cell("run", "run", owner=owner, **{**cell(n), "key": f"run:key{n}"})
    before = store.cells("run", branch="run")
    branch = fork(store, owner, "run", kept={1, 3})
    copies = store.cells("run", branch=branch)
    assert [(row["n"], row["code"], row["frames"]) for row in copies] == [
        (1, "x = 1", {"x": {"sha": "sha1"}}),
        (3, "x = 3", {"x": {"sha": "sha3"}}),
    ]
    assert [row["key"] for row in copies] == ["run.2:kept:1", "run.2:kept:3"]
    assert store.cells("run", branch="run") == before
    assert store.read("run")["branch"] == branch == "run.2"


def test_cells_that_were_kept_are_kept_again_by_a_fork_of_the_fork(store, owner):
    for n in (1, 2):
        store.record_cell("run", "run", owner=owner, **{**cell(n), "key": f"run:key{n}"})
    second = fork(store, owner, "run", kept={1})
    store.record_cell("run", second, owner=owner, **{**cell(2, code="x = 20"), "key": f"{second}:key2"})
    third = fork(store, owner, second, kept={1, 2})
    assert [row["code"] for row in store.cells("run", branch=third)] == ["x = 1", "x = 20"]


def test_the_story_of_a_branch_is_its_own_and_what_led_to_it(store, owner):
    tell(store, "run", "a", "b")
    second = fork(store, owner, "run")
    tell(store, "run", "late on the first")
    tell(store, second, "c")
    third = fork(store, owner, second)
    tell(store, second, "late on the second")
    tell(store, third, "d")
    assert texts(store.story("run", third)) == ["a", "b", "run.2", "c", "run.3", "d"]
    assert texts(store.story("run")) == texts(store.story("run", third)), "the present branch is the default"
    assert texts(store.story("run", second)) == ["a", "b", "run.2", "c", "late on the second"]
    assert texts(store.story("run", "run")) == ["a", "b", "late on the first"]
    told = store.story("run", third)
    assert [each.seq for each in told] == sorted({each.seq for each in told})
    assert told[2].key == "run.2:branched"


def test_a_fork_of_an_older_branch_knows_nothing_of_those_beside_it(store, owner):
    tell(store, "run", "a")
    second = fork(store, owner, "run")
    tell(store, second, "b")
    third = fork(store, owner, "run")
    assert texts(store.story("run", third)) == ["a", "run.3"]
    assert store.lineage("run", third) == ["run.3", "run"]


def test_lineage_goes_back_to_the_first(store, owner):
    assert store.lineage("run", "run") == ["run"]
    assert store.branches("run") == ["run"]
    second = fork(store, owner, "run")
    third = fork(store, owner, second)
    assert store.lineage("run", third) == ["run.3", "run.2", "run"]
    assert store.branches("run") == ["run", "run.2", "run.3"]
    assert store.next_branch("run") == "run.4"


@pytest.mark.parametrize(
    ("name", "found"),
    [("run", ("run", None)), ("run.1", ("run", "run")), ("run.2", ("run", "run.2")), ("nothing", ("nothing", None)),
     ("run.x", ("run.x", None)), ("run.", ("run.", None))],
)  # fmt: skip
def test_a_branch_is_found_by_its_number(store, owner, name, found):
    fork(store, owner, "run")
    assert store.find_branch(name) == found


def test_a_run_whose_name_has_a_dot_is_found_by_it(store, tmp_path):
    store.create("g", workspaces=tmp_path / "runs", model="offline", settings={}, session_id="v1.2")
    assert store.find_branch("v1.2") == ("v1.2", None)


@pytest.mark.parametrize("number", ["0", "2", "17"])
def test_an_unknown_branch_is_refused_with_those_there_are(store, number):
    with pytest.raises(RunError) as refused:
        store.find_branch(f"run.{number}")
    assert refused.value.code == "run.unknown"
    assert "Its branches are run." in refused.value.have


WRITES = {
    "append": lambda store, owner: store.append("run", "run", [("k", Reason(text="late"))], owner=owner),
    "record_cell": lambda store, owner: store.record_cell("run", "run", owner=owner, **cell(1)),
    "open_request": lambda store, owner: store.open_request(
        "run", "run", "q", owner=owner, gate="code", stage="data_analysis", payload={}
    ),
    "fork": lambda store, owner: fork(store, owner, "run", kept={1}),
}


def everything(store):
    return store.story("run"), store.cells("run"), store.requests("run", status=None), store.read("run")["branch"]


@pytest.mark.parametrize("write", WRITES)
def test_an_engine_that_lost_its_lease_writes_nothing_more(store, owner, write):
    leases = Leases(store.engine)
    leases.release("run", owner)
    leases.take("run", new_owner())
    before = everything(store)
    with pytest.raises(LeaseLost) as lost:
        WRITES[write](store, owner)
    assert lost.value.code == "run.lease_lost"
    assert everything(store) == before


@pytest.mark.parametrize("write", WRITES)
def test_the_engine_that_drives_writes(store, owner, write):
    before = everything(store)
    WRITES[write](store, owner)
    assert everything(store) != before
