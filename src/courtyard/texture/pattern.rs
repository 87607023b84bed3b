//! One class's pattern: its parameters, and its colour at a point of the period.

use std::f32::consts::TAU;

use bevy_reverie::material::NeuralMaterial as M;
use rand::Rng;

use super::noise::{cell, fbm, hash, smoothstep, value};

/// Courses of stones with joints.
struct Masonry {
    rows: i32,
    columns: i32,
    /// Shift of every other row, in stones.
    offset: f32,
    /// Width of a joint, in periods.
    joint: f32,
    /// Brightness of the joint: under 1 dark, over 1 light.
    joint_tone: f32,
    /// How much stones differ.
    tone: f32,
    /// How much the joints within a row stray, in stones.
    stray: f32,
    /// Light upper and dark lower edges.
    bevel: f32,
    /// Every other stone in a second tone, 0 for none.
    checker: f32,
}

enum Kind {
    Masonry(Masonry),
    /// Irregular flags: cells, jitter, joint tone, tone.
    Flags(i32, f32, f32, f32),
    /// Boards: count, along v or along u, tone.
    Boards(i32, bool, f32),
    /// A box's face: boards, frame width, diagonal brace, boards upright.
    CrateFace(i32, f32, u8, bool),
    /// Panels on a door: rows, columns, kind of inlay.
    Panels(i32, i32, u8),
    /// Mottled plaster: cells, contrast, cracks, painted dado.
    Plaster(i32, f32, f32, f32),
    /// Veins: turns, warp, strength.
    Veins(i32, f32, f32),
    /// Leaves: cells, contrast.
    Leaves(i32, f32),
    /// Tufts and flowers: cells, contrast, flowers.
    Meadow(i32, f32, f32),
    /// Stripes round a ball: stripes in u, in v, contrast, kind.
    Stripes(i32, i32, f32, u8),
    /// Plates with rivets: plates, brushed strength.
    Plates(i32, f32),
    /// Bands of light: count, contrast.
    Bands(i32, f32),
    /// A lamp's pane with bars: bars, width.
    Pane(i32, f32),
}

/// A pattern with a period of 1 in u and v.
pub struct Pattern {
    kind: Kind,
    seed: u32,
    /// Second colour's multiplier: moss, dry grass, rust, lichen.
    accent: [f32; 3],
    /// How much of it, 0 to 1.
    stain: f32,
}

