//! Other light, other colours, softer pictures: what an observer must not be led astray by. On the trainer's device, a batch at once.

use std::f32::consts::TAU;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, TchError, Tensor};

use super::prior::CLASSES;
use super::sample::ObserverSample;
use crate::train::pool::Pool;

type Result<T> = std::result::Result<T, TchError>;

/// Share of classes that are not in view but are allowed all the same: what is allowed need not be there.
const SPARE_CLASSES: f64 = 0.3;
/// Numbers that say how one picture is changed: mirrored, twice softened, gamma, three gains, saturation, sine and cosine
/// of the hue, noise.
const NUMBERS: usize = 11;

/// Pictures with their labels, as a network learns from them.
#[derive(Debug)]
pub struct Batch {
    /// [batch, 3, h, w], −1 to 1, f32.
    pub rgb: Tensor,
    /// [batch, h, w], as [`ObserverSample::class`], Int64.
    pub class: Tensor,
    /// [batch, h, w], as [`ObserverSample::depth_ln`].
    pub depth_ln: Tensor,
    /// [batch, h, w], as [`ObserverSample::weight`].
    pub weight: Tensor,
    /// [batch, [`CLASSES`]], 1 or 0.
    pub allowed: Tensor,
}

/// An empty pool for samples of `size` (width, height).
///
/// # Errors
/// No memory.
pub(super) fn pool(
    capacity: usize,
    uses: usize,
    size: (u32, u32),
    device: tch::Device,
) -> Result<Pool> {
    let (w, h) = (i64::from(size.0), i64::from(size.1));
    let columns: [(&[i64], Kind); 5] = [
        (&[h, w, 3], Kind::Uint8),
        (&[h, w], Kind::Uint8),
        (&[h, w], Kind::Float),
        (&[h, w], Kind::Float),
        (&[CLASSES as i64], Kind::Float),
    ];
    Pool::new(capacity, uses, &columns, device)
}

/// What samples add to the columns of [`pool`].
///
/// # Errors
/// No memory.
pub(super) fn columns(samples: &[ObserverSample]) -> Result<[Tensor; 5]> {
    fn all<'a, T: Copy + tch::kind::Element + 'a>(
        parts: impl Iterator<Item = &'a [T]>,
    ) -> Result<Tensor> {
        Tensor::f_from_slice(&parts.collect::<Vec<_>>().concat())
    }
    let allowed: Vec<_> = samples.iter().map(ObserverSample::allowed).collect();
    Ok([
        all(samples.iter().map(|s| s.rgb.as_slice()))?,
        all(samples.iter().map(|s| s.class.as_slice()))?,
        all(samples.iter().map(|s| s.depth_ln.as_slice()))?,
        all(samples.iter().map(|s| s.weight.as_slice()))?,
        all(allowed.iter().map(|flags| flags.as_slice()))?,
    ])
}

/// Mirrors, softens and recolours what was drawn from [`pool`].
///
/// # Errors
/// Other columns, or no memory.
pub(super) fn augment(columns: &[Tensor], rng: &mut ChaCha8Rng) -> Result<Batch> {
    let [rgb, class, depth_ln, weight, allowed] = columns else {
        return Err(TchError::Shape(format!("{} columns in place of 5", columns.len())));
    };
    let count = rgb.size()[0];
    let numbers: Vec<f32> = (0..count).flat_map(|_| numbers(rng)).collect();
    let numbers = Tensor::f_from_slice(&numbers)?
        .f_view([count, NUMBERS as i64, 1, 1, 1])?
        .f_to_device(rgb.device())?;
    let number = |i: i64| numbers.f_select(1, i);
    let mirrored = number(0)?.f_gt(0.5)?;
    let turned = |map: &Tensor| -> Result<Tensor> {
        map.f_flip([2i64])?.f_where_self(&mirrored.f_view([count, 1, 1])?, map)
    };
    let picture = rgb.f_permute([0, 3, 1, 2])?.f_to_kind(Kind::Float)?.f_mul_scalar(1.0 / 255.0)?;
    let mut picture = picture.f_flip([3i64])?.f_where_self(&mirrored, &picture)?;
    for pass in 1..3 {
        picture = picture.f_addcmul(&cross(&picture)?.f_sub(&picture)?, &number(pass)?)?;
    }
    let picture = recolour(&picture, &numbers)?;
    let spare = allowed.f_rand_like()?.f_lt(SPARE_CLASSES)?.f_to_kind(Kind::Float)?;
    Ok(Batch {
        rgb: picture.f_clamp(0.0, 1.0)?.f_mul_scalar(2.0)?.f_sub_scalar(1.0)?,
        class: turned(class)?.f_to_kind(Kind::Int64)?,
        depth_ln: turned(depth_ln)?,
        weight: turned(weight)?,
        allowed: allowed.f_maximum(&spare)?,
    })
}

fn numbers(rng: &mut ChaCha8Rng) -> [f32; NUMBERS] {
    let mirrored = if rng.random_bool(0.5) { 1.0 } else { 0.0 };
    let passes = if rng.random_bool(0.5) { rng.random_range(1..=2) } else { 0 };
    let soft: [f32; 2] =
        std::array::from_fn(|pass| if pass < passes { rng.random_range(0.1..0.9) } else { 0.0 });
    let gamma = (0.2 * normal(rng)).exp();
    let brightness = (0.2 * normal(rng)).exp();
    let gains: [f32; 3] = std::array::from_fn(|_| brightness * (0.1 * normal(rng)).exp());
    let saturation = rng.random_range(0.5..1.4f32);
    let hue_rad =
        if rng.random_bool(0.15) { rng.random_range(0.0..TAU) } else { 0.25 * normal(rng) };
    let noise = if rng.random_bool(0.5) { rng.random_range(0.0..0.04f32) } else { 0.0 };
    let (sin, cos) = hue_rad.sin_cos();
    let [r, g, b] = gains;
    [mirrored, soft[0], soft[1], gamma, r, g, b, saturation, sin, cos, noise]
}

