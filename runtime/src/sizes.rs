//! Sizes of networks that cards tell, also to a program without libtorch.

use serde::{Deserialize, Serialize};

const MOST_CHANNELS: i64 = 1024;
const MOST_BLOCKS: i64 = 32;

/// Sizes of the compositor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CompositorConfig {
    /// At 1/2 and 1/4 of the picture's size; multiples of 8.
    pub channels: [i64; 2],
    /// Residual blocks at these sizes; at 1/2 as many on the way down as on the way up.
    pub blocks: [i64; 2],
    /// At full size.
    pub head_channels: i64,
}

impl Default for CompositorConfig {
    fn default() -> Self {
        Self { channels: [48, 96], blocks: [1, 2], head_channels: 16 }
    }
}

impl CompositorConfig {
    /// The first field that no compositor can have, and what it may be. Cards and recipes are untrusted.
    pub fn fault(&self) -> Option<(&'static str, String)> {
        let Self { channels, blocks, head_channels } = self;
        let good = |c: &i64| (8..=MOST_CHANNELS).contains(c) && c % 8 == 0;
        let reason = format!("a multiple of 8 up to {MOST_CHANNELS} is needed");
        if !channels.iter().all(good) {
            return Some(("channels", format!("{channels:?}; {reason}")));
        }
        if !good(head_channels) {
            return Some(("head_channels", format!("{head_channels}; {reason}")));
        }
        let fits = blocks.iter().all(|b| (0..=MOST_BLOCKS).contains(b));
        (!fits).then(|| ("blocks", format!("{blocks:?}; each must lie in 0 to {MOST_BLOCKS}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_cannot_be_are_named() {
        let fault = |config: CompositorConfig| config.fault().map(|(field, _)| field);
        let good = CompositorConfig::default();
        assert_eq!(fault(good.clone()), None);
        assert_eq!(fault(CompositorConfig { channels: [12, 8], ..good.clone() }), Some("channels"));
        assert_eq!(fault(CompositorConfig { blocks: [1, 99], ..good.clone() }), Some("blocks"));
        assert_eq!(fault(CompositorConfig { head_channels: 0, ..good }), Some("head_channels"));
    }
}
