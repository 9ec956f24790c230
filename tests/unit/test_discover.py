"""discover finds what is new, keeps halves, replaces baselines, and says why something is not fetched."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.errors import BadRecord, NotFound, ProviderUnavailable
from shared.messages import TILE_MONTHS, ProductMessage, TileMonthMessage
from shared.models import Checksum, Product, State, Tile, TileMonth
from shared.pipeline.discover import MOST_RETURNS, RETRIEVE_AGAIN, discover
from shared.pipeline.discover_choice import OFFICIAL_GRACE, Rules
from shared.pipeline.poison import poison
from shared.ports import Deletion, Retrieval, Unsupported
from shared.records import REFUSED, MonthRecord, Record
from tests.fakes import NOON, FakeCatalogue, FakeClock, FakeLedger, a_product
from tests.products import L1C, OLDER, SECOND_HALF

MONTH = TileMonth(Tile("22WEV"), 2024, 7)
JULY = TileMonthMessage.of(MONTH)
LATE = TileMonthMessage.of(MONTH, backfill=True, since=NOON - timedelta(days=1))
OFFICIAL = "S2B_MSIL2A_20240716T151809_N0511_R068_T22WEV_20240716T194612"
OWN_L2A = "S2B_MSIL2A_20240716T151809_N9999_R068_T22WEV_20240717T010203"
FUTURE = "S2D_MSIL1C_20240716T151809_N0511_R068_T22WEV_20240716T184612"
LONG = "S2A_OPER_PRD_MSIL1C_PDMC_20161013T075059_R111_V20161012T161812_20161012T161807"


def looking(catalogue: FakeCatalogue, ledger: FakeLedger, message: TileMonthMessage = JULY, **options) -> list[str]:
    clock = FakeClock(options.pop("now", NOON))
    return [m.product for m in discover(message, catalogue=catalogue, ledger=ledger, clock=clock, **options)]


def found(ledger: FakeLedger, *products: Product, **options) -> list[str]:
    return looking(FakeCatalogue(products), ledger, **options)


def row(ledger: FakeLedger, name: str) -> Record:
    return ledger.rows["22WEV", name]


def put(ledger: FakeLedger, name: str, state: State) -> None:
    ledger.update("22WEV", name, lambda old: replace(old, state=state))


def test_a_new_product_is_entered_and_asked_for():
    ledger = FakeLedger()
    product = a_product(L1C, body=b"123", checksums=(Checksum("MD5", "ab" * 16),))
    messages = discover(JULY, catalogue=FakeCatalogue([product]), ledger=ledger, clock=FakeClock())
    assert messages == [ProductMessage.of(product)]
    record = row(ledger, L1C)
    assert (record.state, record.bytes, record.checksum) == (State.DISCOVERED, 3, f"MD5:{'ab' * 16}")
    assert record.times["sensing"] == datetime(2024, 7, 16, 15, 18, 9, tzinfo=UTC)


def test_the_second_search_finds_nothing_new_and_changes_no_row():
    ledger = FakeLedger()
    found(ledger, a_product(L1C), a_product(OLDER), a_product(SECOND_HALF))
    before = dict(ledger.rows)
    assert found(ledger, a_product(L1C), a_product(OLDER), a_product(SECOND_HALF), now=NOON + timedelta(days=1)) == []
    assert ledger.rows == before


def test_any_platform_is_taken():
    assert found(FakeLedger(), a_product(L1C), a_product(FUTURE)) == [L1C, FUTURE]


def test_a_repeated_message_asks_again_for_what_is_still_only_discovered_although_it_looks_at_changes_only():
    ledger = FakeLedger()
    old = a_product(L1C, modified=NOON - timedelta(days=9))
    found(ledger, old)
    assert found(ledger, old, message=LATE) == []
    assert found(ledger, old, message=LATE, again=True) == [L1C]


def test_a_repeated_message_does_not_ask_again_for_what_is_staged():
    ledger = FakeLedger()
    found(ledger, a_product(L1C))
    put(ledger, L1C, State.STAGED)
    assert found(ledger, a_product(L1C), again=True) == []


def test_both_halves_of_a_split_granule_are_kept_also_when_one_comes_late():
    assert found(FakeLedger(), a_product(L1C), a_product(SECOND_HALF)) == [L1C, SECOND_HALF]
    ledger = FakeLedger()
    found(ledger, a_product(L1C))
    put(ledger, L1C, State.CLASSIFIED)
    assert found(ledger, a_product(SECOND_HALF), message=LATE) == [SECOND_HALF]


def test_the_newest_baseline_wins_and_the_older_is_skipped_with_the_reason():
    ledger = FakeLedger()
    assert found(ledger, a_product(OLDER), a_product(L1C)) == [L1C]
    assert row(ledger, OLDER).state is State.SKIPPED
    assert row(ledger, OLDER).reason == f"Superseded by {L1C}, which has a newer processing baseline."


def test_results_of_an_older_baseline_stay_until_the_newer_are_there():
    ledger = FakeLedger()
    found(ledger, a_product(OLDER))
    put(ledger, OLDER, State.CLASSIFIED)
    assert found(ledger, a_product(OLDER), a_product(L1C)) == [L1C]
    assert (row(ledger, OLDER).state, row(ledger, OLDER).successor) == (State.CLASSIFIED, L1C)
    put(ledger, L1C, State.CLASSIFIED)
    found(ledger, a_product(OLDER), a_product(L1C))
    assert row(ledger, OLDER).state is State.SKIPPED


def test_older_results_stay_until_both_halves_of_the_newer_baseline_are_done():
    ledger = FakeLedger()
    found(ledger, a_product(OLDER))
    put(ledger, OLDER, State.CLASSIFIED)
    products = [a_product(OLDER), a_product(L1C), a_product(SECOND_HALF)]
    found(ledger, *products)
    put(ledger, L1C, State.CLASSIFIED)
    found(ledger, *products)
    assert row(ledger, OLDER).state is State.CLASSIFIED
    put(ledger, SECOND_HALF, State.REJECTED)
    found(ledger, *products)
    assert row(ledger, OLDER).state is State.SKIPPED


def test_a_reprocessing_that_alone_is_seen_supersedes_the_older_that_only_the_ledger_knows():
    ledger = FakeLedger()
    found(ledger, a_product(OLDER))
    assert found(ledger, a_product(L1C, modified=NOON), message=LATE) == [L1C]
    assert (row(ledger, OLDER).state, row(ledger, OLDER).successor) == (State.SKIPPED, L1C)


def test_an_older_baseline_that_arrives_after_the_newer_is_skipped_at_once():
    ledger = FakeLedger()
    found(ledger, a_product(L1C))
    put(ledger, L1C, State.CLASSIFIED)
    assert found(ledger, a_product(OLDER, modified=NOON), message=LATE) == []
    assert row(ledger, OLDER).successor == L1C


def test_where_the_newer_is_deleted_before_it_was_fetched_the_older_comes_back():
    ledger, catalogue = FakeLedger(), FakeCatalogue([a_product(OLDER), a_product(L1C)])
    assert looking(catalogue, ledger) == [L1C]
    catalogue.withdraw(L1C, cause="Corrupted product")
    assert looking(catalogue, ledger) == [OLDER]
    assert row(ledger, L1C).state is State.SKIPPED
    assert row(ledger, L1C).reason == "Deleted by the provider on 2024-08-01: Corrupted product."


def test_a_product_that_is_listed_again_after_its_deletion_is_fetched_and_may_be_deleted_again():
    ledger, catalogue = FakeLedger(), FakeCatalogue([a_product(L1C)])
    looking(catalogue, ledger)
    catalogue.withdraw(L1C)
    looking(catalogue, ledger)
    catalogue.publish(a_product(L1C))
    assert looking(catalogue, ledger) == [L1C]
    assert looking(catalogue, ledger) == []
    assert row(ledger, L1C).state is State.DISCOVERED
    catalogue.withdraw(L1C)
    looking(catalogue, ledger)
    assert row(ledger, L1C).state is State.SKIPPED


@pytest.mark.parametrize("state", [State.STAGED, State.CLASSIFIED, State.REJECTED, State.FAILED])
def test_a_deletion_of_what_was_fetched_is_noted_and_changes_nothing_else(state):
    ledger, catalogue = FakeLedger(), FakeCatalogue([a_product(L1C)])
    looking(catalogue, ledger)
    put(ledger, L1C, state)
    catalogue.withdraw(L1C)
    assert looking(catalogue, ledger) == []
    assert (row(ledger, L1C).state, row(ledger, L1C).reason) == (state, "")
    assert row(ledger, L1C).note == "Deleted by the provider on 2024-08-01: Duplicated product."
    assert row(ledger, L1C).times["deleted"] == NOON


def test_of_entries_with_the_same_name_one_is_fetched_and_the_deletion_of_the_other_does_no_harm():
    ledger = FakeLedger()
    first, second = a_product(L1C, product_id="one"), a_product(L1C, product_id="two")
    catalogue = FakeCatalogue([first, second])
    assert looking(catalogue, ledger) == [L1C]
    kept = row(ledger, L1C).id
    [other] = {"one", "two"} - {kept}
    catalogue.products = [product for product in catalogue.products if product.id == kept]
    catalogue.deletions.append(Deletion(other, L1C, NOON, "Duplicated product"))
    assert looking(catalogue, ledger) == []
    assert row(ledger, L1C).note == ""


@pytest.mark.parametrize("state", [State.DISCOVERED, State.FAILED])
def test_a_product_that_is_published_again_under_another_identifier_is_asked_for_again(state):
    ledger, catalogue = FakeLedger(), FakeCatalogue([a_product(L1C, product_id="one")])
    looking(catalogue, ledger)
    put(ledger, L1C, state)
    catalogue.withdraw(L1C)
    catalogue.publish(a_product(L1C, product_id="two"))
    assert looking(catalogue, ledger) == [L1C]
    assert (row(ledger, L1C).state, row(ledger, L1C).id) == (State.DISCOVERED, "two")
    assert looking(catalogue, ledger) == []


def test_a_scene_too_cloudy_by_the_catalogue_is_skipped_with_both_numbers():
    ledger = FakeLedger()
    assert found(ledger, a_product(L1C, cloud_cover=91.5), rules=Rules(80)) == []
    assert row(ledger, L1C).reason == "The catalogue says 91.5 % cloud; the watchlist allows 80 %."


def test_a_cloudy_scene_is_fetched_once_the_limit_allows_it():
    ledger = FakeLedger()
    found(ledger, a_product(L1C, cloud_cover=91.5), rules=Rules(80))
    assert found(ledger, a_product(L1C, cloud_cover=91.5), rules=Rules(95)) == [L1C]
    assert (row(ledger, L1C).state, row(ledger, L1C).reason) == (State.DISCOVERED, "")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Retrieval.ACCEPTED, "asked for on 2024-08-01"),
        (Retrieval.OVER_QUOTA, "quota of wishes was used up"),
        (Retrieval.UNSUPPORTED, "nothing can be ordered"),
    ],
)
def test_an_offline_product_is_asked_for_and_waits_with_the_reason(answer, words):
    ledger, catalogue = FakeLedger(), FakeCatalogue([a_product(L1C, online=False)])
    catalogue.retrieval = answer
    assert looking(catalogue, ledger) == []
    assert row(ledger, L1C).state is State.OFFLINE
    assert words in row(ledger, L1C).reason
    assert ledger.month_rows[MONTH].waiting == 1
    catalogue.publish(a_product(L1C, online=True))
    assert looking(catalogue, ledger) == [L1C]
    assert (row(ledger, L1C).state, row(ledger, L1C).reason) == (State.DISCOVERED, "")


def wishes(catalogue: FakeCatalogue) -> int:
    return sum(call[0] == "retrieve" for call in catalogue.calls)


def test_an_offline_product_is_asked_for_once_and_again_only_after_a_week():
    ledger, catalogue = FakeLedger(), FakeCatalogue([a_product(L1C, online=False)])
    catalogue.retrieval = Retrieval.ACCEPTED
    for hours in (0, 6, 24):
        looking(catalogue, ledger, now=NOON + timedelta(hours=hours))
    assert wishes(catalogue) == 1
    looking(catalogue, ledger, now=NOON + RETRIEVE_AGAIN)
    assert wishes(catalogue) == 2


def test_when_the_quota_is_used_up_no_more_is_asked_for_in_that_run_and_all_of_it_in_the_next():
    offline = [a_product(name, online=False) for name in (L1C, SECOND_HALF, FUTURE)]
    ledger, catalogue = FakeLedger(), FakeCatalogue(offline)
    catalogue.retrieval = Retrieval.OVER_QUOTA
    looking(catalogue, ledger)
    assert wishes(catalogue) == 1
    catalogue.retrieval = Retrieval.ACCEPTED
    looking(catalogue, ledger)
    assert wishes(catalogue) == 4


def test_a_product_that_is_listed_as_online_and_never_handed_out_fails_in_the_end():
    ledger, product = FakeLedger(), a_product(L1C)
    found(ledger, product)
    for _ in range(MOST_RETURNS):
        put(ledger, L1C, State.OFFLINE)
        assert found(ledger, product) == [L1C]
    put(ledger, L1C, State.OFFLINE)
    assert found(ledger, product) == []
    assert row(ledger, L1C).state is State.FAILED


def test_an_offline_product_that_is_listed_no_more_is_not_waited_for():
    ledger = FakeLedger()
    found(ledger, a_product(L1C, online=False))
    found(ledger)
    assert row(ledger, L1C).state is State.SKIPPED
    assert ledger.month_rows[MONTH].waiting == 0


def test_official_l2a_in_the_archive_is_not_waited_for_once_the_watchlist_asks_for_it_no_more():
    ledger, products = FakeLedger(), [a_product(L1C), a_product(OFFICIAL, online=False)]
    assert found(ledger, *products, rules=Rules(official=True)) == []
    assert found(ledger, *products) == [L1C]
    assert row(ledger, OFFICIAL).state is State.SKIPPED
    assert "asks for official L2A no more" in row(ledger, OFFICIAL).reason


def test_a_long_name_is_recognised_and_skipped_with_the_reason_once():
    ledger, catalogue = FakeLedger(), FakeCatalogue()
    catalogue.long_names = [(MONTH, Unsupported("id-9", LONG, MONTH.start, "It holds several tiles."))]
    for _ in range(2):
        assert looking(catalogue, ledger) == []
    assert (row(ledger, LONG).state, row(ledger, LONG).reason) == (State.SKIPPED, "It holds several tiles.")
    assert ledger.month_rows[MONTH].found == 1


def test_where_the_official_l2a_is_wanted_and_offered_it_is_taken_and_the_l1c_says_so():
    ledger = FakeLedger()
    assert found(ledger, a_product(L1C), a_product(OFFICIAL), rules=Rules(official=True)) == [OFFICIAL]
    assert row(ledger, L1C).state is State.SKIPPED
    assert row(ledger, L1C).reason == f"The provider's own correction of this acquisition, {OFFICIAL}, is used."


def test_an_l1c_waits_some_days_for_its_official_l2a_and_is_corrected_here_afterwards():
    ledger, rules = FakeLedger(), Rules(official=True)
    assert found(ledger, a_product(L1C), rules=rules) == []
    assert "not offered yet; corrected here if it is not there by 2024-08-08" in row(ledger, L1C).reason
    assert found(ledger, a_product(L1C), rules=rules, now=NOON + OFFICIAL_GRACE) == [L1C]


def test_the_official_l2a_that_comes_while_its_l1c_waits_is_taken():
    ledger, rules = FakeLedger(), Rules(official=True)
    found(ledger, a_product(L1C), rules=rules)
    assert found(ledger, a_product(L1C), a_product(OFFICIAL), rules=rules) == [OFFICIAL]
    assert row(ledger, L1C).state is State.SKIPPED


@pytest.mark.parametrize("state", [State.STAGED, State.CLASSIFIED])
def test_an_acquisition_in_work_from_its_l1c_is_not_done_again_from_the_official_l2a(state):
    ledger = FakeLedger()
    found(ledger, a_product(L1C))
    put(ledger, L1C, state)
    assert found(ledger, a_product(L1C), a_product(OFFICIAL), rules=Rules(official=True)) == []
    assert row(ledger, OFFICIAL).successor == L1C


def test_an_acquisition_done_from_the_official_l2a_is_not_done_again_from_its_l1c():
    ledger = FakeLedger()
    found(ledger, a_product(L1C), a_product(OFFICIAL), rules=Rules(official=True))
    put(ledger, OFFICIAL, State.CLASSIFIED)
    assert found(ledger, a_product(L1C)) == []


def test_an_l2a_that_somebody_dropped_does_not_keep_the_official_one_away():
    ledger = FakeLedger([Record("22WEV", OWN_L2A, State.CLASSIFIED, l2a=OWN_L2A)])
    assert found(ledger, a_product(OFFICIAL), rules=Rules(official=True)) == [OFFICIAL]


def test_without_the_wish_for_official_l2a_none_is_searched_for():
    assert found(FakeLedger(), a_product(L1C), a_product(OFFICIAL)) == [L1C]


def test_a_month_closes_when_late_arrivals_are_over_and_counts_what_comes_later():
    ledger = FakeLedger()
    found(ledger, a_product(L1C), now=datetime(2024, 8, 15, tzinfo=UTC))
    assert not ledger.month_rows[MONTH].closed
    found(ledger, a_product(L1C), now=datetime(2024, 9, 15, tzinfo=UTC))
    assert (ledger.month_rows[MONTH].closed, ledger.month_rows[MONTH].found) == (True, 1)
    late = a_product(SECOND_HALF, modified=datetime(2024, 9, 20, tzinfo=UTC))
    found(ledger, late, message=LATE, now=datetime(2024, 9, 21, tzinfo=UTC))
    assert (ledger.month_rows[MONTH].closed, ledger.month_rows[MONTH].found) == (True, 2)


def test_an_unreachable_catalogue_raises_for_the_queue_to_retry_and_leaves_the_month_open():
    catalogue, ledger = FakeCatalogue([a_product(L1C)]), FakeLedger()
    catalogue.fail("search", ProviderUnavailable("The catalogue answers 503."))
    with pytest.raises(ProviderUnavailable):
        looking(catalogue, ledger)
    month = ledger.month_rows[MONTH]
    assert (month.searched, month.closed, month.error) == (None, False, "The catalogue answers 503.")


def test_what_a_search_failed_of_is_forgotten_after_one_that_did_not_and_a_month_given_up_is_settled():
    catalogue, ledger = FakeCatalogue([a_product(L1C)]), FakeLedger()
    catalogue.fail("search", ProviderUnavailable("The catalogue answers 503."))
    with pytest.raises(ProviderUnavailable):
        looking(catalogue, ledger)
    given_up = poison(TILE_MONTHS, JULY.encode().encode(), ledger=ledger, clock=FakeClock())
    assert given_up.reason == f"discover gave up on {MONTH}: The catalogue answers 503."
    assert looking(catalogue, ledger) == [L1C]
    assert ledger.month_rows[MONTH].error == ""
    settled = ledger.rows[REFUSED, given_up.name]
    assert settled.state is State.SKIPPED
    assert settled.reason.startswith("Searched without trouble on ")


def test_of_two_identifiers_of_one_name_the_one_that_the_ledger_holds_is_kept():
    ledger = FakeLedger()
    first = a_product(L1C)
    found(ledger, first)
    newer = replace(first, id="another", published=first.published + timedelta(days=1))
    assert found(ledger, newer, first) == []
    assert row(ledger, L1C).id == first.id
    assert found(FakeLedger(), newer, first) == [L1C]


@pytest.mark.parametrize("state", [State.STAGED, State.CLASSIFIED])
def test_an_identifier_in_work_or_done_is_kept_though_it_is_in_the_archive_and_another_is_online(state):
    ledger, first = FakeLedger(), a_product(L1C)
    found(ledger, first)
    put(ledger, L1C, state)
    newer = replace(first, id="another", published=first.published + timedelta(days=1))
    assert found(ledger, replace(first, online=False), newer) == []
    assert (row(ledger, L1C).id, row(ledger, L1C).state) == (first.id, state)


def test_a_broken_entry_of_a_newer_baseline_keeps_no_older_one_from_being_processed():
    catalogue, ledger = FakeCatalogue([a_product(OLDER)]), FakeLedger()
    catalogue.long_names.append((MONTH, Unsupported("id-x", L1C, NOON, "The catalogue's entry does not parse at Id.")))
    assert looking(catalogue, ledger) == [OLDER]
    assert looking(catalogue, ledger, again=True) == [OLDER]
    assert (row(ledger, L1C).state, row(ledger, OLDER).state) == (State.SKIPPED, State.DISCOVERED)
    catalogue.long_names.clear()
    catalogue.products.append(a_product(L1C))
    assert looking(catalogue, ledger) == [L1C], "once its entry parses it is taken"


def test_a_processed_product_that_is_listed_again_after_its_deletion_counts_as_listed():
    ledger, catalogue = FakeLedger(), FakeCatalogue([a_product(L1C)])
    looking(catalogue, ledger)
    put(ledger, L1C, State.CLASSIFIED)
    catalogue.withdraw(L1C, at=NOON)
    looking(catalogue, ledger)
    assert "deleted" in row(ledger, L1C).times
    catalogue.products.append(replace(a_product(L1C), id="another"))
    for _ in range(2):
        assert looking(catalogue, ledger) == []
        listed = row(ledger, L1C)
        assert ("deleted" in listed.times, listed.id, listed.note) == (False, "another", "")


def test_a_row_that_somebody_broke_keeps_no_other_product_waiting():
    class Broken(FakeLedger):
        def records(self, partition=None, *, since=None):
            return (record for record in super().records(partition, since=since) if record.name != OLDER)

        def get(self, partition, name):
            if name == OLDER:
                raise BadRecord("The ledger row does not parse.")
            return super().get(partition, name)

    ledger = Broken([Record("22WEV", OLDER, State.DISCOVERED)])
    assert found(ledger, a_product(OLDER), a_product(SECOND_HALF)) == [SECOND_HALF]


@pytest.mark.parametrize("state", [State.OFFLINE, State.FAILED])
def test_an_identifier_that_is_of_no_use_gives_way_to_another_of_the_same_name(state):
    ledger = FakeLedger()
    online = state is State.FAILED
    first = replace(a_product(L1C), online=online)
    found(ledger, first)
    put(ledger, L1C, state)
    other = replace(a_product(L1C), id="another", published=first.published - timedelta(hours=1))
    assert found(ledger, first, other) == [L1C]
    assert row(ledger, L1C).id == "another"


def test_what_the_provider_has_deleted_need_not_be_known_to_find_what_is_new():
    for error in (ProviderUnavailable("DeletedProducts answers 500."), NotFound("DeletedProducts answers 404.")):
        catalogue = FakeCatalogue([a_product(L1C)])
        catalogue.fail("deleted", error)
        assert looking(catalogue, FakeLedger()) == [L1C]


def test_a_wish_that_a_clock_dates_into_the_future_is_made_again():
    ledger, catalogue = FakeLedger(), FakeCatalogue([a_product(L1C, online=False)])
    catalogue.retrieval = Retrieval.ACCEPTED
    looking(catalogue, ledger, now=NOON + timedelta(days=400))
    looking(catalogue, ledger)
    assert [call[0] for call in catalogue.calls].count("retrieve") == 2


def test_a_publication_in_the_future_does_not_keep_an_acquisition_waiting_for_its_official_l2a():
    late = replace(a_product(L1C), published=NOON + timedelta(days=9999))
    ledger = FakeLedger()
    sensing = row_time = late.name.sensing
    assert found(ledger, late, rules=Rules(official=True), now=sensing + timedelta(days=1)) == []
    assert found(ledger, late, rules=Rules(official=True), now=row_time + OFFICIAL_GRACE) == [L1C]


def test_of_two_identifiers_of_one_name_the_one_that_is_online_is_taken_first():
    ledger = FakeLedger()
    offline = replace(a_product(L1C), id="offline", online=False, published=NOON)
    assert found(ledger, offline, a_product(L1C)) == [L1C]
    assert row(ledger, L1C).id == a_product(L1C).id


def test_another_writer_who_moved_the_product_on_meanwhile_wins():
    ledger = FakeLedger()
    found(ledger, a_product(L1C, cloud_cover=90.0), rules=Rules(80))
    ledger.interfere = lambda: put(ledger, L1C, State.CLASSIFIED)
    assert found(ledger, a_product(L1C, cloud_cover=90.0)) == []
    assert row(ledger, L1C).state is State.CLASSIFIED


def test_where_the_newer_failed_and_is_offered_no_more_the_older_comes_back():
    ledger = FakeLedger()
    found(ledger, a_product(OLDER), a_product(L1C))
    put(ledger, L1C, State.FAILED)
    assert found(ledger, a_product(OLDER)) == [OLDER]
    assert row(ledger, OLDER).state is State.DISCOVERED
    assert row(ledger, L1C).state is State.FAILED


def test_where_the_newer_failed_and_a_search_for_changes_does_not_list_it_the_older_stays_skipped():
    ledger = FakeLedger()
    found(ledger, a_product(OLDER), a_product(L1C))
    put(ledger, L1C, State.FAILED)
    assert looking(FakeCatalogue([a_product(OLDER, modified=NOON)]), ledger, LATE) == []
    assert row(ledger, OLDER).state is State.SKIPPED


def test_a_wish_that_cannot_be_said_keeps_no_other_product_of_the_month_waiting():
    catalogue, ledger = FakeCatalogue([a_product(L1C, online=False), a_product(SECOND_HALF)]), FakeLedger()
    catalogue.fail("retrieve", ProviderUnavailable("The hub answers 500."))
    assert looking(catalogue, ledger) == [SECOND_HALF]
    assert row(ledger, L1C).state is State.OFFLINE
    assert MONTH in ledger.month_rows


@pytest.mark.parametrize("state", [State.FAILED, State.SKIPPED, State.OFFLINE])
def test_an_official_l2a_that_came_to_nothing_gives_way_where_the_area_corrects_itself(state):
    catalogue, ledger = FakeCatalogue([a_product(L1C), a_product(OFFICIAL)]), FakeLedger()
    assert looking(catalogue, ledger, rules=Rules(official=True)) == [OFFICIAL]
    put(ledger, OFFICIAL, state)
    assert looking(catalogue, ledger) == [L1C]


def test_a_dropped_product_that_failed_is_fetched_where_the_catalogue_offers_it():
    ledger = FakeLedger([Record("22WEV", L1C, State.FAILED, reason="It is no zip.", times={"sensing": NOON})])
    assert found(ledger, a_product(L1C)) == [L1C]
    assert row(ledger, L1C).id


def test_a_dropped_product_that_failed_after_its_correction_is_not_fetched_and_corrected_again():
    ledger = FakeLedger([Record("22WEV", L1C, State.FAILED, reason="No model.", l2a=OWN_L2A, times={"drop": NOON})])
    assert found(ledger, a_product(L1C)) == found(ledger, a_product(L1C)) == []
    record = row(ledger, L1C)
    assert (record.state, record.id, record.l2a) == (State.FAILED, a_product(L1C).id, OWN_L2A)


@pytest.mark.parametrize("state", [State.STAGED, State.CORRECTED, State.CLASSIFIED, State.REJECTED])
def test_a_product_that_came_by_hand_is_known_to_be_offered_once_the_catalogue_lists_it(state: State):
    ledger = FakeLedger([Record("22WEV", L1C, state, bytes=5, times={"drop": NOON})])
    listed = a_product(L1C, body=b"123", checksums=(Checksum("MD5", "ab" * 16),))
    assert found(ledger, listed) == []
    record = row(ledger, L1C)
    assert (record.state, record.id, record.bytes, record.checksum) == (state, listed.id, 5, f"MD5:{'ab' * 16}")
    assert record.times["published"] == listed.published


@pytest.mark.parametrize("message", [JULY, LATE])
def test_what_others_write_into_the_month_s_row_while_a_search_ends_stays(message: TileMonthMessage):
    before = MonthRecord(MONTH, searched=NOON - timedelta(days=9), found=4, closed=True)
    ledger = FakeLedger(months=[before])
    ledger.interfere = lambda: ledger.save_month(replace(before, asked=NOON, checked=NOON, missing=2))
    found(ledger, message=message)
    row = ledger.month_rows[MONTH]
    assert (row.searched, row.asked, row.checked, row.missing) == (NOON, NOON, NOON, 2)


def test_an_order_given_while_a_search_fails_stays():
    ledger, catalogue = FakeLedger(), FakeCatalogue()
    catalogue.fail("search", ProviderUnavailable("The catalogue answers 503."))
    asked = MonthRecord(MONTH, searched=None, found=0, closed=False, asked=NOON)
    ledger.interfere = lambda: ledger.save_month(asked)
    with pytest.raises(ProviderUnavailable):
        looking(catalogue, ledger)
    assert ledger.month_rows[MONTH] == replace(asked, error="The catalogue answers 503.", tried=NOON)
