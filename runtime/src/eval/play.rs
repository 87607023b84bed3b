//! Lets a model dream a row of the evaluation.

use std::sync::Arc;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::clip::{Clip, at};
use super::rows::{PROMPT_FRAMES, RowKind, WHOLE_FRAMES};
use crate::correct::{Corrector, GuardMode, GuardOrders};
use crate::data::Episode;
use crate::frame::NeuralFrame;
use crate::model::{Measured, ModelError};
use crate::request::{Action, DreamMode, DreamRequest};

const SHUFFLE_SEED: u64 = 0x5AFE;
/// True pictures are believed in full.
const TRUE_TRUST: f32 = 1.0;

/// How many frames of an episode with `last` frames after the prompt the row dreams.
pub(super) fn frames_of(kind: RowKind, last: usize) -> usize {
    match kind {
        RowKind::SingleFrame | RowKind::TeacherForced => last.min(WHOLE_FRAMES),
        _ => last,
    }
}

/// Dreams the frames 1 to `last` after the prompt; `take` gets each.
///
/// `other` gives the bodies of [`RowKind::WrongShadow`], `guard` corrects the rows that want it. The same for the same model whatever was played before.
pub(super) fn play(
    (model, guard): (&mut dyn Measured, Option<&mut Corrector>),
    clip: &Clip,
    kind: RowKind,
    other: Option<&Episode>,
    last: usize,
    take: &mut dyn FnMut(usize, &NeuralFrame),
) -> Result<(), ModelError> {
    let mut guard = guard.filter(|_| kind.is_guarded());
    if let Some(guard) = &mut guard {
        guard.forget();
    }
    model.set_ablation(kind != RowKind::TintWithheld, true);
    model.set_memory(kind != RowKind::WithoutMemory);
    // Another world's look would be wrong here: the prompt shows this one's.
    model.forget_look();
    let actions = actions(clip, kind);
    if kind != RowKind::SingleFrame {
        for index in 0..PROMPT_FRAMES {
            if let Some(guard) = &mut guard {
                guard.watch(&clip.request(index), &clip.rgb[index], (clip.width, clip.height))?;
            }
            model.prompt(&clip.request(index), clip.rgb[index].clone(), TRUE_TRUST)?;
        }
    }
    for frame in 1..=last {
        let index = at(frame);
        let mut request = match kind {
            // The guard knows the state, whatever the dream does not.
            RowKind::DreamGuarded => DreamRequest { mode: DreamMode::Dream, ..clip.request(index) },
            kind if kind.is_dream() => clip.dream_request(frame, actions[index]),
            _ => DreamRequest { action: actions[index], ..clip.request(index) },
        };
        if let (RowKind::WrongShadow, Some(other)) = (kind, other) {
            let mut snapshot = (*request.snapshot).clone();
            snapshot.bodies = other.snapshot(index.min(other.len() - 1)).bodies;
            request.snapshot = Arc::new(snapshot);
        }
        let dreamed = match kind {
            RowKind::SingleFrame => {
                model.forget_look();
                model.append_frame(&request)?
            }
            RowKind::TeacherForced => {
                model.append_frame_as(&request, clip.truth(frame).to_vec(), TRUE_TRUST)?
            }
            _ => match &mut guard {
                Some(guard) => {
                    let orders = GuardOrders {
                        mode: GuardMode::Correct,
                        deadline_ms: f32::INFINITY,
                        ..GuardOrders::default()
                    };
                    let (dreamed, _) = guard.append(model, &request, &orders)?;
                    let _ = guard.look_back(model);
                    dreamed
                }
                None => model.append_frame(&request)?,
            },
        };
        take(frame, &dreamed);
    }
    Ok(())
}

/// The episode's actions; those after the prompt in another order, or none, where the row asks for it.
fn actions(clip: &Clip, kind: RowKind) -> Vec<Action> {
    let mut actions = clip.actions.clone();
    match kind {
        RowKind::ShuffledActions | RowKind::DreamShuffled => {
            actions[PROMPT_FRAMES..].shuffle(&mut ChaCha8Rng::seed_from_u64(SHUFFLE_SEED));
        }
        RowKind::DreamStill => actions[PROMPT_FRAMES..].fill(Action::default()),
        _ => {}
    }
    actions
}

/// Interleaved sRGB, 0 to 1, of the bytes that are shown.
pub(super) fn shown_rgb(frame: &NeuralFrame) -> Vec<f32> {
    frame
        .rgba
        .chunks_exact(4)
        .flat_map(|p| [p[0], p[1], p[2]])
        .map(|b| f32::from(b) / 255.0)
        .collect()
}
