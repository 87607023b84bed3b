//! From Rapier to the snapshot: every shape, materials, what is left out.

use bevy::ecs::system::RunSystemOnce;
use bevy::prelude::*;
use bevy::time::TimeUpdateStrategy;
use bevy::transform::TransformPlugin;
use bevy_rapier3d::prelude::*;
use bevy_reverie::prelude::*;
use bevy_reverie::shadow::{ShadowError, ShadowPlugin, ShadowReader};
use reverie_guard::expected::{Body, BodyKind, ShadowSnapshot, Shape};

fn game() -> App {
    let mut app = App::new();
    app.add_plugins((MinimalPlugins, TransformPlugin, AssetPlugin::default()))
        .init_asset::<Mesh>()
        .add_plugins(RapierPhysicsPlugin::<()>::default().in_fixed_schedule())
        .insert_resource(TimestepMode::Fixed { dt: 1.0 / 60.0, substeps: 1 })
        .insert_resource(Time::<Fixed>::from_hz(60.0))
        .insert_resource(TimeUpdateStrategy::FixedTimesteps(1))
        .add_plugins(ShadowPlugin);
    app.finish();
    app.cleanup();
    app
}

fn camera(app: &mut App) -> Entity {
    app.world_mut().spawn((Camera3d::default(), Transform::from_xyz(0.0, 1.0, 9.0))).id()
}

fn snapshot(app: &mut App, camera: Entity) -> ShadowSnapshot {
    app.world_mut()
        .run_system_once(move |mut reader: ShadowReader| reader.snapshot(camera))
        .unwrap()
        .unwrap()
}

/// The bodies of one collider at the origin, after a tick.
fn seen(collider: Collider) -> Vec<Body> {
    let mut app = game();
    let camera = camera(&mut app);
    app.world_mut().spawn((collider, Transform::default()));
    app.update();
    snapshot(&mut app, camera).bodies
}

fn one(collider: Collider) -> Body {
    let mut bodies = seen(collider);
    assert_eq!(bodies.len(), 1);
    bodies.remove(0)
}

fn triangles(body: &Body) -> usize {
    match &body.shape {
        Shape::Mesh(mesh) => {
            assert!(mesh.triangles.iter().flatten().all(|i| (*i as usize) < mesh.vertices_m.len()));
            mesh.triangles.len()
        }
        other => panic!("no mesh: {other:?}"),
    }
}

#[test]
fn plain_shapes_keep_their_sizes() {
    assert_eq!(
        one(Collider::cuboid(1.0, 2.0, 3.0)).shape,
        Shape::Cuboid { half_extents_m: Vec3::new(1.0, 2.0, 3.0) }
    );
    assert_eq!(one(Collider::ball(0.4)).shape, Shape::Ball { radius_m: 0.4 });
    assert_eq!(
        one(Collider::cylinder(1.0, 0.5)).shape,
        Shape::Cylinder { half_height_m: 1.0, radius_m: 0.5 }
    );
    assert_eq!(
        one(Collider::cone(1.0, 0.5)).shape,
        Shape::Cone { half_height_m: 1.0, radius_m: 0.5 }
    );
    assert_eq!(
        one(Collider::capsule_y(1.0, 0.5)).shape,
        Shape::Capsule { half_height_m: 1.0, radius_m: 0.5 }
    );
    let round = one(Collider::round_cuboid(1.0, 1.0, 1.0, 0.1)).shape;
    assert_eq!(round, Shape::Cuboid { half_extents_m: Vec3::splat(1.1) });
    assert_eq!(
        one(Collider::round_cylinder(1.0, 0.5, 0.1)).shape,
        Shape::Cylinder { half_height_m: 1.1, radius_m: 0.6 }
    );
}

#[test]
fn a_lying_capsule_is_turned() {
    let body = one(Collider::capsule(Vec3::new(1.0, 0.0, 0.0), Vec3::new(3.0, 0.0, 0.0), 0.2));
    assert_eq!(body.shape, Shape::Capsule { half_height_m: 1.0, radius_m: 0.2 });
    let tip = body.world_from_body.transform_point(Vec3::Y);
    assert!((tip - Vec3::new(3.0, 0.0, 0.0)).length() < 1e-5, "{tip}");
}

#[test]
fn all_other_surfaces_become_triangles() {
    let corners = [Vec3::ZERO, Vec3::X, Vec3::Y, Vec3::Z];
    assert_eq!(triangles(&one(Collider::convex_hull(&corners).unwrap())), 4);
    let mesh = Collider::trimesh(corners.to_vec(), vec![[0, 1, 2], [0, 2, 3]]).unwrap();
    assert_eq!(triangles(&one(mesh)), 2);
    let field = Collider::heightfield(vec![0.0; 9], 3, 3, Vec3::new(4.0, 1.0, 4.0));
    assert_eq!(triangles(&one(field)), 8);
    assert_eq!(
        triangles(&one(Collider::triangle(Vec3::ZERO, Vec3::X, Vec3::Z))),
        2,
        "seen from both sides"
    );
    assert!(seen(Collider::segment(Vec3::ZERO, Vec3::X)).is_empty(), "a line has no surface");
}

