//! The transformer as it plays: the same sums as over a sequence, in fewer calls.
//!
//! One picture is so little work that a GPU mostly waits for the next call. So everything that needs no picture is done once, when weights are loaded:
//!
//! - the modulations of all blocks are one product, and the 1 of `1 + scale` and `1 + gate` is in its bias;
//! - a turned query is cos · q + sin · Jq, where J swaps the halves of a head and one sign. J is a matrix, so JW are more rows of the weights: one product
//!   gives queries, keys and values, and those of J, and two calls turn both;
//! - keys and values lie in one ring, so that frames are put by one copy, and queries are read where they lie;
//! - masks and angles of all positions are tables on the device, and a cursor that is brought there before says which hold now: so all that is done is the same
//!   for each picture, and a [graph](reverie_kernels::graph) can do it.
//!
//! A block takes 22 calls for a past frame and a wanted one, and brings nothing to the device; as a sequence goes through it, it is 55 and two transfers.

use tch::{Device, Kind, TchError, Tensor};

use super::attention::{Attention, Block, attend};
use super::ring::{Frames, Ring};
use super::rotary::Rotary;
use super::transformer::Transformer;
use crate::model::reverie::layers::Linear;

type Result<T> = std::result::Result<T, TchError>;

/// Vectors by which a block is modulated; the last norm has two more.
const PARTS: i64 = 9;
/// Of a block's vectors those that scale or gate: they are told without their 1.
const ABOUT_ONE: [i64; 6] = [0, 2, 3, 5, 6, 8];

/// Weights and bias in the kind of inference.
#[derive(Debug)]
pub(super) struct Product {
    weight: Tensor,
    bias: Tensor,
}

impl Product {
    fn new(weight: &Tensor, bias: &Tensor, kind: Kind) -> Result<Self> {
        Ok(Self { weight: weight.f_to_kind(kind)?.f_contiguous()?, bias: bias.f_to_kind(kind)? })
    }

    fn of(linear: &Linear, kind: Kind) -> Result<Self> {
        let (weight, bias) = linear.values();
        Self::new(weight, bias, kind)
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.f_linear(&self.weight, Some(&self.bias))
    }
}

#[derive(Debug)]
struct PlayedBlock {
    spatial: [Product; 2],
    temporal: [Product; 2],
    mlp: [Product; 2],
}

/// All weights as they are needed.
#[derive(Debug)]
pub(super) struct Played {
    kind: Kind,
    channels: i64,
    heads: i64,
    token_px: i64,
    pub(super) past_in: Product,
    pub(super) wanted_in: Product,
    maps_in: Product,
    /// [tokens, channels].
    pub(super) place: Tensor,
    embed: [Product; 2],
    modulation: Product,
    blocks: Vec<PlayedBlock>,
    out: Product,
    /// [period + 1, 1, 1, 1, channels of a head].
    cos: Tensor,
    sin: Tensor,
}

/// What modulates the frames of a step.
pub(super) struct Told {
    /// [frames, 1, all parts · channels].
    all: Tensor,
    frames: i64,
    channels: i64,
}

impl Told {
    /// One vector for each frame, [frames, 1, channels].
    fn part(&self, part: i64) -> Result<Tensor> {
        self.all.f_narrow(-1, part * self.channels, self.channels)
    }

    /// `x` [frames, tokens, channels], normed, then scaled and shifted by the parts from `first` on.
    fn norm(&self, x: &Tensor, first: i64) -> Result<Tensor> {
        let (scale, shift) = (self.part(first)?, self.part(first + 1)?);
        if self.frames == 1 {
            let vector = |t: Tensor| t.f_view([self.channels]);
            let (scale, shift) = (vector(scale)?, vector(shift)?);
            return x.f_layer_norm([self.channels], Some(&scale), Some(&shift), 1e-5, false);
        }
        let h = x.f_layer_norm([self.channels], None::<Tensor>, None::<Tensor>, 1e-5, false)?;
        shift.f_addcmul(&h, &scale)
    }
}

/// Rows of a weight (or a bias) for queries, keys, values, and J of the first two.
fn with_turned(qkv: &Tensor, heads: i64) -> Result<Tensor> {
    let channels = qkv.size()[0] / 3;
    let half = channels / heads / 2;
    let rest: Vec<i64> = qkv.size()[1..].to_vec();
    let by_half: Vec<i64> = [2 * heads, 2, half].into_iter().chain(rest.iter().copied()).collect();
    let straight = qkv.f_narrow(0, 0, 2 * channels)?.f_view(by_half.as_slice())?;
    let (a, b) = (straight.f_select(1, 0)?, straight.f_select(1, 1)?);
    let flat: Vec<i64> = std::iter::once(2 * channels).chain(rest).collect();
    let turned = Tensor::f_stack(&[b.f_neg()?, a], 1)?.f_reshape(flat.as_slice())?;
    Tensor::f_cat(&[qkv, &turned], 0)
}

