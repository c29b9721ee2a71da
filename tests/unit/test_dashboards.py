"""The dashboards in the chart match the code that describes them."""

import dashboards


def test_the_dashboards_are_up_to_date():
    files = {file.stem: file.read_text() for file in dashboards.FOLDER.glob("*.json")}
    assert files == {one.name: dashboards.rendered(one) for one in dashboards.DASHBOARDS}, "run `make reference`"
