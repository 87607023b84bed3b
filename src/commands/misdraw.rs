//! Episodes of `reverie record --faults`: waits until a fault means something, then lets the pictures show it.

use bevy::prelude::*;
use bevy_rapier3d::prelude::Velocity;
use bevy_reverie::recorder::{MisdrawError, Recorder, clear_misdrawn, misdraw};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use reverie_guard::fault::Search;
use reverie_guard::{Fault, FaultClass};

use crate::courtyard::spawn::LevelAssets;
use crate::courtyard::{CourtyardBody, CourtyardCamera};

/// True pictures before the fault: the guard learns how bodies look.
const FIRST_FRAME: u32 = 12;
/// A body with fewer pixels in sight is not taken, and
const LEAST_PIXELS: usize = 24;
/// after so many frames without a fit one, this many are enough.
const PATIENCE: u32 = 8;
const FEW_PIXELS: usize = 12;
/// Frames between two throws while something that flies is looked for.
const THROW_EVERY: u32 = 10;
const GRAVITY_M_S2: Vec3 = Vec3::new(0.0, -9.81, 0.0);

/// Makes one fault of one episode.
pub struct Misdrawer {
    class: FaultClass,
    strength: f32,
    search: Search,
    rng: ChaCha8Rng,
    begun: bool,
}

impl Misdrawer {
    /// For the episode of `seed`; `size` in pixels.
    pub fn new(class: FaultClass, seed: u64, size: (u32, u32)) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xFA17);
        // What is half there cannot be drawn by a game.
        let strength = match class {
            FaultClass::Erase | FaultClass::OpenWall => 1.0,
            _ => class.strengths().choose(&mut rng).copied().unwrap_or(1.0),
        };
        let search = Search {
            width: size.0 as usize,
            height: size.1 as usize,
            least_pixels: LEAST_PIXELS,
            gravity_m_s2: GRAVITY_M_S2,
            seed: rng.random(),
        };
        Self { class, strength, search, rng, begun: false }
    }

    /// Before each frame: throws a body up, if one that flies is needed.
    pub fn stage(&mut self, world: &mut World, frame: u32) {
        let due = frame >= FIRST_FRAME && (frame - FIRST_FRAME).is_multiple_of(THROW_EVERY);
        if self.class != FaultClass::Freeze || self.begun || !due {
            return;
        }
        let mut cameras = world.query_filtered::<&GlobalTransform, With<CourtyardCamera>>();
        let Some(eye) = cameras.iter(world).next().copied() else { return };
        let mut bodies = world.query::<(Entity, &CourtyardBody)>();
        let mut movable: Vec<(usize, Entity)> = bodies
            .iter(world)
            .filter(|(_, body)| body.movable)
            .map(|(entity, body)| (body.index, entity))
            .collect();
        movable.sort_unstable();
        let Some((_, entity)) = movable.choose(&mut self.rng) else { return };
        let ahead = eye.forward().with_y(0.0).normalize_or(Vec3::NEG_Z);
        let side = self.rng.random_range(-0.8..0.8f32);
        let start = eye.translation() + 3.5 * ahead + side * *eye.right() - 0.5 * Vec3::Y;
        if let Ok(mut body) = world.get_entity_mut(*entity) {
            body.insert(Velocity { linear: 4.5 * Vec3::Y, angular: Vec3::new(1.0, 2.0, 0.5) });
            if let Some(mut transform) = body.get_mut::<Transform>() {
                transform.translation = start;
            }
        }
    }

    /// After each frame: begins the fault with the next one, if a body is fit for it.
    ///
    /// # Errors
    /// The body cannot be drawn elsewhere.
    pub fn look(&mut self, world: &mut World, frame: u32) -> Result<(), MisdrawError> {
        if self.begun || frame < FIRST_FRAME {
            return Ok(());
        }
        let patient = frame < FIRST_FRAME + PATIENCE;
        self.search.least_pixels = if patient { LEAST_PIXELS } else { FEW_PIXELS };
        let past = world.resource::<Recorder>().recent_states();
        let Some(mut fault) = Fault::begin(self.class, self.strength, &past, &self.search) else {
            return Ok(());
        };
        // This frame is drawn already.
        fault.start_tick += 1;
        let mut material = None;
        if self.class == FaultClass::Material {
            let Some(assets) = world.get_resource::<LevelAssets>() else { return Ok(()) };
            let own = past.last().and_then(|s| s.bodies.iter().find(|b| b.id == fault.body));
            let own = own.map_or(0, |body| body.material);
            let mut others: Vec<u8> =
                assets.class_materials.keys().copied().filter(|class| *class != own).collect();
            others.sort_unstable();
            let Some(class) = others.choose(&mut self.rng) else { return Ok(()) };
            fault.material = *class;
            material = assets.class_materials.get(class).cloned();
        }
        misdraw(world, fault, material)?;
        self.begun = true;
        Ok(())
    }

    /// After the last frame: the world is drawn as it is again. Whether there was a fault.
    pub fn finish(self, world: &mut World) -> bool {
        clear_misdrawn(world);
        self.begun
    }
}