/// Columns of the maps' weights for pixels row by row. They are trained for pixels in the order of repeated space-to-depth.
fn row_by_row(weight: &Tensor, token_px: i64) -> Result<Tensor> {
    let (channels, all) = (weight.size()[0], weight.size()[1]);
    let folds = i64::from(token_px.ilog2());
    let maps = all / (token_px * token_px);
    let mut nested = vec![channels];
    nested.extend((0..2 * folds).map(|_| 2));
    nested.push(maps);
    let rows = (0..folds).map(|fold| 1 + 2 * fold);
    let columns = (0..folds).map(|fold| 2 + 2 * fold);
    let order: Vec<i64> =
        std::iter::once(0).chain(rows).chain(columns).chain([1 + 2 * folds]).collect();
    weight.f_view(nested.as_slice())?.f_permute(order.as_slice())?.f_reshape([channels, all])
}

impl PlayedBlock {
    fn new(block: &Block, kind: Kind) -> Result<Self> {
        let both = |a: &Attention| -> Result<[Product; 2]> {
            Ok([Product::of(&a.qkv, kind)?, Product::of(&a.out, kind)?])
        };
        let [_, out] = both(&block.temporal)?;
        let (weight, bias) = block.temporal.qkv.values();
        let heads = block.temporal.heads;
        let turned = (with_turned(weight, heads)?, with_turned(bias, heads)?);
        Ok(Self {
            spatial: both(&block.spatial)?,
            temporal: [Product::new(&turned.0, &turned.1, kind)?, out],
            mlp: [Product::of(&block.widen, kind)?, Product::of(&block.narrow, kind)?],
        })
    }
}

impl Played {
    pub(super) fn new(net: &Transformer, kind: Kind) -> Result<Self> {
        let _guard = tch::no_grad_guard();
        let [heads, of_head] = net.blocks.first().map_or([1, 8], Block::heads);
        let channels = heads * of_head;
        let linears = net.blocks.iter().map(Block::modulation).chain([&net.last]);
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for modulation in linears {
            let (weight, bias) = modulation.linear().values();
            let parts = bias.size()[0] / channels;
            let one = |part: i64| {
                let about = if parts == PARTS { ABOUT_ONE.contains(&part) } else { part == 0 };
                if about { 1.0f32 } else { 0.0 }
            };
            let ones: Vec<f32> =
                (0..parts).flat_map(|part| (0..channels).map(move |_| one(part))).collect();
            let ones = Tensor::f_from_slice(&ones)?.f_to_device(bias.device())?;
            weights.push(weight.shallow_clone());
            biases.push(bias.f_add(&ones)?);
        }
        let modulation =
            Product::new(&Tensor::f_cat(&weights, 0)?, &Tensor::f_cat(&biases, 0)?, kind)?;
        let (maps, bias) = net.maps_in.values();
        let (cos, sin) = angles(&net.rotary, kind)?;
        Ok(Self {
            kind,
            channels,
            heads,
            token_px: net.inputs.token_px,
            past_in: Product::of(&net.past_in, kind)?,
            wanted_in: Product::of(&net.wanted_in, kind)?,
            maps_in: Product::new(&row_by_row(maps, net.inputs.token_px)?, bias, kind)?,
            place: net.place.f_to_kind(kind)?,
            embed: [Product::of(&net.embed[0], kind)?, Product::of(&net.embed[1], kind)?],
            modulation,
            blocks: net
                .blocks
                .iter()
                .map(|block| PlayedBlock::new(block, kind))
                .collect::<Result<_>>()?,
            out: Product::of(&net.out, kind)?,
            cos,
            sin,
        })
    }

    /// `globals` [1, frames, numbers].
    pub(super) fn told(&self, globals: &Tensor) -> Result<Told> {
        let h = self.embed[0].forward(&globals.f_squeeze_dim(0)?.f_to_kind(self.kind)?)?;
        let h = self.embed[1].forward(&h.f_silu()?)?.f_silu()?;
        let frames = h.size()[0];
        Ok(Told {
            all: self.modulation.forward(&h)?.f_unsqueeze(1)?,
            frames,
            channels: self.channels,
        })
    }

