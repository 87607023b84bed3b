//! Connected regions of pixels.

/// Calls `each` with the place of every pixel that hangs together with `from` by its sides, and marks it in `visited`. What is visited already, `from`
/// aside, is no part of any region. `stack` is kept from call to call.
pub(crate) fn flood(
    from: usize,
    (width, height): (usize, usize),
    visited: &mut [bool],
    stack: &mut Vec<u32>,
    mut each: impl FnMut(usize, usize),
) {
    stack.clear();
    stack.push(from as u32);
    visited[from] = true;
    while let Some(pixel) = stack.pop() {
        let pixel = pixel as usize;
        let (x, y) = (pixel % width, pixel / width);
        each(x, y);
        let beside = [
            (x > 0).then(|| pixel - 1),
            (x + 1 < width).then_some(pixel + 1),
            (y > 0).then(|| pixel - width),
            (y + 1 < height).then_some(pixel + width),
        ];
        for next in beside.into_iter().flatten() {
            if !std::mem::replace(&mut visited[next], true) {
                stack.push(next as u32);
            }
        }
    }
}
