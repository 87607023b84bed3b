//! The component that makes a camera neural.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bevy::asset::io::file::FileAssetReader;
use bevy::prelude::*;
use reverie_runtime::model::{LoadOptions, ModelError, ShadowPaint, WorldModel, load_model};
/// What binds the picture; it may change from frame to frame, without a cut.
pub use reverie_runtime::request::DreamMode as NeuralMode;
use reverie_runtime::style::StyleWeights;

use crate::guard::{GuardNotes, GuardSettings};
use crate::memory::NeuralMemory;

/// Pixels of shadow paint where no model sets the size.
pub(crate) const PAINT_SIZE: UVec2 = UVec2::new(128, 72);

/// Of [`NeuralCamera::overscan`]; `docs/BENCHMARKS.md` has what it is worth.
const OVERSCAN: f32 = 1.15;

/// Replaces the camera's render pass by a world model.
///
/// The picture shows the colliders, meshes and lights that [`crate::shadow`] sees. Until the first picture is
/// there, and whenever [`Self::enabled`] is off, the ordinary render pass is on screen; removing the component
/// gives it back for good.
#[derive(Component, Debug, Clone)]
#[require(Camera3d, NeuralMemory, GuardNotes)]
pub struct NeuralCamera {
    /// Who paints.
    pub model: NeuralModel,
    /// What binds the picture: the shadow, or past pictures and the player's action alone. A model that cannot dream
    /// ignores it and says so in the log. Takes effect with the next request, in both directions without a cut.
    pub mode: NeuralMode,
    /// Weather and time of day.
    pub style: StyleWeights,
    /// How strictly the shadow binds the picture, 0 to 1.
    pub condition_strength: f32,
    /// Set it on a camera cut or a teleport: all past pictures are forgotten. Cleared once it is asked for.
    pub reset: bool,
    /// Neural or ordinary picture; takes effect in the same frame.
    pub enabled: bool,
    /// A picture that sets palette and textures from the start.
    pub prompt: Option<PathBuf>,
    /// Of the model's noise.
    pub seed: u64,
    /// Denoising steps; the card's own number if `None`.
    pub steps: Option<u32>,
    /// How small pictures fill the screen.
    pub filter: NeuralFilter,
    /// Neural pictures see this much further than the screen at each side, as a factor of the tangents of its angles,
    /// so that a turn does not run out of picture at once. 1 to 2.
    pub overscan: f32,
    /// The model is asked for the view in which its picture will be on screen: a turn is thought to go on. Not with
    /// [`NeuralPace::Lockstep`], nor with filters that show the pose of then.
    pub anticipate: bool,
    /// Who waits for whom.
    pub pace: NeuralPace,
    /// What the physics guard may do about pictures that the physics denies.
    pub guard: GuardSettings,
}

impl NeuralCamera {
    /// A camera that sees through the model of a `.world.ron` card. A relative path is looked for in the working
    /// folder, then in the game's `assets` folder. Without such a file the picture is shadow paint.
    pub fn new(card: impl Into<PathBuf>) -> Self {
        Self { model: NeuralModel::Card(card.into()), ..Self::default() }
    }

    /// The same with a style.
    pub fn with_style(self, style: StyleWeights) -> Self {
        Self { style, ..self }
    }
}

impl Default for NeuralCamera {
    fn default() -> Self {
        Self {
            model: NeuralModel::ShadowPaint,
            mode: NeuralMode::Anchored,
            style: StyleWeights::NOON,
            condition_strength: 1.0,
            reset: false,
            enabled: true,
            prompt: None,
            seed: 0,
            steps: None,
            filter: NeuralFilter::WarpAndUpsample,
            overscan: OVERSCAN,
            anticipate: true,
            pace: NeuralPace::Free,
            guard: GuardSettings::OFF,
        }
    }
}

/// A function that builds a game's own world model; called on the dream thread.
pub type BuildModel = dyn Fn() -> Result<Box<dyn WorldModel>, ModelError> + Send + Sync;

/// Who paints the pictures.
#[derive(Clone, Default)]
pub enum NeuralModel {
    /// The plain renderer of the shadow: no model file, no libtorch.
    #[default]
    ShadowPaint,
    /// The model of a `.world.ron` card.
    Card(PathBuf),
    /// Any other [`WorldModel`].
    Custom(Arc<BuildModel>),
}

impl NeuralModel {
    /// Builds the model; runs on the dream thread.
    pub(crate) fn build(&self, options: &LoadOptions) -> Result<Box<dyn WorldModel>, ModelError> {
        match self {
            Self::ShadowPaint => Ok(Box::new(ShadowPaint::new(PAINT_SIZE.x, PAINT_SIZE.y))),
            Self::Card(card) => load_model(&found(card), options),
            Self::Custom(build) => build(),
        }
    }

    /// The same model, so that it need not be built anew.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::ShadowPaint, Self::ShadowPaint) => true,
            (Self::Card(a), Self::Card(b)) => a == b,
            (Self::Custom(a), Self::Custom(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl fmt::Debug for NeuralModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShadowPaint => write!(f, "ShadowPaint"),
            Self::Card(path) => write!(f, "Card({})", path.display()),
            Self::Custom(_) => write!(f, "Custom"),
        }
    }
}

/// A path that exists in the working folder or its `assets`, in the assets of the game, or as it was given.
fn found(path: &Path) -> PathBuf {
    if path.is_absolute() || path.exists() {
        return path.to_owned();
    }
    let base = FileAssetReader::get_base_path();
    [Path::new("assets").join(path), base.join("assets").join(path), base.join(path)]
        .into_iter()
        .find(|candidate| candidate.exists())
        .unwrap_or_else(|| path.to_owned())
}

/// How small pictures fill the screen. All but the default are there to compare with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NeuralFilter {
    /// Square pixels, in the pose of then.
    Nearest,
    /// Smooth between pixels, in the pose of then.
    Bilinear,
    /// Upsampled along the edges of the shadow, in the pose of then.
    Upsample,
    /// Carried to the newest pose, smooth between pixels.
    Warp,
    /// Carried to the newest pose and upsampled along the edges of the shadow; what was not seen is painted.
    #[default]
    WarpAndUpsample,
}

/// Who waits for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NeuralPace {
    /// Nobody: the newest picture is shown, however old its state is. For games.
    #[default]
    Free,
    /// Every app frame waits for its own picture. For rendering to files, and for tests.
    Lockstep,
}

/// The game has cut to another view: the camera must forget its past pictures.
#[derive(Message, Debug, Clone, Copy, PartialEq, Eq)]
pub struct CameraCut {
    /// The camera that jumped.
    pub camera: Entity,
}

/// [`CameraCut`] sets [`NeuralCamera::reset`].
pub(crate) fn cut(mut cuts: MessageReader<CameraCut>, mut cameras: Query<&mut NeuralCamera>) {
    for cut in cuts.read() {
        if let Ok(mut camera) = cameras.get_mut(cut.camera) {
            camera.reset = true;
        }
    }
}
