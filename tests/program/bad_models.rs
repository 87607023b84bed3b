//! Models that lie: each is refused in one line, and nothing is written.

use std::fs;
use std::path::{Path, PathBuf};

use reverie_runtime::card::ModelCard;
use reverie_runtime::weights::{MAX_WEIGHTS_BYTES, sha256_hex};

use super::support::{Program, episodes, folder, names, tiny_model};

/// A copy of the tiny model in a folder of its own: its card, and its weights.
fn copy(name: &str) -> (PathBuf, PathBuf) {
    let dir = folder(&format!("bad_models/{name}"));
    let card = dir.join("tiny.world.ron");
    fs::copy(tiny_model(), &card).unwrap();
    let weights = dir.join("tiny.safetensors");
    fs::copy(tiny_model().with_file_name("tiny.safetensors"), &weights).unwrap();
    (card, weights)
}

/// A copy of the tiny model whose weights were changed, with a card that knows it.
fn changed(name: &str, change: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
    let (path, weights) = copy(name);
    let mut bytes = fs::read(&weights).unwrap();
    change(&mut bytes);
    fs::write(&weights, &bytes).unwrap();
    let mut card = ModelCard::load(&path).unwrap();
    card.sha256 = sha256_hex(&bytes);
    card.save_atomically(&path).unwrap();
    path
}

/// Where the values begin: after the header and its length.
fn values(bytes: &[u8]) -> usize {
    8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize
}

/// Neither a game nor an evaluation starts with it.
fn is_refused(card: &Path, words: &[&str]) {
    let out = card.with_file_name("out");
    Program::new(&["play", "--headless", "--frames", "2"])
        .with("--model", card)
        .with("--out", &out)
        .fails_with(words);
    assert!(!out.exists(), "{:?}", names(&out));
    Program::new(&["eval"])
        .with("--model", card)
        .with("--data", episodes())
        .with("--out", &out)
        .fails_with(words);
    assert!(names(&out).is_empty(), "{:?}", names(&out));
}

#[test]
fn without_a_card_or_with_half_of_one() {
    let (card, _) = copy("no_card");
    fs::remove_file(&card).unwrap();
    is_refused(&card, &["tiny.world.ron"]);

    let (card, _) = copy("cut_card");
    let text = fs::read_to_string(&card).unwrap();
    fs::write(&card, &text[..text.len() / 2]).unwrap();
    is_refused(&card, &["tiny.world.ron", "not a model card"]);

    let (card, _) = copy("future_card");
    fs::write(&card, text.replacen("version: 1", "version: 7", 1)).unwrap();
    is_refused(&card, &["tiny.world.ron", "version 7"]);

    let (card, _) = copy("other_architecture");
    fs::write(&card, text.replacen("unet-s", "vortex", 1)).unwrap();
    is_refused(&card, &["tiny.world.ron", "vortex"]);

    let (card, _) = copy("huge_network");
    fs::write(&card, text.replacen("head_channels: 8", "head_channels: 16384", 1)).unwrap();
    is_refused(&card, &["head"]);
}

#[test]
fn without_weights_or_with_half_of_them() {
    let (card, weights) = copy("no_weights");
    fs::remove_file(&weights).unwrap();
    is_refused(&card, &["tiny.safetensors", "missing"]);

    let card = changed("cut_weights", |bytes| bytes.truncate(bytes.len() / 2));
    is_refused(&card, &["tiny.safetensors", "not a whole safetensors file"]);

    let card = changed("cut_header", |bytes| bytes.truncate(100));
    is_refused(&card, &["tiny.safetensors", "not a whole safetensors file"]);

    let card = changed("empty_weights", Vec::clear);
    is_refused(&card, &["tiny.safetensors", "not a whole safetensors file"]);
}

#[test]
fn with_other_weights_than_the_card_says() {
    let (card, weights) = copy("wrong_hash");
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&weights, bytes).unwrap();
    is_refused(&card, &["tiny.safetensors", "SHA-256"]);

    // The first name begins after the length, a brace and a quotation mark.
    let card = changed("renamed_tensor", |bytes| bytes[10] = b'Z');
    is_refused(&card, &["tiny.safetensors", "tensor `Z", "unknown", "missing"]);

    let (card, _) = copy("other_sizes");
    let text = fs::read_to_string(&card).unwrap();
    fs::write(&card, text.replacen("head_channels: 8", "head_channels: 16", 1)).unwrap();
    is_refused(&card, &["tiny.safetensors", "tensor `"]);
}

#[test]
fn with_values_that_are_no_numbers() {
    let card = changed("nan", |bytes| {
        let at = values(bytes);
        // In bfloat16 as in the other formats, all ones are not a number.
        bytes[at..].fill(0xFF);
    });
    is_refused(&card, &["tiny.safetensors", "NaN"]);
}

#[test]
fn with_more_bytes_than_any_model_has() {
    let (card, weights) = copy("oversized");
    let file = fs::OpenOptions::new().write(true).open(weights).unwrap();
    // A hole: it takes no room on the disk.
    file.set_len(MAX_WEIGHTS_BYTES + 1).unwrap();
    is_refused(&card, &["tiny.safetensors", "bytes"]);
}
