//! What is compared with the truth, and over which frames.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::Serialize;

/// True frames that a model is given before it is judged: 2 s at 10 Hz.
pub const PROMPT_FRAMES: usize = 20;
/// Frames after the prompt at which rows with horizons are judged.
pub const HORIZONS: [usize; 5] = [1, 8, 16, 64, 256];
/// Rows without horizons are judged over the frames 1 to this after the prompt.
pub const WHOLE_FRAMES: usize = 64;
/// Every so many frames a point of the plot over frames.
pub const PLOT_EVERY: usize = 8;
/// Frames of a horizon's window, at most: single frames are too noisy to compare.
const WINDOW: usize = 8;

/// The frames after the prompt (from 1) that horizon `horizon` averages: the last eight up to it.
pub fn window(horizon: usize) -> RangeInclusive<usize> {
    (horizon + 1).saturating_sub(WINDOW).max(1)..=horizon
}

/// A part of an episode that is judged as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Span {
    /// Frames 1 to [`WHOLE_FRAMES`] after the prompt, or to the episode's end.
    Whole,
    /// [`window`] of this horizon.
    Horizon(usize),
}

impl Span {
    /// Whether frame `frame` after the prompt belongs to it, in an episode with `last` frames after the prompt.
    ///
    /// An episode that does not reach a horizon has no part in it.
    pub fn holds(self, frame: usize, last: usize) -> bool {
        match self {
            Self::Whole => frame <= WHOLE_FRAMES,
            Self::Horizon(horizon) => horizon <= last && window(horizon).contains(&frame),
        }
    }
}

/// A row of the evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowKind {
    /// The model's autoencoder alone, on the true frame; only of models that work on latents.
    CodecCeiling,
    /// The true frame before.
    CopyLast,
    /// The last true prompt frame, held: what a dream has to beat.
    CopyPrompt,
    /// The plain renderer of the condition.
    ShadowPaint,
    /// The last true prompt frame reprojected by exact depth, holes filled with shadow paint.
    WarpPaint,
    /// The last true prompt frame reprojected to where the commands alone take the camera, its world standing still;
    /// holes filled with the nearest pixel that is known.
    CommandedWarp,
    /// The model without any past and without a look: every frame alone.
    SingleFrame,
    /// The model with a past of true frames.
    TeacherForced,
    /// The model with its own frames as its past.
    Autoregressive,
    /// The same with the guard correcting it: nothing may be lost where nothing is wrong.
    Guarded,
    /// The same without memory of surfaces, but with past frames; a control that must not be better.
    WithoutMemory,
    /// The same with all colours left open.
    TintWithheld,
    /// The same with the bodies of another episode; a control that must be worse.
    WrongShadow,
    /// The same with the episode's actions in another order; a control that must not be better.
    ShuffledActions,
    /// The model without any shadow after the prompt: its own frames, the actions, the time and the style say all.
    Dream,
    /// The same with the guard pulling it back to the shadow where it breaks physics.
    DreamGuarded,
    /// The same with the actions in another order; a control that must be worse.
    DreamShuffled,
    /// The same with no action at all; a control that must be worse.
    DreamStill,
}

impl RowKind {
    /// In the order of the table.
    pub const ALL: [Self; 18] = [
        Self::CodecCeiling,
        Self::CopyLast,
        Self::CopyPrompt,
        Self::ShadowPaint,
        Self::WarpPaint,
        Self::CommandedWarp,
        Self::SingleFrame,
        Self::TeacherForced,
        Self::Autoregressive,
        Self::Guarded,
        Self::WithoutMemory,
        Self::TintWithheld,
        Self::WrongShadow,
        Self::ShuffledActions,
        Self::Dream,
        Self::DreamGuarded,
        Self::DreamShuffled,
        Self::DreamStill,
    ];

    /// Only of models that can dream.
    pub const DREAMS: [Self; 4] =
        [Self::Dream, Self::DreamGuarded, Self::DreamShuffled, Self::DreamStill];

    /// Only of models with an observer.
    pub const GUARDED: [Self; 2] = [Self::Guarded, Self::DreamGuarded];

