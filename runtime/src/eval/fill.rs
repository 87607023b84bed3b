//! Fills what is not known of a picture.

use std::collections::VecDeque;

/// Gives every pixel that is not `known` the colour (three values) of the nearest one that is, by steps to the four
/// neighbours. Without a known pixel the picture stays.
pub(super) fn spread_known(width: usize, known: &[bool], rgb: &mut [f32]) {
    let mut reached = known.to_vec();
    let mut border: VecDeque<usize> =
        known.iter().enumerate().filter(|(_, known)| **known).map(|(pixel, _)| pixel).collect();
    while let Some(from) = border.pop_front() {
        let x = from % width;
        let neighbours = [
            (x > 0).then(|| from - 1),
            (x + 1 < width).then_some(from + 1),
            from.checked_sub(width),
            Some(from + width).filter(|to| *to < reached.len()),
        ];
        for to in neighbours.into_iter().flatten() {
            if !std::mem::replace(&mut reached[to], true) {
                rgb.copy_within(3 * from..3 * from + 3, 3 * to);
                border.push_back(to);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_takes_after_its_nearest_neighbour() {
        let (red, blue) = ([1.0, 0.0, 0.0], [0.0, 0.0, 1.0]);
        let mut rgb = vec![0.5; 3 * 10];
        rgb[..3].copy_from_slice(&red);
        rgb[27..].copy_from_slice(&blue);
        let known: Vec<bool> = (0..10).map(|pixel| pixel == 0 || pixel == 9).collect();
        spread_known(5, &known, &mut rgb);
        let colours: Vec<&[f32]> = rgb.chunks(3).collect();
        assert!([0, 1, 2, 5, 6].iter().all(|pixel| colours[*pixel] == red), "{colours:?}");
        assert!([3, 4, 7, 8, 9].iter().all(|pixel| colours[*pixel] == blue), "{colours:?}");
        let mut same = vec![0.5; 6];
        spread_known(2, &[false; 2], &mut same);
        assert_eq!(same, [0.5; 6]);
    }
}