#[test]
fn a_half_space_is_a_wide_box_whose_top_is_its_plane() {
    let body = one(Collider::halfspace(Vec3::Y).unwrap());
    let Shape::Cuboid { half_extents_m } = body.shape else { panic!("{body:?}") };
    assert!(half_extents_m.x >= 100.0);
    assert!((body.world_from_body.translation_m.y + half_extents_m.y).abs() < 1e-5);
}

#[test]
fn parts_of_a_compound_have_ids_of_their_own_that_stay() {
    let mut app = game();
    let camera = camera(&mut app);
    let parts = vec![
        (Vec3::X, Quat::IDENTITY, Collider::ball(0.5)),
        (-Vec3::X, Quat::from_rotation_z(1.0), Collider::cuboid(0.5, 0.5, 0.5)),
    ];
    app.world_mut().spawn((Collider::compound(parts), Transform::from_xyz(0.0, 2.0, 0.0)));
    app.update();
    let first = snapshot(&mut app, camera).bodies;
    assert_eq!(first.len(), 2);
    assert_ne!(first[0].id, first[1].id);
    assert!((first[0].world_from_body.translation_m - Vec3::new(1.0, 2.0, 0.0)).length() < 1e-5);
    app.update();
    assert_eq!(snapshot(&mut app, camera).bodies, first);
}

#[test]
fn scale_children_and_velocities_are_those_of_the_world() {
    let mut app = game();
    let camera = camera(&mut app);
    app.world_mut()
        .spawn((Collider::cuboid(1.0, 1.0, 1.0), Transform::from_scale(Vec3::new(2.0, 1.0, 0.5))));
    let body = app
        .world_mut()
        .spawn((
            RigidBody::Dynamic,
            GravityScale(0.0),
            Velocity { linear: Vec3::X, angular: Vec3::new(0.0, 2.0, 0.0) },
            Collider::ball(0.5),
            ColliderMassProperties::Mass(1000.0),
            Transform::from_xyz(0.0, 5.0, 0.0),
        ))
        .id();
    app.world_mut().spawn((
        ChildOf(body),
        Collider::ball(0.1),
        ColliderMassProperties::Mass(0.0),
        Transform::from_xyz(0.0, 0.0, 1.0),
    ));
    app.update();
    app.update();
    let bodies = snapshot(&mut app, camera).bodies;
    let boxed = bodies.iter().find(|body| body.kind == BodyKind::Fixed).unwrap();
    assert_eq!(boxed.shape, Shape::Cuboid { half_extents_m: Vec3::new(2.0, 1.0, 0.5) });
    let child = bodies.iter().find(|body| body.shape == Shape::Ball { radius_m: 0.1 }).unwrap();
    assert_eq!(child.kind, BodyKind::Dynamic);
    // The child runs ahead of its turning body: ω × r with r along +Z (turned a little by now).
    let expected = Vec3::X
        + Vec3::new(0.0, 2.0, 0.0)
            .cross(child.world_from_body.translation_m - body_centre(&bodies));
    assert!((child.linear_velocity_m_s - expected).length() < 0.05, "{child:?}");
    assert!((child.angular_velocity_rad_s.y - 2.0).abs() < 0.05);
}

fn body_centre(bodies: &[Body]) -> Vec3 {
    bodies
        .iter()
        .find(|body| body.shape == Shape::Ball { radius_m: 0.5 })
        .unwrap()
        .world_from_body
        .translation_m
}

#[test]
fn sensors_hidden_things_and_the_cameras_own_body_are_not_seen() {
    let mut app = game();
    let world = app.world_mut();
    world.spawn((Collider::ball(0.1), Sensor, Transform::default()));
    world.spawn((Collider::ball(0.2), NeuralProxy::Hidden, Transform::default()));
    world.spawn((Collider::ball(0.3), Visibility::Hidden, Transform::default()));
    let player = world
        .spawn((RigidBody::KinematicPositionBased, Collider::ball(0.4), Transform::default()))
        .id();
    world.spawn((Collider::ball(0.5), ChildOf(player), Transform::default()));
    let camera = world.spawn((Camera3d::default(), ChildOf(player), Transform::default())).id();
    world.spawn((Collider::ball(0.6), Transform::from_xyz(3.0, 0.0, 0.0)));
    app.update();
    let bodies = snapshot(&mut app, camera).bodies;
    assert_eq!(bodies.len(), 1);
    assert_eq!(bodies[0].shape, Shape::Ball { radius_m: 0.6 });
}

