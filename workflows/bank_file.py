"""One file of a bank: read, applied page by page, and open until people have decided the rest.

    reading -> applying -> open -> done
        |
        -> refused (by a person, before anything of it was applied)

The workflow's id holds the hash of the file: the same bytes twice are one file. What fails parks
the file as a whole, and is tried again by itself and when a person asks for it; a line that no rule
can decide parks by itself and holds up nothing.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, NoReturn

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.bank import (
        APPLYING_CALLS,
        DECIDING_CALLS,
        LINES_A_PAGE,
        READING_CALLS,
        BankActivities,
        DetailsRequest,
        LineRequest,
        OpenRequest,
        PageRequest,
        RefusedFile,
    )
    from contracts.agenda import requests
    from contracts.audit.entries import sha256
    from contracts.bank.file import (
        AWAITED_FOR,
        FILE_STEP,
        MAX_OPEN,
        BankFileState,
        BankFileView,
        Counts,
        FileDecided,
        FileDecision,
        FileStage,
        ParkedLine,
        Settlement,
        decision_problems,
        details,
        settlement_problems,
        view,
    )
    from contracts.model import Message
    from contracts.parking import Action, Responsible, StepException, waits_on
    from contracts.problems import Problem
    from workflows import options, search_attributes
    from workflows.board import upsert
    from workflows.messages import Inbox
    from workflows.proof import refusal, request_id_of
    from workflows.recording import Recorder
    from workflows.shell import failed

_FIRST_AGAIN, _AGAIN_AFTER = timedelta(minutes=1), timedelta(hours=1)
"""What failed is tried again, and what waits for people is looked for: they may have settled lines
in Odoo, and the statement that was missed may have come. Soon at first, then every hour."""


@workflow.defn
class BankFileWorkflow(Inbox):
    @workflow.init
    def __init__(self, start: BankFileState) -> None:
        self._state = start
        self._is_asked = False
        self._looks = 0
        self._deciding = asyncio.Lock()
        file = start.file
        self._recorder = Recorder(file.workflow_id, start.audit, file.sha256, self._recorded)
        self._shown = ""

    @workflow.run
    async def run(self, start: BankFileState) -> BankFileView:
        """Apply the file until nothing of it waits for anybody."""
        self._recorder.write()
        while True:
            self._is_asked = False
            await self._work()
            self._show()
            if self._state.is_over and await self._ended():
                return view(self._state)
            if self._may_renew:
                self._renew()
            await self._until_next()

    async def _ended(self) -> bool:
        """Whether all is recorded and nothing came meanwhile; else there is more to do."""
        self._is_asked = False
        self._recorder.end(self._state.standing)
        # An Update that came in the last moment gets its answer.
        await workflow.wait_condition(lambda: self._is_asked or self._is_at_rest)
        return not self._is_asked

    @property
    def _is_at_rest(self) -> bool:
        return self._recorder.is_done and workflow.all_handlers_finished()

    # --- messages ---------------------------------------------------------------------------------

    @workflow.query
    def bank_file(self, first: int = 0) -> BankFileView:
        """How the file stands, with a page of the lines that wait, from the one at `first` on."""
        return view(self._state, first)

    @workflow.update
    async def settle_line(self, asked: Settlement) -> str:
        """A person decides about a line that waits."""
        async with self._deciding:
            # While it waited for another decision this one may have been made already.
            if (answer := self._answer_before(asked)) is not None:
                return answer
            _refuse(settlement_problems(self._state, asked))
            [line] = [item for item in self._state.parked if item.number == asked.line]
            return await self._settle(line, asked)

    @settle_line.validator
    def _check_settlement(self, asked: Settlement) -> None:
        _refuse_unproven("settle_line", asked)
        if self._answer_before(asked) is None:
            _refuse(settlement_problems(self._state, asked))

    @workflow.update
    async def decide_file(self, asked: FileDecided) -> str:
        """A person decides about the file as a whole."""
        async with self._deciding:
            if (answer := self._answer_before(asked)) is not None:
                return answer
            _refuse(decision_problems(self._state, asked))
            return self._decide(asked)

    @decide_file.validator
    def _check_decision(self, asked: FileDecided) -> None:
        _refuse_unproven("decide_file", asked)
        if self._answer_before(asked) is None:
            _refuse(decision_problems(self._state, asked))

    def noted(self, text: str) -> None:
        # The text has words of whoever sent it; what was sent is in the history.
        workflow.logger.warning("%s: a message is unreadable", workflow.info().workflow_id)

    def _answer_before(self, asked: Message) -> str | None:
        """The answer to this request, where it was carried out, perhaps by an earlier run."""
        request = _request_of(asked)
        known = (item.answer for item in self._state.decided if item.request == request)
        return next(known, None)

    async def _settle(self, line: ParkedLine, asked: Settlement) -> str:
        if asked.ignore:
            counts, answer = Counts(ignored=1), "is left on suspense for the accountants"
        else:
            request = LineRequest(
                file=self._state.file,
                key=line.within or line.key,
                part=line if line.within else None,
                invoices=list(asked.invoices),
                undoes=asked.undoes,
            )
            try:
                done = await workflow.execute_activity_method(
                    BankActivities.settle_bank_line,
                    request,
                    **options.bank_decision(f"line {line.number}", DECIDING_CALLS),
                )
            except ActivityError as error:
                if is_cancelled_exception(error):
                    raise
                raise ApplicationError(failed(error).message, non_retryable=True) from error
            counts = Counts(elsewhere=1) if done.elsewhere else Counts(settled=1)
            answer = "was settled in Odoo before" if done.elsewhere else "is applied"
        answer = f"line {line.number}, {line.amount}, {answer}"
        # The state may have gone on while Odoo was asked: nothing of it is taken from before.
        before = self._state.standing
        self._state = self._state.replace(
            parked=tuple(item for item in self._state.parked if item.number != line.number),
            counts=self._state.counts.plus(counts),
        ).with_request(_request_of(asked), answer)
        content_hash = sha256(line.model_dump(mode="json"))
        self._recorder.note(asked, before, self._state.standing, content_hash)
        self._wake()
        return answer

    def _decide(self, asked: FileDecided) -> str:
        before, file = self._state.standing, self._state.file
        self._recorder.try_again(rejoins=asked.decision is FileDecision.ACCEPT)
        match asked.decision:
            case FileDecision.RETRY:
                answer = "it is tried again"
            case FileDecision.ACCEPT:
                self._state = self._state.replace(notices=())
                answer = "what was noticed is accepted"
            case FileDecision.REFUSE:
                answer = "it is refused, and nothing of it was applied"
                why = f"{asked.by}: {asked.reason}"
                self._state = self._state.replace(
                    stage=FileStage.REFUSED, reason=why, exception=None
                )
        self._state = self._state.with_request(_request_of(asked), answer)
        self._recorder.note(asked, before, self._state.standing, file.sha256)
        self._wake()
        return answer

    def _recorded(self) -> None:
        """The audit record, or what keeps it from being written, is another one."""
        recorder = self._recorder
        self._state = self._state.replace(audit=recorder.trail, unrecorded=recorder.unrecorded)
        self._show()

    def _wake(self) -> None:
        self._is_asked = True
        self._show()

    # --- working ----------------------------------------------------------------------------------

    async def _work(self) -> None:
        """Go on as far as possible; what fails is shown, and tried again later."""
        try:
            await self._go_on()
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            self._park(error)
        else:
            self._state = self._state.replace(exception=None)

    async def _go_on(self) -> None:
        if self._state.stage is FileStage.READING:
            await self._read()
        while self._state.stage is FileStage.APPLYING and len(self._state.parked) < MAX_OPEN:
            await self._apply_page()
            self._show()
            if self._must_renew:
                self._is_asked = True
                return
        if self._state.stage is FileStage.OPEN and self._state.awaits_entries:
            await self._apply_details()
        if self._state.stage is FileStage.OPEN and not self._state.is_put_away:
            await self._put_away()
        if self._state.stage is FileStage.REFUSED:
            await self._refuse_file()
        if self._state.stage in (FileStage.APPLYING, FileStage.OPEN) and self._state.parked:
            await self._look_for_settled()
        if self._state.stage is FileStage.OPEN and self._state.notices:
            await self._look_at_notices()
        waits = self._state.parked or self._state.notices or self._awaits_entries
        if self._state.stage is FileStage.OPEN and not waits:
            self._state = self._state.replace(stage=FileStage.DONE)

    async def _read(self) -> None:
        file = self._state.file
        found = await workflow.execute_activity_method(
            BankActivities.read_bank_file, file, **options.bank(f"read {file.name}", READING_CALLS)
        )
        if self._state.stage is not FileStage.READING:
            return  # A person refused it meanwhile.
        self._state = self._state.replace(
            stage=FileStage.APPLYING if found.lines else FileStage.OPEN,
            lines=found.lines,
            awaits_entries=found.has_details,
            repeated=tuple(found.repeated),
            notices=tuple(found.notices),
        )

    async def _apply_page(self) -> None:
        state = self._state
        room = min(LINES_A_PAGE, MAX_OPEN - len(state.parked))
        last = min(state.next_line + room, state.lines)
        applied = await workflow.execute_activity_method(
            BankActivities.apply_bank_lines,
            PageRequest(
                file=state.file,
                repeated=list(state.repeated),
                first=state.next_line,
                count=last - state.next_line,
            ),
            **options.bank(f"lines {state.next_line + 1} to {last}", APPLYING_CALLS),
        )
        # Lines may have been settled while the page was applied.
        self._state = self._state.replace(
            stage=FileStage.OPEN if last == state.lines else FileStage.APPLYING,
            next_line=last,
            counts=self._state.counts.plus(applied.counts),
            parked=(*self._state.parked, *applied.parked),
        )

    @property
    def _awaits_entries(self) -> bool:
        late = workflow.now() - self._state.received_at >= AWAITED_FOR
        return self._state.awaits_entries and not late

    async def _apply_details(self) -> None:
        """Payments of entries that came without them."""
        while len(self._state.parked) < MAX_OPEN:
            state = self._state
            applied = await workflow.execute_activity_method(
                BankActivities.apply_bank_details,
                DetailsRequest(
                    file=state.file,
                    repeated=list(state.repeated),
                    detailed=list(state.detailed),
                    most_parked=MAX_OPEN - len(state.parked),
                ),
                **options.bank(f"payments of {state.file.name}", APPLYING_CALLS),
            )
            self._state = self._state.replace(
                counts=self._state.counts.plus(applied.counts),
                parked=(*self._state.parked, *applied.parked),
                detailed=(*state.detailed, *applied.detailed),
                awaits_entries=applied.awaits or applied.more,
            )
            if not applied.more:
                return

    async def _put_away(self) -> None:
        file = self._state.file
        await workflow.execute_activity_method(
            BankActivities.put_away_bank_file, file, **options.bank(f"put {file.name} away", 1)
        )
        self._state = self._state.replace(is_put_away=True)

    async def _refuse_file(self) -> None:
        state = self._state
        await workflow.execute_activity_method(
            BankActivities.refuse_bank_file,
            RefusedFile(file=state.file, reason=state.reason),
            **options.bank(f"put {state.file.name} apart", 1),
        )

    async def _look_for_settled(self) -> None:
        """People may settle lines in Odoo itself."""
        keys = list(dict.fromkeys(line.within or line.key for line in self._state.parked))
        still = await workflow.execute_activity_method(
            BankActivities.still_open,
            OpenRequest(file=self._state.file, keys=keys),
            **options.bank("lines settled in Odoo", READING_CALLS, options.Urgency.BACKGROUND),
        )
        gone = set(keys) - set(still.keys)
        left = tuple(it for it in self._state.parked if (it.within or it.key) not in gone)
        count = len(self._state.parked) - len(left)
        self._state = self._state.replace(
            parked=left, counts=self._state.counts.plus(Counts(elsewhere=count))
        )

    async def _look_at_notices(self) -> None:
        """Files that came together are applied beside each other: what was missed at first may be
        there by now."""
        file = self._state.file
        found = await workflow.execute_activity_method(
            BankActivities.read_bank_file,
            file,
            **options.bank(f"what is noticed of {file.name}", READING_CALLS),
        )
        if self._state.notices:  # A person may have accepted them meanwhile.
            self._state = self._state.replace(notices=tuple(found.notices))

    def _park(self, error: ActivityError) -> None:
        failure = failed(error)
        before = self._state.exception
        self._state = self._state.replace(
            exception=StepException(
                step=FILE_STEP,
                kind=failure.kind,
                doing=f"Apply the bank's file {self._state.file.name}",
                responsible=Responsible.FINANCE,
                code=failure.code,
                message=failure.message[:1_000],
                field=failure.field,
                value=failure.value,
                problems=list(failure.problems[:20]),
                allowed=(Action.RETRY,),
                since=before.since if before else workflow.now(),
                attempts=before.attempts + 1 if before else 1,
                retry_at=workflow.now() + self._pause,
            )
        )

    async def _until_next(self) -> None:
        try:
            await workflow.wait_condition(lambda: self._is_asked, timeout=self._pause)
            self._looks = 0
        except TimeoutError:
            self._looks += 1

    @property
    def _pause(self) -> timedelta:
        return min(_FIRST_AGAIN * (1 << min(self._looks, 10)), _AGAIN_AFTER)

    # --- runs, and what is shown ------------------------------------------------------------------

    @property
    def _must_renew(self) -> bool:
        info = workflow.info()
        return (
            info.is_continue_as_new_suggested()
            or info.is_target_worker_deployment_version_changed()
        )

    @property
    def _may_renew(self) -> bool:
        # What is being written is written again by the next run, and found there.
        return self._must_renew and workflow.all_handlers_finished()

    def _renew(self) -> NoReturn:
        # It upgrades then, as contracts do.
        upgrades = workflow.ContinueAsNewVersioningBehavior.AUTO_UPGRADE
        workflow.continue_as_new(self._state, initial_versioning_behavior=upgrades)

    def _show(self) -> None:
        shown = details(self._state)
        if shown != self._shown:
            workflow.set_current_details(shown)
            self._shown = shown
        state = self._state
        waiting = state.exceptions if not state.is_over or state.unrecorded else ()
        attributes: dict[Any, Any] = {
            search_attributes.WAITING_ON: waits_on(waiting)[0] if waiting else None,
            search_attributes.WAITING_SINCE: min((it.since for it in waiting), default=None),
        }
        upsert(attributes)


def _refuse_unproven(name: str, asked: Message) -> None:
    unproven = refusal(name, asked, request_id_of(asked))
    if unproven is not None:
        raise ApplicationError(unproven, type="not_allowed", non_retryable=True)


def _request_of(asked: Message) -> str:
    """What tells this request from others: its sender's id, and what it asks for."""
    info = workflow.current_update_info()
    return info.id if info is not None else requests.digest(asked)


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise ApplicationError("; ".join(map(str, problems)), non_retryable=True)
