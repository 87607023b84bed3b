//! What the macros need beside `tracy_client`.

use tracy_client::Client;

/// Widest picture that is sent, pixels.
const WIDEST: usize = 160;

/// Tells Tracy the name of the thread in hand.
pub fn name_thread(name: &str) {
    if let Some(client) = Client::running() {
        // A zero byte would end the name early.
        client.set_thread_name(&name.replace('\0', " "));
    }
}

/// Sends a picture, RGBA, made smaller by whole steps where it is wide; sides become multiples of 4, as Tracy asks.
pub fn image(rgba: &[u8], width: u32, height: u32) {
    if !Client::is_connected() {
        return;
    }
    if let (Some(client), Some((small, width, height))) =
        (Client::running(), shrink(rgba, width as usize, height as usize))
    {
        client.frame_image(&small, width, height, 0, false);
    }
}

fn shrink(rgba: &[u8], width: usize, height: usize) -> Option<(Vec<u8>, u16, u16)> {
    let step = width.div_ceil(WIDEST).max(1);
    let (small_width, small_height) = (width / step / 4 * 4, height / step / 4 * 4);
    if small_width == 0 || small_height == 0 {
        return None;
    }
    let mut small = Vec::with_capacity(4 * small_width * small_height);
    for y in 0..small_height {
        for x in 0..small_width {
            let at = 4 * (y * step * width + x * step);
            small.extend_from_slice(rgba.get(at..at + 4)?);
        }
    }
    Some((small, u16::try_from(small_width).ok()?, u16::try_from(small_height).ok()?))
}

#[cfg(test)]
mod tests {
    use super::shrink;

    #[test]
    fn pictures_become_small_and_divisible_by_four() {
        let (small, width, height) = shrink(&vec![7; 4 * 642 * 363], 642, 363).unwrap();
        assert!(width <= 160 && width % 4 == 0 && height % 4 == 0);
        assert_eq!(small.len(), 4 * usize::from(width) * usize::from(height));
        assert!(shrink(&[0; 4], 1, 1).is_none());
        assert!(shrink(&[0; 4], 16, 16).is_none(), "too few bytes");
    }
}
