//! In how much sun each body stands, as far as the physics knows.
//!
//! A crate that lay in the shadow of another one looks otherwise when that is lifted off: the physics knows, and the picture before is no measure.

use std::collections::HashMap;

use reverie_kernels::raster::{SKY, Scene, ShadowMaps};

use crate::expected::ShadowSnapshot;

/// Changes of the mean sun on a body, 0 to 1, from which on it looks otherwise.
const OTHER_SUN: f32 = 0.1;

/// By body: the mean over its pixels of N · L times the share of the sun that reaches them.
#[derive(Debug, Clone, Default)]
pub(super) struct Sun(HashMap<u64, f32>);

impl Sun {
    /// On what `maps` of `scene` show.
    pub(super) fn on(snapshot: &ShadowSnapshot, scene: &Scene, maps: &ShadowMaps) -> Self {
        let mut sums = vec![[0.0f32; 2]; scene.primitives.len()];
        let pixels = maps.primitive.iter().zip(&maps.normal).zip(&maps.sun_visibility);
        for ((primitive, normal), visibility) in pixels.filter(|((p, _), _)| **p != SKY) {
            if let Some([sun, count]) = sums.get_mut(usize::from(*primitive)) {
                *sun += visibility * normal.dot(snapshot.sun_direction).max(0.0);
                *count += 1.0;
            }
        }
        let mut bodies: HashMap<u64, [f32; 2]> = HashMap::new();
        for (primitive, [sun, count]) in scene.primitives.iter().zip(sums) {
            let body = bodies.entry(primitive.id).or_default();
            *body = [body[0] + sun, body[1] + count];
        }
        let seen = bodies.into_iter().filter(|(_, [_, count])| *count > 0.0);
        Self(seen.map(|(id, [sun, count])| (id, sun / count)).collect())
    }

    /// The body stood in another light then; unknown if it was not in sight.
    pub(super) fn differs(&self, then: &Self, id: u64) -> bool {
        match (self.0.get(&id), then.0.get(&id)) {
            (Some(now), Some(then)) => (now - then).abs() > OTHER_SUN,
            _ => false,
        }
    }
}
