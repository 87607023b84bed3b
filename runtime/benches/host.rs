//! What a frame costs beside its network, part by part, on several numbers of threads.
//!
//! `cargo bench --profile dev -p reverie_runtime --bench host -- EPISODE [THREADS...]`: the parts of an anchored frame, its true pictures in place of a
//! model's. A table on standard output: the middle of each part over the frames of the episode, ms. The last line is a hash of all that came out, which
//! is the same for any number of threads.

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use reverie_kernels::exemplar::Exemplars;
use reverie_kernels::present::{Detail, FrameGuide, clean_sky};
use reverie_kernels::raster::{ShadowMaps, SunMap, raster};
use reverie_kernels::rows::both;
use reverie_kernels::warp::PastFrame;
use reverie_runtime::condition::{CHANNELS, Candidates, pack_maps};
use reverie_runtime::data::Episode;
use reverie_runtime::frame::FrameShadow;
use reverie_runtime::memory::SharedMemory;
use reverie_runtime::paint::to_rgba8;
use reverie_runtime::references::References;
use reverie_runtime::view::ShadowView;

/// Frames before anything is measured.
const WARM_UP_FRAMES: usize = 20;
/// Of these frames at most.
const MOST_FRAMES: usize = 120;
/// As the model trusts its own pictures.
const TRUST: f32 = 0.5;

/// Times of all parts, by name, in order of their first appearance.
#[derive(Default)]
struct Parts(Vec<(&'static str, Vec<f32>)>);

impl Parts {
    fn time<R>(&mut self, name: &'static str, part: impl FnOnce() -> R) -> R {
        let begun = Instant::now();
        let made = part();
        let ms = begun.elapsed().as_secs_f32() * 1e3;
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, times)) => times.push(ms),
            None => self.0.push((name, vec![ms])),
        }
        made
    }

    fn forget(&mut self) {
        self.0.clear();
    }

    fn middle(&self) -> Vec<(&'static str, f32)> {
        let middle = |times: &Vec<f32>| {
            let mut times = times.clone();
            times.sort_by(f32::total_cmp);
            times.get(times.len() / 2).copied().unwrap_or(0.0)
        };
        self.0.iter().map(|(name, times)| (*name, middle(times))).collect()
    }
}

/// Fowler, Noll and Vo's hash of words.
struct Hash(u64);

impl Hash {
    fn add(&mut self, words: impl IntoIterator<Item = u32>) {
        for word in words {
            self.0 = (self.0 ^ u64::from(word)).wrapping_mul(0x0100_0000_01B3);
        }
    }

    fn floats(&mut self, values: &[f32]) {
        self.add(values.iter().map(|v| v.to_bits()));
    }
}

