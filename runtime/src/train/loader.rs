//! Threads that turn episodes into samples.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam::channel::{Receiver, bounded};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::data::{DataError, Episode};
use crate::train::TrainError;

/// Samples waiting between loaders and trainer. One of 128×72 takes 2 MB.
const QUEUE: usize = 32;

/// Running loader threads; they end when this is dropped.
#[derive(Debug)]
pub struct Loader<S> {
    /// Samples, or the reason why an episode cannot be read.
    pub samples: Receiver<Result<S, DataError>>,
    threads: Vec<JoinHandle<()>>,
}

impl<S: Send + 'static> Loader<S> {
    /// Starts `threads` loaders over `episodes`; `draw` gives the samples of one. `visit` continues the random sequence
    /// after a resume; `size` is what all pictures must have, width and height.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn spawn<D>(
        episodes: Arc<Vec<PathBuf>>,
        seed: u64,
        visit: u64,
        threads: usize,
        size: (u32, u32),
        draw: D,
    ) -> std::io::Result<Self>
    where
        D: Fn(&Episode, &mut ChaCha8Rng, &mut dyn FnMut(S)) -> Result<(), DataError>
            + Clone
            + Send
            + 'static,
    {
        let (send, samples) = bounded(QUEUE);
        let mut handles = Vec::new();
        for thread in 0..threads.max(1) {
            let (send, draw, episodes) = (send.clone(), draw.clone(), episodes.clone());
            let mut rng = ChaCha8Rng::seed_from_u64(seed ^ (visit << 20));
            rng.set_stream(thread as u64);
            let work = move || {
                while !episodes.is_empty() {
                    let path = &episodes[rng.random_range(0..episodes.len())];
                    let mut open = true;
                    let drawn = Episode::open(path).and_then(|episode| {
                        check_size(&episode, size)?;
                        draw(&episode, &mut rng, &mut |sample| {
                            open = open && send.send(Ok(sample)).is_ok();
                        })
                    });
                    if let Err(error) = drawn {
                        open = send.send(Err(error)).is_ok();
                    }
                    if !open {
                        return;
                    }
                }
            };
            handles.push(std::thread::Builder::new().name(format!("loader {thread}")).spawn(work)?);
        }
        Ok(Self { samples, threads: handles })
    }
}

impl<S> Loader<S> {
    /// Waits for `wait` samples, and takes what else has come while there is `room`, but no more: the rest is for the next time.
    ///
    /// # Errors
    /// An episode cannot be read, or all threads ended.
    pub(crate) fn receive(&self, wait: usize, room: usize) -> Result<Vec<S>, TrainError> {
        let closed = || TrainError::Io {
            action: "draw samples".into(),
            source: std::io::Error::other("all loader threads ended"),
        };
        let mut fresh = Vec::new();
        while fresh.len() < wait {
            fresh.push(self.samples.recv().map_err(|_| closed())??);
        }
        for _ in 0..room.saturating_sub(wait).min(self.samples.len()) {
            fresh.push(self.samples.recv().map_err(|_| closed())??);
        }
        Ok(fresh)
    }
}

fn check_size(episode: &Episode, size: (u32, u32)) -> Result<(), DataError> {
    let (width, height) = (episode.header().width, episode.header().height);
    if (width, height) == size {
        return Ok(());
    }
    let reason = format!(
        "{width}×{height} pixels, but the first episode has {}×{}; keep sizes in folders of their own",
        size.0, size.1
    );
    Err(DataError::Malformed { path: episode.dir().to_owned(), reason })
}

impl<S> Drop for Loader<S> {
    fn drop(&mut self) {
        // Nobody receives any more: the threads see it at their next sample.
        let (_, closed) = bounded(0);
        drop(std::mem::replace(&mut self.samples, closed));
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}
