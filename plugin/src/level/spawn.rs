//! Levels as entities: one component on a root, an entity per body, and the least change when the level changes.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use bevy::prelude::*;
use reverie_guard::expected::Shape;
use reverie_runtime::material::MATERIAL_ALBEDO;

use super::change::Change;
use super::source::LevelSource;
use super::watch::{FileWatch, News};
use super::{Level, LevelBody, Role, body};

/// A level that stands in the world; its bodies are [`PartOf`] this entity, and go with it.
///
/// Put another level into it and only the bodies that differ are despawned and spawned. Bodies get colliders,
/// [`NeuralMaterial`](crate::material::NeuralMaterial), and plain meshes where there is a renderer.
#[derive(Component, Debug, Clone, Default)]
pub struct LevelRoot {
    /// What should stand.
    pub level: Arc<Level>,
}

impl LevelRoot {
    /// A root for a level.
    pub fn new(level: Level) -> Self {
        Self { level: Arc::new(level) }
    }
}

/// Keeps a [`LevelRoot`] what a file says: a `*.level.ron` or a picture of a plan, read on a thread of its own whenever
/// it is saved.
#[derive(Component, Debug, Clone)]
#[require(LevelRoot)]
pub struct LevelFile {
    /// Which file, and how it is read.
    pub source: LevelSource,
}

impl LevelFile {
    /// A file, read by default.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { source: LevelSource::new(path) }
    }
}

/// Why the newest save of a [`LevelFile`] is not what stands, in one line; gone once it is.
#[derive(Component, Debug, Clone, PartialEq, Eq)]
pub struct LevelNotice(pub String);

/// A body of a level, on its entity.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelPart {
    /// Into [`Level::bodies`] of the present level.
    pub index: usize,
    /// What it is for.
    pub role: Role,
}

/// The root of the level that a body belongs to. Bodies are no children of it: physics takes the places of roots.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
#[relationship(relationship_target = LevelParts)]
pub struct PartOf(pub Entity);

/// All bodies of a level, on its root.
#[derive(Component, Debug, Default)]
#[relationship_target(relationship = PartOf, linked_spawn)]
pub struct LevelParts(Vec<Entity>);

/// A [`LevelRoot`] was brought up to its level.
#[derive(Message, Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelChanged {
    /// The root.
    pub root: Entity,
    /// Bodies that kept their entities.
    pub kept: usize,
    /// Bodies that are new.
    pub spawned: usize,
    /// Bodies that are gone.
    pub despawned: usize,
}

/// Spawns and changes levels, before the game's systems of the frame.
pub struct LevelPlugin;

impl Plugin for LevelPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<PlainLook>()
            .add_message::<LevelChanged>()
            .add_systems(PreUpdate, (follow_files, bring_up).chain());
    }
}

/// What stands under a root, and what watches its file.
#[derive(Component, Default)]
struct Standing {
    level: Arc<Level>,
    bodies: Vec<Entity>,
}

#[derive(Component)]
struct Watching(FileWatch);

fn follow_files(
    mut commands: Commands,
    mut files: Query<(Entity, Ref<LevelFile>, Option<&Watching>, &mut LevelRoot)>,
) -> Result {
    for (entity, file, watching, mut root) in &mut files {
        if file.is_changed() {
            let watch = FileWatch::start(file.source.clone(), None)?;
            commands.entity(entity).insert(Watching(watch));
            continue;
        }
        match watching.and_then(|watching| watching.0.take()) {
            Some(News::Changed(level)) => {
                root.level = level;
                commands.entity(entity).remove::<LevelNotice>();
            }
            Some(News::Unchanged) => {
                commands.entity(entity).remove::<LevelNotice>();
            }
            Some(News::Bad(why)) => {
                warn!("{why}");
                commands.entity(entity).insert(LevelNotice(why));
            }
            None => {}
        }
    }
    Ok(())
}

