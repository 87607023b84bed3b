//! Level files, `*.level.ron`, untrusted until checked.

use std::io;
use std::path::{Path, PathBuf};

use bevy::math::Vec3;
use reverie_guard::expected::Shape;
use reverie_runtime::files::{read_limited, write_atomically};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Level, LevelBody};

/// Version of the level format that this program writes and reads.
pub const LEVEL_VERSION: u32 = 1;
/// No level has more bodies than this.
pub const MAX_BODIES: usize = 16_384;
/// No level has more movable bodies than this: each costs time in every tick.
pub const MAX_MOVABLE: usize = 256;

const MAX_BYTES: u64 = 16 << 20;
/// Nothing lies farther out or is larger, metres.
const FARTHEST_M: f32 = 2_000.0;
/// Nothing is smaller, metres.
const SMALLEST_M: f32 = 0.001;
const MAX_VERTICES: usize = 4_096;

/// Why a level cannot be read or written; one line, with the place.
#[derive(Debug, Error)]
pub enum LevelError {
    /// The file cannot be read.
    #[error("cannot read the level {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write the level {}: {source}; choose a folder that can be written to", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no level.
    #[error("level {}, line {line}, column {column}: {reason}", path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What was expected.
        reason: String,
    },
    /// Written by another version of the format.
    #[error(
        "level {} is of version {found}; this program reads version {LEVEL_VERSION}: save it anew with `reverie sketch`",
        path.display()
    )]
    Version {
        /// Which file.
        path: PathBuf,
        /// What it says.
        found: u64,
    },
    /// A value makes no sense.
    #[error("level {}: {fault}", path.display())]
    Value {
        /// Which file.
        path: PathBuf,
        /// What and where.
        fault: LevelFault,
    },
}

/// A value of a level that makes no sense.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{place}: {reason}")]
pub struct LevelFault {
    /// Field, and number of the body.
    pub place: String,
    /// What is wrong and what is allowed.
    pub reason: String,
}

/// The file's content: a level and its version.
#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    level: &'a Level,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    #[expect(dead_code, reason = "checked before the rest is read")]
    version: u32,
    level: Level,
}

/// What is asked first: fields of other versions are unknown.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