/// All parts of the frames of an episode on the thread, or in the pool, that calls.
fn play(episode: &Episode, pictures: &[Vec<f32>]) -> (Parts, u64) {
    let (mut parts, mut hash) = (Parts::default(), Hash(0xCBF2_9CE4_8422_2325));
    let (width, height) = (episode.header().width as usize, episode.header().height as usize);
    let (mut candidates, mut maps) = (Candidates::default(), Vec::new());
    let (mut references, memory) = (References::default(), SharedMemory::default());
    let (mut exemplars, mut sun, mut shadow) =
        (Exemplars::new(), SunMap::default(), ShadowMaps::default());
    let mut view = None;
    for (frame, rgb) in pictures.iter().enumerate() {
        if frame == WARM_UP_FRAMES {
            parts.forget();
        }
        let (snapshot, style) = (episode.snapshot(frame), episode.style(frame));
        let view =
            view.get_or_insert_with(|| ShadowView::new(&snapshot, &style, width, height, true));
        parts.time("raster", || view.draw(&snapshot, &style, width, height, true));
        parts.time("  shapes", || raster(view.scene(), &view.camera, width, height, &mut shadow));
        let eye = view.camera.world_from_camera.translation_m;
        parts.time("  sun, build", || sun.build(view.scene(), eye));
        parts.time("  sun, fill", || sun.fill(view.scene(), &view.camera, &mut shadow));
        parts.time("  memory, announce", || memory.lock().announce(view, &style));

        let pixels = width * height;
        maps.resize(pixels * CHANNELS, 0.0);
        parts.time("condition: clear", || {
            candidates.clear(pixels);
            candidates.paint.copy_from_slice(view.bare_paint());
        });
        parts.time("  exemplars, read", || {
            let (rgb, confidence) = (&mut candidates.exemplar, &mut candidates.exemplar_confidence);
            view.dress(&mut exemplars, rgb, confidence);
        });
        parts.time("  references, read", || references.read(view, &mut candidates));
        parts.time("  memory", || {
            let (rgb, confidence) = (&mut candidates.memory, &mut candidates.memory_confidence);
            memory.lock().read(view, rgb, confidence);
        });
        parts.time("  packing", || {
            pack_maps(&view.shadow, &view.camera, &view.maps, &candidates, &mut maps);
        });

        let rgba = parts.time("decode: bytes", || to_rgba8(rgb));
        let shown = parts.time("  shadow", || FrameShadow::new(view, &style, &rgba));
        parts.time("    guide", || FrameGuide::new(view.scene(), &view.camera, &view.maps));

        let sure = candidates.memory_confidence.clone();
        let known = candidates.exemplar_confidence.clone();
        let remember = |pixel: usize| {
            let waits = sure[pixel] > 0.6 && !(pixel / width + frame).is_multiple_of(4);
            if waits { 0.0 } else { TRUST }
        };
        parts.time("commit: memory", || memory.lock().write(view, rgb, remember));
        let fill_in =
            |pixel: usize| if known[pixel] > 0.6 { 0.0 } else { TRUST * (1.0 - known[pixel]) };
        parts.time("  exemplars, write", || exemplars.write(&view.maps, rgb, &view.paint, fill_in));
        let mut past = rgb.clone();
        parts.time("  sky", || clean_sky(&shown.guide, &mut past));
        let past = parts
            .time("  past frame", || PastFrame::new(view.scene(), &view.camera, &view.maps, past));
        parts.time("  references, commit", || references.commit(past, style));
        let detail = (frame % 8 == 0)
            .then(|| parts.time("  detail, at times", || Detail::new(&mut exemplars)));

        let everything = || {
            hash.floats(&maps);
            hash.floats(&view.maps.sun_visibility);
            hash.add(shown.clean.iter().map(|byte| u32::from(*byte)));
            hash.add(shown.guide.texels.iter().flatten().copied());
            hash.add(rgba.iter().map(|byte| u32::from(*byte)));
            for level in detail.iter().flat_map(|d| (0..7).map(|level| d.level(level))) {
                hash.add(level.iter().map(|texel| u32::from_le_bytes(*texel)));
            }
        };
        both(everything, || ());
    }
    (parts, hash.0)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let Some(folder) = arguments.first().map(PathBuf::from) else {
        println!("host: left out, since no episode was named");
        return Ok(());
    };
    let episode = Episode::open(folder)?;
    let mut threads: Vec<usize> = arguments[1..].iter().flat_map(|t| t.parse()).collect();
    if threads.is_empty() {
        threads = vec![1, std::thread::available_parallelism().map_or(2, usize::from).min(8)];
    }
    let mut pictures = Vec::new();
    for frame in 0..episode.len().min(MOST_FRAMES) {
        pictures.push(episode.frame_rgb(frame)?.iter().map(|b| f32::from(*b) / 255.0).collect());
    }
    let mut columns = Vec::new();
    for threads in &threads {
        // One thread is the one that calls, as where there are no workers.
        columns.push(if *threads > 1 {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(*threads).build()?;
            pool.install(|| play(&episode, &pictures))
        } else {
            play(&episode, &pictures)
        });
    }
    print!("{:<22}", "threads");
    threads.iter().for_each(|threads| print!("{threads:>18}"));
    println!();
    let middles: Vec<_> = columns.iter().map(|(parts, _)| parts.middle()).collect();
    for row in 0..middles.first().map_or(0, Vec::len) {
        print!("{:<22}", middles[0][row].0);
        middles.iter().for_each(|column| print!("{:>18.3}", column[row].1));
        println!();
    }
    print!("{:<22}", "hash");
    columns.iter().for_each(|(_, hash)| print!("{:>18}", format!("{hash:016x}")));
    println!();
    Ok(())
}
