"""Servers that misbehave, through the real functions: afterwards ledger, blobs and queues are exactly right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from uuid import UUID

import pytest

from local.copernicus import (
    Drip,
    Fault,
    Forbidden,
    Kind,
    Meanwhile,
    NoChecksum,
    Redirect,
    Repeated,
    Stall,
    TooManyRequests,
    Truncate,
    Unavailable,
    WrongChecksum,
)
from shared.models import State
from tests.end_to_end.intake import Intake, Running, impatience, running_intake

ALWAYS = 1000  # times
SEVERAL_BLOCKS = 9_000_000  # bytes; the storage adapter sends blocks of 4 MiB


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_intake(tmp_path_factory.mktemp("misbehaviour")) as running:
        yield running


@pytest.fixture
def intake(running: Running) -> Iterator[Intake]:
    with running.intake() as intake:
        yield intake


@pytest.fixture
def impatient(intake: Intake) -> Iterator[Intake]:
    with impatience(intake.outside):
        yield intake


class TestTroubleThatPasses:
    """The product is staged in the end, once, and the failed tries left nothing behind."""

    @pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
    def test_a_download_that_is_cut_short(self, intake: Intake, share: float) -> None:
        intake.publish(intake.named(), padding=SEVERAL_BLOCKS)
        intake.copernicus.inject(Truncate(share=share), times=2)
        intake.search()
        intake.holds(intake.named(), downloads=3, attempts={"stage": 2})

    @pytest.mark.parametrize("fault", [Stall(seconds=30, share=0.8), Drip()], ids=["stalled", "crawling"])
    def test_a_download_that_hardly_goes_on(self, impatient: Intake, fault: Fault) -> None:
        impatient.publish(impatient.named(), padding=100_000)
        impatient.copernicus.inject(fault)
        impatient.search()
        impatient.holds(impatient.named(), downloads=2, attempts={"stage": 1})

    @pytest.mark.parametrize("status", [500, 503])
    def test_a_burst_of_server_trouble_in_downloads(self, intake: Intake, status: int) -> None:
        intake.publish(intake.named())
        intake.copernicus.inject(Unavailable(kind=Kind.DOWNLOAD, status=status), times=3)
        intake.search()
        intake.holds(intake.named(), downloads=4, attempts={"stage": 3})

    def test_a_burst_of_server_trouble_in_searches(self, intake: Intake) -> None:
        intake.publish(intake.named())
        intake.copernicus.inject(Unavailable(kind=Kind.SEARCH), times=3)
        intake.search()
        intake.holds(intake.named(), downloads=1)

    def test_a_burst_of_server_trouble_at_the_login(self, intake: Intake) -> None:
        before, name = intake.named(4), intake.named(5)
        intake.publish(before)  # opens a session, if none is open
        intake.search()
        intake.classified(before)
        intake.publish(name)
        intake.copernicus.expire_tokens()
        intake.copernicus.inject(Unavailable(kind=Kind.LOGIN), times=2)
        intake.search()
        others, downloads = {before: State.CLASSIFIED}, 1 + 4  # of those four, three are refused: 401
        intake.holds(name, others=others, downloads=downloads, attempts={"stage": 2}, sent=[before])

    def test_a_token_that_expires_in_mid_download_is_refreshed_within_the_session(self, intake: Intake) -> None:
        intake.publish(intake.named(), padding=SEVERAL_BLOCKS)
        intake.copernicus.inject(Truncate(then=intake.copernicus.expire_tokens))
        intake.search()
        intake.holds(intake.named(), downloads=3, attempts={"stage": 1})  # the second was refused: 401
        assert intake.copernicus.sessions == 1

    @pytest.mark.parametrize(("retry_after", "seconds"), [("3", 3), ("", 1)], ids=["Retry-After", "no Retry-After"])
    def test_a_limit_is_waited_for_and_no_try_is_counted(
        self, intake: Intake, retry_after: str, seconds: float
    ) -> None:
        intake.publish(intake.named())
        intake.copernicus.inject(TooManyRequests(retry_after=retry_after))
        intake.search()
        intake.holds(intake.named(), downloads=2)
        times = intake.record(intake.named()).times
        assert (times["stage"] - times["discover"]).total_seconds() >= seconds

    def test_a_redirect_to_a_foreign_host_which_never_sees_the_login(self, intake: Intake) -> None:
        product_id = intake.publish(intake.named())
        intake.copernicus.inject(Redirect(intake.copernicus.elsewhere(product_id)))
        intake.search()
        intake.holds(intake.named(), downloads=1)
        assert intake.copernicus.authorizations_elsewhere == [None]

    def test_a_checksum_that_is_wrong_right_after_publication(self, intake: Intake) -> None:
        intake.publish(intake.named())
        intake.copernicus.inject(WrongChecksum())
        intake.search()
        intake.holds(intake.named(), downloads=1)

    def test_a_checksum_that_is_not_stated_and_the_ledger_says_how_it_was_checked(self, intake: Intake) -> None:
        intake.publish(intake.named())
        intake.copernicus.inject(NoChecksum(), times=ALWAYS)
        intake.search()
        how = f"MD5 {intake.md5(intake.named())} computed here, none stated; checked by length and directory"
        intake.holds(intake.named(), downloads=1, checksum=how)


class TestTroubleThatStays:
    """The product ends as FAILED with what was wrong; nothing is visible, nothing goes on."""

    def test_a_checksum_that_never_matches_fails_with_both_values(self, intake: Intake) -> None:
        name = intake.named()
        intake.publish(name)
        intake.copernicus.inject(WrongChecksum(), times=ALWAYS)
        intake.search()
        intake.holds(others={name: State.FAILED}, downloads=5)
        right = intake.md5(name)
        record = intake.record(name)
        assert record.reason.startswith(
            f"stage gave up after 5 tries: The MD5 of {name} is {right}; the catalogue says {right[::-1]}."
        )
        assert (record.attempts, record.error) == ({"stage": 5}, "")
        assert name in record.message  # what 'retry' puts back

    @pytest.mark.parametrize(
        ("fault", "says"),
        [(Truncate(), "of .* bytes"), (Unavailable(kind=Kind.DOWNLOAD), "503")],
        ids=["always cut short", "always 503"],
    )
    def test_a_download_that_never_comes_whole(self, intake: Intake, fault: Fault, says: str) -> None:
        intake.publish(intake.named(), padding=SEVERAL_BLOCKS)
        intake.copernicus.inject(fault, times=ALWAYS)
        intake.search()
        intake.holds(others={intake.named(): State.FAILED}, downloads=5)
        record = intake.record(intake.named())
        assert re.search(says, record.reason)
        assert record.attempts == {"stage": 5}

    def test_a_403_is_asked_for_once(self, intake: Intake) -> None:
        intake.publish(intake.named())
        intake.copernicus.inject(Forbidden(), times=ALWAYS)
        intake.search()
        intake.holds(others={intake.named(): State.FAILED}, downloads=1)
        record = intake.record(intake.named())
        assert "403: the account lacks the permission" in record.reason
        assert record.attempts == {"stage": 1}


class TestListings:
    """What is listed is staged, each product once."""

    @staticmethod
    def month(intake: Intake) -> list[str]:
        names = [intake.named(day) for day in range(1, 6)]
        for name in names:
            intake.publish(name)
        return names

    @pytest.mark.parametrize("page", [1, 2])
    def test_pages_from_which_a_product_disappears_lose_no_other(self, intake: Intake, page: int) -> None:
        gone, *kept = self.month(intake)
        intake.copernicus.inject(Meanwhile(lambda: intake.copernicus.withdraw(gone)), after=page)
        intake.search()
        intake.holds(*kept, downloads=4)

    @pytest.mark.parametrize("page", [1, 2])
    def test_pages_on_which_a_product_appears_show_none_twice(self, intake: Intake, page: int) -> None:
        names, late = self.month(intake), intake.named(1, made="184613")
        intake.copernicus.inject(Meanwhile(lambda: intake.publish(late)), after=page)
        intake.search()
        intake.holds(*names, late, downloads=6)

    def test_entries_listed_twice_are_staged_once(self, intake: Intake) -> None:
        intake.publish(intake.named())
        intake.copernicus.inject(Repeated(), times=ALWAYS)
        intake.search()
        intake.holds(intake.named(), downloads=1)

    def test_a_name_under_two_identifiers_is_staged_once(self, intake: Intake) -> None:
        for number in (1, 2):
            intake.publish(intake.named(), product_id=str(UUID(int=number)))
        intake.search()
        intake.search()
        intake.holds(intake.named(), downloads=1)

    def test_both_halves_of_a_split_granule_are_staged(self, intake: Intake) -> None:
        halves = [intake.named(made="184612"), intake.named(made="184613")]
        for half in halves:
            intake.publish(half)
        intake.search()
        intake.holds(*halves, downloads=2)

    def test_of_two_baselines_the_newest_is_staged_and_the_other_one_never_fetched(self, intake: Intake) -> None:
        old, new = intake.named(baseline="0509"), intake.named(baseline="0511")
        for name in (new, old):
            intake.publish(name)
        intake.search()
        intake.holds(new, others={old: State.SKIPPED}, downloads=1)
        assert intake.record(old).reason == f"Superseded by {new}, which has a newer processing baseline."

    def test_results_stay_until_those_of_a_later_reprocessing_are_there(self, intake: Intake) -> None:
        old, new = intake.named(baseline="0509"), intake.named(baseline="0511")
        intake.publish(old)
        intake.search()
        intake.holds(old, downloads=1)
        intake.classified(old)
        intake.publish(new)
        intake.search()
        intake.holds(new, others={old: State.CLASSIFIED}, downloads=2, sent=[old])
        assert intake.record(old).successor == new
        intake.classified(new)
        intake.search()
        intake.holds(others={old: State.SKIPPED, new: State.CLASSIFIED}, downloads=2, sent=[old, new])
        assert intake.record(old).reason == f"Superseded by {new}, which has a newer processing baseline."


class TestArchive:
    """Products that are not online, or not there any more."""

    def test_what_is_offline_is_staged_when_it_has_come_back(self, intake: Intake) -> None:
        name = intake.named()
        intake.publish(name, online=False)
        intake.search()
        intake.holds(others={name: State.OFFLINE}, downloads=0)
        assert "long-term archive" in intake.record(name).reason
        intake.copernicus.set_online(name, online=True)
        intake.search()
        intake.holds(name, downloads=1, attempts={"discover": 1})  # times it came back

    def test_what_goes_offline_just_before_its_download_is_looked_for_again(self, intake: Intake) -> None:
        name = intake.named()
        intake.publish(name)
        intake.when_downloaded(lambda: intake.copernicus.set_online(name, online=False))
        intake.ask()
        intake.until(name, State.OFFLINE)
        intake.settle()
        intake.holds(others={name: State.OFFLINE}, downloads=1)
        intake.copernicus.set_online(name, online=True)
        intake.search()
        intake.holds(name, downloads=2, attempts={"discover": 1})

    def test_what_is_deleted_while_it_waits_in_the_archive_is_skipped(self, intake: Intake) -> None:
        name = intake.named()
        intake.publish(name, online=False)
        intake.search()
        intake.copernicus.withdraw(name, cause="Corrupted product")
        intake.search()
        intake.holds(others={name: State.SKIPPED}, downloads=0)
        assert intake.record(name).reason.endswith("Corrupted product.")

    def test_what_is_deleted_just_before_its_download_fails_with_both_reasons(self, intake: Intake) -> None:
        name = intake.named()
        intake.publish(name)
        intake.when_downloaded(lambda: intake.copernicus.withdraw(name, cause="Corrupted product"))
        intake.search()
        intake.holds(others={name: State.FAILED}, downloads=1)
        record = intake.record(name)
        assert "404" in record.reason
        assert record.note.endswith("Corrupted product.")

    def test_what_is_replaced_just_before_its_download_gives_way_to_its_successor(self, intake: Intake) -> None:
        old, new = intake.named(baseline="0509"), intake.named(baseline="0511")

        def replaced() -> None:
            intake.copernicus.withdraw(old)
            intake.publish(new)

        intake.publish(old)
        intake.when_downloaded(replaced)
        intake.search()
        intake.holds(new, others={old: State.SKIPPED}, downloads=2)
        assert intake.record(old).successor == new
