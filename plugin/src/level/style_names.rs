//! Styles in files: `{"dusk": 0.7, "fog": 0.3}`.

use std::collections::BTreeMap;

use reverie_runtime::style::{STYLE_NAMES, StyleWeights};
use serde::{Deserialize, Deserializer, Serializer};

pub(super) fn serialize<S: Serializer>(style: &StyleWeights, to: S) -> Result<S::Ok, S::Error> {
    let weights = STYLE_NAMES.iter().zip(style.0);
    to.collect_map(weights.filter(|(_, weight)| *weight != 0.0))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<StyleWeights, D::Error> {
    let named = BTreeMap::<String, f32>::deserialize(from)?;
    let mut style = StyleWeights([0.0; STYLE_NAMES.len()]);
    for (name, weight) in named {
        let index = STYLE_NAMES.iter().position(|known| **known == name).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "there is no style `{name}`; choose from {}",
                STYLE_NAMES.join(", ")
            ))
        })?;
        style.0[index] = weight;
    }
    Ok(style)
}
