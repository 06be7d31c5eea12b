"""An extension of a test server, loaded after ours: a run that is started is a row, and no kernel works on it."""

from __future__ import annotations

from typing import Any


def _load_jupyter_server_extension(app: Any) -> None:
    desk = app.web_app.settings["omc_agent"]
    desk.starter = FakeStarter(desk)


class FakeStarter:
    """What it was asked for is in the settings of the run's row, where a test can read it."""

    def __init__(self, desk: Any) -> None:
        self._desk = desk
        self._queued: list[dict[str, Any]] = []

    async def start(self, goal: str, flags: dict[str, Any], kernel_id: str | None, user: str) -> dict[str, Any]:
        kept = {**flags, "kernel_id": kernel_id, "asked_by": user}
        kept |= {"db": "***"} if "db" in flags else {}
        home = self._desk.settings.resolved_home()

        def write(store: Any) -> dict[str, Any]:
            row = store.create(goal, workspaces=home / "runs", model="offline", settings=kept, user_id=user,
                               session_id=flags.get("id"))  # fmt: skip
            store.update(row["id"], status="queued")
            return store.read(row["id"])

        row = await self._desk.ask(write)
        self._queued.append({"id": row["id"], "user": user})
        return row

    async def go_on(self, run_id: str, flags: dict[str, Any], turn: Any, user: str) -> dict[str, Any]:
        said = {"flags": flags, "asked_by": user}
        said |= {"turn": {"stage": turn.stage, "overrides": turn.overrides, "by": turn.by}} if turn else {}

        def write(store: Any) -> dict[str, Any]:
            store.update(run_id, status="running", settings={"go_on": said})
            return store.read(run_id)

        return await self._desk.ask(write)

    async def queue(self) -> dict[str, Any]:
        waiting = [{**each, "status": "queued", "position": n} for n, each in enumerate(self._queued, 1)]
        return {"limit": 1, "running": [], "queue": waiting}

    async def position(self, run_id: str) -> int:
        return next((n for n, each in enumerate(self._queued, 1) if each["id"] == run_id), 0)

    async def forget(self, run_id: str) -> None:
        self._queued = [each for each in self._queued if each["id"] != run_id]

    async def leave(self, run_id: str) -> bool:
        there = [each for each in self._queued if each["id"] == run_id]
        await self.forget(run_id)
        if there:
            await self._desk.ask(lambda store: store.update(run_id, status="stopped"))
        return bool(there)
