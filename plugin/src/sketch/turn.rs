//! How far a drawing is turned on its page.

use glam::Vec2;

use super::raster::Mask;

/// By how much the strokes' main direction is off the page's, radians within ±π/8.
pub(super) fn main_turn(walls: &Mask) -> f32 {
    // Gradients of a softened mask, by their angle modulo a right angle.
    const BINS: usize = 180;
    let step = ((walls.width.max(walls.height) / 700).max(1)) as i32;
    let soft = |x: i32, y: i32| {
        let mut sum = 0.0;
        for (dx, dy) in (-2..=2).flat_map(|dy| (-2..=2).map(move |dx| (dx, dy))) {
            sum += f32::from(u8::from(walls.get(x + dx, y + dy) == Some(true)));
        }
        sum
    };
    let mut histogram = [0.0_f32; BINS];
    for y in (3..walls.height as i32 - 3).step_by(step as usize) {
        for x in (3..walls.width as i32 - 3).step_by(step as usize) {
            let here = walls.get(x, y) == Some(true);
            let is_edge = [(1, 0), (0, 1)]
                .iter()
                .any(|(dx, dy)| (walls.get(x + dx, y + dy) == Some(true)) != here);
            if !is_edge {
                continue;
            }
            let gradient =
                Vec2::new(soft(x + 2, y) - soft(x - 2, y), soft(x, y + 2) - soft(x, y - 2));
            if gradient.length() < 3.0 {
                continue;
            }
            let right = std::f32::consts::FRAC_PI_2;
            let angle = gradient.to_angle().rem_euclid(right) / right;
            histogram[((angle * BINS as f32) as usize).min(BINS - 1)] += gradient.length();
        }
    }
    let total: f32 = histogram.iter().sum();
    let around = |i: usize| (0..9).map(|k| histogram[(i + BINS + k - 4) % BINS]).sum::<f32>();
    let Some(best) = (0..BINS).max_by(|a, b| around(*a).total_cmp(&around(*b))) else { return 0.0 };
    // Without a direction that most strokes share, nothing is straight.
    if total <= 0.0 || around(best) < 0.35 * total {
        return 0.0;
    }
    let offset = |k: usize| k as f32 - 4.0;
    let mean = (0..9).map(|k| offset(k) * histogram[(best + BINS + k - 4) % BINS]).sum::<f32>()
        / around(best);
    let bin = (best as f32 + 0.5 + mean) / BINS as f32;
    let turn = (if bin > 0.5 { bin - 1.0 } else { bin }) * std::f32::consts::FRAC_PI_2;
    if turn.abs() < std::f32::consts::FRAC_PI_8 { turn } else { 0.0 }
}
