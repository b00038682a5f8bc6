"""Terms: what full-text search compares, safe to put into a Lucene query as they are."""

from __future__ import annotations

import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.graph.analysis import MAX_QUERY_TERMS, MAX_TERM, fold, label_tokens, lucene_any, name_words, scope_key, terms

SPECIAL = re.compile(r"[\s+\-&|!(){}\[\]^\"~*?:\\/.,;'#@<>=%_]")
TEXTS = st.text(max_size=200) | st.text(st.sampled_from("aéßİ ſﬁ½①²ªʼnकिภา京东カガ한ئأً'’.,-_/\t\nZ9"), max_size=40)


@given(TEXTS, st.sampled_from([None, "en", "fr", "de-AT", "ru", "zh", "tlh"]))
def test_a_term_is_safe_in_a_lucene_query(text: str, lang: str | None) -> None:
    for term in terms(text, lang) + label_tokens(text):
        assert 0 < len(term) <= MAX_TERM
        assert not SPECIAL.search(term)
        assert term == term.casefold()
        assert len(term.split()) == 1


@given(TEXTS)
def test_folding_and_name_tokens_are_idempotent(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert name_words(" ".join(name_words(text))) == name_words(text)
    assert set(label_tokens(" ".join(label_tokens(text)))) == set(label_tokens(text))


@given(TEXTS)
def test_case_and_outer_white_space_do_not_matter(text: str) -> None:
    assert terms(f"  {text}\n") == terms(text)
    assert label_tokens(text.upper().lower()) == label_tokens(text.upper())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("running", "runs"),
        ("Zürich", "zurich"),
        ("CAFÉS", "cafe"),
        ("Straße", "STRASSE"),
        ("cafe\u0301", "café"),
        ("ﬁle", "file"),
        ("Ørsted", "orsted"),
        ("ｶﾞｽ", "ガス"),
    ],
)
def test_spellings_of_a_word_share_a_term(one: str, other: str) -> None:
    assert terms(one) == terms(other)


def test_different_words_differ() -> None:
    assert terms("universe") != terms("unity")
    assert terms("resume") != terms("results")


def test_numbers_are_kept() -> None:
    assert terms("In 2023, 42 of them") == ["2023", "42"]


def test_function_words_go_unless_there_is_nothing_else() -> None:
    assert terms("what is the name of it") == ["name"]
    assert terms("To be, or not to be") == ["to", "be", "or", "not", "to", "be"]
    assert label_tokens("The Who") == ["the", "who"]
    assert terms("der Name", "de") == ["der", "nam"]


def test_the_language_or_the_script_picks_the_stemmer() -> None:
    assert terms("chevaux", "fr") == terms("cheval", "fr")
    assert terms("книги") == terms("книга")
    assert terms("running", "zh") == ["running"]


def test_unspaced_scripts_match_inside_a_run() -> None:
    assert {"东京", "京"} <= set(terms("我在东京工作"))
    assert set(terms("東京")) <= set(terms("東京タワー"))
    assert set(terms("도서관")) & set(terms("도서관에서"))
    assert terms("用iPhone") == ["用", "iphon"]


def test_words_of_scripts_with_marks_stay_whole() -> None:
    assert label_tokens("हिन्दी भाषा") == ["हिन्दी", "भाषा"]


def test_a_query_of_any_terms() -> None:
    assert lucene_any(["a", "b", "a"]) == "(a b)"
    assert lucene_any([]) == ""
    assert lucene_any(str(n) for n in range(2_000)).count(" ") == MAX_QUERY_TERMS - 1


def test_scope_keys_are_tokens_that_differ() -> None:
    keys = {scope_key(path) for path in ("public", "Public", "team/research", "team research")}
    assert len(keys) == 4
    assert all(re.fullmatch("[0-9a-f]{16}", key) for key in keys)


def test_threads_that_stem_at_once_agree() -> None:
    words = [f"{stem}{ending}" for stem in ("walk", "connect", "happi", "generaliz", "relat") for ending in ("ing", "ed", "er", "ational")]
    texts = [f"{word}{n}x {word}" for n in range(40) for word in words]
    found: list[list[list[str]]] = []

    def work() -> None:
        found.append([terms(text, lang) for text in texts for lang in ("en", "fr")])

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(one == found[0] for one in found)
