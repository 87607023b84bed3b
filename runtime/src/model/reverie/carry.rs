//! Weights from one layout of the condition to another.
//!
//! A network trained on some channels of the condition can run, or go on training, where there are more: its first
//! layers' inputs and its gates are matched by the channels' names. What is new gets no weight in the first layers, so
//! that the network does at first what it did before.

use crate::condition::{CHANNEL_NAMES, candidate_names};
use crate::weights::{WeightTensor, Weights};

/// Channels of the noisy picture, behind those of the condition.
const NOISY: usize = 3;
/// Channels of the residual, behind the gates.
const RESIDUAL: usize = 3;
/// Added to a gate's bias, closes it.
const CLOSED: f32 = -30.0;

/// What happens to the gate of a candidate that the weights do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewGate {
    /// It stays shut: pictures are those of before.
    Closed,
    /// It begins as a twin of the keyframes' gate, and training goes on from there.
    LikeKey,
}

/// The axis of a tensor that runs over channels of the condition, and how often they are repeated along it.
fn input_axis(name: &str) -> Option<usize> {
    match name {
        "full.weight" => Some(1),
        "stem.weight" => Some(4),
        _ => None,
    }
}

fn has_gates(name: &str) -> bool {
    matches!(name, "out.weight" | "out.bias")
}

/// The shape that tensor `name` has in a network with the channels `condition`, given its `shape` in this program's.
pub fn card_shape(name: &str, shape: Vec<usize>, condition: &[String]) -> Vec<usize> {
    let mut shape = shape;
    if let Some(repeats) = input_axis(name) {
        shape[1] = repeats * (condition.len() + NOISY);
    } else if has_gates(name) {
        shape[0] = candidate_names(condition).len() + RESIDUAL;
    }
    shape
}

/// Lays `weights` of a network with the channels `condition` out for this program's channels.
pub fn carry(weights: &mut Weights, condition: &[String], new_gate: NewGate) {
    if condition.iter().map(String::as_str).eq(CHANNEL_NAMES) {
        return;
    }
    let find = |names: &[&str], wanted: &str| names.iter().position(|name| *name == wanted);
    let old: Vec<&str> = condition.iter().map(String::as_str).collect();
    let channels: Vec<Option<usize>> = CHANNEL_NAMES
        .iter()
        .map(|name| find(&old, name))
        .chain((0..NOISY).map(|i| Some(old.len() + i)))
        .collect();
    let old_gates = candidate_names(condition);
    let twin = find(&old_gates, "key").filter(|_| new_gate == NewGate::LikeKey);
    let gates: Vec<(Option<usize>, f32)> = candidate_names(&CHANNEL_NAMES)
        .into_iter()
        .map(|name| match find(&old_gates, name) {
            Some(gate) => (Some(gate), 0.0),
            None if twin.is_some() => (twin, 0.0),
            None => (None, CLOSED),
        })
        .chain((0..RESIDUAL).map(|i| (Some(old_gates.len() + i), 0.0)))
        .collect();
    for (name, tensor) in weights.iter_mut() {
        if let Some(repeats) = input_axis(name) {
            *tensor = with_inputs(tensor, &channels, repeats);
        } else if has_gates(name) {
            *tensor = with_outputs(tensor, &gates, name == "out.bias");
        }
    }
}

/// `tensor` is [out, repeats · channels, …]; `channels` says for each new channel which old one it was.
fn with_inputs(tensor: &WeightTensor, channels: &[Option<usize>], repeats: usize) -> WeightTensor {
    let inner: usize = tensor.shape[2..].iter().product();
    let old = tensor.shape[1] / repeats;
    let mut values = Vec::new();
    for row in tensor.values.chunks_exact(tensor.shape[1] * inner) {
        for repeat in 0..repeats {
            for channel in channels {
                match channel {
                    Some(channel) => {
                        let start = (repeat * old + channel) * inner;
                        values.extend_from_slice(&row[start..start + inner]);
                    }
                    None => values.extend(std::iter::repeat_n(0.0, inner)),
                }
            }
        }
    }
    let mut shape = tensor.shape.clone();
    shape[1] = repeats * channels.len();
    WeightTensor { shape, values }
}

/// `tensor` is [gates and residual, …]; `outputs` says for each new output which old one it was, and its extra bias.
fn with_outputs(
    tensor: &WeightTensor,
    outputs: &[(Option<usize>, f32)],
    is_bias: bool,
) -> WeightTensor {
    let inner: usize = tensor.shape[1..].iter().product();
    let mut values = Vec::new();
    for (output, bias) in outputs {
        match output {
            Some(output) => values.extend_from_slice(&tensor.values[output * inner..][..inner]),
            None => values.extend(std::iter::repeat_n(if is_bias { *bias } else { 0.0 }, inner)),
        }
    }
    let mut shape = tensor.shape.clone();
    shape[0] = outputs.len();
    WeightTensor { shape, values }
}

