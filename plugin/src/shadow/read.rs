//! Reading one snapshot out of the world.

use std::collections::HashMap;
use std::sync::Arc;

use bevy::ecs::query::QueryData;
use bevy::ecs::system::SystemParam;
use bevy::prelude::*;
use bevy_rapier3d::plugin::context::{RapierContextEntityLink, RapierRigidBodySet};
use bevy_rapier3d::prelude::{
    Collider, ColliderDisabled, RapierRigidBodyHandle, RigidBody, Sensor,
};
use bevy_rapier3d::rapier::geometry::SharedShape;
use reverie_guard::expected::{Body, BodyKind, CameraPose, Pose, ShadowSnapshot};
use reverie_runtime::request::DEFAULT_SUN_DIRECTION;
use thiserror::Error;

use super::clock::ShadowClock;
use super::convert::{Part, mesh_shape, parts_of};
use super::guess::guess_material;
use super::{NeuralProxy, convert};
use crate::material::NeuralMaterial;

/// The raster counts primitives in 16 bits; what comes later in the order is not seen.
const MAX_BODIES: usize = 65_534;

/// Why there is no snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ShadowError {
    /// The entity lacks a `GlobalTransform` or a `Projection`.
    #[error("{0} is no camera: it needs GlobalTransform and Projection")]
    NoCamera(Entity),
    /// World models see in perspective only.
    #[error("camera {0} has no perspective projection, which world models need")]
    NotPerspective(Entity),
    /// A pose with NaN, infinity, or no rotation.
    #[error("camera {0} stands at a pose that is not finite")]
    BadPose(Entity),
}

/// What a cached shape was made from; equal sources give equal parts.
enum Source {
    /// Holding the shape keeps its address from being used again.
    Collider(SharedShape),
    Mesh(AssetId<Mesh>, Vec3),
}

/// Shapes of entities as the shadow knows them, rebuilt only when a collider or mesh changes.
#[derive(Resource, Default)]
pub struct ShapeCache {
    parts: HashMap<Entity, (Source, Arc<[Part]>)>,
}

impl ShapeCache {
    /// The ids of the bodies that an entity was seen as last.
    pub(crate) fn ids(&self, entity: Entity) -> Vec<u64> {
        let parts = self.parts.get(&entity).map_or(0, |(_, parts)| parts.len() as u64);
        (0..parts).map(|part| part_id(entity, part)).collect()
    }
}

impl ShapeCache {
    /// The entity that is seen as the body `id`.
    pub(crate) fn entity(&self, id: u64) -> Option<Entity> {
        let first = Entity::try_from_bits(id).filter(|entity| self.parts.contains_key(entity));
        first.or_else(|| self.parts.keys().copied().find(|entity| self.ids(*entity).contains(&id)))
    }
}

/// Drops what was made from meshes that changed and from entities that are gone.
pub(super) fn forget_changed(
    mut cache: ResMut<ShapeCache>,
    mut changed: Option<MessageReader<AssetEvent<Mesh>>>,
    alive: Query<(), Or<(With<Collider>, With<NeuralProxy>)>>,
) {
    if let Some(changed) = &mut changed {
        for event in changed.read() {
            if let AssetEvent::Modified { id } | AssetEvent::Removed { id } = event {
                cache.parts.retain(
                    |_, (source, _)| !matches!(source, Source::Mesh(mesh, _) if mesh == id),
                );
            }
        }
    }
    if cache.parts.len() > alive.iter().len() {
        cache.parts.retain(|entity, _| alive.contains(*entity));
    }
}

/// What a snapshot needs of one entity.
#[derive(QueryData)]
pub struct BodyQuery {
    entity: Entity,
    transform: &'static GlobalTransform,
    collider: Option<&'static Collider>,
    proxy: Option<&'static NeuralProxy>,
    mesh: Option<&'static Mesh3d>,
    visibility: Option<&'static Visibility>,
    sensor: Has<Sensor>,
    disabled: Has<ColliderDisabled>,
}

