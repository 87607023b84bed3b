//! Pictures as small as the observer wants them.
//!
//! An observer that learnt from small pictures serves a model of larger ones of the same shape: it is shown the mean of each block of pixels, and the guard
//! judges at that size, so that thresholds in pixels mean what they were calibrated for.

/// The mean of each `by`×`by` block of an interleaved picture, `width` pixels wide, with `channels` values a pixel. `by` must divide both sides.
pub fn means(values: &[f32], channels: usize, width: usize, by: usize) -> Vec<f32> {
    let (small, row) = (width / by.max(1), channels * width);
    let share = 1.0 / (by * by).max(1) as f32;
    values
        .chunks_exact((row * by).max(1))
        .flat_map(|rows| {
            (0..small * channels).map(move |at| {
                let (x, channel) = (at / channels, at % channels);
                let block = (0..by * by)
                    .map(|i| rows[(i / by) * row + (x * by + i % by) * channels + channel]);
                share * block.sum::<f32>()
            })
        })
        .collect()
}

/// The same of bytes, rounded.
pub fn mean_bytes(rgb: &[u8], width: usize, by: usize) -> Vec<u8> {
    let values: Vec<f32> = rgb.iter().map(|byte| f32::from(*byte)).collect();
    means(&values, 3, width, by).into_iter().map(|mean| (mean + 0.5) as u8).collect()
}

/// A mask `width` pixels wide, each pixel as a block of `by`×`by`.
pub fn grown(mask: &[bool], width: usize, by: usize) -> Vec<bool> {
    let rows = mask.chunks_exact(width.max(1));
    rows.flat_map(|row| (0..by * width * by).map(move |at| row[at % (by * width) / by])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_becomes_its_mean_channel_by_channel() {
        let rgb: Vec<f32> = (0..4 * 2 * 3).map(|i| i as f32).collect();
        let small = means(&rgb, 3, 4, 2);
        // Pixels 0, 1, 4 and 5 of the first block.
        assert_eq!(small, [7.5, 8.5, 9.5, 13.5, 14.5, 15.5]);
        assert_eq!(means(&rgb, 3, 4, 1), rgb);
        assert_eq!(
            mean_bytes(&[10, 20, 30, 11, 21, 31, 12, 22, 32, 13, 23, 33], 2, 2),
            [12, 22, 32]
        );
        assert!(means(&[], 3, 4, 2).is_empty());
    }

    #[test]
    fn a_mask_grows_by_whole_blocks() {
        let grown = grown(&[true, false, false, true], 2, 2);
        let rows: Vec<&[bool]> = grown.chunks(4).collect();
        assert_eq!(
            rows,
            [
                [true, true, false, false],
                [true, true, false, false],
                [false, false, true, true],
                [false, false, true, true],
            ]
        );
    }
}
