//! Builds a courtyard's bodies, and their look where it is drawn; clears the one before.

use std::collections::HashMap;

use bevy::light::NotShadowCaster;
use bevy::prelude::*;
use bevy_rapier3d::prelude::*;
use bevy_reverie::action::PlayerAction;
use bevy_reverie::level::body;
use bevy_reverie::material::NeuralMaterial;
use reverie_guard::expected::{BodyKind, Shape};

use super::interact::Hands;
use super::layout::{Layout, Piece, Role};
use super::sky::{self, SkyField};
use super::{
    CourtyardBody, CourtyardCamera, CourtyardSettings, CourtyardStyle, CurrentLayout, CurrentLevel,
    LayoutPart, PhysicsHash, Progress,
};
use super::{bots, mesh, palette, player, style, texture};

/// The sun or the moon.
#[derive(Component)]
pub struct Sun;

/// A lantern's light.
#[derive(Component)]
pub struct LanternLight {
    /// When it burns fully, lumens.
    pub full_lm: f32,
}

/// A mesh that snow whitens.
#[derive(Component)]
pub struct Snowy {
    /// Colours with and without snow.
    pub coat: mesh::Coat,
    /// The amount of snow that the mesh shows now, in steps.
    pub step: f32,
}

/// What the style changes in the present level.
#[derive(Resource)]
pub struct LevelAssets {
    /// Clouds and stars.
    pub sky: SkyField,
    /// The dome's picture.
    pub sky_image: Handle<Image>,
    /// Materials that glow: colour, and the share that stays by day.
    pub glowing: Vec<(Handle<StandardMaterial>, Vec3, f32)>,
    /// One material for each class that is there.
    pub class_materials: HashMap<u8, Handle<StandardMaterial>>,
}

/// Tufts on the meadow.
#[derive(Component)]
pub struct Grass;

/// The dome follows this.
#[derive(Component)]
pub struct SkyDome;

/// Lumens of a lantern: at night, white 1.2 m from it is shown about white.
const LANTERN_LM: f32 = 60_000.0;

/// Removes what stands and builds the seed's courtyard. Works on any world with Rapier's default context.
pub fn new_courtyard(world: &mut World, seed: u64) {
    world.remove_resource::<CurrentLevel>();
    build(world, Layout::random(seed));
}

/// Removes what stands and puts a layout in its place, with a player at its start.
pub(super) fn build(world: &mut World, layout: Layout) {
    let old: Vec<Entity> = world.query_filtered::<Entity, With<LayoutPart>>().iter(world).collect();
    for entity in old {
        world.despawn(entity);
    }
    world.remove_resource::<LevelAssets>();
    fresh_physics(world);
    world.insert_resource(PlayerAction::default());
    world.insert_resource(Hands::default());
    world.insert_resource(PhysicsHash::default());
    world.insert_resource(Progress::default());
    if world.contains_resource::<bots::Bot>() {
        world.insert_resource(bots::Bot::new(layout.seed));
    }

    let spawned: Vec<Entity> = layout
        .pieces
        .iter()
        .enumerate()
        .map(|(index, piece)| spawn_body(world, index, piece))
        .collect();
    world.spawn((LayoutPart, player::bundle(layout.spawn_m, layout.spawn_yaw_rad)));
    let settings = world.resource::<CourtyardSettings>().clone();
    if let Some(weights) = settings.style {
        world.resource_mut::<CourtyardStyle>().weights = weights;
    }
    let mut style = world.resource_mut::<CourtyardStyle>();
    style.sun_direction = style::suggested_sun(layout.sun_direction, &style.weights);
    if settings.draw {
        draw(world, &layout, &spawned);
    }
    world.insert_resource(CurrentLayout(layout));
}