impl Level {
    /// Reads and checks a level file.
    ///
    /// # Errors
    /// The file is missing, too large, no RON, of another version, or has a value that makes no sense.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, LevelError> {
        let path = path.as_ref();
        Self::from_bytes(&Self::bytes(path)?, path)
    }

    /// The bytes of a level file.
    pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, LevelError> {
        let read = |source| LevelError::Read { path: path.to_owned(), source };
        if path.is_dir() {
            let kind = io::ErrorKind::IsADirectory;
            return Err(read(io::Error::new(kind, "it is a folder; name a .level.ron file")));
        }
        read_limited(path, MAX_BYTES).map_err(read)
    }

    /// Reads and checks the content of a level file; `path` is for messages.
    ///
    /// # Errors
    /// As [`Level::load`].
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, LevelError> {
        let syntax = |error: ron::error::SpannedError| LevelError::Syntax {
            path: path.to_owned(),
            line: error.span.start.line,
            column: error.span.start.col,
            reason: one_line(&error.code.to_string()),
        };
        let Versioned { version } = ron::de::from_bytes(bytes).map_err(syntax)?;
        if version != u64::from(LEVEL_VERSION) {
            return Err(LevelError::Version { path: path.to_owned(), found: version });
        }
        let Read { level, .. } = ron::de::from_bytes(bytes).map_err(syntax)?;
        level.check().map_err(|fault| LevelError::Value { path: path.to_owned(), fault })?;
        Ok(level)
    }

    /// The content of its file.
    ///
    /// # Errors
    /// A value makes no sense.
    pub fn to_text(&self, path: &Path) -> Result<String, LevelError> {
        let value = |fault| LevelError::Value { path: path.to_owned(), fault };
        self.check().map_err(value)?;
        let pretty = ron::ser::PrettyConfig::default().depth_limit(3).compact_arrays(true);
        let written = Written { version: LEVEL_VERSION, level: self };
        ron::ser::to_string_pretty(&written, pretty).map_err(|error| {
            value(LevelFault { place: "level".to_owned(), reason: one_line(&error.to_string()) })
        })
    }

    /// Writes its file beside the old one and renames it.
    ///
    /// # Errors
    /// A value makes no sense, or the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), LevelError> {
        let path = path.as_ref();
        let text = self.to_text(path)?;
        write_atomically(path, text.as_bytes())
            .map_err(|source| LevelError::Write { path: path.to_owned(), source })
    }

    /// Finds the first value that makes no sense.
    ///
    /// # Errors
    /// That value.
    pub fn check(&self) -> Result<(), LevelFault> {
        let at = |place: &str, reason: String| Err(LevelFault { place: place.to_owned(), reason });
        if self.bodies.len() > MAX_BODIES {
            let count = self.bodies.len();
            return at("bodies", format!("there are {count}; at most {MAX_BODIES} are allowed"));
        }
        let movable = self.bodies.iter().filter(|body| body.movable).count();
        if movable > MAX_MOVABLE {
            let most = format!("at most {MAX_MOVABLE} of the bodies may be movable");
            return at("bodies", format!("{movable} are movable; {most}"));
        }
        for (index, body) in self.bodies.iter().enumerate() {
            if let Some((field, reason)) = body_fault(body) {
                return at(&format!("body {index} ({:?}): {field}", body.role), reason);
            }
        }
        if !self.bodies.iter().any(|body| !body.movable) {
            return at("bodies", "nothing to stand on: none is fixed".to_owned());
        }
        for (place, point) in [("spawn_m", Some(self.spawn_m)), ("goal_m", self.goal_m)] {
            if let Some(point) = point.filter(|p| !is_near(*p)) {
                return at(place, format!("is {point}; within {FARTHEST_M} m is allowed"));
            }
        }
        if !self.spawn_yaw_rad.is_finite() {
            return at("spawn_yaw_rad", format!("is {}", self.spawn_yaw_rad));
        }
        let sun = self.sun_direction;
        if !sun.is_finite() || (sun.length() - 1.0).abs() > 0.01 || sun.y < 0.02 {
            let needed = "a direction of length 1 above the horizon is needed";
            return at("sun_direction", format!("is {sun}; {needed}"));
        }
        if self.style.0.iter().any(|weight| !weight.is_finite() || *weight < 0.0) {
            return at("style", format!("is {:?}; weights from 0 are needed", self.style.0));
        }
        Ok(())
    }
}

fn is_near(point_m: Vec3) -> bool {
    point_m.is_finite() && point_m.abs().max_element() <= FARTHEST_M
}

/// The first field of a body that makes no sense, and why.
fn body_fault(body: &LevelBody) -> Option<(&'static str, String)> {
    let sizes: &[f32] = match &body.shape {
        Shape::Cuboid { half_extents_m: h } => &[h.x, h.y, h.z],
        Shape::Ball { radius_m } => &[*radius_m],
        Shape::Cylinder { half_height_m, radius_m }
        | Shape::Capsule { half_height_m, radius_m }
        | Shape::Cone { half_height_m, radius_m } => &[*half_height_m, *radius_m],
        Shape::Mesh(mesh) => {
            let (vertices, count) = (&mesh.vertices_m, mesh.vertices_m.len());
            if !(4..=MAX_VERTICES).contains(&count) || mesh.triangles.len() > 2 * MAX_VERTICES {
                let allowed = format!("4 to {MAX_VERTICES} are allowed");
                return Some(("shape", format!("is a mesh of {count} vertices; {allowed}")));
            }
            if mesh.triangles.iter().flatten().any(|i| *i as usize >= count) {
                return Some(("shape", "is a mesh with a corner that is no vertex".to_owned()));
            }
            if let Some(far) = vertices.iter().find(|v| !is_near(**v)) {
                return Some(("shape", format!("is a mesh with a vertex at {far}")));
            }
            &[]
        }
    };
    if let Some(size) =
        sizes.iter().find(|s| !s.is_finite() || !(SMALLEST_M..=FARTHEST_M).contains(*s))
    {
        let allowed = format!("{SMALLEST_M} to {FARTHEST_M} m are allowed");
        return Some(("shape", format!("has a size of {size}; {allowed}")));
    }
    let pose = &body.world_from_body;
    if !is_near(pose.translation_m) {
        let allowed = format!("within {FARTHEST_M} m is allowed");
        return Some(("world_from_body", format!("is at {}; {allowed}", pose.translation_m)));
    }
    if !pose.is_sane() {
        let needed = "a quaternion of length 1 is needed";
        return Some(("world_from_body", format!("is turned by {}; {needed}", pose.rotation)));
    }
    let tint = body.tint_srgb?;
    (!tint.iter().all(|c| (0.0..=1.0).contains(c)))
        .then(|| ("tint_srgb", format!("is {tint:?}; 0 to 1 are allowed")))
}

