"""What the actor that draws and scores on processors owes those who wait for it."""

import asyncio
from typing import Any, cast

from gopd_trainer.shell.cpu.host import Host, Server, Waiting


def test_an_error_reaches_everybody_who_still_waits_for_a_batch() -> None:
    loop = asyncio.new_event_loop()
    gone, waits = (Waiting([1], {}, loop.create_future()) for _ in range(2))
    gone.answer.cancel()

    def fails(*_: Any) -> Any:
        raise RuntimeError("not finite")

    Host._answer(fails, cast(Server, None), [gone, waits])
    assert str(waits.answer.exception()) == "not finite"
    loop.close()
