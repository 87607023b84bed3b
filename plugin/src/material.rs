//! What a body is made of, as far as the designer fixes it.

use bevy::prelude::*;
use reverie_runtime::material::MATERIAL_NAMES;

/// Class of material of a collider, with an optional tint.
///
/// What is fixed here, the model keeps; textures, light, wear, and the colour where no tint is given, it
/// invents. A body without this component gets a class from its kind and shape.
#[derive(Component, Debug, Clone, Copy, PartialEq)]
pub struct NeuralMaterial {
    /// Index into [`MATERIAL_NAMES`].
    pub class: u8,
    /// Base colour, if the designer fixes it.
    pub tint: Option<Color>,
}

macro_rules! classes {
    ($($name:ident = $index:literal, $doc:literal;)*) => { impl NeuralMaterial { $(
        #[doc = $doc]
        pub const $name: Self = Self { class: $index, tint: None };
    )* } };
}

classes! {
    PLAIN = 0, "Painted blocks, nothing in particular.";
    GRASS = 1, "Meadow and earth.";
    PAVING = 2, "Flagstones.";
    STONE = 3, "Walls of cut stone.";
    BRICK = 4, "Walls of brick.";
    PLASTER = 5, "Plastered walls.";
    MARBLE = 6, "Pillars.";
    WOOD = 7, "Planks: ramps, floors, beams.";
    CRATE = 8, "Wooden boxes.";
    METAL = 9, "Iron and steel.";
    BALL = 10, "Painted balls.";
    BEACON = 11, "The goal, glowing.";
    LANTERN = 12, "Lamps.";
    TILE = 13, "Glazed tiles and roofs.";
    HEDGE = 14, "Leaves.";
    DOOR = 15, "Doors.";
}

impl NeuralMaterial {
    /// The same class with a base colour.
    pub const fn with_tint(self, tint: Color) -> Self {
        Self { class: self.class, tint: Some(tint) }
    }

    /// The class's name in the model card.
    pub fn name(&self) -> &'static str {
        MATERIAL_NAMES.get(usize::from(self.class)).copied().unwrap_or("plain")
    }
}
