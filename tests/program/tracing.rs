//! What is linked into the program: Tracy only when it is asked for.

use std::fs::File;
use std::io::Read;

/// Every client of Tracy has these, in its symbols or its strings.
const MARKS: [&[u8]; 2] = [b"___tracy_emit_zone_begin", b"TRACY_PORT"];

/// Looks for `MARKS` piece by piece: the program is large.
fn marks_in(path: &str) -> Vec<bool> {
    let mut file = File::open(path).unwrap();
    let longest = MARKS.iter().map(|mark| mark.len()).max().unwrap();
    let mut found = vec![false; MARKS.len()];
    let mut piece = vec![0; 1 << 20];
    let mut kept = 0;
    loop {
        let count = file.read(&mut piece[kept..]).unwrap();
        if count == 0 {
            return found;
        }
        let have = &piece[..kept + count];
        for (mark, found) in MARKS.iter().zip(&mut found) {
            *found |= contains(have, mark);
        }
        // A mark may lie across two pieces.
        let tail = have.len().saturating_sub(longest);
        kept = have.len() - tail;
        piece.copy_within(tail..tail + kept, 0);
    }
}

fn contains(have: &[u8], mark: &[u8]) -> bool {
    let mut rest = have;
    while let Some(at) = rest.iter().position(|byte| *byte == mark[0]) {
        rest = &rest[at..];
        if rest.starts_with(mark) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

#[test]
fn tracy_is_in_the_program_only_with_its_feature() {
    let found = marks_in(env!("CARGO_BIN_EXE_reverie"));
    assert_eq!(found, vec![cfg!(feature = "tracy"); MARKS.len()]);
    assert!(contains(b"a ___tracy_emit_zone_begin", MARKS[0]), "the search itself");
}