fn bring_up(
    mut commands: Commands,
    mut roots: Query<(Entity, &LevelRoot, Option<&mut Standing>), Changed<LevelRoot>>,
    mut parts: Query<&mut LevelPart>,
    mut look: ResMut<PlainLook>,
    mut meshes: Option<ResMut<Assets<Mesh>>>,
    mut materials: Option<ResMut<Assets<StandardMaterial>>>,
    mut changed: MessageWriter<LevelChanged>,
) {
    for (root, wanted, standing) in &mut roots {
        let mut first = Standing::default();
        let standing = match standing {
            Some(standing) => standing.into_inner(),
            None => &mut first,
        };
        let change = Change::between(&standing.level, (*wanted.level).clone());
        for gone in &change.goes {
            if let Some(entity) = standing.bodies.get(*gone) {
                commands.entity(*entity).try_despawn();
            }
        }
        let mut bodies = Vec::with_capacity(change.stays.len());
        let mut kept_count = 0;
        for (index, (stays, body)) in change.stays.iter().zip(&change.level.bodies).enumerate() {
            let part = LevelPart { index, role: body.role };
            let kept = stays.and_then(|old| standing.bodies.get(old)).copied();
            // A body that the game has despawned comes back with the next change of the level.
            if let Some((entity, mut known)) = kept.and_then(|e| Some((e, parts.get_mut(e).ok()?)))
            {
                *known = part;
                kept_count += 1;
                bodies.push(entity);
                continue;
            }
            let material = body.neural_material();
            let physics = body::physics(
                body.role,
                &body.shape,
                &body.world_from_body,
                body.movable,
                material,
            );
            let mut entity = commands.spawn((part, physics, PartOf(root)));
            if let (Some(meshes), Some(materials)) = (&mut meshes, &mut materials) {
                let mesh = meshes.add(plain_mesh(&body.shape));
                entity.insert((Mesh3d(mesh), MeshMaterial3d(look.material(body, materials))));
            }
            bodies.push(entity.id());
        }
        changed.write(LevelChanged {
            root,
            kept: kept_count,
            spawned: bodies.len() - kept_count,
            despawned: change.goes.len(),
        });
        commands.entity(root).insert(Standing { level: Arc::new(change.level), bodies });
    }
}

/// One plain material for each colour.
#[derive(Resource, Default)]
struct PlainLook(HashMap<[u8; 3], Handle<StandardMaterial>>);

impl PlainLook {
    fn material(
        &mut self,
        body: &LevelBody,
        materials: &mut Assets<StandardMaterial>,
    ) -> Handle<StandardMaterial> {
        let class = usize::from(body.material).min(MATERIAL_ALBEDO.len() - 1);
        let [r, g, b] = MATERIAL_ALBEDO[class];
        let open = Color::linear_rgb(r, g, b);
        let color = body.tint_srgb.map_or(open, Color::srgb_from_array);
        let key = color.to_srgba().to_u8_array_no_alpha();
        let glow = body.role == Role::Beacon;
        let material = || StandardMaterial {
            base_color: color,
            perceptual_roughness: 0.9,
            emissive: if glow { color.to_linear() * 4.0 } else { LinearRgba::BLACK },
            ..default()
        };
        self.0.entry(key).or_insert_with(|| materials.add(material())).clone()
    }
}

fn plain_mesh(shape: &Shape) -> Mesh {
    match shape {
        Shape::Cuboid { half_extents_m } => Cuboid::from_size(2.0 * half_extents_m).into(),
        Shape::Ball { radius_m } => Sphere::new(*radius_m).into(),
        Shape::Cylinder { half_height_m, radius_m } => {
            Cylinder::new(*radius_m, 2.0 * half_height_m).into()
        }
        Shape::Capsule { half_height_m, radius_m } => {
            Capsule3d::new(*radius_m, 2.0 * half_height_m).into()
        }
        Shape::Cone { half_height_m, radius_m } => Cone::new(*radius_m, 2.0 * half_height_m).into(),
        Shape::Mesh(triangles) => {
            let corners = triangles.triangles.iter().flatten();
            let positions: Vec<Vec3> =
                corners.filter_map(|i| triangles.vertices_m.get(*i as usize).copied()).collect();
            let topology = bevy::mesh::PrimitiveTopology::TriangleList;
            Mesh::new(topology, bevy::asset::RenderAssetUsages::default())
                .with_inserted_attribute(Mesh::ATTRIBUTE_POSITION, positions)
                .with_computed_flat_normals()
        }
    }
}