impl Pattern {
    /// Draws the parameters of a class.
    pub fn random(class: u8, rng: &mut impl Rng) -> Self {
        let seed = rng.random();
        let mut r = |low: f32, high: f32| rng.random_range(low..=high);
        let mut accent = [r(0.75, 1.0), r(0.85, 1.0), r(0.5, 0.8)];
        let mut stain = r(0.0, 0.8);
        let int = |x: f32| x.round() as i32;
        let kind = if class == M::BRICK.class {
            Kind::Masonry(Masonry {
                rows: 2 * int(r(4.0, 7.0)),
                columns: int(r(3.0, 5.0)),
                offset: if r(0.0, 1.0) < 0.8 { 0.5 } else { 0.33 },
                joint: r(0.010, 0.016),
                joint_tone: if r(0.0, 1.0) < 0.65 { r(1.35, 1.7) } else { r(0.35, 0.55) },
                tone: r(0.16, 0.36),
                stray: 0.0,
                bevel: r(0.05, 0.2),
                checker: if r(0.0, 1.0) < 0.25 { r(0.2, 0.4) } else { 0.0 },
            })
        } else if class == M::STONE.class {
            if r(0.0, 1.0) < 0.3 {
                Kind::Flags(int(r(4.0, 6.0)), 0.95, r(0.4, 0.65), r(0.25, 0.45))
            } else {
                Kind::Masonry(Masonry {
                    rows: 2 * int(r(2.0, 3.4)),
                    columns: int(r(2.0, 4.0)),
                    offset: r(0.3, 0.5),
                    joint: r(0.010, 0.018),
                    joint_tone: r(0.4, 0.65),
                    tone: r(0.18, 0.4),
                    stray: r(0.1, 0.5),
                    bevel: r(0.15, 0.4),
                    checker: 0.0,
                })
            }
        } else if class == M::TILE.class {
            let n = 2 * int(r(2.0, 4.0));
            Kind::Masonry(Masonry {
                rows: n,
                columns: n,
                offset: if r(0.0, 1.0) < 0.6 { 0.0 } else { 0.5 },
                joint: r(0.008, 0.014),
                joint_tone: if r(0.0, 1.0) < 0.5 { 1.5 } else { 0.4 },
                tone: r(0.08, 0.22),
                stray: 0.0,
                bevel: r(0.1, 0.3),
                checker: if r(0.0, 1.0) < 0.6 { r(0.25, 0.6) } else { 0.0 },
            })
        } else if class == M::PAVING.class {
            if r(0.0, 1.0) < 0.45 {
                Kind::Flags(int(r(3.0, 6.0)), r(0.6, 0.95), r(0.4, 0.6), r(0.2, 0.4))
            } else {
                Kind::Masonry(Masonry {
                    rows: 2 * int(r(1.0, 3.4)),
                    columns: int(r(2.0, 5.0)),
                    offset: if r(0.0, 1.0) < 0.5 { 0.0 } else { 0.5 },
                    joint: r(0.010, 0.018),
                    joint_tone: r(0.35, 0.6),
                    tone: r(0.15, 0.35),
                    stray: r(0.0, 0.3),
                    bevel: r(0.05, 0.2),
                    checker: if r(0.0, 1.0) < 0.3 { r(0.15, 0.35) } else { 0.0 },
                })
            }
        } else if class == M::WOOD.class {
            Kind::Boards(int(r(7.0, 12.0)), r(0.0, 1.0) < 0.5, r(0.2, 0.4))
        } else if class == M::CRATE.class {
            stain *= 0.5;
            Kind::CrateFace(
                int(r(3.0, 6.0)),
                r(0.11, 0.17),
                int(r(-0.5, 3.49)) as u8,
                r(0.0, 1.0) < 0.4,
            )
        } else if class == M::DOOR.class {
            stain *= 0.3;
            Kind::Panels(int(r(1.6, 4.4)), int(r(1.0, 2.4)), int(r(-0.49, 2.49)) as u8)
        } else if class == M::PLASTER.class {
            let dado = if r(0.0, 1.0) < 0.35 { r(0.25, 0.45) } else { 0.0 };
            Kind::Plaster(int(r(2.0, 4.0)), r(0.2, 0.45), r(0.2, 0.9), dado)
        } else if class == M::MARBLE.class {
            Kind::Veins(int(r(1.0, 3.0)), r(0.5, 1.2), r(0.35, 0.7))
        } else if class == M::HEDGE.class {
            accent = [r(1.1, 1.5), r(1.05, 1.2), r(0.5, 0.9)];
            Kind::Leaves(int(r(12.0, 20.0)), r(0.5, 0.85))
        } else if class == M::GRASS.class {
            accent = [r(1.1, 1.7), r(0.95, 1.15), r(0.5, 0.9)];
            stain = r(0.2, 1.0);
            Kind::Meadow(int(r(3.0, 6.0)), r(0.3, 0.6), r(0.0, 0.5))
        } else if class == M::BALL.class {
            accent = if r(0.0, 1.0) < 0.6 {
                [2.2, 2.2, 2.2]
            } else {
                [r(0.3, 2.0), r(0.3, 2.0), r(0.3, 2.0)]
            };
            Kind::Stripes(
                int(r(1.0, 4.0)),
                int(r(2.0, 5.0)),
                r(0.5, 0.9),
                int(r(-0.49, 3.49)) as u8,
            )
        } else if class == M::METAL.class {
            accent = [r(1.1, 1.5), r(0.7, 0.9), r(0.4, 0.6)];
            Kind::Plates(int(r(2.0, 4.0)), r(0.15, 0.35))
        } else if class == M::BEACON.class {
            stain = 0.0;
            Kind::Bands(int(r(3.0, 7.0)), r(0.5, 0.8))
        } else if class == M::LANTERN.class {
            stain = 0.0;
            Kind::Pane(int(r(1.0, 2.4)), r(0.07, 0.12))
        } else {
            Kind::Plaster(int(r(2.0, 5.0)), r(0.2, 0.4), 0.0, 0.0)
        };
        Self { kind, seed, accent, stain }
    }

