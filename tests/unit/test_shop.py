from shop import counted_since


def test_a_violation_counts_in_the_test_in_which_it_was_found():
    assert counted_since({}, {"acordo": 1.0, "livro": 0.0}) == {"acordo": 1.0, "livro": 0.0}
    assert counted_since({"acordo": 1.0, "livro": 0.0}, {"acordo": 1.0, "livro": 0.0}) == {
        "acordo": 0.0,
        "livro": 0.0,
    }
    assert counted_since({"acordo": 1.0}, {"acordo": 3.0}) == {"acordo": 2.0}


def test_counters_of_a_restarted_program_are_all_new():
    assert counted_since({"acordo": 5.0}, {"acordo": 2.0}) == {"acordo": 2.0}