    /// What the tokens of a frame see of the shadow: maps [1, maps, h, w] to [tokens, channels].
    pub(super) fn see(&self, maps: &Tensor) -> Result<Tensor> {
        let (_, channels, height, width) = maps.size4()?;
        let px = self.token_px;
        let (rows, columns) = (height / px, width / px);
        let patches = maps
            .f_to_kind(self.kind)?
            .f_permute([0, 2, 3, 1])?
            .f_reshape([rows, px, columns, px, channels])?
            .f_permute([0, 2, 1, 3, 4])?
            .f_reshape([rows * columns, px * px * channels])?;
        self.maps_in.forward(&patches)
    }

    /// The frames of `x`, [frames, tokens, channels], through all blocks; they are put into the ring where `cursor` says, [`Ring::cursor`] on the device.
    /// Overwrites `x`.
    pub(super) fn through(
        &self,
        mut x: Tensor,
        told: &Told,
        frames: Frames,
        cursor: &Tensor,
        ring: &mut Ring,
    ) -> Result<Tensor> {
        let (t, n, c) = (x.size()[0], x.size()[1], self.channels);
        let (heads, of_head) = (self.heads, c / self.heads);
        let mask = ring.mask(frames, &cursor.f_narrow(0, 0, 1)?)?;
        let (slots, positions) = (cursor.f_narrow(0, 1, t)?, cursor.f_narrow(0, 1 + t, t)?);
        let cos = self.cos.f_index_select(0, &positions)?;
        let sin = self.sin.f_index_select(0, &positions)?;
        for (layer, block) in self.blocks.iter().enumerate() {
            let part = |index: i64| PARTS * layer as i64 + index;
            let h = told.norm(&x, part(0))?;
            let qkv = block.spatial[0].forward(&h)?.f_view([t, n, 3, heads, of_head])?;
            let lay = |index: i64| qkv.f_select(2, index)?.f_transpose(1, 2);
            let seen = attend(&lay(0)?, &lay(1)?, &lay(2)?, None)?;
            let h = block.spatial[1].forward(&seen.f_transpose(1, 2)?.f_reshape([t, n, c])?)?;
            x = x.f_addcmul_(&h, &told.part(part(2))?)?;

            let h = told.norm(&x, part(3))?;
            let all = block.temporal[0].forward(&h)?.f_view([t, n, 5, heads, of_head])?;
            let mut turned = all.f_narrow(2, 0, 2)?.f_mul_(&cos)?;
            let _ = turned.f_addcmul_(&all.f_narrow(2, 3, 2)?, &sin)?;
            ring.put(layer, &slots, &all.f_narrow(2, 1, 2)?)?;
            let q = all.f_select(2, 0)?.f_permute([1, 2, 0, 3])?;
            let (keys, values) = ring.layer(layer)?;
            let seen = attend(&q, &keys, &values, Some(&mask))?;
            let seen = seen.f_permute([2, 0, 1, 3])?.f_reshape([t, n, c])?;
            x = x.f_addcmul_(&block.temporal[1].forward(&seen)?, &told.part(part(5))?)?;

            let h = block.mlp[0].forward(&told.norm(&x, part(6))?)?.f_gelu("tanh")?;
            x = x.f_addcmul_(&block.mlp[1].forward(&h)?, &told.part(part(8))?)?;
        }
        Ok(x)
    }

    /// What comes out of the last frame, [1, tokens, outputs], f32.
    pub(super) fn last(&self, x: &Tensor, told: &Told) -> Result<Tensor> {
        let frame = told.frames - 1;
        let told =
            Told { all: told.all.f_narrow(0, frame, 1)?, frames: 1, channels: self.channels };
        let h = told.norm(&x.f_narrow(0, frame, 1)?, PARTS * self.blocks.len() as i64)?;
        self.out.forward(&h)?.f_to_kind(Kind::Float)
    }
}

/// Cosines and sines for frames, tokens, queries and keys, heads and channels; one position more than the period, so that two in a row never part.
fn angles(rotary: &Rotary, kind: Kind) -> Result<(Tensor, Tensor)> {
    let period = rotary.period();
    let device: Device = rotary.tables()[0].device();
    let positions: Vec<i64> = (0..=period).map(|t| t % period).collect();
    let index = Tensor::f_from_slice(&positions)?.f_to_device(device)?;
    let of = |table: &Tensor| -> Result<Tensor> {
        let both = Tensor::f_cat(&[table, table], 1)?.f_index_select(0, &index)?;
        let channels = both.size()[1];
        both.f_to_kind(kind)?.f_view([period + 1, 1, 1, 1, channels])
    };
    let [cos, sin] = rotary.tables();
    Ok((of(cos)?, of(sin)?))
}
