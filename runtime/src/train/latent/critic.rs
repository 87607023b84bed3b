//! The critic: a network that tells composed pictures from true ones, so that what is revealed becomes as sharp as the truth.
//!
//! Of a surface that was never seen, squared error is least for the mean of all that it could be, which is flat. So where a picture is not known, the
//! compositor is also taught to be taken for a true one: an adversarial loss patch by patch (Isola et al. 2017, "pix2pix"), with hinges (Lim & Ye 2017),
//! spectrally normalised weights (Miyato et al. 2018), and as strong at each step as the picture's own loss (Esser et al. 2021, "VQGAN"),
//! as far as the critic can tell at all.

use std::path::Path;

use tch::nn::{Init, VarStore};
use tch::{Device, Kind, TchError, Tensor};

use crate::condition::{EXEMPLAR, PAINT};
use crate::train::TrainError;
use crate::train::optimizer::Optimizer;
use crate::train::state::{self, Ledger};

type Result<T> = std::result::Result<T, TchError>;

/// Maps that the critic sees beside the picture: the shadow's and its paint, none of the candidates that follow. It would hold a true picture's
/// difference from what was made before against those that go on from it.
const MAPS: i64 = EXEMPLAR as i64;
const _: () = assert!(PAINT < EXEMPLAR);
/// Without momentum of the gradient, as is usual where two networks learn from each other.
const BETAS: (f64, f64) = (0.0, 0.98);
/// Of the running mean of the loss.
const KEEP: f64 = 0.97;
/// Loss of one that cannot tell.
const CLUELESS: f64 = 2.0;

/// Pictures and what is known of them; the first axis of all is the picture.
#[derive(Debug)]
pub struct Judged {
    /// [n, 3, h, w], −1 to 1.
    pub rgb: Tensor,
    /// [n, CHANNELS, h, w] of the shadow; `None` in a dream.
    pub maps: Option<Tensor>,
    /// How little of each token was known, 0 to 1, [n, 1, rows, columns].
    pub unknown: Tensor,
}

/// A convolution whose matrix has a largest singular value of 1.
#[derive(Debug)]
struct Normed {
    weight: Tensor,
    bias: Tensor,
    /// Left singular vector of the largest value, so far.
    left: Tensor,
    stride: i64,
}

impl Normed {
    fn new(path: tch::nn::Path, from: i64, to: i64, kernel: i64, stride: i64) -> Result<Self> {
        let stdev = (2.0 / (from * kernel * kernel) as f64).sqrt();
        let shape = [to, from, kernel, kernel];
        let weight = path.f_var("weight", &shape, Init::Randn { mean: 0.0, stdev })?;
        let bias = path.f_var("bias", &[to], Init::Const(0.0))?;
        let left = Tensor::f_randn([to], (Kind::Float, path.device()))?;
        Ok(Self { weight, bias, left, stride })
    }

    /// `learning`: the singular vector follows the weights.
    fn forward(&mut self, x: &Tensor, learning: bool) -> Result<Tensor> {
        let matrix = self.weight.f_flatten(1, -1)?;
        let right = {
            let _guard = tch::no_grad_guard();
            let unit = |x: Tensor| x.f_div(&x.f_norm()?.f_clamp_min(1e-12)?);
            let right = unit(matrix.f_tr()?.f_mv(&self.left)?)?;
            if learning {
                self.left = unit(matrix.f_mv(&right)?)?;
            }
            right
        };
        let largest = self.left.f_dot(&matrix.f_mv(&right)?)?.f_clamp_min(1e-12)?;
        let weight = self.weight.f_div(&largest)?.f_to_kind(x.kind())?;
        let bias = self.bias.f_to_kind(x.kind())?;
        x.f_conv2d(&weight, Some(&bias), [self.stride; 2], [1, 1], [1, 1], 1)
    }
}

/// See the module.
#[derive(Debug)]
pub struct Critic {
    convs: Vec<Normed>,
    optimizer: Optimizer,
    kind: Kind,
    /// Running mean.
    loss: f64,
    /// Owns the weights.
    _store: VarStore,
}