/// About normal: the sum of four uniform values.
fn normal(rng: &mut ChaCha8Rng) -> f32 {
    (0..4).map(|_| rng.random_range(-0.87..0.87f32)).sum()
}

/// The mean of each pixel and its four neighbours.
fn cross(picture: &Tensor) -> Result<Tensor> {
    let (h, w) = (picture.size()[2], picture.size()[3]);
    let padded = picture.f_replication_pad2d([1, 1, 1, 1])?;
    let shifted = |y: i64, x: i64| padded.f_narrow(2, y, h)?.f_narrow(3, x, w);
    shifted(0, 1)?
        .f_add(&shifted(2, 1)?)?
        .f_add(&shifted(1, 0)?)?
        .f_add(&shifted(1, 2)?)?
        .f_add(picture)?
        .f_mul_scalar(0.2)
}

/// Gains, gamma, saturation, hue and noise. `rgb` is [batch, 3, h, w], 0 to 1.
fn recolour(rgb: &Tensor, numbers: &Tensor) -> Result<Tensor> {
    let number = |i: i64| numbers.f_select(1, i);
    let count = rgb.size()[0];
    let gains = numbers.f_narrow(1, 4, 3)?.f_view([count, 3, 1, 1])?;
    let lit = rgb.f_clamp(0.0, 1.0)?.f_pow(&number(3)?)?.f_mul(&gains)?;
    // Turns round the grey axis (Rodrigues), then stretches away from it.
    let (sin, cos) = (number(8)?, number(9)?);
    let across = sin.f_mul_scalar(1.0 / 3f64.sqrt())?;
    let grey = lit.f_mean_dim([1i64].as_slice(), true, Kind::Float)?;
    let around = lit.f_roll([1], [1])?.f_sub(&lit.f_roll([-1], [1])?)?;
    let turned = grey.f_addcmul(&lit.f_sub(&grey)?, &cos)?.f_addcmul(&around, &across)?;
    let out = grey.f_addcmul(&turned.f_sub(&grey)?, &number(7)?)?;
    out.f_addcmul(&out.f_randn_like()?, &number(10)?)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use tch::Device;

    use super::*;
    use crate::observer::prior::ClassPrior;

    fn sample() -> ObserverSample {
        ObserverSample {
            rgb: (0..4 * 3 * 3).map(|i| (i * 7 % 256) as u8).collect(),
            class: (0..12).map(|i| (i % 5) as u8).collect(),
            depth_ln: (0..12).map(|i| i as f32).collect(),
            weight: vec![1.0; 12],
            prior: ClassPrior::SKY,
        }
    }

    fn drawn(count: usize, rng: &mut ChaCha8Rng) -> Batch {
        let mut pool = pool(count, 1, (4, 3), Device::Cpu).unwrap();
        pool.put(&columns(&vec![sample(); count]).unwrap()).unwrap();
        augment(&pool.draw(count, rng).unwrap(), rng).unwrap()
    }

    #[test]
    fn labels_turn_with_the_picture_and_all_that_is_seen_is_allowed() {
        let sample = sample();
        let batch = drawn(20, &mut ChaCha8Rng::seed_from_u64(1));
        let (mut turned, mut kept) = (0, 0);
        for row in 0..20 {
            let of = |map: &Tensor| {
                Vec::<f64>::try_from(map.select(0, row).to_kind(Kind::Double).reshape([-1]))
                    .unwrap()
            };
            let (class, depth_ln) = (of(&batch.class), of(&batch.depth_ln));
            let mirrored = class[0] == 3.0;
            for y in 0..3 {
                for x in 0..4 {
                    let from = 4 * y + if mirrored { 3 - x } else { x };
                    assert_eq!(class[4 * y + x], f64::from(sample.class[from]));
                    assert_eq!(depth_ln[4 * y + x], f64::from(sample.depth_ln[from]));
                }
            }
            let allowed = of(&batch.allowed);
            assert!(class.iter().all(|c| allowed[*c as usize] == 1.0));
            assert!(of(&batch.rgb).iter().all(|v| (-1.0..=1.0).contains(v)));
            if mirrored { turned += 1 } else { kept += 1 }
        }
        assert!(turned > 3 && kept > 3);
    }

    #[test]
    fn a_full_turn_of_the_hue_changes_nothing_and_a_third_shifts_the_channels() {
        let rgb = Tensor::rand([1, 3, 2, 2], (Kind::Float, Device::Cpu));
        let with_hue = |hue: f32| {
            let numbers = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, hue.sin(), hue.cos(), 0.0];
            recolour(&rgb, &Tensor::from_slice(&numbers).view([1, NUMBERS as i64, 1, 1, 1]))
                .unwrap()
        };
        assert!(with_hue(TAU).allclose(&rgb, 1e-4, 1e-4, false));
        let shifted = with_hue(TAU / 3.0);
        assert!(shifted.allclose(&rgb.roll([1], [1]), 1e-4, 1e-4, false));
    }
}
