use reverie_runtime::{condition::*, model::reverie::unet::*};
use std::time::Instant;
use tch::{Device, Kind, Tensor, nn};
fn main() {
    for threads in [1, 2] {
        tch::set_num_threads(threads);
        for kind in [Kind::Float, Kind::BFloat16] {
            let vs = nn::VarStore::new(Device::Cpu);
            let net = Unet::new(&vs.root(), &UnetConfig::default());
            let params: i64 = vs.trainable_variables().iter().map(|t| t.numel() as i64).sum();
            for (b, train) in [(1, false), (8, true)] {
                let maps = Tensor::randn([b, 72, 128, CHANNELS as i64], (Kind::Float, Device::Cpu))
                    .to_kind(kind)
                    .permute([0, 3, 1, 2]);
                let noisy = Tensor::randn([b, 72, 128, 3], (Kind::Float, Device::Cpu))
                    .permute([0, 3, 1, 2]);
                let g = Tensor::randn([b, GLOBALS as i64], (Kind::Float, Device::Cpu));
                let t = Tensor::ones([b, 1], (Kind::Float, Device::Cpu));
                let mut best = f64::MAX;
                let mut sum = 0.0;
                let n = if train { 4 } else { 20 };
                for _ in 0..n {
                    let s = Instant::now();
                    if train {
                        let l =
                            net.forward(&noisy, &maps, &g, &t).unwrap().square().mean(Kind::Float);
                        l.backward();
                    } else {
                        tch::no_grad(|| net.forward(&noisy, &maps, &g, &t).unwrap());
                    }
                    let e = s.elapsed().as_secs_f64();
                    best = best.min(e);
                    sum += e;
                }
                println!(
                    "threads {threads} {kind:?} params {params} batch {b} train {train}: best {:.1} ms mean {:.1} ms; {:.1}/s",
                    best * 1e3,
                    sum / n as f64 * 1e3,
                    b as f64 * n as f64 / sum
                );
            }
        }
    }
}