/// Words of a parser, which may quote the file, as one short line.
fn one_line(words: &str) -> String {
    words.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::Role;
    use crate::material::NeuralMaterial;

    fn level() -> Level {
        let ground = Vec3::new(20.0, 1.0, 16.0);
        let material = NeuralMaterial::PAVING;
        let mut bodies = vec![LevelBody::fixed_box(Role::Ground, material, Vec3::Y * -0.5, ground)];
        bodies.push(LevelBody {
            shape: Shape::Ball { radius_m: 0.3 },
            movable: true,
            tint_srgb: Some([0.9, 0.4, 0.1]),
            ..LevelBody::fixed_box(Role::Ball, NeuralMaterial::BALL, Vec3::Y, Vec3::ONE)
        });
        Level {
            name: "yard".to_owned(),
            style: reverie_runtime::style::StyleWeights([0.25, 0.75, 0.0, 0.0, 0.0]),
            goal_m: Some(Vec3::new(1.5, 0.0, 2.5)),
            bodies,
            ..Level::default()
        }
    }

    #[test]
    fn a_level_survives_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("yard.level.ron");
        level().save(&path).unwrap();
        assert_eq!(Level::load(&path).unwrap(), level());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn every_fault_is_one_line_with_its_place() {
        let path = Path::new("yard.level.ron");
        let good = level().to_text(path).unwrap();
        let radius = "radius_m: 0.3";
        let crowd = format!("bodies: [{}", ball_lines(1000));
        for (text, words) in [
            (good.replace("version: 1", "version: 7"), &["version 7", "reads version 1"][..]),
            (good.replace("level: (", "level: (nome: 3,"), &["line 3", "nome"]),
            (good[..good.len() / 2].to_owned(), &["line"]),
            ("\u{0}\u{1}".to_owned(), &["line 1"]),
            (String::new(), &["line 1"]),
            (good.replace(radius, "radius_m: NaN"), &["body 1 (Ball)", "NaN", "0.001"]),
            (good.replace(radius, "radius_m: -0.3"), &["body 1 (Ball)", "-0.3"]),
            (good.replace(radius, "radius_m: inf"), &["body 1 (Ball)", "inf"]),
            (good.replace(radius, "radius_m: 1e9"), &["body 1 (Ball)", "2000"]),
            (good.replace("\"ball\"", "\"rubber\""), &["rubber", "hedge"]),
            (good.replace("\"dusk\"", "\"noir\""), &["noir", "dusk"]),
            (good.replace("0.4, 0.1", "0.4, 7.0"), &["body 1 (Ball)", "tint_srgb"]),
            (good.replace("bodies: [", &crowd), &["1001 are movable", "256"]),
            (good.replace("2.5)", "NaN)"), &["goal_m", "NaN"]),
        ] {
            assert_ne!(text, good, "{words:?} changed nothing");
            let error = Level::from_bytes(text.as_bytes(), path).unwrap_err().to_string();
            assert_eq!(error.lines().count(), 1, "{error}");
            assert!(error.contains("yard.level.ron"), "{error}");
            for word in words {
                assert!(error.contains(word), "no `{word}` in {error}");
            }
        }
    }

    fn ball_lines(count: usize) -> String {
        let pose = "(rotation: (0.0, 0.0, 0.0, 1.0), translation_m: (0.0, 1.0, 0.0))";
        let body = format!(
            "(role: Ball, shape: Ball(radius_m: 0.2), world_from_body: {pose}, movable: true, material: \"ball\"),"
        );
        body.repeat(count)
    }

    #[test]
    fn what_is_no_file_is_told() {
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path().to_owned(), dir.path().join("none.level.ron")] {
            let error = Level::load(&path).unwrap_err().to_string();
            assert!(error.contains(&*path.to_string_lossy()), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}