#[test]
fn meshes_stand_for_entities_that_ask_for_it() {
    let mut app = game();
    let camera = camera(&mut app);
    let mesh = app.world_mut().resource_mut::<Assets<Mesh>>().add(Cuboid::from_length(1.0));
    app.world_mut().spawn((
        Mesh3d(mesh.clone()),
        NeuralProxy::Mesh,
        Transform::from_scale(Vec3::splat(3.0)),
    ));
    app.world_mut().spawn((Mesh3d(mesh), Transform::default()));
    app.update();
    let bodies = snapshot(&mut app, camera).bodies;
    assert_eq!(bodies.len(), 1);
    assert_eq!(triangles(&bodies[0]), 12);
    let Shape::Mesh(mesh) = &bodies[0].shape else { panic!() };
    let reach = mesh.vertices_m.iter().map(|v| v.abs().max_element()).fold(0.0, f32::max);
    assert!((reach - 1.5).abs() < 1e-5);
}

#[test]
fn shapes_are_shared_until_they_change() {
    let mut app = game();
    let camera = camera(&mut app);
    let corners = [Vec3::ZERO, Vec3::X, Vec3::Y, Vec3::Z];
    let entity = app
        .world_mut()
        .spawn((Collider::convex_hull(&corners).unwrap(), Transform::default()))
        .id();
    app.update();
    let shape = |app: &mut App| match &snapshot(app, camera).bodies[0].shape {
        Shape::Mesh(mesh) => mesh.clone(),
        other => panic!("{other:?}"),
    };
    let first = shape(&mut app);
    app.update();
    assert!(std::sync::Arc::ptr_eq(&first, &shape(&mut app)));
    app.world_mut()
        .entity_mut(entity)
        .insert(Collider::convex_hull(&corners.map(|c| 2.0 * c)).unwrap());
    app.update();
    assert_ne!(first, shape(&mut app));
}

#[test]
fn bodies_without_a_material_get_a_likely_one() {
    let cases: [(Option<RigidBody>, Collider, NeuralMaterial); 6] = [
        (Some(RigidBody::Dynamic), Collider::cuboid(0.5, 0.5, 0.5), NeuralMaterial::CRATE),
        (Some(RigidBody::Dynamic), Collider::ball(0.5), NeuralMaterial::BALL),
        (None, Collider::cuboid(10.0, 0.5, 10.0), NeuralMaterial::PAVING),
        (Some(RigidBody::Fixed), Collider::cuboid(5.0, 1.5, 0.2), NeuralMaterial::STONE),
        (None, Collider::cuboid(0.2, 0.2, 0.2), NeuralMaterial::PLAIN),
        (
            Some(RigidBody::KinematicPositionBased),
            Collider::cuboid(1.0, 1.0, 1.0),
            NeuralMaterial::PLAIN,
        ),
    ];
    for (kind, collider, expected) in cases {
        let mut app = game();
        let camera = camera(&mut app);
        let mut entity = app.world_mut().spawn((collider, Transform::default()));
        if let Some(kind) = kind {
            entity.insert(kind);
        }
        app.update();
        let body = snapshot(&mut app, camera).bodies.remove(0);
        assert_eq!(
            body.material,
            expected.class,
            "{kind:?} {:?}: expected {}",
            body.shape,
            expected.name()
        );
        assert_eq!(body.tint_srgb, None);
    }
}

#[test]
fn a_given_material_counts_and_is_inherited() {
    let mut app = game();
    let camera = camera(&mut app);
    let tinted = NeuralMaterial::BRICK.with_tint(Color::srgb(0.5, 0.25, 1.0));
    let parent = app.world_mut().spawn((RigidBody::Dynamic, tinted, Transform::default())).id();
    app.world_mut().spawn((ChildOf(parent), Collider::ball(0.5), Transform::default()));
    app.update();
    let body = snapshot(&mut app, camera).bodies.remove(0);
    assert_eq!(
        (body.material, body.tint_srgb),
        (NeuralMaterial::BRICK.class, Some([0.5, 0.25, 1.0]))
    );
}

#[test]
fn the_sun_is_the_brightest_directional_light() {
    let mut app = game();
    let camera = camera(&mut app);
    let light = |lux, from: Vec3| {
        (
            DirectionalLight { illuminance: lux, ..default() },
            Transform::from_translation(from).looking_at(Vec3::ZERO, Vec3::Y),
        )
    };
    app.world_mut().spawn(light(10.0, Vec3::new(5.0, 1.0, 0.0)));
    app.world_mut().spawn(light(1000.0, Vec3::new(0.0, 3.0, 4.0)));
    app.update();
    let sun = snapshot(&mut app, camera).sun_direction;
    assert!((sun - Vec3::new(0.0, 0.6, 0.8)).length() < 1e-4, "{sun}");
}

#[test]
fn bad_cameras_are_errors_not_panics() {
    let mut app = game();
    let nothing = app.world_mut().spawn_empty().id();
    let lost =
        app.world_mut().spawn((Camera3d::default(), Transform::from_xyz(f32::NAN, 0.0, 0.0))).id();
    app.update();
    let mut ask = |camera| {
        app.world_mut()
            .run_system_once(move |mut reader: ShadowReader| reader.snapshot(camera))
            .unwrap()
    };
    assert_eq!(ask(nothing), Err(ShadowError::NoCamera(nothing)));
    assert_eq!(ask(lost), Err(ShadowError::BadPose(lost)));
}
