//! The observer: a small network that tells from a picture's colours alone what is seen where.
//!
//! It is the guard's eye, so it must not be told what it should see: of the shadow it gets only which classes of
//! material could be in view at all ([`prior::ClassPrior`]). [`net`] is the network; [`sample`], [`augment`], [`alter`] and
//! [`dreamed`] draw what it learns from, [`train`] is the loop, [`score`] measures it, [`files`] reads and writes it.
//!
//! [`Evidence`] has the size of the picture that it sees: the model's, or a fraction of it ([`shrink`]).

use reverie_guard::{Evidence, ShadowSnapshot};
use tch::{Device, Kind, Tensor};

use crate::model::{ModelError, Observe};

pub mod alter;
pub mod augment;
pub mod dreamed;
pub mod files;
pub mod net;
pub mod prior;
pub mod recipe;
pub mod sample;
pub mod score;
pub mod shrink;
pub mod train;

use net::ObserverNet;
use prior::ClassPrior;

/// A loaded observer.
#[derive(Debug)]
pub struct Observer {
    net: ObserverNet,
    /// Owns the weights.
    _store: tch::nn::VarStore,
    device: Device,
    kind: Kind,
    size: (u32, u32),
    shrink: usize,
}

impl Observer {
    /// Width and height of the pictures that it looks at, pixels.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// Looks at a picture: `height * width * 3` bytes, sRGB, row by row from the top.
    ///
    /// # Errors
    /// The picture has another size, or libtorch refused.
    pub fn observe(&self, rgb: &[u8], prior: ClassPrior) -> Result<Evidence, ModelError> {
        let (width, height) = (self.size.0 as usize, self.size.1 as usize);
        let expected = 3 * width * height;
        if rgb.len() != expected {
            return Err(ModelError::PictureSize { found: rgb.len(), expected });
        }
        let _guard = tch::no_grad_guard();
        let picture = Tensor::f_from_slice(rgb)?
            .f_view([1, height as i64, width as i64, 3])?
            .f_to_device(self.device)?
            .f_to_kind(self.kind)?
            .f_permute([0, 3, 1, 2])?
            .f_mul_scalar(2.0 / 255.0)?
            .f_sub_scalar(1.0)?;
        let allowed = prior.tensor()?.f_to_device(self.device)?.f_unsqueeze(0)?;
        let seen = self.net.forward(&picture, &allowed)?;
        let values = |t: Tensor| -> Result<Vec<f32>, ModelError> {
            Ok(Vec::try_from(t.f_contiguous()?.f_to_device(Device::Cpu)?.f_view([-1])?)?)
        };
        let probability = values(seen.class_logits.f_softmax(3, Kind::Float)?)?;
        let classes = prior::CLASSES;
        let sky = classes - 1;
        let mut depth_m = values(seen.depth_ln)?;
        for (depth, p) in depth_m.iter_mut().zip(probability.chunks_exact(classes)) {
            let is_sky = p[..sky].iter().all(|other| p[sky] >= *other);
            *depth = if is_sky { f32::INFINITY } else { depth.exp() };
        }
        // A Laplace distribution of scale b has the standard deviation √2·b.
        let depth_sigma = values(seen.scale_ln.f_exp()?.f_mul_scalar(f64::sqrt(2.0))?)?;
        let rgb = rgb.to_vec();
        Ok(Evidence { width, height, classes, probability, depth_m, depth_sigma, rgb })
    }
}

impl Observe for Observer {
    fn shrink(&self) -> usize {
        self.shrink
    }

    fn observe(&mut self, rgb: &[u8], snapshot: &ShadowSnapshot) -> Result<Evidence, ModelError> {
        let aspect = self.size.0 as f32 / self.size.1 as f32;
        Observer::observe(self, rgb, ClassPrior::of(snapshot, aspect))
    }
}
