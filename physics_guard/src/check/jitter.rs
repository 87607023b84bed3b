//! What sleeps lies still.

use glam::Vec2;

use super::{Check, Judged};
use crate::track::Motion;
use crate::verdict::{Finding, Votes};

/// Root mean square of a resting body's place in the picture about its mean, over 15 pictures.
#[derive(Debug, Clone, Copy, Default)]
pub struct Jitter;

impl Check for Jitter {
    fn name(&self) -> &'static str {
        "jitter"
    }

    fn votes(&self) -> Votes {
        Votes::ONE
    }

    fn judge(&self, judged: &Judged, findings: &mut Vec<Finding>) {
        let thresholds = judged.thresholds;
        let wanted = thresholds.jitter_frames.clamp(3, crate::track::HISTORY);
        for (body, found) in judged.bodies() {
            let Some(track) = judged.tracks.get(body.id).filter(|track| track.fresh) else {
                continue;
            };
            let resting = track.newest_while(|sample| sample.motion == Motion::Resting);
            if resting.len() < wanted {
                continue;
            }
            let window = &resting[resting.len() - wanted..];
            let count = window.len() as f32;
            let mean = window.iter().map(|s| s.shift_px).sum::<Vec2>() / count;
            let square = window.iter().map(|s| s.shift_px.distance_squared(mean)).sum::<f32>();
            // Of one axis: the place has two.
            let rms_px = (0.5 * square / count).sqrt();
            let noise_px =
                window.iter().map(|s| s.sigma_m / s.metres_per_pixel.max(1e-6)).sum::<f32>()
                    / count;
            let allowed = thresholds.jitter_px.max(thresholds.jitter_sigmas * noise_px);
            findings.push(judged.finding("restless", found, rms_px, allowed));
        }
    }
}
