//! Pictures that show a fault on purpose, while the game and the recorded states stay true.
//!
//! The body's mesh is taken off and given to a stand-in without a collider, which is put where the fault wants it. So the
//! physics and what the shadow reads of the body are untouched.

use bevy::prelude::*;
use reverie_guard::{Fault, FaultClass, ShadowSnapshot, Shape};
use thiserror::Error;

use super::Recorder;

/// Why a fault cannot be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MisdrawError {
    /// The body has no mesh of its own to take off.
    #[error(
        "body {0:#x} has no Mesh3d and MeshMaterial3d on the entity of its collider, so it cannot be drawn elsewhere"
    )]
    NoMesh(u64),
    /// Another fault is being drawn.
    #[error("another fault is drawn already; clear it first")]
    Busy,
}

/// The fault that is drawn.
#[derive(Resource, Default)]
pub(super) struct Misdrawn(Option<Drawn>);

/// Marks what shows a body in its place.
#[derive(Component)]
pub(super) struct StandIn;

struct Drawn {
    fault: Fault,
    body: Entity,
    /// To be given back.
    mesh: Handle<Mesh>,
    stand_in: Option<Entity>,
}

/// Draws `fault` from the next frame on, and writes it into the open episode. `material` is what its body is dressed in
/// where the fault gives it another class of material.
///
/// # Errors
/// The body has no mesh, or another fault is drawn already.
pub fn misdraw(
    world: &mut World,
    fault: Fault,
    material: Option<Handle<StandardMaterial>>,
) -> Result<(), MisdrawError> {
    if world.resource::<Misdrawn>().0.is_some() {
        return Err(MisdrawError::Busy);
    }
    let no_mesh = MisdrawError::NoMesh(fault.body);
    let body = Entity::try_from_bits(fault.body).ok_or(no_mesh)?;
    let own = world.get_entity(body).ok().and_then(|entity| {
        let mesh = entity.get::<Mesh3d>()?.0.clone();
        Some((mesh, entity.get::<MeshMaterial3d<StandardMaterial>>()?.0.clone()))
    });
    let (mesh, own_material) = own.ok_or(no_mesh)?;
    let stand_in = (!removes(fault.class)).then(|| {
        let dress = MeshMaterial3d(material.unwrap_or(own_material));
        world.spawn((StandIn, Mesh3d(mesh.clone()), dress, Transform::default())).id()
    });
    if fault.class != FaultClass::Duplicate {
        world.entity_mut(body).remove::<Mesh3d>();
    }
    if let Some(mut recorder) = world.get_resource_mut::<Recorder>() {
        recorder.set_fault(fault.clone());
    }
    world.resource_mut::<Misdrawn>().0 = Some(Drawn { fault, body, mesh, stand_in });
    Ok(())
}

/// Draws what is there again.
pub fn clear_misdrawn(world: &mut World) {
    let Some(drawn) = world.resource_mut::<Misdrawn>().0.take() else { return };
    if let Some(stand_in) = drawn.stand_in
        && let Ok(entity) = world.get_entity_mut(stand_in)
    {
        entity.despawn();
    }
    if let Ok(mut body) = world.get_entity_mut(drawn.body)
        && !body.contains::<Mesh3d>()
    {
        body.insert(Mesh3d(drawn.mesh));
    }
}

fn removes(class: FaultClass) -> bool {
    matches!(class, FaultClass::Erase | FaultClass::OpenWall)
}

/// Puts the stand-in where the fault wants it, after the true state was read.
pub(super) fn follow(
    misdrawn: Res<Misdrawn>,
    recorder: Res<Recorder>,
    bodies: Query<&GlobalTransform, Without<StandIn>>,
    mut stand_ins: Query<(&mut Transform, &mut GlobalTransform), With<StandIn>>,
) {
    let Some(Drawn { fault, body, stand_in: Some(stand_in), .. }) = &misdrawn.0 else { return };
    let states = recorder.recent_states();
    let Some(truth) = states.last() else { return };
    let drawn = fault.drawn(truth);
    let Some(placed) = placement(fault, truth, &drawn) else { return };
    let Ok(own) = bodies.get(*body).copied() else { return };
    if let Ok((mut local, mut global)) = stand_ins.get_mut(*stand_in) {
        let matrix = placed * Mat4::from(own.affine());
        *local = Transform::from_matrix(matrix);
        *global = GlobalTransform::from(*local);
    }
}

/// World to world: from where the body is to where it is drawn.
fn placement(fault: &Fault, truth: &ShadowSnapshot, drawn: &ShadowSnapshot) -> Option<Mat4> {
    let id = if fault.class == FaultClass::Duplicate { fault.twin_id() } else { fault.body };
    let from = truth.bodies.iter().find(|body| body.id == fault.body)?;
    let to = drawn.bodies.iter().find(|body| body.id == id).unwrap_or(from);
    let matrix = |pose: &reverie_guard::Pose, scale: f32| {
        Mat4::from_scale_rotation_translation(Vec3::splat(scale), pose.rotation, pose.translation_m)
    };
    let scale = size_m(&to.shape) / size_m(&from.shape).max(1e-6);
    Some(matrix(&to.world_from_body, scale) * matrix(&from.world_from_body, 1.0).inverse())
}

fn size_m(shape: &Shape) -> f32 {
    match shape {
        Shape::Cuboid { half_extents_m } => half_extents_m.x,
        Shape::Ball { radius_m }
        | Shape::Cylinder { radius_m, .. }
        | Shape::Capsule { radius_m, .. }
        | Shape::Cone { radius_m, .. } => *radius_m,
        Shape::Mesh(_) => 1.0,
    }
}
