//! Edits to bytes: what they change, and that they change nothing else.

use bytes::Bytes;
use dialect::patch::Patch;
use proptest::prelude::*;

fn patched(document: &str, edits: &[(std::ops::Range<usize>, &str)]) -> String {
    let mut patch = Patch::default();
    for (span, text) in edits {
        patch.replace(span.clone(), *text);
    }
    let bytes = patch.apply(&Bytes::copy_from_slice(document.as_bytes()));
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn edits_apply_in_any_order() {
    let edits = [(9..12, "B"), (0..0, "<"), (3..6, "A")];
    assert_eq!(patched("one two three", &edits), "<oneAo tBe");
}

#[test]
fn without_edits_the_document_is_shared_and_not_copied() {
    let document = Bytes::from_static(b"{}");
    let same = Patch::default().apply(&document);
    assert_eq!(same.as_ptr(), document.as_ptr());
}

#[test]
fn an_insertion_before_a_replaced_span_is_kept_in_either_order() {
    assert_eq!(patched("abc", &[(1..2, "B"), (1..1, "+")]), "a+Bc");
    assert_eq!(patched("abc", &[(1..1, "+"), (1..2, "B")]), "a+Bc");
}

#[test]
fn edits_outside_the_document_are_left_out() {
    assert_eq!(
        patched("abc", &[(2..9, "x"), (7..8, "y"), (0..1, "A")]),
        "Abc"
    );
}

proptest! {
    /// Disjoint edits give what replacing from the back gives.
    #[test]
    fn edits_do_what_replacing_from_the_back_does(
        document in "[a-z]{0,40}",
        cuts in prop::collection::btree_set(0usize..41, 0..8),
        text in "[A-Z]{0,3}",
    ) {
        let cuts: Vec<usize> = cuts.into_iter().filter(|c| *c <= document.len()).collect();
        let edits: Vec<_> = cuts
            .chunks_exact(2)
            .map(|pair| (pair[0]..pair[1], text.as_str()))
            .collect();
        let mut expected = document.clone();
        for (span, text) in edits.iter().rev() {
            expected.replace_range(span.clone(), text);
        }
        prop_assert_eq!(patched(&document, &edits), expected);
    }
}