    /// As in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::CodecCeiling => "codec_ceiling",
            Self::CopyLast => "copy_last",
            Self::CopyPrompt => "copy_prompt",
            Self::ShadowPaint => "shadow_paint",
            Self::WarpPaint => "warp_paint",
            Self::CommandedWarp => "commanded_warp",
            Self::SingleFrame => "single_frame",
            Self::TeacherForced => "teacher_forced",
            Self::Autoregressive => "autoregressive",
            Self::Guarded => "guarded",
            Self::WithoutMemory => "without_memory",
            Self::TintWithheld => "tint_withheld",
            Self::WrongShadow => "wrong_shadow",
            Self::ShuffledActions => "shuffled_actions",
            Self::Dream => "dream",
            Self::DreamGuarded => "dream_guarded",
            Self::DreamShuffled => "dream_shuffled",
            Self::DreamStill => "dream_still",
        }
    }

    /// The model makes frame after frame of it.
    pub fn is_dreamed(self) -> bool {
        !matches!(
            self,
            Self::CodecCeiling
                | Self::CopyLast
                | Self::CopyPrompt
                | Self::ShadowPaint
                | Self::WarpPaint
                | Self::CommandedWarp
        )
    }

    /// See [`DREAMS`](Self::DREAMS).
    pub fn is_dream(self) -> bool {
        Self::DREAMS.contains(&self)
    }

    /// See [`GUARDED`](Self::GUARDED).
    pub fn is_guarded(self) -> bool {
        Self::GUARDED.contains(&self)
    }

    /// Over which frames it is judged.
    pub fn spans(self) -> Vec<Span> {
        let horizons = HORIZONS.map(Span::Horizon);
        match self {
            Self::CopyLast | Self::SingleFrame | Self::TeacherForced => vec![Span::Whole],
            // The gain over shadow paint is told at each horizon, and so is what the codec leaves of it.
            Self::CodecCeiling | Self::ShadowPaint => {
                [Span::Whole].into_iter().chain(horizons).collect()
            }
            _ => horizons.to_vec(),
        }
    }

    /// Whether frame `frame` after the prompt has to be compared with the truth.
    pub fn needs(self, frame: usize, last: usize) -> bool {
        let plotted = self.is_plotted() && is_plotted_frame(frame);
        frame <= last && (plotted || self.spans().iter().any(|span| span.holds(frame, last)))
    }

    /// Has a line in the plot over frames.
    pub fn is_plotted(self) -> bool {
        self.spans().contains(&Span::Horizon(HORIZONS[0]))
    }
}

/// Whether the plot over frames has a point here.
pub fn is_plotted_frame(frame: usize) -> bool {
    frame == 1 || frame.is_multiple_of(PLOT_EVERY)
}

impl fmt::Display for RowKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for RowKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|row| row.name() == text).ok_or_else(|| {
            format!(
                "there is no row `{text}`; choose among {}",
                Self::ALL.map(Self::name).join(", ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_at_its_horizon_and_never_reaches_into_the_prompt() {
        assert_eq!(HORIZONS.map(window), [1..=1, 1..=8, 9..=16, 57..=64, 249..=256]);
    }

    #[test]
    fn an_episode_that_ends_before_a_horizon_has_no_part_in_it() {
        assert!(Span::Horizon(64).holds(60, 64));
        assert!(!Span::Horizon(64).holds(60, 63));
        assert!(Span::Whole.holds(10, 12) && !Span::Whole.holds(65, 256));
        assert!(!RowKind::Autoregressive.needs(33, 256) && RowKind::Autoregressive.needs(32, 256));
        assert!(!RowKind::TeacherForced.needs(72, 256) && RowKind::TeacherForced.needs(33, 256));
    }

    #[test]
    fn names_in_json_and_on_the_command_line_are_the_same() {
        for row in RowKind::ALL {
            assert_eq!(row.name().parse(), Ok(row));
            assert_eq!(serde_json::to_string(&row).unwrap(), format!("\"{row}\""));
        }
        assert!("warp".parse::<RowKind>().unwrap_err().contains("`warp`"));
    }
}
