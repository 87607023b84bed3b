//! A texture for each material that nobody has seen closely yet.

use super::{Exemplars, FINEST_TEXELS, LAYER_TEXELS, LAYERS, SIZE};

/// Brightness of one texture for each layer, all levels: what an [`Exemplars`] is filled with where it knows nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Grain(Vec<f32>);

impl Default for Grain {
    /// Flat: knows no texture.
    fn default() -> Self {
        Self(vec![0.0; LAYERS * LAYER_TEXELS])
    }
}

impl Grain {
    /// The brightness of what `exemplars` know, each layer's contrast times its `scale`.
    pub fn new(exemplars: &mut Exemplars, scale: &[f32; LAYERS]) -> Self {
        let filled = exemplars.all_filled();
        let layers = filled.0.chunks_exact(LAYER_TEXELS).zip(scale);
        Self(
            layers
                .flat_map(|(layer, scale)| layer.iter().map(move |t| scale * brightness(t)))
                .collect(),
        )
    }

    pub(super) fn layer(&self, layer: usize) -> &[f32] {
        &self.0[layer * LAYER_TEXELS..(layer + 1) * LAYER_TEXELS]
    }
}

/// Contrast of the finest texels of one layer: root mean square of the change of brightness (as a log-ratio) to the right and upper neighbours, where both
/// were seen. 0 of any other number of texels.
pub fn contrast(finest: &[[f32; 4]]) -> f32 {
    if finest.len() != FINEST_TEXELS {
        return 0.0;
    }
    let pairs = (0..FINEST_TEXELS).flat_map(|at| {
        let (u, v) = (at % SIZE, at / SIZE);
        [(at, v * SIZE + (u + 1) % SIZE), (at, (v + 1) % SIZE * SIZE + u)]
    });
    let seen =
        pairs.map(|(a, b)| (&finest[a], &finest[b])).filter(|(a, b)| a[3] > 0.0 && b[3] > 0.0);
    let change = |(a, b): (&[f32; 4], &[f32; 4])| (brightness(a) - brightness(b)).powi(2);
    let (sum, count) = seen.map(change).fold((0.0, 0), |(sum, count), c| (sum + c, count + 1));
    // Two pairs start at each texel.
    (2.0 * sum / count.max(1) as f32).sqrt()
}

fn brightness(texel: &[f32; 4]) -> f32 {
    (texel[0] + texel[1] + texel[2]) / 3.0
}