impl Critic {
    /// With so many channels after the first convolution, and twice as many after the next ones. It judges patches that are as far apart as tokens,
    /// `token_px`.
    ///
    /// # Errors
    /// No memory.
    pub fn new(channels: i64, token_px: i64, device: Device, kind: Kind) -> Result<Self> {
        let store = VarStore::new(device);
        let root = store.root();
        let mut convs = Vec::new();
        let (mut from, mut to) = (3 + MAPS, channels);
        for halving in 0..token_px.ilog2() {
            convs.push(Normed::new(&root / format!("halve{halving}"), from, to, 4, 2)?);
            (from, to) = (to, (2 * to).min(4 * channels));
        }
        convs.push(Normed::new(&root / "out", from, 1, 3, 1)?);
        let mut optimizer = Optimizer::new(&store)?;
        optimizer.betas = BETAS;
        Ok(Self { convs, optimizer, kind, loss: CLUELESS, _store: store })
    }

    /// How well it tells what is made from what is true: 0 not at all, 1 always.
    pub fn skill(&self) -> f64 {
        (1.0 - self.loss / CLUELESS).clamp(0.0, 1.0)
    }

    /// How true each patch looks, [n, 1, rows, columns], f32.
    fn judge(&mut self, rgb: &Tensor, maps: Option<&Tensor>, learning: bool) -> Result<Tensor> {
        let (n, _, h, w) = rgb.size4()?;
        let maps = match maps {
            Some(maps) => maps.f_narrow(1, 0, MAPS)?.f_to_kind(self.kind)?,
            None => Tensor::f_zeros([n, MAPS, h, w], (self.kind, rgb.device()))?,
        };
        let mut x = Tensor::f_cat(&[rgb.f_to_kind(self.kind)?, maps], 1)?;
        let last = self.convs.len() - 1;
        for (at, conv) in self.convs.iter_mut().enumerate() {
            x = conv.forward(&x, learning)?;
            if at < last {
                x = x.f_maximum(&x.f_mul_scalar(0.2)?)?;
            }
        }
        x.f_to_kind(Kind::Float)
    }

    /// A step that teaches to tell `made` from `truth`, its true pictures. Returns the loss, NaN if the step was left out.
    ///
    /// # Errors
    /// libtorch refused.
    pub fn learn(&mut self, made: &Judged, truth: &Tensor, learning_rate: f64) -> Result<f64> {
        let mut loss = Tensor::f_zeros([], (Kind::Float, truth.device()))?;
        for (rgb, sign) in [(truth, -1.0), (&made.rgb.f_detach()?, 1.0)] {
            let judged = self.judge(rgb, made.maps.as_ref(), true)?;
            let short = judged.f_mul_scalar(sign)?.f_add_scalar(1.0)?.f_relu()?;
            loss = loss.f_add(&mean(&short, &made.unknown)?)?;
        }
        loss.f_backward()?;
        let norm = self.optimizer.step(learning_rate, 0.0, 0.0)?;
        let value = if norm.is_finite() { loss.f_double_value(&[])? } else { f64::NAN };
        if value.is_finite() && made.unknown.f_sum(Kind::Float)?.f_double_value(&[])? >= 1.0 {
            self.loss = KEEP * self.loss + (1.0 - KEEP) * value;
        }
        Ok(value)
    }

    /// What it would change about the pictures `made`, [n, 3, h, w], as a gradient that is as long as `other` where little is known, by as much as it
    /// [can tell](Self::skill).
    ///
    /// # Errors
    /// libtorch refused.
    pub fn blame(&mut self, made: &Judged, other: &Tensor) -> Result<Tensor> {
        let shown = made.rgb.f_detach()?.f_requires_grad_(true)?;
        let judged = self.judge(&shown, made.maps.as_ref(), false)?;
        let loss = mean(&judged, &made.unknown)?.f_neg()?;
        let own = Tensor::f_run_backward(&[loss], &[&shown], false, false)?.remove(0);
        let _guard = tch::no_grad_guard();
        let size = &made.rgb.size()[2..];
        let share = made.unknown.f_upsample_nearest2d(size, None, None)?;
        let own = own.f_mul(&share)?;
        let scale = other.f_mul(&share)?.f_norm()?.f_div(&own.f_norm()?.f_clamp_min(1e-12)?)?;
        own.f_mul(&scale.f_mul_scalar(self.skill())?)
    }

    /// Goes on from the state at `path`, if there is one.
    ///
    /// # Errors
    /// It is damaged or of another critic.
    pub fn load(&mut self, path: &Path) -> std::result::Result<(), TrainError> {
        state::load(path, &mut self.optimizer)?;
        Ok(())
    }

