from shop import counted_since


def test_a_violation_counts_in_the_test_in_which_it_was_found():
    assert counted_since({}, {"agreement": 1.0, "lines": 0.0}) == {"agreement": 1.0, "lines": 0.0}
    assert counted_since({"agreement": 1.0, "lines": 0.0}, {"agreement": 1.0, "lines": 0.0}) == {
        "agreement": 0.0,
        "lines": 0.0,
    }
    assert counted_since({"agreement": 1.0}, {"agreement": 3.0}) == {"agreement": 2.0}


def test_counters_of_a_restarted_program_count_from_zero():
    assert counted_since({"agreement": 5.0}, {"agreement": 2.0}) == {"agreement": 2.0}