/// Reads [`ShadowSnapshot`]s: ask it in `PostUpdate`, in [`super::ShadowSystems`].
#[derive(SystemParam)]
pub struct ShadowReader<'w, 's> {
    bodies: Query<'w, 's, BodyQuery, Or<(With<Collider>, With<NeuralProxy>)>>,
    parents: Query<'w, 's, &'static ChildOf>,
    rigid: Query<
        'w,
        's,
        (
            &'static RigidBody,
            Option<&'static RapierRigidBodyHandle>,
            Option<&'static RapierContextEntityLink>,
        ),
    >,
    contexts: Query<'w, 's, &'static RapierRigidBodySet>,
    materials: Query<'w, 's, &'static NeuralMaterial>,
    lights: Query<'w, 's, (Entity, &'static DirectionalLight, &'static GlobalTransform)>,
    cameras: Query<'w, 's, (&'static GlobalTransform, &'static Projection)>,
    meshes: Option<Res<'w, Assets<Mesh>>>,
    cache: ResMut<'w, ShapeCache>,
    clock: Res<'w, ShadowClock>,
}

/// The rigid body that a collider belongs to.
struct Owner {
    entity: Option<Entity>,
    kind: BodyKind,
    /// World frame, m/s, at `centre_m`.
    linear_m_s: Vec3,
    /// World frame, rad/s.
    angular_rad_s: Vec3,
    /// Centre of mass, world frame, metres.
    centre_m: Vec3,
}

impl ShadowReader<'_, '_> {
    /// Everything visible, seen from `camera`. Colliders of the camera's own body (its ancestors) are left out.
    pub fn snapshot(&mut self, camera: Entity) -> Result<ShadowSnapshot, ShadowError> {
        let camera_pose = self.camera_pose(camera)?;
        let own: Vec<Entity> =
            std::iter::once(camera).chain(self.parents.iter_ancestors(camera)).collect();
        let mut seen: Vec<Entity> = self.bodies.iter().map(|body| body.entity).collect();
        // Bits order entities by generation and index: the same in every frame, whatever table they live in.
        seen.sort_unstable_by_key(|entity| entity.to_bits());
        let mut bodies = Vec::with_capacity(seen.len());
        for entity in seen {
            self.add_bodies_of(entity, &own, &mut bodies);
        }
        if bodies.len() > MAX_BODIES {
            warn_once!(
                "{} colliders: only the first {MAX_BODIES} can be seen by a neural camera",
                bodies.len()
            );
            bodies.truncate(MAX_BODIES);
        }
        Ok(ShadowSnapshot {
            tick: self.clock.tick,
            time_s: self.clock.time_s,
            camera: camera_pose,
            bodies,
            sun_direction: self.sun_direction(),
        })
    }

    fn camera_pose(&self, camera: Entity) -> Result<CameraPose, ShadowError> {
        let (transform, projection) =
            self.cameras.get(camera).map_err(|_| ShadowError::NoCamera(camera))?;
        let Projection::Perspective(perspective) = projection else {
            return Err(ShadowError::NotPerspective(camera));
        };
        let world_from_camera = rigid_pose(transform).ok_or(ShadowError::BadPose(camera))?;
        Ok(CameraPose { world_from_camera, vertical_fov_rad: perspective.fov })
    }

    fn add_bodies_of(&mut self, entity: Entity, own: &[Entity], bodies: &mut Vec<Body>) {
        let Ok(item) = self.bodies.get(entity) else { return };
        let proxy = item.proxy.copied().unwrap_or_default();
        let hidden = proxy == NeuralProxy::Hidden
            || item.visibility == Some(&Visibility::Hidden)
            || (proxy == NeuralProxy::Collider && (item.sensor || item.disabled));
        let owner = self.owner(entity);
        if hidden || own.contains(&entity) || owner.entity.is_some_and(|body| own.contains(&body)) {
            return;
        }
        // A pose that is not finite is Rapier's to report; the picture leaves the body out.
        let Some(world_from_entity) = rigid_pose(item.transform) else { return };
        let scale = item.transform.scale();
        let (collider, mesh) =
            (item.collider.map(|c| c.raw.clone()), item.mesh.map(|m| m.0.clone()));
        let parts = match proxy {
            NeuralProxy::Mesh => mesh.and_then(|mesh| self.mesh_parts(entity, &mesh, scale)),
            _ => collider.map(|shape| self.collider_parts(entity, shape)),
        };
        let material = self.material(entity);
        for (index, part) in parts.iter().flat_map(|parts| parts.iter()).enumerate() {
            let world_from_body = world_from_entity.compose(&part.entity_from_shape);
            let given = material
                .unwrap_or_else(|| guess_material(owner.kind, &part.shape, &world_from_body));
            let arm_m = world_from_body.translation_m - owner.centre_m;
            bodies.push(Body {
                id: part_id(entity, index as u64),
                shape: part.shape.clone(),
                world_from_body,
                linear_velocity_m_s: owner.linear_m_s + owner.angular_rad_s.cross(arm_m),
                angular_velocity_rad_s: owner.angular_rad_s,
                kind: owner.kind,
                material: given.class,
                tint_srgb: given.tint.map(|tint| tint.to_srgba().to_f32_array_no_alpha()),
            });
        }
    }

