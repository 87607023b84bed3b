//! The stages of models M beside the least that this machine could take for them, on the best device that there is.
//!
//! `cargo bench --profile dev -p reverie_runtime --bench floors [-- CARD...]`, or the built program alone on a machine with a GPU; without cards those of
//! `assets/models`. A table on standard output.

use std::error::Error;
use std::path::{Path, PathBuf};

use reverie_runtime::card::ModelCard;
use reverie_runtime::model::latent::files::KIND;
use reverie_runtime::model::latent::floor::stage_floors;

fn floors(card: &Path) -> Result<(), Box<dyn Error>> {
    let (peak, stages) = stage_floors(card)?;
    println!(
        "\n{}: {:.0} GFLOP/s in a matrix product, {:.1} GB/s in a copy, {:.1} GB/s to the device",
        card.display(),
        1e-9 * peak.operations_per_s,
        1e-9 * peak.bytes_per_s,
        1e-9 * peak.brought_per_s,
    );
    println!("{:<20} {:>8} {:>8} {:>9} {:>8}", "stage", "p50 ms", "floor ms", "MFLOP", "MB");
    for s in stages {
        let (operations, bytes) = (1e-6 * s.operations, 1e-6 * s.bytes);
        println!(
            "{:<20} {:>8.2} {:>8.2} {operations:>9.0} {bytes:>8.1}",
            s.stage, s.p50_ms, s.floor_ms
        );
    }
    Ok(())
}

fn shipped() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/models");
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut cards: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    cards.retain(|path| path.to_string_lossy().ends_with(".world.ron"));
    cards.sort();
    cards
}

fn main() -> Result<(), Box<dyn Error>> {
    let named = std::env::args().skip(1).filter(|a| a.ends_with(".ron")).map(PathBuf::from);
    let mut cards: Vec<PathBuf> = named.collect();
    if cards.is_empty() {
        cards = shipped();
    }
    for card in cards {
        if ModelCard::load(&card)?.architecture.kind == KIND {
            floors(&card)?;
        }
    }
    Ok(())
}
