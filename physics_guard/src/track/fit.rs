//! Least squares over a window of samples, with the deviation of what they find.
//!
//! A sample's deviation is known from the picture that it is of. Where the samples scatter more than that about what is
//! fitted, their scatter is taken.

/// A line through samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// At the middle of the window.
    pub value: f32,
    /// Per second.
    pub rate: f32,
    /// Standard deviation of the rate: √(12 / n³)·σ·fps of evenly spaced samples.
    pub rate_sigma: f32,
}

/// A parabola through samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parabola {
    /// Per second squared: twice the quadratic coefficient.
    pub acceleration: f32,
    /// Its standard deviation: √(720 / n⁵)·σ·fps² of evenly spaced samples.
    pub acceleration_sigma: f32,
}

impl Line {
    /// Through (time in seconds, value) pairs whose values have the deviation `sigma`. `None` of fewer than 3, or if all
    /// are at the same time.
    pub fn through(samples: impl Iterator<Item = (f64, f32)> + Clone, sigma: f32) -> Option<Self> {
        let (count, middle_s) = middle(samples.clone())?;
        if count < 3.0 {
            return None;
        }
        let (mut tt, mut ty, mut sum) = (0.0, 0.0, 0.0);
        for (time_s, value) in samples.clone() {
            let t = time_s - middle_s;
            tt += t * t;
            ty += t * f64::from(value);
            sum += f64::from(value);
        }
        if tt < 1e-9 {
            return None;
        }
        let (mean, rate) = (sum / count, ty / tt);
        let fitted = |time_s: f64| mean + rate * (time_s - middle_s);
        let sigma = f64::from(sigma).max(scatter(samples, fitted, count - 2.0));
        Some(Self { value: mean as f32, rate: rate as f32, rate_sigma: (sigma / tt.sqrt()) as f32 })
    }
}

impl Parabola {
    /// Through (time in seconds, value) pairs whose values have the deviation `sigma`. `None` of fewer than 4, or if
    /// they are not spread in time.
    pub fn through(samples: impl Iterator<Item = (f64, f32)> + Clone, sigma: f32) -> Option<Self> {
        let (count, middle_s) = middle(samples.clone())?;
        if count < 4.0 {
            return None;
        }
        // Polynomials orthogonal over the samples' times: 1, t, and t² less what the first two explain.
        let (mut t2, mut t3) = (0.0, 0.0);
        for (time_s, _) in samples.clone() {
            let t = time_s - middle_s;
            t2 += t * t;
            t3 += t * t * t;
        }
        if t2 < 1e-9 {
            return None;
        }
        let curve = |t: f64| t * t - t3 / t2 * t - t2 / count;
        let (mut qq, mut qy, mut ty, mut sum) = (0.0, 0.0, 0.0, 0.0);
        for (time_s, value) in samples.clone() {
            let (t, value) = (time_s - middle_s, f64::from(value));
            qq += curve(t) * curve(t);
            qy += curve(t) * value;
            ty += t * value;
            sum += value;
        }
        if qq < 1e-12 {
            return None;
        }
        let fitted = |time_s: f64| {
            let t = time_s - middle_s;
            sum / count + ty / t2 * t + qy / qq * curve(t)
        };
        let sigma = f64::from(sigma).max(scatter(samples, fitted, count - 3.0));
        Some(Self {
            acceleration: (2.0 * qy / qq) as f32,
            acceleration_sigma: (2.0 * sigma / qq.sqrt()) as f32,
        })
    }
}

/// Deviation of samples about what was fitted to them, by the degrees of freedom that are left.
fn scatter(
    samples: impl Iterator<Item = (f64, f32)>,
    fitted: impl Fn(f64) -> f64,
    freedom: f64,
) -> f64 {
    let square: f64 = samples.map(|(t, value)| (f64::from(value) - fitted(t)).powi(2)).sum();
    (square / freedom.max(1.0)).sqrt()
}

/// Number of samples, and the mean of their times.
fn middle(samples: impl Iterator<Item = (f64, f32)>) -> Option<(f64, f64)> {
    let (count, sum) = samples.fold((0.0, 0.0), |(n, sum), (t, _)| (n + 1.0, sum + t));
    (count > 0.0).then(|| (count, sum / count))
}