    fn collider_parts(&mut self, entity: Entity, shape: SharedShape) -> Arc<[Part]> {
        if let Some((Source::Collider(cached), parts)) = self.cache.parts.get(&entity)
            && Arc::ptr_eq(&cached.0, &shape.0)
        {
            return parts.clone();
        }
        let parts: Arc<[Part]> = parts_of(shape.as_ref()).into();
        self.cache.parts.insert(entity, (Source::Collider(shape), parts.clone()));
        parts
    }

    fn mesh_parts(
        &mut self,
        entity: Entity,
        mesh: &Handle<Mesh>,
        scale: Vec3,
    ) -> Option<Arc<[Part]>> {
        if let Some((Source::Mesh(id, cached_scale), parts)) = self.cache.parts.get(&entity)
            && *id == mesh.id()
            && *cached_scale == scale
        {
            return Some(parts.clone());
        }
        let shape = mesh_shape(self.meshes.as_ref()?.get(mesh)?, scale);
        if shape.is_none() {
            warn_once!(
                "NeuralProxy::Mesh: the mesh of {entity} has no triangle list in main memory; it is not seen"
            );
        }
        let part = shape.map(|shape| convert::Part { entity_from_shape: Pose::IDENTITY, shape });
        let parts: Arc<[Part]> = part.into_iter().collect();
        self.cache.parts.insert(entity, (Source::Mesh(mesh.id(), scale), parts.clone()));
        Some(parts)
    }

    /// The collider's own material, or that of the nearest ancestor which has one.
    fn material(&self, entity: Entity) -> Option<NeuralMaterial> {
        std::iter::once(entity)
            .chain(self.parents.iter_ancestors(entity))
            .find_map(|entity| self.materials.get(entity).ok().copied())
    }

    fn owner(&self, collider: Entity) -> Owner {
        let mut owner = Owner {
            entity: None,
            kind: BodyKind::Fixed,
            linear_m_s: Vec3::ZERO,
            angular_rad_s: Vec3::ZERO,
            centre_m: Vec3::ZERO,
        };
        let found = std::iter::once(collider)
            .chain(self.parents.iter_ancestors(collider))
            .find_map(|entity| self.rigid.get(entity).ok().map(|body| (entity, body)));
        let Some((entity, (kind, handle, context))) = found else { return owner };
        owner.entity = Some(entity);
        owner.kind = match kind {
            RigidBody::Dynamic => BodyKind::Dynamic,
            RigidBody::Fixed => BodyKind::Fixed,
            RigidBody::KinematicPositionBased | RigidBody::KinematicVelocityBased => {
                BodyKind::Kinematic
            }
        };
        let body = handle.zip(context).and_then(|(handle, context)| {
            self.contexts.get(context.0).ok().and_then(|set| set.bodies.get(handle.0))
        });
        if let Some(body) = body
            && body.linvel().is_finite()
            && body.angvel().is_finite()
        {
            owner.linear_m_s = body.linvel();
            owner.angular_rad_s = body.angvel();
            owner.centre_m = body.center_of_mass();
        }
        owner
    }

    /// Towards the brightest directional light.
    fn sun_direction(&self) -> Vec3 {
        self.lights
            .iter()
            .max_by(|a, b| a.1.illuminance.total_cmp(&b.1.illuminance).then(b.0.cmp(&a.0)))
            .map(|(_, _, transform)| *transform.back())
            .filter(|direction| direction.is_finite())
            .unwrap_or_else(|| DEFAULT_SUN_DIRECTION.normalize())
    }
}

/// The pose without scale, or `None` if it is not finite.
fn rigid_pose(transform: &GlobalTransform) -> Option<Pose> {
    let (_, rotation, translation) = transform.to_scale_rotation_translation();
    let pose = Pose::new(rotation.normalize(), translation);
    pose.is_sane().then_some(pose)
}

/// Entity bits for the first part; further parts of a compound are spread over the other numbers.
fn part_id(entity: Entity, part: u64) -> u64 {
    if part == 0 {
        return entity.to_bits();
    }
    // SplitMix64's finaliser: two parts meet at one number with a chance of about 1e-16.
    let mut mixed = entity.to_bits() ^ part.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
