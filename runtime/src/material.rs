//! Classes of material: what the shadow says of a surface beyond its shape.

/// Names of the classes; a body's `material` indexes this list.
pub const MATERIAL_NAMES: [&str; 16] = [
    "plain", "grass", "paving", "stone", "brick", "plaster", "marble", "wood", "crate", "metal", "ball",
    "beacon", "lantern", "tile", "hedge", "door",
];

/// Typical albedo of each class, linear RGB: what shadow paint shows where no tint is given.
pub const MATERIAL_ALBEDO: [[f32; 3]; MATERIAL_NAMES.len()] = [
    [0.45, 0.45, 0.45],
    [0.16, 0.25, 0.08],
    [0.36, 0.33, 0.29],
    [0.33, 0.31, 0.28],
    [0.38, 0.17, 0.11],
    [0.62, 0.56, 0.46],
    [0.62, 0.60, 0.56],
    [0.32, 0.19, 0.10],
    [0.42, 0.26, 0.12],
    [0.35, 0.36, 0.38],
    [0.55, 0.25, 0.20],
    [0.75, 0.55, 0.15],
    [0.60, 0.45, 0.20],
    [0.42, 0.18, 0.11],
    [0.10, 0.20, 0.06],
    [0.24, 0.14, 0.09],
];
