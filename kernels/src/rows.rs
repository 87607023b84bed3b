//! Rows of pictures on several cores.
//!
//! Whoever wants that runs a kernel inside a pool of threads (`rayon::ThreadPool::install`); anywhere else everything stays on the thread that calls. What comes out is the
//! same to the bit: no pixel knows of another one.

use std::ops::Range;

use rayon::prelude::*;

/// Rows that one task takes at least: less is not worth handing over. Of wide rows fewer are.
const LEAST_ROWS: usize = 4;
/// Values of as many rows as are worth it.
const LEAST_VALUES: usize = 2048;

fn is_shared() -> bool {
    rayon::current_thread_index().is_some() && rayon::current_num_threads() > 1
}

/// Rows of so many values for each task.
fn at_once(rows: usize, wide: usize) -> usize {
    // A few tasks for each thread: some rows are all sky.
    let least = (LEAST_VALUES / wide.max(1)).clamp(1, LEAST_ROWS);
    rows.div_ceil(4 * rayon::current_num_threads()).max(least)
}

/// Rows for one parcel of a picture with so many: all of them where nobody shares the work.
pub(crate) fn parcel_of(rows: usize) -> usize {
    if is_shared() { at_once(rows, 1) } else { rows.max(1) }
}

/// Calls `each` with every row's number and its part of `a` and `b`, which have `wide` values a row.
///
/// # Panics
/// A row of no values.
pub fn each_row<A: Send, B: Send>(
    (a, wide_a): (&mut [A], usize),
    (b, wide_b): (&mut [B], usize),
    each: impl Fn(usize, &mut [A], &mut [B]) + Sync,
) {
    let rows = a.len() / wide_a;
    if !is_shared() {
        let parts = a.chunks_exact_mut(wide_a).zip(b.chunks_exact_mut(wide_b));
        parts.enumerate().for_each(|(row, (a, b))| each(row, a, b));
        return;
    }
    a.par_chunks_exact_mut(wide_a)
        .zip(b.par_chunks_exact_mut(wide_b))
        .enumerate()
        .with_min_len(at_once(rows, wide_a))
        .for_each(|(row, (a, b))| each(row, a, b));
}

/// As [`each_row`] in parcels of rows, each of which is answered: `each` gets the numbers of its rows and their parts.
pub(crate) fn each_parcel<A: Send, B: Send, T: Send>(
    (a, wide_a): (&mut [A], usize),
    (b, wide_b): (&mut [B], usize),
    each: impl Fn(Range<usize>, &mut [A], &mut [B]) -> T + Sync,
) -> Vec<T> {
    let rows = a.len() / wide_a;
    if !is_shared() {
        return vec![each(0..rows, a, b)];
    }
    let parcel = at_once(rows, wide_a);
    a.par_chunks_mut(parcel * wide_a)
        .zip(b.par_chunks_mut(parcel * wide_b))
        .enumerate()
        .map(|(number, (a, b))| {
            let first = number * parcel;
            each(first..first + a.len() / wide_a, a, b)
        })
        .collect()
}

/// What both make, at once if there are threads for it.
pub fn both<A: Send, B: Send>(
    a: impl FnOnce() -> A + Send,
    b: impl FnOnce() -> B + Send,
) -> (A, B) {
    if is_shared() { rayon::join(a, b) } else { (a(), b()) }
}

/// Calls `each` with every item. Each is a task of its own: parcels, not pixels.
pub fn each_mut<T: Send>(items: &mut [T], each: impl Fn(&mut T) + Sync + Send) {
    if is_shared() { items.par_iter_mut().for_each(each) } else { items.iter_mut().for_each(each) }
}

/// What `of` makes of each item, in their order.
pub fn each_of<T: Sync, R: Send>(items: &[T], of: impl Fn(&T) -> R + Sync + Send) -> Vec<R> {
    if is_shared() { items.par_iter().map(of).collect() } else { items.iter().map(of).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_out_the_same_on_one_thread_and_on_three() {
        let run = || {
            let (mut a, mut b) = (vec![0usize; 7 * 37], vec![0usize; 2 * 37]);
            each_row((&mut a, 7), (&mut b, 2), |row, a, b| {
                a.iter_mut().enumerate().for_each(|(x, a)| *a = 100 * row + x);
                b.fill(row);
            });
            let sums = each_parcel((&mut a, 7), (&mut b, 2), |rows, a, b| {
                assert_eq!((a.len(), b.len()), (7 * rows.len(), 2 * rows.len()));
                a.iter().sum::<usize>() + rows.start
            });
            let (sum, product) = both(|| a[3] + 1, || 2 * b[5]);
            b.extend([sum, product]);
            let mut parcels: Vec<&mut [usize]> = a.chunks_mut(7 * parcel_of(37)).collect();
            each_mut(&mut parcels, |parcel| parcel.iter_mut().for_each(|a| *a += 1));
            (a, b, each_of(&[1, 2, 3], |i| 2 * i), sums.len())
        };
        let alone = run();
        assert_eq!(alone.3, 1);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let shared = pool.install(run);
        assert_eq!((&alone.0, &alone.1, &alone.2), (&shared.0, &shared.1, &shared.2));
        assert!(shared.3 > 1);
    }
}
