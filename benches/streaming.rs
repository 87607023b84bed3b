//! An hour of a model, in real passes on a simulated clock: is its last second like its first?
//!
//! `cargo bench --profile dev --bench streaming -- [CARD] [DATA] [SECONDS]`: plays the episodes in the folder to and fro, half a minute
//! with the shadow and, of a model that can, half a minute without, and prints time of a frame and resident memory for
//! each sixth of the whole.

use std::path::{Path, PathBuf};
use std::time::Instant;

use reverie_runtime::card::ModelCard;
use reverie_runtime::data::{Episode, list_episodes};
use reverie_runtime::model::{LoadOptions, load_model};
use reverie_runtime::observer::dreamed::request;
use reverie_runtime::request::{DreamMode, DreamRequest};

type Failure = Box<dyn std::error::Error>;

/// Seconds of play after which the mode changes.
const TURN_S: f64 = 30.0;
/// Parts of the whole that are told apart.
const PARTS: usize = 6;

fn main() -> Result<(), Failure> {
    // Cargo adds `--bench`.
    let words: Vec<String> = std::env::args().skip(1).filter(|w| !w.starts_with("--")).collect();
    let word = |index: usize, default: &str| -> String {
        words.get(index).cloned().unwrap_or_else(|| default.to_owned())
    };
    let card_path = PathBuf::from(word(0, "assets/models/m-tiny.world.ron"));
    let data = PathBuf::from(word(1, "data/eval"));
    let seconds: f64 = word(2, "3600").parse()?;
    if !data.is_dir() {
        println!("no episodes in {}: nothing is measured", data.display());
        return Ok(());
    }
    stream(&card_path, &data, seconds)
}

fn stream(card_path: &Path, data: &Path, seconds: f64) -> Result<(), Failure> {
    let card = ModelCard::load(card_path)?;
    let mut model = load_model(card_path, &LoadOptions::default())?;
    let episodes = list_episodes(data)?
        .iter()
        .map(|path| Episode::open(path))
        .collect::<Result<Vec<_>, _>>()?;
    let dt_s = f64::from(episodes.first().map_or(0.1, |e| e.header().frame_dt_s));
    let frames = (seconds / dt_s) as usize;
    println!(
        "{}: {frames} frames of {dt_s:.2} s, {} episodes to and fro",
        card.name,
        episodes.len()
    );
    println!("minutes   anchored ms p50 / p95    dream ms p50 / p95    resident MB");
    let mut times: [Vec<f32>; 2] = [Vec::new(), Vec::new()];
    let part = frames.div_ceil(PARTS).max(1);
    let (mut at, mut step, mut episode) = (0usize, 1isize, 0usize);
    for frame in 0..frames {
        let time_s = frame as f64 * dt_s;
        let dreams = model.can_dream() && (time_s / TURN_S) as usize % 2 == 1;
        let mut snapshot = episodes[episode].snapshot(at);
        (snapshot.time_s, snapshot.tick) = (time_s, frame as u64);
        let asked = DreamRequest {
            id: frame as u64,
            mode: if dreams { DreamMode::Dream } else { DreamMode::Anchored },
            ..request(&episodes[episode], at, snapshot)
        };
        let begun = Instant::now();
        let shown = model.append_frame(&asked)?;
        let ms = 1e3 * begun.elapsed().as_secs_f32();
        times[usize::from(shown.mode == DreamMode::Dream)].push(ms);
        // To its end, back to its beginning, and on to the next one.
        match at.checked_add_signed(step) {
            Some(next) if next < episodes[episode].len() => at = next,
            Some(_) => step = -1,
            None => (step, episode) = (1, (episode + 1) % episodes.len()),
        }
        if (frame + 1) % part == 0 || frame + 1 == frames {
            let [anchored, dream] = times.each_mut().map(|times| {
                times.sort_by(f32::total_cmp);
                let quantile = |share: f32| {
                    let index = (share * times.len().saturating_sub(1) as f32) as usize;
                    times.get(index).map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}"))
                };
                let text = format!("{} / {}", quantile(0.5), quantile(0.95));
                times.clear();
                text
            });
            let minutes = (frame + 1) as f64 * dt_s / 60.0;
            println!("{minutes:7.1}   {anchored:>22}    {dream:>19}    {:>11}", resident_mb());
        }
    }
    Ok(())
}

/// Of this process; `-` where the system does not say.
fn resident_mb() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.map_or_else(|| "-".to_owned(), |kib| format!("{:.0}", kib / 1024.0))
}