#[cfg(test)]
mod tests {
    use tch::nn::VarStore;
    use tch::{Device, Kind, Tensor};

    use super::*;
    use crate::condition::{CHANNELS, GLOBALS, MEMORY};
    use crate::model::reverie::unet::{Unet, UnetConfig};

    /// A network of today's layout, cut back to one without memory and carried over again.
    fn carried(new_gate: NewGate) -> (Tensor, Tensor) {
        let config = UnetConfig { channels: [8, 8, 8], blocks: [1, 1, 1], head_channels: 8 };
        let store = VarStore::new(Device::Cpu);
        tch::manual_seed(5);
        let net = Unet::new(&store.root(), &config);
        let _guard = tch::no_grad_guard();
        let maps = Tensor::rand([1, CHANNELS as i64, 8, 8], (Kind::Float, Device::Cpu));
        let without = maps.copy();
        let _ = without.narrow(1, MEMORY as i64, 4).zero_();
        let noisy = Tensor::rand([1, 3, 8, 8], (Kind::Float, Device::Cpu));
        let globals = Tensor::rand([1, GLOBALS as i64], (Kind::Float, Device::Cpu));
        let run = |net: &Unet, maps: &Tensor| {
            net.forward(&noisy, maps, &globals, &Tensor::ones([1, 1], (Kind::Float, Device::Cpu)))
        };
        for (name, mut variable) in store.variables() {
            if has_gates(&name) {
                let _ = variable.uniform_(-0.1, 0.1);
            }
        }
        let before = run(&net, &without).unwrap();
        let old: Vec<String> = CHANNEL_NAMES[..MEMORY].iter().map(|s| (*s).to_owned()).collect();
        let mut weights = Weights::new();
        for (name, variable) in store.variables() {
            let shape: Vec<usize> = variable.size().iter().map(|s| *s as usize).collect();
            let cut = card_shape(&name, shape, &old);
            let mut tensor = variable;
            if let Some(repeats) = input_axis(&name) {
                let (parts, count) = (repeats as i64, CHANNELS as i64 + 3);
                let size = tensor.size();
                let split = tensor.view([size[0], parts, count, -1]);
                let kept = [split.narrow(2, 0, MEMORY as i64), split.narrow(2, count - 3, 3)];
                tensor = Tensor::cat(&kept, 2);
            } else if has_gates(&name) {
                tensor = Tensor::cat(&[tensor.narrow(0, 0, 4), tensor.narrow(0, 5, 3)], 0);
            }
            let values = Vec::<f32>::try_from(tensor.contiguous().view([-1])).unwrap();
            assert_eq!(values.len(), cut.iter().product::<usize>(), "{name}");
            weights.insert(name, WeightTensor { shape: cut, values });
        }
        carry(&mut weights, &old, new_gate);
        for (name, mut variable) in store.variables() {
            let tensor = &weights[&name];
            assert_eq!(
                tensor.shape,
                variable.size().iter().map(|s| *s as usize).collect::<Vec<_>>()
            );
            variable.copy_(&Tensor::from_slice(&tensor.values).view(variable.size().as_slice()));
        }
        let shown = if new_gate == NewGate::Closed { maps } else { without };
        (before, run(&net, &shown).unwrap())
    }

    #[test]
    fn weights_that_know_no_memory_paint_the_same_whatever_is_remembered() {
        let (before, after) = carried(NewGate::Closed);
        let most = (before - after).abs().max().double_value(&[]);
        assert!(most < 1e-3, "{most}");
    }

    #[test]
    fn a_new_gate_leaves_pictures_alone_while_nothing_is_remembered() {
        let (before, after) = carried(NewGate::LikeKey);
        let most = (before - after).abs().max().double_value(&[]);
        assert!(most < 1e-3, "{most}");
    }

    #[test]
    fn the_present_layout_is_left_as_it_is() {
        let names: Vec<String> = CHANNEL_NAMES.iter().map(|s| (*s).to_owned()).collect();
        let tensor =
            WeightTensor { shape: vec![1, CHANNELS + 3, 1, 1], values: vec![1.0; CHANNELS + 3] };
        let mut weights = Weights::from([("full.weight".to_owned(), tensor.clone())]);
        carry(&mut weights, &names, NewGate::Closed);
        assert_eq!(weights["full.weight"], tensor);
    }
}
