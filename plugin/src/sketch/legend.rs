//! What the colours of a sketch mean.

use serde::{Deserialize, Serialize};

use super::error::SketchError;

/// More entries than a person tells apart, and few enough for an index of one byte.
pub const MAX_ENTRIES: usize = 64;

/// Shape of a movable body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BodyShape {
    /// A box over the footprint.
    Box,
    /// A ball as wide as the footprint.
    Ball,
}

/// What a colour stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EntryKind {
    /// Solid from floor to `height_m`.
    Wall,
    /// Free to walk on; the paper itself is floor, too.
    Floor,
    /// Water and the like: nobody walks there.
    Hazard,
    /// Floor that rises to `height_m`. Its darker end is the upper one; if both are the same, it leads up to the wall
    /// that it touches with a short side.
    Ramp,
    /// An opening with a door in it.
    Door,
    /// Where the player starts.
    Spawn,
    /// Where the beacon stands.
    Goal,
    /// A movable body on the floor.
    Body(BodyShape),
}

/// One colour of a legend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegendEntry {
    /// For messages.
    pub name: String,
    /// sRGB, as `"#rrggbb"`.
    #[serde(with = "hex")]
    pub colour: [u8; 3],
    /// What it stands for.
    pub kind: EntryKind,
    /// Height over the floor, metres; a hazard's depth below it.
    #[serde(default)]
    pub height_m: f32,
    /// One of [`MATERIAL_NAMES`](reverie_runtime::material::MATERIAL_NAMES).
    pub material: String,
}

/// Colours and what they stand for.
///
/// ```ron
/// (entries: [
///     (name: "wall", colour: "#000000", kind: Wall, height_m: 2.6, material: "stone"),
///     (name: "crate", colour: "#8b5a2b", kind: Body(Box), height_m: 0.8, material: "crate"),
///     (name: "spawn", colour: "#00a000", kind: Spawn, material: "paving"),
/// ])
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Legend {
    /// At least one wall; at most [`MAX_ENTRIES`].
    pub entries: Vec<LegendEntry>,
}

impl Default for Legend {
    /// What a person would guess: black walls, white floor, blue water, a green spawn, a red goal, brown crates,
    /// orange balls, grey ramps, yellow doors.
    fn default() -> Self {
        let entry = |name: &str, colour: u32, kind, height_m, material: &str| LegendEntry {
            name: name.to_owned(),
            colour: [(colour >> 16) as u8, (colour >> 8) as u8, colour as u8],
            kind,
            height_m,
            material: material.to_owned(),
        };
        Self {
            entries: vec![
                entry("wall", 0x00_00_00, EntryKind::Wall, 2.6, "stone"),
                entry("floor", 0xff_ff_ff, EntryKind::Floor, 0.0, "paving"),
                entry("water", 0x20_60_e0, EntryKind::Hazard, 0.4, "tile"),
                entry("spawn", 0x10_a0_30, EntryKind::Spawn, 0.0, "paving"),
                entry("goal", 0xe0_20_20, EntryKind::Goal, 1.6, "beacon"),
                entry("crate", 0x8b_5a_2b, EntryKind::Body(BodyShape::Box), 0.8, "crate"),
                entry("ball", 0xff_90_00, EntryKind::Body(BodyShape::Ball), 0.6, "ball"),
                entry("ramp", 0x90_90_90, EntryKind::Ramp, 1.0, "wood"),
                entry("door", 0xff_e0_00, EntryKind::Door, 2.1, "door"),
            ],
        }
    }
}

impl Legend {
    /// Reads and checks a legend.
    ///
    /// # Errors
    /// No RON of this form, no wall, too many entries, two entries of one colour, or a height that makes no sense.
    pub fn from_ron(text: &str) -> Result<Self, SketchError> {
        let malformed = |reason: String| SketchError::Legend { reason };
        let legend: Self = ron::from_str(text).map_err(|error| {
            let words: Vec<String> =
                error.to_string().split_whitespace().map(str::to_owned).collect();
            malformed(words.join(" ").chars().take(300).collect())
        })?;
        let count = legend.entries.len();
        if count > MAX_ENTRIES {
            return Err(malformed(format!("it has {count} entries; at most {MAX_ENTRIES} fit")));
        }
        if legend.first(EntryKind::Wall).is_none() {
            return Err(malformed("it has no entry of kind Wall; add one".to_owned()));
        }
        for (index, entry) in legend.entries.iter().enumerate() {
            let (name, height_m) = (&entry.name, entry.height_m);
            if !(0.0..=100.0).contains(&height_m) {
                return Err(malformed(format!("{name}: height_m {height_m} must be 0 to 100")));
            }
            if height_m == 0.0 && matches!(entry.kind, EntryKind::Wall | EntryKind::Body(_)) {
                return Err(malformed(format!("{name}: height_m must be above 0")));
            }
            let twin = legend.entries.iter().take(index).find(|e| e.colour == entry.colour);
            if let Some(twin) = twin {
                let other = &twin.name;
                return Err(malformed(format!("{name} and {other} have the same colour")));
            }
        }
        Ok(legend)
    }

    /// Index of the first entry of a kind.
    pub fn first(&self, kind: EntryKind) -> Option<u8> {
        let index = self.entries.iter().position(|entry| entry.kind == kind)?;
        u8::try_from(index).ok()
    }

    /// The entry that a cell or a body names.
    pub fn get(&self, entry: u8) -> Option<&LegendEntry> {
        self.entries.get(usize::from(entry))
    }
}

/// Colours as `"#rrggbb"`.
mod hex {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(colour: &[u8; 3], to: S) -> Result<S::Ok, S::Error> {
        let [r, g, b] = colour;
        to.serialize_str(&format!("#{r:02x}{g:02x}{b:02x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 3], D::Error> {
        let text = String::deserialize(from)?;
        let digits = text.strip_prefix('#').unwrap_or(&text);
        let is_colour = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let value = u32::from_str_radix(digits, 16).ok().filter(|_| is_colour);
        let value = value.ok_or_else(|| {
            D::Error::custom(format!("`{text}` is no colour; write it as \"#rrggbb\""))
        })?;
        Ok([(value >> 16) as u8, (value >> 8) as u8, value as u8])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_legend_survives_its_own_text() {
        let legend = Legend::default();
        assert_eq!(Legend::from_ron(&ron::to_string(&legend).unwrap()).unwrap(), legend);
    }

    #[test]
    fn what_is_wrong_with_a_legend_is_said() {
        let wall =
            r##"(name: "wall", colour: "#000000", kind: Wall, height_m: 2.0, material: "stone")"##;
        for (entries, word) in [
            (String::new(), "no entry of kind Wall"),
            (wall.replace("#000000", "black"), "`black` is no colour"),
            (wall.replace("2.0", "-1.0"), "must be 0 to 100"),
            (wall.replace("2.0", "0.0"), "above 0"),
            (format!("{wall}, {wall}"), "the same colour"),
            (wall.replace("Wall", "Wool"), "Wool"),
        ] {
            let text =
                Legend::from_ron(&format!("(entries: [{entries}])")).unwrap_err().to_string();
            assert!(text.contains(word), "{text}");
            assert_eq!(text.lines().count(), 1);
        }
    }
}