    /// The multiplier at (u, v), linear RGB.
    pub fn at(&self, u: f32, v: f32) -> [f32; 3] {
        let grain = 0.94 + 0.12 * fbm(u, v, 24, 2, self.seed ^ 0x33);
        let (tone, accent) = match &self.kind {
            Kind::Masonry(m) => (self.masonry(m, u, v), self.moss(u, v)),
            Kind::Flags(n, jitter, joint_tone, spread) => {
                let c = cell(u, v, *n, *jitter, self.seed);
                let inside = smoothstep(0.05, 0.12, c.border);
                let stone =
                    1.0 + spread * 2.0 * (c.tone - 0.5) + 0.1 * smoothstep(0.1, 0.3, c.border);
                (joint_tone + (stone - joint_tone) * inside, self.moss(u, v))
            }
            Kind::Boards(n, upright, spread) => {
                let (along, across) = if *upright { (v, u) } else { (u, v) };
                (self.boards(*n, along, across, *spread), self.moss(u, v))
            }
            Kind::CrateFace(n, frame, brace, upright) => {
                (self.crate_face(*n, *frame, *brace, *upright, u, v), 0.4 * self.moss(u, v))
            }
            Kind::Panels(rows, columns, inlay) => (self.panels(*rows, *columns, *inlay, u, v), 0.0),
            Kind::Plaster(cells, contrast, cracks, dado) => {
                let mottle = 1.0 + contrast * 1.6 * (fbm(u, v, *cells, 4, self.seed) - 0.5);
                let warp = 0.16 * (fbm(u, v, 4, 3, self.seed ^ 9) - 0.5);
                let line = cell(u + warp, v - warp, 2, 0.9, self.seed ^ 5);
                let seen = smoothstep(0.45, 0.62, value(u, v, 3, 3, self.seed ^ 77));
                let crack = (1.0 - smoothstep(0.0, 0.035, line.border)) * cracks * seen;
                let low = if v < *dado { 0.62 } else { 1.0 };
                let edge = if *dado > 0.0 && (v - dado).abs() < 0.012 { 0.6 } else { 1.0 };
                (mottle * (1.0 - 0.6 * crack) * low * edge, 0.7 * self.moss(u, v))
            }
            Kind::Veins(turns, warp, strength) => {
                let bend = warp * (fbm(u, v, 3, 4, self.seed) - 0.5);
                let wave = (TAU * (*turns as f32 * (u + v) + bend * 2.0)).sin().abs();
                let fine = (TAU * ((u - v) + 1.4 * bend + 0.2)).sin().abs();
                let vein = (1.0 - smoothstep(0.0, 0.28, wave)) * 0.9
                    + (1.0 - smoothstep(0.0, 0.1, fine)) * 0.6;
                let cloud = 1.0 + 0.35 * (fbm(u, v, 3, 3, self.seed ^ 3) - 0.5);
                (cloud * (1.0 - strength * vein.min(1.0)), 0.3 * self.moss(u, v))
            }
            Kind::Leaves(n, contrast) => {
                let a = cell(u, v, *n, 1.0, self.seed);
                let b = cell(u + 0.37, v + 0.11, *n / 2, 1.0, self.seed ^ 8);
                let leaf = (1.0 - 0.9 * a.distance) * (0.65 + 0.7 * a.tone) * (0.8 + 0.4 * b.tone);
                let clump = 0.7 + 0.6 * fbm(u, v, 4, 2, self.seed ^ 21);
                (
                    1.0 + contrast * (leaf * clump * 1.7 - 1.0),
                    self.stain * smoothstep(0.6, 0.9, a.tone),
                )
            }
            Kind::Meadow(cells, contrast, flowers) => {
                let patch = fbm(u, v, *cells, 3, self.seed);
                let blade = value(u + 0.03 * (v * 9.0 * TAU).sin(), v, 48, 20, self.seed ^ 2);
                let clump = cell(u, v, 9, 1.0, self.seed ^ 4);
                let tone = 1.0
                    + contrast
                        * (1.1 * (patch - 0.5)
                            + 0.5 * (blade - 0.5)
                            + 0.5 * (0.45 - clump.distance));
                let petal = cell(u, v, 11, 1.0, self.seed ^ 6);
                if petal.tone < 0.25 * flowers && petal.distance < 0.22 {
                    return [2.0, 1.7, 1.9].map(|c| c * grain);
                }
                (tone, self.stain * smoothstep(0.45, 0.75, fbm(u + 0.4, v, 3, 3, self.seed ^ 12)))
            }
            Kind::Stripes(nu, nv, contrast, kind) => {
                let on = match kind {
                    0 => (u * (2 * nu) as f32).rem_euclid(1.0) < 0.5,
                    1 => (v * *nv as f32).rem_euclid(1.0) < 0.5,
                    2 => {
                        ((u * (2 * nu) as f32).rem_euclid(1.0) < 0.5)
                            ^ ((v * *nv as f32).rem_euclid(1.0) < 0.5)
                    }
                    _ => cell(u, v, 2 * nv, 0.6, self.seed).distance < 0.3,
                };
                (1.0 + 0.15 * (fbm(u, v, 5, 2, self.seed) - 0.5), if on { *contrast } else { 0.0 })
            }
            Kind::Plates(n, brushed) => {
                let (x, y) = (u * *n as f32, v * *n as f32);
                let (fx, fy) = (x.fract(), y.fract());
                let edge = fx.min(1.0 - fx).min(fy.min(1.0 - fy));
                let seam = smoothstep(0.02, 0.06, edge);
                let plate = hash(x.floor() as i32, y.floor() as i32, self.seed);
                let rivet = ((fx - 0.5).abs() - 0.38).hypot((fy - 0.5).abs() - 0.38);
                let knob = 1.0 - smoothstep(0.04, 0.075, rivet);
                let brush = 1.0 + brushed * (value(u, v, 6, 96, self.seed) - 0.5);
                (
                    (0.45 + 0.55 * seam) * (0.8 + 0.4 * plate) * brush * (1.0 + 0.5 * knob),
                    self.stain * smoothstep(0.5, 0.75, fbm(u, v, 4, 3, self.seed ^ 2)),
                )
            }
            Kind::Bands(n, contrast) => {
                let wave = 0.5 + 0.5 * (TAU * *n as f32 * v).sin();
                (1.0 - contrast * smoothstep(0.35, 0.65, wave), 0.0)
            }
            Kind::Pane(bars, width) => {
                let frame = u.min(1.0 - u).min(v.min(1.0 - v)) < *width;
                let bar = (1..=*bars).any(|i| {
                    let at = i as f32 / (*bars + 1) as f32;
                    (u - at).abs() < 0.35 * width
                });
                let glow = 1.0 - 0.5 * ((u - 0.5).hypot(v - 0.5)).min(0.7);
                (if frame || bar { 0.06 } else { glow }, 0.0)
            }
        };
        let accent = accent.clamp(0.0, 1.0);
        [0, 1, 2].map(|c| (tone.max(0.03) * grain) * (1.0 + accent * (self.accent[c] - 1.0)))
    }