/// A new Rapier context in place of the old one: what was before leaves no trace in the solver's order.
fn fresh_physics(world: &mut World) {
    let old: Vec<(Entity, RapierConfiguration)> = world
        .query_filtered::<(Entity, &RapierConfiguration), With<DefaultRapierContext>>()
        .iter(world)
        .map(|(entity, configuration)| (entity, *configuration))
        .collect();
    let configuration = old.first().map_or_else(|| RapierConfiguration::new(1.0), |(_, c)| *c);
    for (entity, _) in old {
        world.despawn(entity);
    }
    world.spawn((RapierContextSimulation::default(), configuration, DefaultRapierContext));
}

pub(super) fn spawn_body(world: &mut World, index: usize, piece: &Piece) -> Entity {
    let [r, g, b] = piece.tint_srgb;
    let material = NeuralMaterial { class: piece.class, tint: Some(Color::srgb(r, g, b)) };
    let movable = piece.kind == BodyKind::Dynamic;
    let radius_m = match piece.shape {
        Shape::Cuboid { half_extents_m } => half_extents_m.max_element(),
        Shape::Ball { radius_m } => radius_m,
        _ => 0.5,
    };
    let body = CourtyardBody { index, role: piece.role, movable, radius_m };
    let physics =
        body::physics(piece.role, &piece.shape, &piece.world_from_body, movable, material);
    world.spawn((LayoutPart, body, physics)).id()
}

/// Roughness, reflectance and metalness of each class.
fn finish(class: u8) -> (f32, f32, f32) {
    let is = |m: NeuralMaterial| m.class == class;
    if is(NeuralMaterial::METAL) {
        (0.5, 0.6, 0.25)
    } else if is(NeuralMaterial::MARBLE) || is(NeuralMaterial::TILE) {
        (0.42, 0.5, 0.0)
    } else if is(NeuralMaterial::BALL) {
        (0.38, 0.5, 0.0)
    } else if is(NeuralMaterial::DOOR) {
        (0.65, 0.4, 0.0)
    } else {
        (0.95, 0.15, 0.0)
    }
}

/// Dresses one body of the layout, and lights it if it is a lamp.
pub(super) fn dress(
    world: &mut World,
    layout: &Layout,
    index: usize,
    entity: Entity,
    assets: &mut LevelAssets,
) {
    let Some(piece) = layout.pieces.get(index) else { return };
    let material = match assets.class_materials.get(&piece.class) {
        Some(material) => material.clone(),
        None => {
            let (material, glow) = class_material(world, layout, piece);
            assets.glowing.extend(glow.map(|(rgb, idle)| (material.clone(), rgb, idle)));
            assets.class_materials.insert(piece.class, material.clone());
            material
        }
    };
    show(world, entity, mesh::dress(layout, index), material);
    if piece.role == Role::Lamp {
        let light =
            PointLight { range: 9.0, radius: 0.0, color: Color::srgb(1.0, 0.78, 0.5), ..default() };
        world.spawn((LanternLight { full_lm: LANTERN_LM }, light, ChildOf(entity)));
    }
}

/// Tufts on the meadow, in place of those before.
pub(super) fn grow_grass(world: &mut World, layout: &Layout) {
    let old: Vec<Entity> = world.query_filtered::<Entity, With<Grass>>().iter(world).collect();
    for entity in old {
        world.despawn(entity);
    }
    if let Some(grass) = mesh::grass(layout) {
        let material = world.resource_mut::<Assets<StandardMaterial>>().add(StandardMaterial {
            perceptual_roughness: 1.0,
            reflectance: 0.1,
            cull_mode: None,
            ..default()
        });
        let entity = world.spawn((LayoutPart, Grass, NotShadowCaster, Transform::default())).id();
        show(world, entity, grass, material);
    }
}

