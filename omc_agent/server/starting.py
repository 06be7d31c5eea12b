"""`Starter`: brings runs into kernels, as many at a time as may be; the others wait in the store's line.

It holds nothing that would be missed: rows say who waits and who has a place, and another server, or this one when it
comes up again, goes on from there. What is only here are passwords, which are kept nowhere, and which kernels are its
own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from omc_agent.config import AgentSettings, settings_with
from omc_agent.errors import AgentError, GoalError, RestError
from omc_agent.events import RunFinished
from omc_agent.secrecy import hide_secrets, refuse_secrets
from omc_agent.server.desk import Desk
from omc_agent.server.failures import conflict
from omc_agent.server.kernels import START_SECONDS, Kernels, no_kernel
from omc_agent.server.orders import Order, order_of, secrets_of

if TYPE_CHECKING:
    from omc_agent.branching import Turn
    from omc_agent.store.queue import Place, Queue
    from omc_agent.store.records import Row, SessionManager

LOOK_SECONDS = 1.0  # at most so late a free place is seen
ANSWERED = ("running", "awaiting_user")