    /// Where moss or lichen stains, 0 to 1.
    fn moss(&self, u: f32, v: f32) -> f32 {
        self.stain * smoothstep(0.5, 0.72, fbm(u, v, 3, 4, self.seed ^ 0x5EED))
    }

    fn masonry(&self, m: &Masonry, u: f32, v: f32) -> f32 {
        let y = v * m.rows as f32;
        let row = y.floor() as i32;
        let shift = (row.rem_euclid(2)) as f32 * m.offset;
        let x = u * m.columns as f32 + shift;
        let column = x.floor() as i32;
        // A joint strays to one side; its neighbour on the other side must know.
        let joint_at = |c: i32| {
            let h = hash(c.rem_euclid(m.columns), row, self.seed ^ 0x70);
            c as f32 + m.stray * (h - 0.5)
        };
        let mut stone = column;
        if x < joint_at(column) {
            stone = column - 1;
        } else if x >= joint_at(column + 1) {
            stone = column + 1;
        }
        let (left, right) = (x - joint_at(stone), joint_at(stone + 1) - x);
        let side = left.min(right) / m.columns as f32;
        let (below, above) = (y.fract() / m.rows as f32, (1.0 - y.fract()) / m.rows as f32);
        let edge = side.min(below).min(above);
        let id = stone.rem_euclid(m.columns);
        let tone = 1.0 + m.tone * 2.0 * (hash(id, row, self.seed) - 0.5);
        let check = if (id + row).rem_euclid(2) == 0 { 1.0 - m.checker } else { 1.0 };
        let rim = 1.0
            + m.bevel
                * (smoothstep(2.6, 1.0, above / m.joint) - smoothstep(2.6, 1.0, below / m.joint));
        let rough = 1.0 + 0.22 * (fbm(u, v, 10, 2, self.seed ^ id as u32) - 0.5);
        let inside = smoothstep(0.45 * m.joint, 0.8 * m.joint, edge);
        m.joint_tone * 0.9 + (tone * check * rim * rough - m.joint_tone * 0.9) * inside
    }

