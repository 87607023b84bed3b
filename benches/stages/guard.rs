//! What it costs to hold a picture to the state that it must show: at a glance, with an observer's evidence, and the observer itself.

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use glam::Vec3;
use reverie_guard::Glance;
use reverie_guard::expected::NONE;
use reverie_guard::{Evidence, Expected, Guard, Thresholds};
use reverie_runtime::material::MATERIAL_NAMES;
use reverie_runtime::model::{LoadOptions, load_model};
use reverie_runtime::paint::to_rgba8;
use reverie_runtime::view::ShadowView;

use super::{Row, request};

const SIZE: (usize, usize) = (128, 72);
const FRAMES: u64 = 200;
const CLASSES: usize = MATERIAL_NAMES.len() + 1;

/// Evidence of a picture that shows what it should.
fn evidence(expected: &Expected, rgb: Vec<u8>) -> Evidence {
    let mut probability = vec![0.1 / (CLASSES - 1) as f32; SIZE.0 * SIZE.1 * CLASSES];
    for (pixel, object) in expected.object.iter().enumerate() {
        let class = match *object {
            NONE => CLASSES - 1,
            body => usize::from(expected.snapshot.bodies[usize::from(body)].material),
        };
        probability[pixel * CLASSES + class] = 0.9;
    }
    Evidence {
        width: SIZE.0,
        height: SIZE.1,
        classes: CLASSES,
        probability,
        depth_m: expected.depth_m.clone(),
        depth_sigma: vec![0.08; SIZE.0 * SIZE.1],
        rgb,
    }
}

/// The guard's stages on the walk of the other painters, and the observers that models bring.
pub fn measure(
    cards: &[PathBuf],
    threads: usize,
    rows: &mut Vec<Row>,
) -> Result<(), Box<dyn Error>> {
    let mut guard = Guard::new(Thresholds::default(), Vec3::new(0.0, -9.81, 0.0));
    let (mut expect_ms, mut glance_ms, mut judge_ms) = (Vec::new(), Vec::new(), Vec::new());
    for frame in 0..FRAMES {
        let request = request(frame);
        let view = ShadowView::new(&request.snapshot, &request.style, SIZE.0, SIZE.1, true);
        let begun = Instant::now();
        guard.expect(request.snapshot.clone(), view.scene(), &view.maps);
        expect_ms.push(begun.elapsed().as_secs_f32() * 1e3);
        let rgba = to_rgba8(&view.paint);
        let rgb: Vec<u8> = rgba.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect();
        let begun = Instant::now();
        let glance = guard.glance(&rgb, None);
        glance_ms.push(begun.elapsed().as_secs_f32() * 1e3);
        let evidence = evidence(guard.expected(), rgb);
        let begun = Instant::now();
        let judgement = guard.judge(&evidence, None);
        judge_ms.push(begun.elapsed().as_secs_f32() * 1e3);
        guard.shown(match &glance {
            Glance::Fine(seen) | Glance::Due(seen) => seen,
            Glance::Odd => &judgement,
        });
    }
    rows.push(Row::new("guard 128x72, 80 bodies", "expect", expect_ms));
    rows.push(Row::new("guard 128x72, 80 bodies", "glance", glance_ms));
    rows.push(Row::new("guard 128x72, 80 bodies", "judge", judge_ms));
    for card in cards {
        let options = LoadOptions { threads: Some(threads), ..LoadOptions::default() };
        let mut model = load_model(card, &options)?;
        let (width, height) = model.size();
        let Some(mut eye) = model.take_eye() else { continue };
        let mut observe_ms = Vec::new();
        for frame in 0..FRAMES {
            let request = request(frame);
            let size = (width as usize, height as usize);
            let view = ShadowView::new(&request.snapshot, &request.style, size.0, size.1, true);
            let rgba = to_rgba8(&view.paint);
            let rgb: Vec<u8> = rgba.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect();
            let begun = Instant::now();
            eye.observer.observe(&rgb, &request.snapshot)?;
            observe_ms.push(begun.elapsed().as_secs_f32() * 1e3);
        }
        let name = format!("observer of {} {width}x{height}", model.name());
        rows.push(Row::new(&name, "observe", observe_ms));
    }
    Ok(())
}