    /// Writes its state, beside that of the networks it judges.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> std::result::Result<(), TrainError> {
        let ledger = Ledger { steps: self.optimizer.steps, ..Ledger::default() };
        Ok(state::save(path, &self.optimizer, &ledger)?)
    }
}

/// Mean of `values`, weighed; nothing if all weights are 0.
fn mean(values: &Tensor, weights: &Tensor) -> Result<Tensor> {
    let total = weights.f_sum(Kind::Float)?.f_clamp_min(1.0)?;
    values.f_mul(weights)?.f_sum(Kind::Float)?.f_div(&total)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: (Kind, Device) = (Kind::Float, Device::Cpu);

    fn judged(rgb: Tensor, unknown: f64) -> Judged {
        let n = rgb.size()[0];
        Judged { rgb, maps: None, unknown: Tensor::full([n, 1, 2, 3], unknown, OPTIONS) }
    }

    /// Pictures with texture, and without.
    fn rough_and_flat() -> (Tensor, Tensor) {
        let rough = Tensor::rand([4, 3, 16, 24], OPTIONS) * 2.0 - 1.0;
        (rough, Tensor::zeros([4, 3, 16, 24], OPTIONS))
    }

    #[test]
    fn it_learns_to_tell_and_then_asks_for_texture_as_strongly_as_it_may() {
        tch::manual_seed(3);
        let mut critic = Critic::new(8, 8, Device::Cpu, Kind::Float).unwrap();
        let mut losses = Vec::new();
        for _ in 0..60 {
            let (rough, flat) = rough_and_flat();
            losses.push(critic.learn(&judged(flat, 1.0), &rough, 2e-3).unwrap());
        }
        assert!(losses[0] > 1.5 && losses[59] < 0.8 * losses[0], "{losses:?}");
        let (_, flat) = rough_and_flat();
        let other = Tensor::full([4, 3, 16, 24], 0.25, OPTIONS);
        let blame = critic.blame(&judged(flat.copy(), 1.0), &other).unwrap();
        let wanted = critic.skill() * other.norm().double_value(&[]);
        let own = blame.norm().double_value(&[]);
        assert!(critic.skill() > 0.1, "{}", critic.skill());
        assert!((own - wanted).abs() < 1e-3 * wanted, "{own} {wanted}");
        let score = |critic: &mut Critic, rgb: &Tensor| {
            critic.judge(rgb, None, false).unwrap().mean(Kind::Float).double_value(&[])
        };
        let (before, after) = (score(&mut critic, &flat), score(&mut critic, &(&flat - &blame)));
        assert!(after > before, "{before} {after}");
    }

    #[test]
    fn what_is_known_is_neither_judged_nor_blamed() {
        let mut critic = Critic::new(8, 8, Device::Cpu, Kind::Float).unwrap();
        let (rough, flat) = rough_and_flat();
        assert_eq!(critic.learn(&judged(flat.copy(), 0.0), &rough, 1e-3).unwrap(), 0.0);
        let blame = critic.blame(&judged(flat, 0.0), &rough).unwrap();
        assert_eq!(blame.abs().max().double_value(&[]), 0.0);
    }

    #[test]
    fn largest_singular_values_become_one() {
        let store = VarStore::new(Device::Cpu);
        let mut conv = Normed::new(store.root(), 2, 4, 3, 1).unwrap();
        let x = Tensor::rand([1, 2, 8, 8], OPTIONS);
        for _ in 0..200 {
            let _ = conv.forward(&x, true).unwrap();
        }
        let matrix = conv.weight.flatten(1, -1);
        let largest = matrix.svd(true, true).1.max().double_value(&[]);
        let found = conv.left.dot(&matrix.mv(&(matrix.tr().mv(&conv.left) / largest)));
        assert!((found.double_value(&[]) / largest - 1.0).abs() < 1e-3);
    }

    #[test]
    fn its_state_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("critic.safetensors");
        let new = || Critic::new(8, 8, Device::Cpu, Kind::Float).unwrap();
        let (one, mut two) = (new(), new());
        two.load(&path).unwrap();
        one.save(&path).unwrap();
        two.load(&path).unwrap();
        assert!(one.optimizer.weights.allclose(&two.optimizer.weights, 0.0, 0.0, false));
    }
}
