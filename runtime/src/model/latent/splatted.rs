//! Carrying many pictures to other cameras at once, on the device where they are: what [`splat`](reverie_kernels::warp::splat)
//! does to one, told in tensor operations.

use glam::Mat3;
use reverie_guard::CameraPose;
use reverie_kernels::warp::splat::{HIDES, LEAST_WEIGHT, NEAR_M, SKY_M};
use tch::{Device, Kind, TchError, Tensor};

type Result<T> = std::result::Result<T, TchError>;

/// Draws each picture as another camera sees it.
///
/// `rgb` is [n, 3, h, w], `depth_m` [n, 1, h, w] along the view, infinite for the sky; `cameras` are where each was taken from and where
/// it is to be seen from. Returns the pictures [n, 3, h, w] and [n, 1, h, w], 1 where a pixel fell and 0 where the picture is filled in with
/// the nearest known pixel of its row; f32.
///
/// # Errors
/// Shapes that do not fit, or no memory.
pub fn splat_all(
    rgb: &Tensor,
    depth_m: &Tensor,
    cameras: &[(CameraPose, CameraPose)],
) -> Result<(Tensor, Tensor)> {
    let (n, _, h, w) = rgb.size4()?;
    let device = rgb.device();
    let depth_m =
        depth_m.f_to_kind(Kind::Float)?.f_view([n, h * w])?.f_clamp_max(f64::from(SKY_M))?;
    let colours = rgb.f_to_kind(Kind::Float)?.f_permute([0, 2, 3, 1])?.f_reshape([n * h * w, 3])?;
    let (x, y, depth) = falls(&depth_m, cameras, [h, w], device)?;

    let whole = |v: &Tensor, side: i64| -> Result<Tensor> {
        // What is not a number is beyond every border.
        v.f_nan_to_num(-9.0, Some(-9.0), Some(-9.0))?.f_clamp(-2.0, (side + 1) as f64)
    };
    let (x, y) = (whole(&x, w)?, whole(&y, h)?);
    let sound = depth_m.f_gt(0.0)?.f_logical_and(&depth.f_ge(f64::from(NEAR_M))?)?;
    let (left, top) = (x.f_floor()?, y.f_floor()?);
    let (fx, fy) = (x.f_sub(&left)?, y.f_sub(&top)?);
    let (left, top) = (left.f_to_kind(Kind::Int64)?, top.f_to_kind(Kind::Int64)?);
    let frames = Tensor::f_arange(n, (Kind::Int64, device))?.f_view([n, 1])?;
    // One more for what falls nowhere.
    let nowhere = n * h * w;
    let other = |f: &Tensor| f.f_neg()?.f_add_scalar(1.0);
    let mut corners = Vec::with_capacity(4);
    for (dx, dy) in [(0i64, 0i64), (1, 0), (0, 1), (1, 1)] {
        let along = if dx == 0 { other(&fx)? } else { fx.shallow_clone() };
        let down = if dy == 0 { other(&fy)? } else { fy.shallow_clone() };
        let weight = along.f_mul(&down)?;
        let (column, row) = (left.f_add_scalar(dx)?, top.f_add_scalar(dy)?);
        let inside = column
            .f_ge(0)?
            .f_logical_and(&column.f_lt(w)?)?
            .f_logical_and(&row.f_ge(0)?)?
            .f_logical_and(&row.f_lt(h)?)?
            .f_logical_and(&sound)?;
        let at = frames.f_mul_scalar(h)?.f_add(&row)?.f_mul_scalar(w)?.f_add(&column)?;
        let at = at.f_where_self(&inside, &Tensor::f_full([1], nowhere, (Kind::Int64, device))?)?;
        corners.push((at.f_view([-1])?, weight.f_view([-1])?));
    }
    let depth = depth.f_view([-1])?;

    let mut nearest = Tensor::f_full([nowhere + 1], f64::INFINITY, (Kind::Float, device))?;
    let never = Tensor::f_full([1], f64::INFINITY, (Kind::Float, device))?;
    for (at, weight) in &corners {
        let heavy = depth.f_where_self(&weight.f_gt(f64::from(LEAST_WEIGHT))?, &never)?;
        let _ = nearest.f_internal_scatter_reduce_(0, at, &heavy, "amin", true)?;
    }
    let mut sums = Tensor::f_zeros([nowhere + 1, 4], (Kind::Float, device))?;
    for (at, weight) in &corners {
        let hidden_from = nearest.f_index_select(0, at)?.f_mul_scalar(f64::from(HIDES))?;
        let shown = weight.f_mul(&depth.f_le_tensor(&hidden_from)?.f_to_kind(Kind::Float)?)?;
        let shown = shown.f_unsqueeze(1)?;
        let values = Tensor::f_cat(&[colours.f_mul(&shown)?, shown], 1)?;
        let _ = sums.f_index_add_(0, at, &values)?;
    }
    let sums = sums.f_narrow(0, 0, nowhere)?;
    let weight = sums.f_narrow(1, 3, 1)?;
    let known = weight.f_ge(f64::from(LEAST_WEIGHT))?;
    let out = sums.f_narrow(1, 0, 3)?.f_div(&weight.f_clamp_min(1e-12)?)?;
    fill_rows(&out, &known, &colours, [n, h, w], device)
}

