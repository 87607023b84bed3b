//! The least change from one level to the next: bodies that stay keep their entities, state and memory.

use std::collections::HashMap;

use super::{Level, LevelBody};

/// A fixed body whose corners moved by less is the same, metres: another reading of the same stroke.
const FIXED_SLACK_M: f32 = 0.01;
/// A movable body that was drawn this near to where it was drawn before is the same, metres.
const MOVABLE_SLACK_M: f32 = 0.15;
/// With more bodies left over than this, only equal ones are matched.
const MOST_NEAR: usize = 2_000;

/// How to get to another level.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The new level; bodies that stay are described as they were.
    pub level: Level,
    /// For each body of the new level the old level's that it is, if it stays.
    pub stays: Vec<Option<usize>>,
    /// Bodies of the old level that go, in order.
    pub goes: Vec<usize>,
}

impl Change {
    /// Compares two levels. Of equal bodies, the first stays for the first.
    pub fn between(old: &Level, mut new: Level) -> Self {
        let mut equal: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, body) in old.bodies.iter().enumerate().rev() {
            equal.entry(format!("{body:?}")).or_default().push(index);
        }
        let mut stays: Vec<Option<usize>> = new
            .bodies
            .iter()
            .map(|body| equal.get_mut(&format!("{body:?}")).and_then(Vec::pop))
            .collect();
        let mut left: Vec<usize> = equal.into_values().flatten().collect();
        left.sort_unstable();
        let fresh = stays.iter().filter(|stay| stay.is_none()).count();
        if left.len().max(fresh) <= MOST_NEAR {
            for (stay, body) in stays.iter_mut().zip(&mut new.bodies) {
                if stay.is_none()
                    && let Some(at) = left.iter().position(|i| is_near(&old.bodies[*i], body))
                {
                    let index = left.remove(at);
                    *stay = Some(index);
                    *body = old.bodies[index].clone();
                }
            }
        }
        Self { level: new, stays, goes: left }
    }

    /// Nothing at all changes.
    pub fn is_none(&self) -> bool {
        self.goes.is_empty() && self.stays.iter().all(Option::is_some)
    }
}

/// Whether two descriptions differ by less than a reader's uncertainty.
fn is_near(old: &LevelBody, new: &LevelBody) -> bool {
    let alike = old.role == new.role
        && old.movable == new.movable
        && old.material == new.material
        && old.tint_srgb == new.tint_srgb
        && std::mem::discriminant(&old.shape) == std::mem::discriminant(&new.shape);
    if !alike {
        return false;
    }
    let slack_m = if old.movable { MOVABLE_SLACK_M } else { FIXED_SLACK_M };
    let ((a, b), (c, d)) = (old.bounds_m(), new.bounds_m());
    (a - c).abs().max_element() < slack_m && (b - d).abs().max_element() < slack_m
}

#[cfg(test)]
mod tests {
    use bevy::math::Vec3;

    use super::*;
    use crate::level::Role;
    use crate::material::NeuralMaterial;

    fn level(walls: &[f32], crates: &[f32]) -> Level {
        let wall = |x: &f32| {
            let at = Vec3::new(*x, 1.0, 0.0);
            LevelBody::fixed_box(Role::Wall, NeuralMaterial::STONE, at, Vec3::new(0.3, 2.0, 3.0))
        };
        let crate_box = |x: &f32| LevelBody {
            movable: true,
            ..LevelBody::fixed_box(
                Role::Crate,
                NeuralMaterial::CRATE,
                Vec3::new(*x, 0.4, 5.0),
                Vec3::splat(0.8),
            )
        };
        let bodies = walls.iter().map(wall).chain(crates.iter().map(crate_box)).collect();
        Level { bodies, ..Level::default() }
    }

    #[test]
    fn only_what_was_redrawn_changes() {
        let old = level(&[0.0, 2.0, 4.0], &[1.0]);
        let change = Change::between(&old, level(&[4.0, 2.5, 0.0], &[1.1]));
        assert_eq!(change.stays, [Some(2), None, Some(0), Some(3)]);
        assert_eq!(change.goes, [1]);
        assert_eq!(change.level.bodies[3], old.bodies[3], "described as it was");
        assert!(Change::between(&old, old.clone()).is_none());
    }

    #[test]
    fn equal_bodies_are_counted() {
        let change = Change::between(&level(&[0.0, 0.0], &[]), level(&[0.0, 0.0, 0.0], &[]));
        assert_eq!(change.stays, [Some(0), Some(1), None]);
        let change = Change::between(&level(&[0.0, 0.0], &[]), level(&[0.0], &[]));
        assert_eq!((change.stays, change.goes), (vec![Some(0)], vec![1]));
    }
}