fn draw(world: &mut World, layout: &Layout, spawned: &[Entity]) {
    let sky = SkyField::random(layout.seed);
    let style = *world.resource::<CourtyardStyle>();
    let picture = sky::image(sky.paint(&style.weights, style.sun_direction));
    let sky_image = world.resource_mut::<Assets<Image>>().add(picture);
    let mut assets = LevelAssets {
        sky,
        sky_image: sky_image.clone(),
        glowing: Vec::new(),
        class_materials: HashMap::new(),
    };
    for (index, entity) in spawned.iter().enumerate() {
        dress(world, layout, index, *entity, &mut assets);
    }
    grow_grass(world, layout);
    world.spawn((
        LayoutPart,
        Sun,
        DirectionalLight {
            shadow_maps_enabled: true,
            shadow_depth_bias: 0.03,
            shadow_normal_bias: 1.2,
            ..default()
        },
        bevy::light::CascadeShadowConfigBuilder {
            num_cascades: 1,
            maximum_distance: 26.0,
            first_cascade_far_bound: 26.0,
            ..default()
        }
        .build(),
        Transform::default(),
    ));
    let material = world.resource_mut::<Assets<StandardMaterial>>().add(StandardMaterial {
        base_color_texture: Some(sky_image),
        unlit: true,
        fog_enabled: false,
        cull_mode: None,
        ..default()
    });
    let dome = world.resource_mut::<Assets<Mesh>>().add(sky::dome());
    world.spawn((
        LayoutPart,
        SkyDome,
        Mesh3d(dome),
        MeshMaterial3d(material),
        NotShadowCaster,
        bevy::light::NotShadowReceiver,
        Transform::default(),
    ));
    world.insert_resource(assets);
}

fn show(
    world: &mut World,
    entity: Entity,
    dressed: mesh::Dressed,
    material: Handle<StandardMaterial>,
) {
    let mesh = world.resource_mut::<Assets<Mesh>>().add(dressed.mesh);
    let snowy = Snowy { coat: dressed.coat, step: 0.0 };
    world.entity_mut(entity).insert((Mesh3d(mesh), MeshMaterial3d(material), snowy));
}

/// The class's material, and its glow if it has one.
fn class_material(
    world: &mut World,
    layout: &Layout,
    piece: &Piece,
) -> (Handle<StandardMaterial>, Option<(Vec3, f32)>) {
    let image = texture::image(texture::texels(piece.class, layout.seed));
    let image = world.resource_mut::<Assets<Image>>().add(image);
    let tint = Vec3::from(palette::linear(piece.tint_srgb));
    let glow = match piece.role {
        Role::Lamp => Some((tint * Vec3::new(1.0, 0.85, 0.6), 0.1)),
        Role::Beacon => Some((tint, 0.45)),
        _ => None,
    };
    let (perceptual_roughness, reflectance, metallic) = finish(piece.class);
    let material = StandardMaterial {
        base_color_texture: Some(image.clone()),
        emissive_texture: glow.is_some().then_some(image),
        perceptual_roughness,
        reflectance,
        metallic,
        // Leaves are single triangles, seen from both sides.
        cull_mode: (piece.class != NeuralMaterial::HEDGE.class)
            .then_some(bevy::render::render_resource::Face::Back),
        ..default()
    };
    (world.resource_mut::<Assets<StandardMaterial>>().add(material), glow)
}

/// The camera; it outlives levels, so that the caller may give it a target once.
pub fn camera() -> impl Bundle {
    (
        CourtyardCamera,
        Camera3d::default(),
        Projection::Perspective(PerspectiveProjection {
            fov: super::VERTICAL_FOV_RAD,
            near: 0.05,
            far: 2.0 * sky::RADIUS_M,
            ..default()
        }),
        Msaa::Off,
        style::EXPOSURE,
        bevy::core_pipeline::tonemapping::Tonemapping::KhronosPbrNeutral,
        bevy::core_pipeline::tonemapping::DebandDither::Disabled,
        bevy::light::ShadowFilteringMethod::Gaussian,
        AmbientLight::default(),
        DistanceFog::default(),
        Transform::default(),
    )
}