/// Where pixels fall in the other picture, and how far away they are there: columns, rows and metres, [n, h·w].
fn falls(
    depth_m: &Tensor,
    cameras: &[(CameraPose, CameraPose)],
    [h, w]: [i64; 2],
    device: Device,
) -> Result<(Tensor, Tensor, Tensor)> {
    let aspect = w as f32 / h as f32;
    let mut numbers = Vec::with_capacity(14 * cameras.len());
    for (from, to) in cameras {
        let there = to.world_from_camera.inverse();
        let turn = Mat3::from_quat(there.rotation * from.world_from_camera.rotation);
        let shift = there.transform_point(from.world_from_camera.translation_m);
        numbers.extend(turn.transpose().to_cols_array());
        numbers.extend(shift.to_array());
        let (a, b) = (0.5 * from.vertical_fov_rad, 0.5 * to.vertical_fov_rad);
        numbers.extend([a.tan(), b.tan()]);
    }
    let numbers = Tensor::f_from_slice(&numbers)?.f_view([-1, 14])?.f_to_device(device)?;
    let number = |i: i64| numbers.f_narrow(1, i, 1);
    let centres = |count: i64| -> Result<Tensor> {
        let pixels = Tensor::f_arange(count, (Kind::Float, device))?.f_add_scalar(0.5)?;
        pixels.f_mul_scalar(2.0 / count as f64)?.f_sub_scalar(1.0)
    };
    let across = centres(w)?.f_view([1, w])?.f_expand([h, w], false)?.f_reshape([1, h * w])?;
    let down = centres(h)?.f_view([h, 1])?.f_expand([h, w], false)?.f_reshape([1, h * w])?;
    let x = across.f_mul(&number(12)?)?.f_mul_scalar(f64::from(aspect))?.f_mul(depth_m)?;
    let y = down.f_neg()?.f_mul(&number(12)?)?.f_mul(depth_m)?;
    let z = depth_m.f_neg()?;
    let seen = |row: i64| -> Result<Tensor> {
        number(9 + row)?
            .f_addcmul(&x, &number(3 * row)?)?
            .f_addcmul(&y, &number(3 * row + 1)?)?
            .f_addcmul(&z, &number(3 * row + 2)?)
    };
    let depth = seen(2)?.f_neg()?;
    let scale = depth.f_mul(&number(13)?)?;
    let column = seen(0)?.f_div(&scale.f_mul_scalar(f64::from(aspect))?)?;
    let row = seen(1)?.f_div(&scale)?.f_neg()?;
    let pixel = |v: Tensor, side: i64| {
        v.f_add_scalar(1.0)?.f_mul_scalar(0.5 * side as f64)?.f_sub_scalar(0.5)
    };
    Ok((pixel(column, w)?, pixel(row, h)?, depth))
}

/// Gives unknown pixels the colour of the nearest known one in the row; a row without one keeps the old picture's.
fn fill_rows(
    out: &Tensor,
    known: &Tensor,
    before: &Tensor,
    [n, h, w]: [i64; 3],
    device: Device,
) -> Result<(Tensor, Tensor)> {
    let known = known.f_view([n, h, w])?;
    let columns = Tensor::f_arange(w, (Kind::Int64, device))?.f_view([1, 1, w])?;
    let number = |v: i64| Tensor::f_full([1], v, (Kind::Int64, device));
    // Far enough away to be farther than any known one.
    let far = 4 * w;
    let (left, _) = columns.f_where_self(&known, &number(-far)?)?.f_cummax(2)?;
    let flipped = columns.f_where_self(&known, &number(far)?)?.f_flip([2i64])?;
    let right = flipped.f_cummin(2)?.0.f_flip([2i64])?;
    let is_left = columns.f_sub(&left)?.f_le_tensor(&right.f_sub(&columns)?)?;
    let from = left.f_where_self(&is_left, &right)?;
    let none = from.f_lt(0)?.f_logical_or(&from.f_ge(w)?)?.f_unsqueeze(3)?;
    let from = from.f_clamp(0, w - 1)?.f_unsqueeze(3)?.f_expand([n, h, w, 3], false)?;
    let filled = out.f_view([n, h, w, 3])?.f_gather(2, &from, false)?;
    let filled = before.f_view([n, h, w, 3])?.f_where_self(&none, &filled)?;
    Ok((filled.f_permute([0, 3, 1, 2])?, known.f_unsqueeze(1)?.f_to_kind(Kind::Float)?))
}