    fn boards(&self, n: i32, along: f32, across: f32, spread: f32) -> f32 {
        let y = across * n as f32;
        let board = y.floor() as i32;
        let gap = smoothstep(0.03, 0.10, y.fract().min(1.0 - y.fract()));
        let tone = 1.0 + spread * 2.0 * (hash(board.rem_euclid(n), 3, self.seed) - 0.5);
        let grain = value(along, across, 3, 8 * n, self.seed ^ board as u32);
        // One butt joint per board.
        let end = (along - hash(board.rem_euclid(n), 9, self.seed)).abs();
        let butt = smoothstep(0.004, 0.012, end);
        tone * (0.88 + 0.24 * grain) * (0.35 + 0.65 * gap.min(butt))
    }

    fn crate_face(&self, n: i32, frame: f32, brace: u8, upright: bool, u: f32, v: f32) -> f32 {
        let edge = u.min(1.0 - u).min(v.min(1.0 - v));
        let line = 1.0 - 0.65 * (1.0 - smoothstep(0.008, 0.02, (edge - frame).abs()));
        if edge < frame {
            let horizontal = v.min(1.0 - v) < u.min(1.0 - u);
            let (along, across) = if horizontal { (u, v) } else { (v, u) };
            let nail = ((along - 0.5).abs() - 0.5 + frame * 0.5)
                .hypot(across.min(1.0 - across) - frame * 0.5);
            let head = smoothstep(0.012, 0.026, nail);
            let grain = value(along, across, 3, 40, self.seed ^ 1);
            return (1.12 + 0.2 * (grain - 0.5)) * line * (0.3 + 0.7 * head);
        }
        let diagonal = match brace {
            1 => (u - v).abs(),
            2 => (u + v - 1.0).abs(),
            3 => (u - v).abs().min((u + v - 1.0).abs()),
            _ => 1.0,
        };
        let half = 0.75 * frame;
        if diagonal < half {
            let rim = smoothstep(half, half - 0.02, diagonal);
            return (0.45 + 0.63 * rim)
                * (0.92 + 0.16 * value(u + v, u - v, 4, 30, self.seed ^ 2))
                * line;
        }
        let shade = 0.75 + 0.25 * smoothstep(half, half + 0.06, diagonal);
        let (along, across) = if upright { (v, u) } else { (u, v) };
        let y = (across - frame) / (1.0 - 2.0 * frame) * n as f32;
        let gap = smoothstep(0.02, 0.09, y.fract().min(1.0 - y.fract()));
        let tone = 0.82 + 0.32 * (hash(y.floor() as i32, 5, self.seed) - 0.5);
        let grain = value(along, across, 3, 50, self.seed ^ 3);
        tone * (0.9 + 0.2 * grain) * (0.3 + 0.7 * gap) * line * shade
    }

    fn panels(&self, rows: i32, columns: i32, inlay: u8, u: f32, v: f32) -> f32 {
        let (fx, fy) = ((u * columns as f32).fract(), (v * rows as f32).fract());
        // Metres within a panel, on a leaf of about 1 m by 2 m.
        let (dx, dy) = (fx.min(1.0 - fx) / columns as f32, 2.0 * fy.min(1.0 - fy) / rows as f32);
        let edge = dx.min(dy);
        let grain = 0.92 + 0.16 * value(u, v, 24, 4, self.seed);
        let groove = smoothstep(0.0, 0.02, (edge - 0.1).abs());
        let inner = if edge > 0.1 {
            match inlay {
                0 => 0.86 + 0.2 * smoothstep(0.14, 0.2, edge),
                1 => 0.75 + 0.35 * smoothstep(0.15, 0.3, ((u * 10.0).fract() - 0.5).abs()),
                _ => 0.8,
            }
        } else {
            1.08
        };
        // Light falls from above: upper rims of panels in the shade, lower rims lit.
        let lit = if (0.1..0.13).contains(&edge) && dy <= dx {
            if fy > 0.5 { 0.7 } else { 1.2 }
        } else {
            1.0
        };
        inner * grain * (0.4 + 0.6 * groove) * lit
    }
}
