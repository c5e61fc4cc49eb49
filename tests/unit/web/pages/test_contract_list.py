"""The list of contracts: narrowed and paged by its address."""

from __future__ import annotations

from tests.unit.web.pages.conftest import SUE, Desk, Lists
from tests.unit.web.pages.test_exception_pages import run


def listed(lists: Lists, number: int) -> None:
    lists.runs.append(
        run(
            f"contract/northwind/C-{number}",
            {"customer": f"Customer {number}"},
            ContractId=f"C-{number}",
            LegalEntity="northwind",
            Customer=f"key-{number}",
            ContractStage="active",
            Currency="EUR",
            ContractValue=1234.5,
        )
    )


async def test_contracts_are_shown_page_by_page(desk: Desk, lists: Lists) -> None:
    for number in range(120):
        listed(lists, number)
    text = await desk.open("/contracts")
    assert "120 contracts" in text
    assert "1,234.50" in text
    assert text.count('href="/c/northwind/C-') == 50
    seen = 50
    while 'rel="next"' in text:
        following = text.split(' rel="next"')[0].rsplit('href="', 1)[1].split('"')[0]
        text = await desk.open(following.replace("&amp;", "&"))
        seen += text.count('href="/c/northwind/C-')
    assert seen == 120


async def test_the_address_narrows_the_list(desk: Desk, lists: Lists) -> None:
    listed(lists, 1)
    await desk.open("/contracts?stage=active&waiting=approval&customer=acme&state=running")
    asked = lists.asked[0]
    for term in (
        "ContractStage = 'active'",
        "WaitingOn = 'approval'",
        "Customer = 'acme'",
        "ExecutionStatus = 'Running'",
        "LegalEntity IN ('northwind')",
    ):
        assert term in asked


async def test_words_that_cannot_be_ask_nothing(desk: Desk, lists: Lists) -> None:
    for bad in ("customer=a'%20OR%201=1", "stage=x'%20OR", "waiting=%27"):
        text = await desk.open(f"/contracts?{bad}")
        assert desk.status == 422
        assert 'role="alert"' in text
    assert lists.asked == []


async def test_another_entity_is_not_there(desk: Desk, lists: Lists) -> None:
    await desk.open("/contracts?entity=northwind", SUE)
    assert desk.status == 404
    await desk.open("/contracts?after=%2A")
    assert desk.status == 404