#[cfg(test)]
mod tests {
    use glam::{EulerRot, Quat, Vec3};
    use proptest::prelude::*;
    use reverie_guard::Pose;
    use reverie_kernels::warp::{OwnDepth, splat};

    use super::*;

    const SIZE: (usize, usize) = (32, 24);

    fn noise(seed: u32, i: usize) -> f32 {
        let mut x = (i as u32).wrapping_mul(0x9E37_79B9) ^ seed.wrapping_mul(0x85EB_CA6B);
        x = (x ^ (x >> 15)).wrapping_mul(0x2C1B_3C6D);
        (x >> 8) as f32 / (1 << 24) as f32
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// One by one on the CPU, or all at once in tensors: the same pictures.
        #[test]
        fn it_is_the_kernel(seed in any::<u32>(), turn in -0.4f32..0.4, tilt in -0.2f32..0.2,
                            ahead in -1.5f32..1.5, away in 0.4f32..30.0) {
            let (width, height) = SIZE;
            let pixels = width * height;
            let camera = |turn: f32, tilt: f32, at_m: Vec3| CameraPose {
                world_from_camera: Pose::new(
                    Quat::from_euler(EulerRot::YXZ, turn, tilt, 0.0),
                    at_m,
                ),
                vertical_fov_rad: 1.0,
            };
            let from = camera(2.0, 0.1, Vec3::new(3.0, 1.6, -2.0));
            let to = camera(2.0 + turn, 0.1 + tilt, Vec3::new(3.0, 1.5, -2.0 + ahead));
            // Two pictures: a slope with sky above it, and steps.
            let mut all = (Vec::new(), Vec::new());
            for picture in 0..2 {
                all.0.extend((0..3 * pixels).map(|i| noise(seed + picture, i)));
                all.1.extend((0..pixels).map(|i| match (picture, i / width, i % width) {
                    (0, 0..4, _) => f32::INFINITY,
                    (0, row, _) => away * (1.2 - row as f32 / height as f32),
                    (_, _, 10..20) => 0.5 * away,
                    _ => away,
                }));
            }
            let (rgb, depth_m) = all;
            let shape = [2, height as i64, width as i64, 3];
            let pictures = Tensor::from_slice(&rgb).view(shape).permute([0, 3, 1, 2]);
            let depths = Tensor::from_slice(&depth_m).view([2, 1, height as i64, width as i64]);
            let (out, known) = splat_all(&pictures, &depths, &[(from, to), (from, to)]).unwrap();
            let out = Vec::<f32>::try_from(out.permute([0, 2, 3, 1]).contiguous().view([-1])).unwrap();
            let known = Vec::<f32>::try_from(known.contiguous().view([-1])).unwrap();
            for picture in 0..2 {
                let at = picture * pixels;
                let past = OwnDepth {
                    width,
                    height,
                    rgb: &rgb[3 * at..3 * (at + pixels)],
                    depth_m: &depth_m[at..at + pixels],
                    camera: &from,
                };
                let (mut want, mut want_known) = (Vec::new(), Vec::new());
                splat(&past, &to, &mut want, &mut want_known);
                let other_known = (0..pixels).filter(|i| want_known[*i] != known[at + i]).count();
                let other = (0..3 * pixels).filter(|i| (want[*i] - out[3 * at + i]).abs() > 0.02).count();
                // Rounding decides what lies exactly on an edge.
                prop_assert!(other_known <= pixels / 50, "{other_known} pixels known otherwise");
                prop_assert!(other <= 3 * pixels / 25, "{other} values differ");
            }
        }
    }

    #[test]
    fn depths_that_are_none_fall_nowhere() {
        let camera = CameraPose {
            world_from_camera: Pose::new(Quat::IDENTITY, Vec3::ZERO),
            vertical_fov_rad: 1.0,
        };
        let rgb = Tensor::ones([1, 3, 8, 8], (Kind::Float, Device::Cpu));
        for depth in [f64::NAN, 0.0, -3.0] {
            let depths = Tensor::full([1, 1, 8, 8], depth, (Kind::Float, Device::Cpu));
            let (out, known) = splat_all(&rgb, &depths, &[(camera, camera)]).unwrap();
            assert_eq!(known.sum(Kind::Float).double_value(&[]), 0.0);
            assert_eq!(out.min().double_value(&[]), 1.0, "the old picture stays");
        }
    }
}
